//! Reads who of Customer Care had access to a patient, for the patient's practice.

use super::OperationError;
use crate::{
    access::AccessEntry,
    history::HistoryPlace,
    ids::PatientId,
    ports::{AccessLogReader, Consistency, PortalReader, Ports},
    refusal::PatientRefusal,
    scope::TenantScope,
};

/// Maximum number of accesses on a page.
pub const MAX_ACCESSES: u16 = 20;

/// A page of accesses, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPage {
    /// At most [`MAX_ACCESSES`].
    pub entries: Vec<AccessEntry>,
    /// Where the next page begins, if there are older accesses.
    pub next: Option<HistoryPlace>,
}

/// Reads a page of the accesses to a patient: the newest, or those before a place.
///
/// # Errors
/// [`PatientRefusal::PatientNotFound`], [`OperationError::Store`].
pub async fn accesses(
    ports: &Ports<'_, impl PortalReader + AccessLogReader>,
    scope: &TenantScope,
    patient: &PatientId,
    before: Option<&HistoryPlace>,
) -> Result<AccessPage, OperationError<PatientRefusal>> {
    let max_accesses = usize::from(MAX_ACCESSES);
    // One more than the page shows whether there is a next page.
    let mut entries = ports.store.accesses(scope, patient, before, MAX_ACCESSES + 1).await?;
    // Most patients have no accesses, and one who does not exist has none either.
    if entries.is_empty() && ports.store.load(scope, patient, Consistency::Strong).await?.record.is_none() {
        return Err(OperationError::Refused(PatientRefusal::PatientNotFound));
    }
    let more = entries.len() > max_accesses;
    entries.truncate(max_accesses);
    let next = entries.last().map(AccessEntry::place).filter(|_| more);
    Ok(AccessPage { entries, next })
}
