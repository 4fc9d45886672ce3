//! Customer Care changes the address of an account, and the old address and the new one are told of it.

use super::{Command, MOST_ROUNDS, OperationError};
use crate::{
    email::EmailAddress,
    panel::StatusPanel,
    ports::{Clock, Hint, Loaded, PortalStore, Queue, QueueError, StoreError},
    refusal::Refusal,
};

/// What came of it.
#[derive(Debug)]
pub struct ChangedEmail {
    /// Where the patient stands now.
    pub panel: StatusPanel,
    /// The queue did not take the message. The notices wait in the record all the same, and the sweep finds them within a
    /// minute. To be logged, not to be shown.
    pub unqueued: Option<QueueError>,
}

/// Gives the account this address. If it has it already nothing is changed and nobody is told.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_change_email`] and the email rule say,
/// [`OperationError::Store`].
pub async fn change_email(
    store: &impl PortalStore,
    queue: &impl Queue,
    clock: &impl Clock,
    command: &Command<'_>,
    new: &EmailAddress,
) -> Result<ChangedEmail, OperationError> {
    for _ in 0..MOST_ROUNDS {
        let Loaded { practice, record } = store.load(command.scope, command.patient).await?;
        let record = record.ok_or(Refusal::PatientNotFound)?;
        if command.if_match.is_some_and(|version| version != record.version) {
            return Err(Refusal::VersionConflict.into());
        }
        if let Ok(None) = record.change_account_email(new, command.act(clock)) {
            let panel = StatusPanel::of(&record, practice.as_ref(), command.scope.actor().role, clock.now());
            return Ok(ChangedEmail { panel, unqueued: None });
        }
        // Everything else is decided on the version that was just seen: in it there is something to change.
        let command = Command { if_match: Some(record.version), ..command.clone() };
        let decided = command.carry_out(store, clock, |record, _, act| {
            record.change_account_email(new, act)?.ok_or(Refusal::VersionConflict)
        });
        match decided.await {
            Ok((_, panel)) => {
                let unqueued = queue.send(&[Hint::Notices(record.key)]).await.err();
                return Ok(ChangedEmail { panel, unqueued });
            }
            Err(OperationError::Refused(Refusal::VersionConflict)) => {}
            Err(error @ (OperationError::Refused(_) | OperationError::Store(_))) => return Err(error),
        }
    }
    Err(StoreError::Busy.into())
}
