//! The ports of histories: of a practice, and of the accesses to a patient by Customer Care.

use std::future::Future;

use super::{Loaded, StoreError, TimelineReader};
use crate::{
    access::AccessEntry,
    email::EmailAddress,
    history::HistoryPlace,
    ids::{PatientId, RecordKey},
    practice_history::PracticeEvent,
    scope::TenantScope,
};

/// The histories of practices. [`super::PracticeStore`] and [`super::BulkStore`] write them with the changes.
pub trait PracticeHistory: Sync {
    /// The events of the scope's practice, newest first, at most `limit`: the newest, or those before a place.
    ///
    /// # Errors
    /// [`StoreError`]
    fn practice_events(
        &self,
        scope: &TenantScope,
        before: Option<&HistoryPlace>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<PracticeEvent>, StoreError>> + Send;
}

/// The accesses of Customer Care to a practice's patients, for the practice.
pub trait AccessLogReader: Sync {
    /// The accesses to a patient, newest first, at most `limit`: the newest, or those before a place. Empty if the practice
    /// has no such patient.
    ///
    /// # Errors
    /// [`StoreError`]
    fn accesses(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        before: Option<&HistoryPlace>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<AccessEntry>, StoreError>> + Send;
}

/// Records the accesses of Customer Care.
pub trait AccessLog: Sync {
    /// Adds an entry. An entry is never altered: adding the same one again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`], also if there is another entry at this place.
    fn record_access(
        &self,
        key: &RecordKey,
        entry: &AccessEntry,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The patients of all practices, for Customer Care.
pub trait SupportStore: TimelineReader + AccessLog {
    /// The patient who has the claim of an address.
    ///
    /// # Errors
    /// [`StoreError`]
    fn find_owner(&self, email: &EmailAddress) -> impl Future<Output = Result<Option<RecordKey>, StoreError>> + Send;

    /// Reads a patient and their practice, consistently, in one round trip.
    ///
    /// # Errors
    /// [`StoreError`]
    fn load_by_key(&self, key: &RecordKey) -> impl Future<Output = Result<Loaded, StoreError>> + Send;
}
