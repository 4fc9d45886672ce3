//! The operations on bulk jobs for clients: begin, read, cancel. [`super::bulk_run`] processes the patients.

use chrono::TimeDelta;

use super::{MAX_ROUNDS, Precondition};
use crate::{
    bulk::{Audience, BulkJob, Slice, SlicePlace},
    idempotency::{KeyReused, KeyedRequest},
    ids::{JobId, PatientId, RequestId},
    ports::{BulkStore, CommitOutcome, Entropy, JobPart, JobQueue, Ports, QueueError, StoreError},
    practice_history::PracticeEvent,
    scope::TenantScope,
    timeline::ChangeContext,
};

/// Maximum number of slices on a page of results.
const MAX_SLICES: u16 = 5;

/// A request for a bulk job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkRequest {
    /// Whom to invite.
    pub audience: RequestedAudience,
    /// Whether to preview outcomes only: no record is written and no patient is invited.
    pub dry_run: bool,
    /// The keyed request, if the client gave an idempotency key.
    pub keyed: Option<KeyedRequest>,
    /// The request's id.
    pub request: RequestId,
}

/// Whom to invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedAudience {
    /// These patients, without duplicates; at most [`crate::policy::MAX_BULK_PATIENTS`].
    Named(Vec<PatientId>),
    /// All patients who have an email address and were never invited.
    NeverInvited,
}

/// Why a job was not created, or does not continue yet.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// A precondition of the request failed; nothing was changed.
    #[error(transparent)]
    Precondition(#[from] Precondition),
    /// The store failed; a retry of the same request is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job was created, but the queue did not accept its message. The job starts when the request is repeated.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A page of a job's results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsPage {
    /// In the order in which the patients were processed; empty if none has been yet.
    pub slices: Vec<Slice>,
    /// Where the next page begins, if there are more results now.
    pub next: Option<SlicePlace>,
}

/// Begins a job and queues its first run. A repeat with the same key returns the existing job and queues another run. So a
/// client that got no answer, or an error of the queue, can repeat the request.
///
/// # Errors
/// [`BeginError`], a [`Precondition`] if the key was used for another request.
pub async fn begin(
    ports: &Ports<'_, impl BulkStore>,
    jobs: &impl JobQueue,
    entropy: &dyn Entropy,
    scope: &TenantScope,
    request: &BulkRequest,
) -> Result<BulkJob, BeginError> {
    let Ports { store, clock } = *ports;
    let BulkRequest { audience, dry_run, keyed, request } = request;
    let now = clock.now();
    let (audience, patients) = match audience {
        RequestedAudience::Named(patients) => (
            Audience::Named { total: u32::try_from(patients.len()).unwrap_or(u32::MAX), processed: 0 },
            patients.as_slice(),
        ),
        RequestedAudience::NeverInvited => (Audience::NeverInvited { after: None }, [].as_slice()),
    };
    let id = keyed.as_ref().map_or_else(|| entropy.job_id(now), |keyed| JobId::from_request(scope.practice(), keyed));
    let new_job = BulkJob::new(id, scope, keyed.as_ref(), *dry_run, audience, now);
    let context = ChangeContext { at: now, actor: scope.actor().clone(), request: request.clone() };
    let event = PracticeEvent::from_new_job(&new_job, context);
    let job = match store.begin_job(scope, &new_job, patients, &event).await? {
        None => new_job,
        Some(existing) if existing.content == new_job.content => existing,
        Some(_) => return Err(Precondition::from(KeyReused).into()),
    };
    if !job.state.is_over() {
        jobs.enqueue_run(&scope.job(&job.id), TimeDelta::zero()).await?;
    }
    Ok(job)
}

/// Reads a job; `None` if the practice has no such job.
///
/// # Errors
/// [`StoreError`]
pub async fn job(
    ports: &Ports<'_, impl BulkStore>,
    scope: &TenantScope,
    id: &JobId,
) -> Result<Option<BulkJob>, StoreError> {
    ports.store.job(scope, id).await
}

/// Cancels a job: no run claims it any more. Invitations stay valid, and a run that has started finishes its slice.
/// Nothing changes if the job is done or cancelled. `None` if the practice has no such job.
///
/// # Errors
/// [`StoreError`]
pub async fn cancel(
    ports: &Ports<'_, impl BulkStore>,
    scope: &TenantScope,
    id: &JobId,
    request: &RequestId,
) -> Result<Option<BulkJob>, StoreError> {
    let Ports { store, clock } = *ports;
    for _ in 0..MAX_ROUNDS {
        let Some(job) = store.job(scope, id).await? else { return Ok(None) };
        let context = ChangeContext { at: clock.now(), actor: scope.actor().clone(), request: request.clone() };
        let Some(cancelled) = job.cancel(context.at) else { return Ok(Some(job)) };
        let event = PracticeEvent::from_cancelled_job(&cancelled, context);
        let part = Some(JobPart::Event(&event));
        if store.save_job(scope, &cancelled, part).await? == CommitOutcome::Committed {
            return Ok(Some(cancelled));
        }
    }
    Err(StoreError::Busy)
}

/// Reads a page of a job's results: the first, or the one after a place; `None` if the practice has no such job.
///
/// # Errors
/// [`StoreError`]
pub async fn results(
    ports: &Ports<'_, impl BulkStore>,
    scope: &TenantScope,
    id: &JobId,
    after: Option<SlicePlace>,
) -> Result<Option<ResultsPage>, StoreError> {
    let store = ports.store;
    // One slice more than the page shows whether there is a next page.
    let mut slices = store.slices(scope, id, after, MAX_SLICES + 1).await?;
    // Without slices there are no results yet, no more results, or no such job.
    if slices.is_empty() && store.job(scope, id).await?.is_none() {
        return Ok(None);
    }
    let more = slices.len() > usize::from(MAX_SLICES);
    slices.truncate(MAX_SLICES.into());
    let next = slices.last().map(SlicePlace::after).filter(|_| more);
    Ok(Some(ResultsPage { slices, next }))
}
