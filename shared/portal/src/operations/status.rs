//! Where a patient stands. One round trip.

use super::OperationError;
use crate::{
    ids::PatientId,
    panel::StatusPanel,
    ports::{Clock, PortalReader},
    refusal::Refusal,
    scope::TenantScope,
};

/// Reads the status panel. Changes nothing.
///
/// # Errors
/// [`Refusal::PatientNotFound`], [`OperationError::Store`].
pub async fn status(
    store: &impl PortalReader,
    clock: &impl Clock,
    scope: &TenantScope,
    patient: &PatientId,
) -> Result<StatusPanel, OperationError> {
    let loaded = store.load(scope, patient).await?;
    let record = loaded.record.ok_or(Refusal::PatientNotFound)?;
    Ok(StatusPanel::of(&record, loaded.practice.as_ref(), scope.actor().role, clock.now()))
}
