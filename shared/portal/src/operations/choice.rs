//! Opts a patient out and in.

use super::{Command, OperationError};
use crate::{
    panel::StatusPanel,
    ports::{PortalStore, Ports},
    refusal::{OptInRefusal, OptOutRefusal},
};

/// Records that the patient does not want to receive access to health information.
///
/// # Errors
/// [`OperationError::Refused`] by [`crate::record::PortalRecord::may_opt_out`], [`OperationError::Precondition`],
/// [`OperationError::Store`].
pub async fn opt_out(
    ports: &Ports<'_, impl PortalStore>,
    command: &Command<'_>,
) -> Result<StatusPanel, OperationError<OptOutRefusal>> {
    let (_, panel) = command.execute(ports, |record, _, context| record.opt_out(context).map(Some)).await?;
    Ok(panel)
}

/// Records that the patient wants access again. Sends nothing by itself.
///
/// # Errors
/// [`OperationError::Refused`] by [`crate::record::PortalRecord::may_opt_in`], [`OperationError::Precondition`],
/// [`OperationError::Store`].
pub async fn opt_in(
    ports: &Ports<'_, impl PortalStore>,
    command: &Command<'_>,
) -> Result<StatusPanel, OperationError<OptInRefusal>> {
    let (_, panel) = command.execute(ports, |record, _, context| record.opt_in(context).map(Some)).await?;
    Ok(panel)
}
