//! One run of a bulk job: claim the job, process one slice of its patients, record the results, queue the next run.
//!
//! The queue drives the job: a run sends the message for the next run before its own message is deleted. If a run fails
//! earlier, its message is received again, and the job's stored progress says where to continue. If a slice is processed
//! twice, no patient is invited twice, because each record remembers that this job has invited the patient.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

use super::{Command, MAX_ROUNDS, OperationError, invite::invite};
use crate::{
    bulk::{Audience, BulkJob, BulkOutcome, BulkResult, JobState, JobUnclaimable, SliceProgress},
    directory::DirectoryPlace,
    email::EmailAddress,
    ids::{JobKey, PatientId, RequestId},
    policy::{BULK_PAUSE, BULK_SLICE},
    ports::{
        BulkRunStore, CommitOutcome, Entropy, Hint, JobPart, JobQueue, LoadedAll, PortError, PortalStore, Ports, Queue,
        QueueError, StoreError,
    },
    record::guards::Recipient,
    refusal::InviteRefusal,
};

/// The queues that a run sends to.
#[derive(Clone, Copy, Debug)]
pub struct RunQueues<'world, Q, J> {
    /// The queue to the sender.
    pub mails: &'world Q,
    /// The queue of job runs.
    pub jobs: &'world J,
}

/// Processes one queue message of a bulk job. From `deadline` on it starts with no further patient. `run` identifies this
/// run, also in timelines; no other run has the same id.
///
/// # Errors
/// [`PortError`]: the message must be received again.
pub async fn run(
    ports: &Ports<'_, impl BulkRunStore + PortalStore>,
    queues: &RunQueues<'_, impl Queue, impl JobQueue>,
    entropy: &dyn Entropy,
    key: &JobKey,
    deadline: DateTime<Utc>,
    run: &RequestId,
) -> Result<RunOutcome, PortError> {
    BulkRun { ports, queues, entropy, key, deadline, run }.run().await
}

/// One run of [`run`].
struct BulkRun<'run, S, Q, J> {
    ports: &'run Ports<'run, S>,
    queues: &'run RunQueues<'run, Q, J>,
    entropy: &'run dyn Entropy,
    key: &'run JobKey,
    deadline: DateTime<Utc>,
    run: &'run RequestId,
}

/// The outcome of a queue message. In every case the message can be deleted.
#[derive(Debug)]
pub enum RunOutcome {
    /// A slice was processed.
    Slice(SliceOutcome),
    /// Another run has claimed the job, or has taken it over from this run. A new message for a later run was sent.
    Held,
    /// The job is done or cancelled.
    Over,
    /// There is no such job.
    Missing,
}

/// The counts of a slice.
#[derive(Debug)]
pub struct SliceOutcome {
    /// Patients invited.
    pub invited: u32,
    /// Patients whose invitation a rule refused.
    pub refused: u32,
    /// Patients whose outcome a dry run previewed.
    pub previewed: u32,
    /// Whether the job is done after this slice.
    pub done: bool,
    /// The queue's error, if it did not accept the hints to the sender. The invitations are committed anyway, and the sweep
    /// sends the hints again within minutes. Log it.
    pub unqueued: Option<QueueError>,
}

/// A queue that collects the hints of a slice, to send them together.
#[derive(Default)]
struct HintBuffer(Mutex<Vec<Hint>>);

impl Queue for HintBuffer {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(hints);
        Ok(())
    }
}

impl HintBuffer {
    async fn flush(self, queue: &impl Queue) -> Result<(), QueueError> {
        let hints = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if hints.is_empty() { Ok(()) } else { queue.send(&hints).await }
    }
}

