//! What Customer Care reads of the patients of all practices. Each access is recorded before it is answered.

use super::{
    OperationError,
    timeline::{TimelinePage, timeline},
};
use crate::{
    access::{AccessEntry, AccessKind},
    email::EmailAddress,
    ids::{PatientId, RecordKey, RequestId},
    panel::StatusPanel,
    ports::{Ports, StoreError, SupportStore},
    practice::Practice,
    record::PortalRecord,
    refusal::{PatientRefusal, SupportReadRefusal},
    scope::TenantScope,
    text::AccessReason,
    timeline::{Actor, ChangeContext, TimelinePlace},
};

/// A request of Customer Care to read something.
#[derive(Clone, Debug)]
pub struct SupportRequest<'request> {
    /// The member of Customer Care.
    pub actor: &'request Actor,
    /// The request's id.
    pub request: &'request RequestId,
    /// Why.
    pub reason: AccessReason,
}

impl SupportRequest<'_> {
    async fn record(
        &self,
        ports: &Ports<'_, impl SupportStore>,
        key: &RecordKey,
        kind: AccessKind,
    ) -> Result<(), StoreError> {
        let at = ports.clock.now();
        let context = ChangeContext { at, actor: self.actor.clone(), request: self.request.clone() };
        ports.store.record_access(key, &AccessEntry { context, kind, reason: self.reason.clone() }).await
    }
}

/// Which patient Customer Care looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupKey {
    /// The one who has the claim of this address.
    Email(EmailAddress),
    /// The one with this id.
    Patient(RecordKey),
}

/// A patient who was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPatient {
    /// The patient's practice; `None` if it has not saved its settings yet.
    pub practice: Option<Practice>,
    /// The patient's record.
    pub record: PortalRecord,
    /// The patient's status.
    pub panel: StatusPanel,
}

/// Looks for a patient. Only the claim of an address leads to a patient: addresses in profiles are not compared.
///
/// # Errors
/// [`StoreError`], also if the access cannot be recorded.
pub async fn look_up(
    ports: &Ports<'_, impl SupportStore>,
    key: LookupKey,
    request: &SupportRequest<'_>,
) -> Result<Option<FoundPatient>, StoreError> {
    let key = match key {
        LookupKey::Patient(key) => key,
        LookupKey::Email(email) => match ports.store.find_owner(&email).await? {
            Some(owner) => owner,
            None => return Ok(None),
        },
    };
    load(ports, &key, AccessKind::Lookup, request).await
}

/// Reads the status panel of a patient.
///
/// # Errors
/// [`SupportReadRefusal::PatientNotFound`], [`OperationError::Store`], also if the access cannot be recorded.
pub async fn status_for_support(
    ports: &Ports<'_, impl SupportStore>,
    scope: &TenantScope,
    patient: &PatientId,
    request: &SupportRequest<'_>,
) -> Result<StatusPanel, OperationError<SupportReadRefusal>> {
    let found = load(ports, &scope.record(patient), AccessKind::Status, request).await?;
    Ok(found.ok_or(OperationError::Refused(SupportReadRefusal::PatientNotFound))?.panel)
}

/// Reads a page of a patient's timeline.
///
/// # Errors
/// [`SupportReadRefusal::PatientNotFound`], [`OperationError::Store`], also if the access cannot be recorded.
pub async fn timeline_for_support(
    ports: &Ports<'_, impl SupportStore>,
    scope: &TenantScope,
    patient: &PatientId,
    before: Option<TimelinePlace>,
    request: &SupportRequest<'_>,
) -> Result<TimelinePage, OperationError<SupportReadRefusal>> {
    let page = timeline(ports, scope, patient, before).await.map_err(|error| match error {
        OperationError::Refused(PatientRefusal::PatientNotFound) => {
            OperationError::Refused(SupportReadRefusal::PatientNotFound)
        }
        OperationError::Precondition(failed) => OperationError::Precondition(failed),
        OperationError::Store(error) => OperationError::Store(error),
    })?;
    request.record(ports, &scope.record(patient), AccessKind::Timeline).await?;
    Ok(page)
}

async fn load(
    ports: &Ports<'_, impl SupportStore>,
    key: &RecordKey,
    kind: AccessKind,
    request: &SupportRequest<'_>,
) -> Result<Option<FoundPatient>, StoreError> {
    let loaded = ports.store.load_by_key(key).await?;
    let Some(record) = loaded.record else { return Ok(None) };
    request.record(ports, key, kind).await?;
    let panel = StatusPanel::from_record(&record, loaded.practice.as_ref(), request.actor.role, ports.clock.now());
    Ok(Some(FoundPatient { practice: loaded.practice, record, panel }))
}
