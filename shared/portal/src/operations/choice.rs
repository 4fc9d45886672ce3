//! Opting a patient out and in.

use super::{Command, OperationError};
use crate::{
    panel::StatusPanel,
    ports::{Clock, PortalStore},
};

/// Records that the patient does not want to receive access to health information.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_opt_out`] says, [`OperationError::Store`].
pub async fn opt_out(
    store: &impl PortalStore,
    clock: &impl Clock,
    command: &Command<'_>,
) -> Result<StatusPanel, OperationError> {
    let (_, panel) = command.carry_out(store, clock, |record, _, act| record.opt_out(act).map(Some)).await?;
    Ok(panel)
}

/// Records that the patient has changed their mind. Sends nothing by itself.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_opt_in`] says, [`OperationError::Store`].
pub async fn opt_in(
    store: &impl PortalStore,
    clock: &impl Clock,
    command: &Command<'_>,
) -> Result<StatusPanel, OperationError> {
    let (_, panel) = command.carry_out(store, clock, |record, _, act| record.opt_in(act).map(Some)).await?;
    Ok(panel)
}
