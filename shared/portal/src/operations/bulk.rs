//! Bulk jobs, as who asks for them sees them: beginning, looking, stopping. The work itself is [`super::bulk_run`]'s.

use chrono::TimeDelta;

use super::{MOST_ROUNDS, Precondition};
use crate::{
    bulk::{Audience, BulkJob, Slice, SlicePlace},
    idempotency::{KeyReused, KeyedRequest},
    ids::{JobId, PatientId},
    ports::{BulkStore, CommitOutcome, Entropy, JobQueue, Ports, QueueError, StoreError},
    scope::TenantScope,
};

/// Most slices on a page of results.
const MOST_SLICES: u16 = 5;

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkRequest {
    /// Whom to invite.
    pub audience: RequestedAudience,
    /// Only look: write nothing and invite nobody.
    pub dry_run: bool,
    /// The request as its client may repeat it, if it gave a key.
    pub keyed: Option<KeyedRequest>,
}

/// Whom to invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedAudience {
    /// These patients, each once; at most [`crate::policy::MOST_BULK_PATIENTS`].
    Named(Vec<PatientId>),
    /// Everybody who has an email address and was never invited.
    NeverInvited,
}

/// Why a job was not begun, or does not go on yet.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// A condition of the request does not hold; nothing was changed.
    #[error(transparent)]
    Precondition(#[from] Precondition),
    /// The store could not do it; a retry of the same request is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job is begun, but the queue did not take its message: it goes on once the same is asked for again.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A page of a job's results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsPage {
    /// In the order in which the patients were seen to; none if nobody has been yet.
    pub slices: Vec<Slice>,
    /// Where the next page begins, if there are more by now.
    pub next: Option<SlicePlace>,
}

/// Begins a job and queues its first run. A repeat under the same key finds the job, however far it has come, and queues
/// another run: whoever got no answer, or was told that the queue was down, just asks again.
///
/// # Errors
/// [`BeginError`], a [`Precondition`] if the key was used for something else.
pub async fn begin(
    ports: &Ports<'_, impl BulkStore>,
    jobs: &impl JobQueue,
    entropy: &dyn Entropy,
    scope: &TenantScope,
    request: &BulkRequest,
) -> Result<BulkJob, BeginError> {
    let Ports { store, clock } = *ports;
    let BulkRequest { audience, dry_run, keyed } = request;
    let now = clock.now();
    let (audience, patients) = match audience {
        RequestedAudience::Named(patients) => {
            (Audience::Named { total: u32::try_from(patients.len()).unwrap_or(u32::MAX), seen: 0 }, patients.as_slice())
        }
        RequestedAudience::NeverInvited => (Audience::NeverInvited { after: None }, [].as_slice()),
    };
    let id = keyed.as_ref().map_or_else(|| entropy.job_id(now), |keyed| JobId::of_request(scope.practice(), keyed));
    let begun = BulkJob::queued(id, scope, keyed.as_ref(), *dry_run, audience, now);
    let job = match store.begin_job(scope, &begun, patients).await? {
        None => begun,
        Some(known) if known.content == begun.content => known,
        Some(_) => return Err(Precondition::from(KeyReused).into()),
    };
    if !job.state.is_over() {
        jobs.enqueue_run(&scope.job(&job.id), TimeDelta::zero()).await?;
    }
    Ok(job)
}

/// Reads a job; `None` if the practice has no such job. Changes nothing.
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

/// Stops a job: no run takes it up any more. What has been invited stays invited, and what a run has in hand it finishes.
/// Nothing changes if the job is over. `None` if the practice has no such job.
///
/// # Errors
/// [`StoreError`]
pub async fn cancel(
    ports: &Ports<'_, impl BulkStore>,
    scope: &TenantScope,
    id: &JobId,
) -> Result<Option<BulkJob>, StoreError> {
    let Ports { store, clock } = *ports;
    for _ in 0..MOST_ROUNDS {
        let Some(job) = store.job(scope, id).await? else { return Ok(None) };
        let Some(cancelled) = job.cancel(clock.now()) else { return Ok(Some(job)) };
        if store.save_job(scope, &cancelled, None).await? == CommitOutcome::Committed {
            return Ok(Some(cancelled));
        }
    }
    Err(StoreError::Busy)
}

/// Reads a page of a job's results: the first, or the one after a place; `None` if the practice has no such job. Changes
/// nothing.
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
    // One more than is shown tells whether there is a next page.
    let mut slices = store.slices(scope, id, after, MOST_SLICES + 1).await?;
    // Without slices there are no results yet, no more results, or no such job.
    if slices.is_empty() && store.job(scope, id).await?.is_none() {
        return Ok(None);
    }
    let more = slices.len() > usize::from(MOST_SLICES);
    slices.truncate(MOST_SLICES.into());
    let next = slices.last().map(SlicePlace::after).filter(|_| more);
    Ok(Some(ResultsPage { slices, next }))
}
