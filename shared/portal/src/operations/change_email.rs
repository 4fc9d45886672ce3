//! Customer Care changes the address of an account, and the old address and the new one are told of it.

use super::{Command, Hinted, OperationError};
use crate::{
    email::EmailAddress,
    ports::{Clock, Hint, PortalStore, Queue},
    practice::Practice,
    record::PortalRecord,
};

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
) -> Result<Hinted, OperationError> {
    let decide = |record: &PortalRecord, _: Option<&Practice>, act| record.change_account_email(new, act);
    command.carry_out_and_hint(store, queue, clock, decide, Hint::Notices).await
}
