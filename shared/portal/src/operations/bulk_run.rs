//! One run of a bulk job: take the job, see to one slice of its patients, write down what became of them, pass it on.
//!
//! The chain of runs is the queue's: a run sends the next run's message before its own is done with. Whatever goes wrong
//! before that, the message comes again, and the job says where to go on. A slice that is seen to twice invites nobody
//! twice, because each record remembers that this job has invited its patient.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

use super::{Command, MOST_ROUNDS, OperationError, invite::invite};
use crate::{
    bulk::{Audience, BulkJob, BulkOutcome, BulkResult, JobState, Seen, Unclaimable},
    directory::DirectoryPlace,
    email::EmailAddress,
    ids::{JobKey, PatientId, RequestId},
    ledger::EmailTaken,
    policy::{BULK_PACE, BULK_SLICE},
    ports::{
        BulkRunStore, Clock, CommitOutcome, Entropy, Hint, JobQueue, LoadedAll, PortError, PortalStore, Queue,
        QueueError, StoreError,
    },
    refusal::Refusal,
};

/// The functions and services that a run needs.
#[derive(Clone, Copy, Debug)]
pub struct BulkRun<'ports, S, Q, J, C, E> {
    /// The jobs and the records.
    pub store: &'ports S,
    /// The way to the sender.
    pub queue: &'ports Q,
    /// The way to the next run.
    pub jobs: &'ports J,
    /// The time.
    pub clock: &'ports C,
    /// Ids for invitations.
    pub entropy: &'ports E,
}

/// What came of a queue message. In every case the message itself is done with.
#[derive(Debug)]
pub enum Ran {
    /// A slice was seen to.
    Slice(SeenSlice),
    /// Another run has the job, or has taken it over from this one. A message to look again was sent in place of this
    /// one.
    Held,
    /// The job is done or cancelled.
    Over,
    /// There is no such job.
    Missing,
}

/// A slice, in numbers.
#[derive(Debug)]
pub struct SeenSlice {
    /// Patients invited.
    pub invited: u32,
    /// Patients whom a rule kept from being invited.
    pub refused: u32,
    /// Patients whom a dry run looked at.
    pub foreseen: u32,
    /// Whether the job was done with it.
    pub done: bool,
    /// The queue did not take the hints to the sender. The invitations stand all the same, and the sweep hints again
    /// within minutes. To be logged.
    pub unqueued: Option<QueueError>,
}

/// What a run has in hand.
struct Turn<'run> {
    job: &'run BulkJob,
    run: &'run RequestId,
    deadline: DateTime<Utc>,
    hints: Gathered,
}

/// A queue that keeps the hints of a slice until they are sent together.
#[derive(Default)]
struct Gathered(Mutex<Vec<Hint>>);

impl Queue for Gathered {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(hints);
        Ok(())
    }
}

impl Gathered {
    async fn pass_on(self, queue: &impl Queue) -> Result<(), QueueError> {
        let hints = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if hints.is_empty() { Ok(()) } else { queue.send(&hints).await }
    }
}

