//! Customer Care changes the address of an account, and the old address and the new one are told of it.

use super::{Command, OperationError};
use crate::{
    email::EmailAddress,
    panel::StatusPanel,
    ports::{Clock, Hint, PortalStore, Queue, QueueError},
    practice::Practice,
    record::PortalRecord,
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
    let decide = |record: &PortalRecord, _: Option<&Practice>, act| record.change_account_email(new, act);
    let (change, panel) = command.carry_out(store, clock, decide).await?;
    let unqueued = match change {
        Some(change) => queue.send(&[Hint::Notices(change.after.key)]).await.err(),
        None => None,
    };
    Ok(ChangedEmail { panel, unqueued })
}
