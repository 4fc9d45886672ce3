//! Opting a patient out and in.

use super::{Command, OperationError};
use crate::{
    panel::StatusPanel,
    ports::{PortalStore, Ports},
    refusal::{OptInRefusal, OptOutRefusal},
};

/// Records that the patient does not want to receive access to health information.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_opt_out`] says, [`OperationError::Precondition`],
/// [`OperationError::Store`].
pub async fn opt_out(
    ports: &Ports<'_, impl PortalStore>,
    command: &Command<'_>,
) -> Result<StatusPanel, OperationError<OptOutRefusal>> {
    let (_, panel) = command.carry_out(ports, |record, _, act| record.opt_out(act).map(Some)).await?;
    Ok(panel)
}

/// Records that the patient has changed their mind. Sends nothing by itself.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_opt_in`] says, [`OperationError::Precondition`],
/// [`OperationError::Store`].
pub async fn opt_in(
    ports: &Ports<'_, impl PortalStore>,
    command: &Command<'_>,
) -> Result<StatusPanel, OperationError<OptInRefusal>> {
    let (_, panel) = command.carry_out(ports, |record, _, act| record.opt_in(act).map(Some)).await?;
    Ok(panel)
}
