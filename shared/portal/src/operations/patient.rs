//! Saves and reads a patient's profile.

use std::convert::Infallible;

use super::{Command, MAX_ROUNDS, OperationError, Precondition, unexpected_address_refusal};
use crate::{
    ids::PatientId,
    ports::{CommitOutcome, Consistency, PortalReader, PortalStore, Ports, StoreError},
    profile::Profile,
    record::PortalRecord,
    refusal::PatientRefusal,
    scope::TenantScope,
};

/// A saved profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedProfile {
    /// The record that contains the profile.
    pub record: PortalRecord,
    /// Whether the patient is new.
    pub created: bool,
}

/// Saves a profile: creates the patient's record, or changes only its profile. Never changes an invitation, an account or
/// a claim. Saving the same profile again changes nothing.
///
/// # Errors
/// [`Precondition::VersionConflict`] if the client's version is out of date,
/// [`OperationError::Store`].
pub async fn save_profile(
    ports: &Ports<'_, impl PortalStore>,
    command: &Command<'_>,
    profile: &Profile,
) -> Result<SavedProfile, OperationError<Infallible>> {
    let Ports { store, clock } = *ports;
    for _ in 0..MAX_ROUNDS {
        let before = store.load(command.scope, command.patient, Consistency::Strong).await?.record;
        if let Some(record) = &before
            && let Some(earlier) = command.find_request(record, clock)?
        {
            return Ok(SavedProfile { record: record.clone(), created: earlier.version == 1 });
        }
        let version = before.as_ref().map(|record| record.version);
        if command.if_match.is_some() && command.if_match != version {
            return Err(Precondition::VersionConflict.into());
        }
        let key = command.scope.record(command.patient);
        let Some(change) = PortalRecord::save_profile(before.as_ref(), key, profile.clone(), command.context(clock))
        else {
            // Without a change, the record exists and has this profile already.
            return before.map(|record| SavedProfile { record, created: false }).ok_or(StoreError::Busy.into());
        };
        let change = change.with_remembered_request(command.keyed.as_ref());
        match command.commit(store, &change).await? {
            CommitOutcome::Committed => {
                return Ok(SavedProfile { created: change.before.is_none(), record: change.after });
            }
            CommitOutcome::Stale => {}
            CommitOutcome::AddressRefused(_) => return Err(unexpected_address_refusal().into()),
        }
    }
    Err(StoreError::Busy.into())
}

/// Reads the record with a patient's profile.
///
/// # Errors
/// [`PatientRefusal::PatientNotFound`], [`OperationError::Store`].
pub async fn read_profile(
    ports: &Ports<'_, impl PortalReader>,
    scope: &TenantScope,
    patient: &PatientId,
) -> Result<PortalRecord, OperationError<PatientRefusal>> {
    let record = ports.store.load(scope, patient, Consistency::Strong).await?.record;
    record.ok_or(OperationError::Refused(PatientRefusal::PatientNotFound))
}
