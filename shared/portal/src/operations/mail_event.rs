//! Noting what SES tells of a mail, in whatever order and however often it does.

use super::insist::insist;
use crate::{
    ids::RequestId,
    ports::{Clock, DeliveryStore, StoreError},
    record::delivery::MailEvent,
    timeline::{Act, Actor, Role},
};

/// What was made of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was news, and the record says so now.
    Recorded,
    /// The record says as much already, or more, or the invitation has ended.
    Known,
    /// It is of no mail of anybody's current invitation.
    Foreign,
}

/// Takes an event in. `request` names this run in the timeline.
///
/// # Errors
/// [`StoreError`] if the record could not be read or written: the event should come again.
pub async fn hear(
    store: &impl DeliveryStore,
    clock: &impl Clock,
    event: &MailEvent,
    request: &RequestId,
) -> Result<Heard, StoreError> {
    let Some(mut record) = store.record(&event.key).await? else {
        return Ok(Heard::Foreign);
    };
    if record.mailed(event).is_none() {
        return Ok(Heard::Foreign);
    }
    let Some(practice) = store.practice_of(&event.key.practice).await? else {
        return Ok(Heard::Foreign);
    };
    let act = Act { at: clock.now(), actor: Actor::unnamed(Role::MailService), request: request.clone() };
    let mut heard = Heard::Known;
    // At most twice: that SES accepted the mail, and what became of it.
    while let Some(newer) = insist(store, record, |record| record.hear(&practice, event, act.clone())).await? {
        heard = Heard::Recorded;
        record = newer;
    }
    Ok(heard)
}
