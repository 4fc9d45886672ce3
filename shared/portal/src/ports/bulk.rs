//! What bulk jobs need of the store and of a queue.

use std::{collections::BTreeMap, future::Future};

use chrono::TimeDelta;

use super::{CommitOutcome, QueueError, StoreError};
use crate::{
    bulk::{BulkJob, Slice, SlicePlace},
    directory::DirectoryPlace,
    email::EmailAddress,
    ids::{JobId, JobKey, PatientId},
    ledger::EmailEntry,
    practice::Practice,
    record::PortalRecord,
    scope::TenantScope,
};

/// The bulk jobs of one practice, for who asks for them and looks at them.
pub trait BulkStore: Sync {
    /// Writes a new job and the patients that it names, at one go. Nothing, and the job that is there, if there is one
    /// of this id.
    ///
    /// # Errors
    /// [`StoreError`], also if it is another practice's than the scope's.
    fn begin_job(
        &self,
        scope: &TenantScope,
        job: &BulkJob,
        patients: &[PatientId],
    ) -> impl Future<Output = Result<Option<BulkJob>, StoreError>> + Send;

    /// Reads a job, consistently.
    ///
    /// # Errors
    /// [`StoreError`]
    fn job(&self, scope: &TenantScope, job: &JobId)
    -> impl Future<Output = Result<Option<BulkJob>, StoreError>> + Send;

    /// Writes a job, and the slice that it has seen to, at one go, if the stored job has the version before:
    /// [`CommitOutcome::Committed`] or [`CommitOutcome::Stale`].
    ///
    /// # Errors
    /// [`StoreError`], also if it is another practice's than the scope's.
    fn save_job(
        &self,
        scope: &TenantScope,
        job: &BulkJob,
        slice: Option<&Slice>,
    ) -> impl Future<Output = Result<CommitOutcome, StoreError>> + Send;

    /// A job's slices, in the order in which they were seen to, at most `limit` of them: the first, or those after a
    /// place. None if there is no such job in this practice.
    ///
    /// # Errors
    /// [`StoreError`]
    fn slices(
        &self,
        scope: &TenantScope,
        job: &JobId,
        after: Option<SlicePlace>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<Slice>, StoreError>> + Send;
}

/// A practice and some of its patients, read at one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedAll {
    /// The practice; `None` if it has not saved its settings yet.
    pub practice: Option<Practice>,
    /// The records of those who are the practice's patients.
    pub records: BTreeMap<PatientId, PortalRecord>,
}

/// What a bulk job needs to look at many patients at once. The job itself says on whose behalf.
pub trait BulkRunStore: BulkStore {
    /// Reads the job that a queue message names, consistently.
    ///
    /// # Errors
    /// [`StoreError`]
    fn job_of(&self, key: &JobKey) -> impl Future<Output = Result<Option<BulkJob>, StoreError>> + Send;

    /// The patients that a job names, in the order in which it does.
    ///
    /// # Errors
    /// [`StoreError`]
    fn named_patients(
        &self,
        scope: &TenantScope,
        job: &JobId,
    ) -> impl Future<Output = Result<Vec<PatientId>, StoreError>> + Send;

    /// The places under dates of birth in the practice's directory, in their order, at most `limit` of them: the first,
    /// or those after a place. Every patient with a date of birth has exactly one.
    ///
    /// # Errors
    /// [`StoreError`]
    fn list_by_birth_date(
        &self,
        scope: &TenantScope,
        after: Option<&DirectoryPlace>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<DirectoryPlace>, StoreError>> + Send;

    /// Reads the practice and at most [`crate::policy::BULK_SLICE`] of its patients, consistently, in one round trip.
    ///
    /// # Errors
    /// [`StoreError`]
    fn load_all(
        &self,
        scope: &TenantScope,
        patients: &[PatientId],
    ) -> impl Future<Output = Result<LoadedAll, StoreError>> + Send;

    /// Who has to do with each of at most [`crate::policy::BULK_SLICE`] addresses, consistently, in one round trip.
    /// Nobody has to do with one that is not in the answer.
    ///
    /// # Errors
    /// [`StoreError`]
    fn email_entries(
        &self,
        emails: &[EmailAddress],
    ) -> impl Future<Output = Result<BTreeMap<EmailAddress, EmailEntry>, StoreError>> + Send;
}

/// The queue that bulk jobs go on by.
pub trait JobQueue: Sync {
    /// Sends a message that the job may go on, to be received after a wait of whole seconds and at most 15 minutes.
    ///
    /// # Errors
    /// [`QueueError`] if it was not taken: the job stands still until somebody else sends one.
    fn enqueue_run(&self, job: &JobKey, wait: TimeDelta) -> impl Future<Output = Result<(), QueueError>> + Send;
}
