//! Closes an account, and opens it again. The account's address and the profile's get a notice.

use super::{Command, Enqueued, OperationError};
use crate::{
    ports::{Hint, PortalStore, Ports, Queue},
    practice::Practice,
    record::PortalRecord,
    refusal::{CloseRefusal, ReopenRefusal},
    text::CloseReason,
};

/// Closes the account. The timeline keeps the reason.
///
/// # Errors
/// [`OperationError::Refused`] by [`crate::record::PortalRecord::may_close`], [`OperationError::Precondition`],
/// [`OperationError::Store`].
pub async fn close(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    command: &Command<'_>,
    reason: &CloseReason,
) -> Result<Enqueued, OperationError<CloseRefusal>> {
    let decide =
        |record: &PortalRecord, _: Option<&Practice>, context| record.close_account(reason.clone(), context).map(Some);
    command.execute_and_hint(ports, queue, decide, Hint::Notices).await
}

/// Opens the closed account again.
///
/// # Errors
/// [`OperationError::Refused`] by [`crate::record::PortalRecord::may_reopen`], [`OperationError::Precondition`],
/// [`OperationError::Store`].
pub async fn reopen(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    command: &Command<'_>,
) -> Result<Enqueued, OperationError<ReopenRefusal>> {
    let decide = |record: &PortalRecord, _: Option<&Practice>, context| record.reopen_account(context).map(Some);
    command.execute_and_hint(ports, queue, decide, Hint::Notices).await
}
