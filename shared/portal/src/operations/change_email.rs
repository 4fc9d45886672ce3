//! Changes the email address of an account, for Customer Care. Both the old and the new address get a notice.

use super::{Command, Enqueued, OperationError};
use crate::{
    email::EmailAddress,
    ports::{Hint, PortalStore, Ports, Queue},
    practice::Practice,
    record::PortalRecord,
    refusal::ChangeEmailRefusal,
};

/// Sets the account's address. If the account has this address already, nothing changes and no notice is sent.
///
/// # Errors
/// [`OperationError::Refused`] by [`crate::record::PortalRecord::may_change_email`] or the email rule,
/// [`OperationError::Precondition`], [`OperationError::Store`].
pub async fn change_email(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    command: &Command<'_>,
    new: &EmailAddress,
) -> Result<Enqueued, OperationError<ChangeEmailRefusal>> {
    let decide = |record: &PortalRecord, _: Option<&Practice>, context| record.change_account_email(new, context);
    command.execute_and_hint(ports, queue, decide, Hint::Notices).await
}