impl<S, Q, J, C, E> BulkRun<'_, S, Q, J, C, E>
where
    S: BulkRunStore + PortalStore,
    Q: Queue,
    J: JobQueue,
    C: Clock,
    E: Entropy,
{
    /// Works off one queue message, and begins with no other patient from `deadline` on. `run` names this run, here and
    /// in timelines; no other run has the same name.
    ///
    /// # Errors
    /// [`PortError`]: the message should be seen again.
    pub async fn run(&self, key: &JobKey, deadline: DateTime<Utc>, run: &RequestId) -> Result<Ran, PortError> {
        let Some(job) = self.store.job_of(key).await? else { return Ok(Ran::Missing) };
        let job = match job.claim(run, self.clock.now()) {
            Ok(claimed) => claimed,
            Err(Unclaimable::Over) => return Ok(Ran::Over),
            Err(Unclaimable::Held { until }) => return self.look_again(key, until).await,
        };
        if self.store.save_job(&job.scope, &job, None).await? != CommitOutcome::Committed {
            return self.look_again(key, self.clock.now()).await;
        }
        let turn = Turn { job: &job, run, deadline, hints: Gathered::default() };
        let seen = self.see_to(&turn).await;
        // Whatever broke it off: who has been invited is to be mailed.
        let unqueued = turn.hints.pass_on(self.queue).await.err();
        let seen = seen?;
        let slice = SeenSlice { unqueued, ..SeenSlice::of(&job, &seen.results) };
        match self.give_back(job, key, run, seen).await? {
            None => self.look_again(key, self.clock.now()).await,
            Some(job) if job.state.is_over() => {
                Ok(Ran::Slice(SeenSlice { done: job.state == JobState::Done, ..slice }))
            }
            Some(_) => {
                self.jobs.go_on(key, BULK_PACE).await?;
                Ok(Ran::Slice(slice))
            }
        }
    }

    /// Another run has the job: sends a message to look again after `at`, in place of the one in hand. That one must not
    /// just be dropped, because it may be a copy of the very message that the other run has, and the only one if that run
    /// dies. Left to come again by itself, it would end among the dead.
    async fn look_again(&self, key: &JobKey, at: DateTime<Utc>) -> Result<Ran, PortError> {
        self.jobs.go_on(key, at - self.clock.now() + BULK_PACE).await?;
        Ok(Ran::Held)
    }

    /// Writes down what was seen to. The job as it is then; `None` if it is not this run's any more.
    async fn give_back(
        &self,
        mut job: BulkJob,
        key: &JobKey,
        run: &RequestId,
        seen: Seen,
    ) -> Result<Option<BulkJob>, StoreError> {
        for _ in 0..MOST_ROUNDS {
            let Some((after, slice)) = job.advance(run, seen.clone(), self.clock.now()) else { return Ok(None) };
            if self.store.save_job(&after.scope, &after, slice.as_ref()).await? == CommitOutcome::Committed {
                return Ok(Some(after));
            }
            // Cancelled meanwhile, or taken over.
            let Some(newer) = self.store.job_of(key).await? else { return Ok(None) };
            job = newer;
        }
        Err(StoreError::Busy)
    }

    async fn see_to(&self, turn: &Turn<'_>) -> Result<Seen, PortError> {
        match &turn.job.audience {
            Audience::Named { total, seen } => self.see_to_named(turn, *total, *seen).await,
            Audience::NeverInvited { after } => self.see_to_never_invited(turn, after.as_ref()).await,
        }
    }

    async fn see_to_named(&self, turn: &Turn<'_>, total: u32, seen: u32) -> Result<Seen, PortError> {
        let BulkJob { scope, id, dry_run, .. } = turn.job;
        let named = self.store.named_patients(scope, id).await?;
        let rest = named.into_iter().skip(usize::try_from(seen).unwrap_or(usize::MAX));
        let patients: Vec<_> = rest.take(BULK_SLICE.into()).collect();
        let results = if *dry_run {
            let loaded = self.store.load_all(scope, &patients).await?;
            self.foresee(turn.job, &loaded, &patients).await?
        } else {
            self.invite(turn, &patients).await?
        };
        let seen = seen + u32::try_from(results.len()).unwrap_or(u32::MAX);
        Ok(Seen { audience: Audience::Named { total, seen }, complete: seen >= total, results })
    }

    async fn see_to_never_invited(&self, turn: &Turn<'_>, after: Option<&DirectoryPlace>) -> Result<Seen, PortError> {
        let job = turn.job;
        let places = self.store.born(&job.scope, after, BULK_SLICE).await?;
        let met: Vec<PatientId> = places.iter().map(|place| place.patient().clone()).collect();
        let loaded = self.store.load_all(&job.scope, &met).await?;
        let now = self.clock.now();
        let is_about = |patient: &PatientId| loaded.records.get(patient).is_some_and(|it| job.is_about(it, now));
        let patients: Vec<_> = met.into_iter().filter(is_about).collect();
        let results = if job.dry_run {
            self.foresee(job, &loaded, &patients).await?
        } else {
            self.invite(turn, &patients).await?
        };
        // Who does not belong is passed over together with the others, unless those were too many for the time.
        let in_time = results.len() == patients.len();
        let last = if in_time { None } else { results.last().map(|result| &result.patient) };
        let reached = places.iter().rfind(|place| last.is_none_or(|last| place.patient() == last)).or(after);
        let complete = in_time && places.len() < usize::from(BULK_SLICE);
        Ok(Seen { audience: Audience::NeverInvited { after: reached.cloned() }, complete, results })
    }

    /// Invites patients, one after the other, until there is no time for another: at least the first.
    async fn invite(&self, turn: &Turn<'_>, patients: &[PatientId]) -> Result<Vec<BulkResult>, PortError> {
        let Self { store, clock, entropy, .. } = self;
        let Turn { job, run, deadline, hints } = turn;
        let mut results = Vec::with_capacity(patients.len());
        for patient in patients {
            if !results.is_empty() && clock.now() >= *deadline {
                break;
            }
            let keyed = Some(job.keyed_invitation());
            let command = Command { scope: &job.scope, patient, request: run, if_match: None, keyed };
            let outcome = match invite(*store, hints, *clock, *entropy, &command, None).await {
                Ok(_) => BulkOutcome::Invited,
                Err(OperationError::Refused(refusal)) => refused(&refusal)?,
                Err(OperationError::Store(error)) => return Err(error.into()),
            };
            results.push(BulkResult { patient: patient.clone(), outcome });
        }
        Ok(results)
    }

    /// What would come of inviting patients, by the same rules.
    async fn foresee(
        &self,
        job: &BulkJob,
        loaded: &LoadedAll,
        patients: &[PatientId],
    ) -> Result<Vec<BulkResult>, StoreError> {
        let may_invite = |patient: &PatientId| {
            let record = loaded.records.get(patient).ok_or(Refusal::PatientNotFound)?;
            record.may_invite(loaded.practice.as_ref().ok_or(Refusal::PortalNotActivated)?, None)
        };
        let asked: Vec<(&PatientId, Result<EmailAddress, Refusal>)> =
            patients.iter().map(|patient| (patient, may_invite(patient))).collect();
        let emails: BTreeSet<EmailAddress> = asked.iter().filter_map(|(_, email)| email.clone().ok()).collect();
        let emails: Vec<_> = emails.into_iter().collect();
        let entries = if emails.is_empty() { BTreeMap::new() } else { self.store.email_entries(&emails).await? };
        let is_free = |email: &EmailAddress, patient| {
            let free = entries.get(email).map_or(Ok(()), |entry| entry.free_for(&job.scope.record(patient)));
            free.map_err(|EmailTaken { holder }| Refusal::EmailInUse { holder })
        };
        let foreseen = asked.into_iter().map(|(patient, email)| {
            let outcome = match email.and_then(|email| is_free(&email, patient)) {
                Ok(()) => BulkOutcome::Invitable,
                Err(refusal) => refused(&refusal)?,
            };
            Ok(BulkResult { patient: patient.clone(), outcome })
        });
        foreseen.collect()
    }
}

/// The outcome of a refusal.
fn refused(refusal: &Refusal) -> Result<BulkOutcome, StoreError> {
    BulkOutcome::of_code(refusal.code()).ok_or_else(|| StoreError::Corrupt(refusal.clone().into()))
}

impl SeenSlice {
    fn of(job: &BulkJob, results: &[BulkResult]) -> Self {
        let count = |wanted: fn(&BulkOutcome) -> bool| {
            let matching = results.iter().filter(|result| wanted(&result.outcome)).count();
            u32::try_from(matching).unwrap_or(u32::MAX)
        };
        let foreseen = if job.dry_run { count(|_| true) } else { 0 };
        let invited = count(|outcome| *outcome == BulkOutcome::Invited);
        let refused = if job.dry_run { 0 } else { count(|outcome| matches!(outcome, BulkOutcome::Refused(_))) };
        Self { invited, refused, foreseen, done: false, unqueued: None }
    }
}
