//! Taking an invitation back.

use super::{Command, OperationError};
use crate::{
    panel::StatusPanel,
    ports::{Clock, PortalStore},
};

/// Staff take the current invitation back: a queued mail is not sent, a sent link dies, the address is free at once.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_revoke`] says, [`OperationError::Store`].
pub async fn revoke(
    store: &impl PortalStore,
    clock: &impl Clock,
    command: &Command<'_>,
) -> Result<StatusPanel, OperationError> {
    let (_, panel) = command.carry_out(store, clock, |record, _, act| record.revoke(act).map(Some)).await?;
    Ok(panel)
}
