//! Customer Care changes the address of an account, and the old address and the new one are told of it.

use super::{Command, Enqueued, OperationError};
use crate::{
    email::EmailAddress,
    ports::{Hint, PortalStore, Ports, Queue},
    practice::Practice,
    record::PortalRecord,
    refusal::ChangeEmailRefusal,
};

/// Gives the account this address. If the account has it already, nothing is changed and no address is told.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_change_email`] and the email rule say,
/// [`OperationError::Precondition`], [`OperationError::Store`].
pub async fn change_email(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    command: &Command<'_>,
    new: &EmailAddress,
) -> Result<Enqueued, OperationError<ChangeEmailRefusal>> {
    let decide = |record: &PortalRecord, _: Option<&Practice>, act| record.change_account_email(new, act);
    command.carry_out_and_hint(ports, queue, decide, Hint::Notices).await
}
