//! Noting what SES tells of a mail, in whatever order and however often it does.

use super::commit::commit_with_retry;
use crate::{
    ids::RequestId,
    ports::{DeliveryStore, Ports, StoreError},
    record::delivery::MailEvent,
    timeline::{Act, Actor, Role},
};

/// What was made of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
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
pub async fn record_event(
    ports: &Ports<'_, impl DeliveryStore>,
    event: &MailEvent,
    request: &RequestId,
) -> Result<EventOutcome, StoreError> {
    let Ports { store, clock } = *ports;
    let Some(mut record) = store.record(&event.key).await? else {
        return Ok(EventOutcome::Foreign);
    };
    if record.mailed_by(event).is_none() {
        return Ok(EventOutcome::Foreign);
    }
    let Some(practice) = store.practice_of(&event.key.practice).await? else {
        return Ok(EventOutcome::Foreign);
    };
    let act = Act { at: clock.now(), actor: Actor::unnamed(Role::MailService), request: request.clone() };
    let mut outcome = EventOutcome::Known;
    // At most twice: that SES accepted the mail, and what became of it.
    while let Some(newer) =
        commit_with_retry(store, record, |record| record.record_event(&practice, event, act.clone())).await?
    {
        outcome = EventOutcome::Recorded;
        record = newer;
    }
    Ok(outcome)
}
