//! Revoking an invitation.

use super::{Command, OperationError};
use crate::{
    panel::StatusPanel,
    ports::{PortalStore, Ports},
    refusal::RevokeRefusal,
};

/// Staff revoke the current invitation: a queued mail is not sent, a sent link stops working, the address is free at
/// once.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_revoke`] says, [`OperationError::Precondition`],
/// [`OperationError::Store`].
pub async fn revoke(
    ports: &Ports<'_, impl PortalStore>,
    command: &Command<'_>,
) -> Result<StatusPanel, OperationError<RevokeRefusal>> {
    let (_, panel) = command.carry_out(ports, |record, _, act| record.revoke(act).map(Some)).await?;
    Ok(panel)
}