impl<S: BulkRunStore + PortalStore, Q: Queue, J: JobQueue> BulkRun<'_, S, Q, J> {
    async fn run(&self) -> Result<RunOutcome, PortError> {
        let Some(job) = self.ports.store.job_by_key(self.key).await? else { return Ok(RunOutcome::Missing) };
        let job = match job.claim(self.run, self.ports.clock.now()) {
            Ok(claimed) => claimed,
            Err(JobUnclaimable::Over) => return Ok(RunOutcome::Over),
            Err(JobUnclaimable::Held { until }) => return self.enqueue_later_run(until).await,
        };
        if self.ports.store.save_job(&job.scope, &job, None).await? != CommitOutcome::Committed {
            return self.enqueue_later_run(self.ports.clock.now()).await;
        }
        let hints = HintBuffer::default();
        let progress = self.process_slice(&job, &hints).await;
        // Flush even if a fault stopped the slice: the patients invited so far must be mailed.
        let unqueued = hints.flush(self.queues.mails).await.err();
        let progress = progress?;
        let slice = SliceOutcome { unqueued, ..SliceOutcome::count(&job, &progress.results) };
        match self.release(job, progress).await? {
            None => self.enqueue_later_run(self.ports.clock.now()).await,
            Some(job) if job.state.is_over() => {
                Ok(RunOutcome::Slice(SliceOutcome { done: job.state == JobState::Done, ..slice }))
            }
            Some(_) => {
                self.queues.jobs.enqueue_run(self.key, BULK_PAUSE).await?;
                Ok(RunOutcome::Slice(slice))
            }
        }
    }

    /// Another run has the job: sends a new message, to be received after `at`, in place of the current one.
    ///
    /// The current message must not simply be deleted. It may be a copy of the other run's message, and the only one left
    /// if that run dies. If it were left in the queue, it would reach the dead-letter queue after too many receives.
    async fn enqueue_later_run(&self, at: DateTime<Utc>) -> Result<RunOutcome, PortError> {
        self.queues.jobs.enqueue_run(self.key, at - self.ports.clock.now() + BULK_PAUSE).await?;
        Ok(RunOutcome::Held)
    }

    /// Records the progress and releases the job. Returns the job; `None` if this run no longer has the lease.
    async fn release(&self, mut job: BulkJob, progress: SliceProgress) -> Result<Option<BulkJob>, StoreError> {
        for _ in 0..MAX_ROUNDS {
            let Some((after, slice)) = job.advance(self.run, progress.clone(), self.ports.clock.now()) else {
                return Ok(None);
            };
            if self.ports.store.save_job(&after.scope, &after, slice.as_ref().map(JobPart::Slice)).await?
                == CommitOutcome::Committed
            {
                return Ok(Some(after));
            }
            // The job was cancelled or taken over meanwhile.
            let Some(newer) = self.ports.store.job_by_key(self.key).await? else { return Ok(None) };
            job = newer;
        }
        Err(StoreError::Busy)
    }

    async fn process_slice(&self, job: &BulkJob, hints: &HintBuffer) -> Result<SliceProgress, PortError> {
        match &job.audience {
            Audience::Named { total, processed } => self.process_named(job, hints, *total, *processed).await,
            Audience::NeverInvited { after } => self.process_never_invited(job, hints, after.as_ref()).await,
        }
    }

    async fn process_named(
        &self,
        job: &BulkJob,
        hints: &HintBuffer,
        total: u32,
        processed: u32,
    ) -> Result<SliceProgress, PortError> {
        let BulkJob { scope, id, dry_run, .. } = job;
        let named = self.ports.store.named_patients(scope, id).await?;
        let rest = named.into_iter().skip(usize::try_from(processed).unwrap_or(usize::MAX));
        let patients: Vec<_> = rest.take(BULK_SLICE.into()).collect();
        let results = if *dry_run {
            let loaded = self.ports.store.load_all(scope, &patients).await?;
            self.preview(job, &loaded, &patients).await?
        } else {
            self.invite(job, hints, &patients).await?
        };
        let processed = processed + u32::try_from(results.len()).unwrap_or(u32::MAX);
        Ok(SliceProgress { audience: Audience::Named { total, processed }, complete: processed >= total, results })
    }

    async fn process_never_invited(
        &self,
        job: &BulkJob,
        hints: &HintBuffer,
        after: Option<&DirectoryPlace>,
    ) -> Result<SliceProgress, PortError> {
        let places = self.ports.store.list_by_birth_date(&job.scope, after, BULK_SLICE).await?;
        let listed: Vec<PatientId> = places.iter().map(|place| place.patient().clone()).collect();
        let loaded = self.ports.store.load_all(&job.scope, &listed).await?;
        let now = self.ports.clock.now();
        let is_included =
            |patient: &PatientId| loaded.records.get(patient).is_some_and(|record| job.audience_includes(record, now));
        let patients: Vec<_> = listed.into_iter().filter(is_included).collect();
        let results = if job.dry_run {
            self.preview(job, &loaded, &patients).await?
        } else {
            self.invite(job, hints, &patients).await?
        };
        // Listed patients outside the audience are skipped. If time ran out, continue after the last processed patient.
        let all_processed = results.len() == patients.len();
        let last = if all_processed { None } else { results.last().map(|result| &result.patient) };
        let reached = places.iter().rfind(|place| last.is_none_or(|last| place.patient() == last)).or(after);
        let complete = all_processed && places.len() < usize::from(BULK_SLICE);
        Ok(SliceProgress { audience: Audience::NeverInvited { after: reached.cloned() }, complete, results })
    }

    /// Invites the patients one by one until the deadline, but always at least the first.
    async fn invite(
        &self,
        job: &BulkJob,
        hints: &HintBuffer,
        patients: &[PatientId],
    ) -> Result<Vec<BulkResult>, PortError> {
        let mut results = Vec::with_capacity(patients.len());
        for patient in patients {
            if !results.is_empty() && self.ports.clock.now() >= self.deadline {
                break;
            }
            let keyed = Some(job.keyed_invitation());
            let command = Command { scope: &job.scope, patient, request: self.run, if_match: None, keyed };
            let outcome = match invite(self.ports, hints, self.entropy, &command, &Recipient::default()).await {
                Ok(_) => BulkOutcome::Invited,
                Err(OperationError::Refused(refusal)) => BulkOutcome::from_refusal(&refusal),
                // Cannot happen: a job sets no `If-Match`, and its idempotency key is unique.
                Err(OperationError::Precondition(failed)) => return Err(StoreError::Corrupt(failed.into()).into()),
                Err(OperationError::Store(error)) => return Err(error.into()),
            };
            results.push(BulkResult { patient: patient.clone(), outcome });
        }
        Ok(results)
    }

    /// Decides by the same rules what the outcome of inviting the patients would be.
    async fn preview(
        &self,
        job: &BulkJob,
        loaded: &LoadedAll,
        patients: &[PatientId],
    ) -> Result<Vec<BulkResult>, StoreError> {
        let now = self.ports.clock.now();
        let may_invite = |patient: &PatientId| {
            let record = loaded.records.get(patient).ok_or(InviteRefusal::PatientNotFound)?;
            let practice = loaded.practice.as_ref().ok_or(InviteRefusal::PortalNotActivated)?;
            record.may_invite(practice, &Recipient::default(), job.scope.actor().role, now)
        };
        let decisions: Vec<(&PatientId, Result<EmailAddress, InviteRefusal>)> =
            patients.iter().map(|patient| (patient, may_invite(patient))).collect();
        let emails: BTreeSet<EmailAddress> = decisions.iter().filter_map(|(_, email)| email.clone().ok()).collect();
        let emails: Vec<_> = emails.into_iter().collect();
        // Only what the practice itself knows: a preview that asked about other practices' patients would cost no mail.
        let profiles = if emails.is_empty() {
            BTreeMap::new()
        } else {
            self.ports.store.profile_entries(&job.scope, &emails).await?
        };
        let is_free = |email: &EmailAddress, patient: &PatientId| {
            let own_profile =
                loaded.records.get(patient).is_some_and(|record| record.profile.email.as_ref() == Some(email));
            profiles.get(email).map_or(Ok(()), |entry| entry.free_for(patient, own_profile))
        };
        let preview = decisions.into_iter().map(|(patient, email)| {
            let outcome = match email
                .and_then(|email| is_free(&email, patient).map_err(|holder| InviteRefusal::EmailInUse { holder }))
            {
                Ok(()) => BulkOutcome::Invitable,
                Err(refusal) => BulkOutcome::from_refusal(&refusal),
            };
            BulkResult { patient: patient.clone(), outcome }
        });
        Ok(preview.collect())
    }
}

impl SliceOutcome {
    fn count(job: &BulkJob, results: &[BulkResult]) -> Self {
        let count = |wanted: fn(&BulkOutcome) -> bool| {
            let matching = results.iter().filter(|result| wanted(&result.outcome)).count();
            u32::try_from(matching).unwrap_or(u32::MAX)
        };
        let previewed = if job.dry_run { count(|_| true) } else { 0 };
        let invited = count(|outcome| *outcome == BulkOutcome::Invited);
        let refused = if job.dry_run { 0 } else { count(|outcome| matches!(outcome, BulkOutcome::Refused(_))) };
        Self { invited, refused, previewed, done: false, unqueued: None }
    }
}
