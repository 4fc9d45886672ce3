//! Revokes an invitation.

use super::{Command, OperationError};
use crate::{
    panel::StatusPanel,
    ports::{PortalStore, Ports},
    refusal::RevokeRefusal,
};

/// Revokes the current invitation: a queued mail is not sent, a mailed link stops working, and the address is free at once.
///
/// # Errors
/// [`OperationError::Refused`] by [`crate::record::PortalRecord::may_revoke`], [`OperationError::Precondition`],
/// [`OperationError::Store`].
pub async fn revoke(
    ports: &Ports<'_, impl PortalStore>,
    command: &Command<'_>,
) -> Result<StatusPanel, OperationError<RevokeRefusal>> {
    let (_, panel) = command.execute(ports, |record, _, context| record.revoke(context).map(Some)).await?;
    Ok(panel)
}
