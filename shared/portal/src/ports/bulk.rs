//! The ports of bulk jobs: stores and a queue.

use std::{collections::BTreeMap, future::Future};

use chrono::TimeDelta;

use super::{CommitOutcome, QueueError, StoreError};
use crate::{
    bulk::{BulkJob, Slice, SlicePlace},
    directory::DirectoryPlace,
    email::EmailAddress,
    ids::{JobId, JobKey, PatientId},
    ledger::ProfileEntry,
    practice::Practice,
    practice_history::PracticeEvent,
    record::PortalRecord,
    scope::TenantScope,
};

/// What is written with a job.
#[derive(Clone, Copy, Debug)]
pub enum JobPart<'part> {
    /// The slice that a run has processed.
    Slice(&'part Slice),
    /// The event of the practice's history.
    Event(&'part PracticeEvent),
}

/// The bulk jobs of one practice, for the clients who create and read them.
pub trait BulkStore: Sync {
    /// Writes a new job, the patients that it names and the event, in one transaction. If a job with this id exists, writes
    /// nothing and returns the existing job.
    ///
    /// # Errors
    /// [`StoreError`], also if the job or the event is not of the scope's practice.
    fn begin_job(
        &self,
        scope: &TenantScope,
        job: &BulkJob,
        patients: &[PatientId],
        event: &PracticeEvent,
    ) -> impl Future<Output = Result<Option<BulkJob>, StoreError>> + Send;

    /// Reads a job, consistently.
    ///
    /// # Errors
    /// [`StoreError`]
    fn job(&self, scope: &TenantScope, job: &JobId)
    -> impl Future<Output = Result<Option<BulkJob>, StoreError>> + Send;

    /// Writes a job and what belongs to the change, in one transaction, if the stored job has the previous version:
    /// [`CommitOutcome::Committed`] or [`CommitOutcome::Stale`].
    ///
    /// # Errors
    /// [`StoreError`], also if the job or the event is not of the scope's practice.
    fn save_job(
        &self,
        scope: &TenantScope,
        job: &BulkJob,
        part: Option<JobPart<'_>>,
    ) -> impl Future<Output = Result<CommitOutcome, StoreError>> + Send;

    /// A job's slices, in the order in which they were processed, at most `limit`: the first, or those after a place. Empty
    /// if the practice has no such job.
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

/// A practice and some of its patients, read in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedAll {
    /// The practice; `None` if it has not saved its settings yet.
    pub practice: Option<Practice>,
    /// The records of those ids that are patients of the practice.
    pub records: BTreeMap<PatientId, PortalRecord>,
}

/// What a run of a bulk job needs to read many patients at once. The job contains the scope.
pub trait BulkRunStore: BulkStore {
    /// Reads the job of a queue message, consistently.
    ///
    /// # Errors
    /// [`StoreError`]
    fn job_by_key(&self, key: &JobKey) -> impl Future<Output = Result<Option<BulkJob>, StoreError>> + Send;

    /// The patients that a job names, in the job's order.
    ///
    /// # Errors
    /// [`StoreError`]
    fn named_patients(
        &self,
        scope: &TenantScope,
        job: &JobId,
    ) -> impl Future<Output = Result<Vec<PatientId>, StoreError>> + Send;

    /// The places by date of birth in the practice's directory, sorted, at most `limit`: the first, or those after a place.
    /// Every patient with a date of birth has exactly one.
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

    /// Reads the practice's profile entries of at most [`crate::policy::BULK_SLICE`] addresses, consistently, in one round
    /// trip. No profile of the practice has an address that is not in the result.
    ///
    /// # Errors
    /// [`StoreError`]
    fn profile_entries(
        &self,
        scope: &TenantScope,
        emails: &[EmailAddress],
    ) -> impl Future<Output = Result<BTreeMap<EmailAddress, ProfileEntry>, StoreError>> + Send;
}

/// The queue of the runs of bulk jobs.
pub trait JobQueue: Sync {
    /// Sends a message for the next run of a job, to be received after `wait`: whole seconds, at most 15 minutes.
    ///
    /// # Errors
    /// [`QueueError`] if the message was not accepted: the job does not continue until another message is sent.
    fn enqueue_run(&self, job: &JobKey, wait: TimeDelta) -> impl Future<Output = Result<(), QueueError>> + Send;
}
