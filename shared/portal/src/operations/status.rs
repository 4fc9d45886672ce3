//! Reads a patient's status. One round trip.

use super::OperationError;
use crate::{
    ids::PatientId,
    panel::StatusPanel,
    ports::{Consistency, PortalReader, Ports},
    refusal::PatientRefusal,
    scope::TenantScope,
};

/// Reads the status panel.
///
/// # Errors
/// [`PatientRefusal::PatientNotFound`], [`OperationError::Store`].
pub async fn status(
    ports: &Ports<'_, impl PortalReader>,
    scope: &TenantScope,
    patient: &PatientId,
) -> Result<StatusPanel, OperationError<PatientRefusal>> {
    let loaded = ports.store.load(scope, patient, Consistency::Strong).await?;
    let record = loaded.record.ok_or(OperationError::Refused(PatientRefusal::PatientNotFound))?;
    Ok(StatusPanel::from_record(&record, loaded.practice.as_ref(), scope.actor().role, ports.clock.now()))
}
