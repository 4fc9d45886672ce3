//! Records the events that SES publishes about mails. They may arrive in any order, and repeatedly.

use super::commit::commit_with_retry;
use crate::{
    ids::RequestId,
    ports::{DeliveryStore, Ports, StoreError},
    record::delivery::MailEvent,
    timeline::{Actor, ChangeContext, Role},
};

/// The outcome of a mail event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// The event was new, and the record is updated.
    Recorded,
    /// The record has this information or later information already, or the invitation has ended.
    Known,
    /// The event concerns no mail of a current invitation.
    Foreign,
}

/// Records an event. `request` is this run's id in the timeline.
///
/// # Errors
/// [`StoreError`] if the record could not be read or written: the event must be received again.
pub async fn record_event(
    ports: &Ports<'_, impl DeliveryStore>,
    event: &MailEvent,
    request: &RequestId,
) -> Result<EventOutcome, StoreError> {
    let Ports { store, clock } = *ports;
    let Some(mut record) = store.record(&event.key).await? else {
        return Ok(EventOutcome::Foreign);
    };
    if record.invitation_of(event).is_none() {
        return Ok(EventOutcome::Foreign);
    }
    let Some(practice) = store.practice_by_id(&event.key.practice).await? else {
        return Ok(EventOutcome::Foreign);
    };
    let context =
        ChangeContext { at: clock.now(), actor: Actor::from_role(Role::MailService), request: request.clone() };
    let mut outcome = EventOutcome::Known;
    // At most two changes: SES accepted the mail, and its delivery state.
    while let Some(newer) =
        commit_with_retry(store, record, |record| record.record_event(&practice, event, context.clone())).await?
    {
        outcome = EventOutcome::Recorded;
        record = newer;
    }
    Ok(outcome)
}
