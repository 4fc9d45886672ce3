//! Sees to bulk jobs: each message is one run, which sees to one slice of a job's patients.

use std::cell::Cell;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::{Error, LambdaEvent};
use portal::email::Pepper;
use portal::{
    ids::{JobKey, RequestId},
    operations::bulk_run::{self, RunOutcome, RunQueues, SliceOutcome},
    ports::{BulkRunStore, Clock, Entropy, JobQueue, PortalStore, Ports, Queue},
};
use portal_aws::config::{AwsEnvironment, BulkQueueUrl, QueueUrl, TableName};
use portal_aws::{
    bootstrap::deadline,
    cause, job_queue,
    metrics::{self, Figure, MetricLog},
    sqs::{MessageOutcome, work_batch},
};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, BulkQueueUrl);

/// A run begins with no other patient so long before it would be stopped: what it has begun, it finishes.
const MARGIN: TimeDelta = TimeDelta::seconds(15);

/// The names of the metrics that the function can write.
pub fn metric_names() -> impl Iterator<Item = &'static str> {
    Tally::default().figures().into_iter().map(|figure| figure.name)
}

/// The function, over its ports.
#[derive(Debug)]
pub struct BulkRunner<S, Q, J, C, E, L> {
    /// The jobs and the records.
    pub store: S,
    /// The way to the sender.
    pub queue: Q,
    /// The way to the next run.
    pub jobs: J,
    /// The time.
    pub clock: C,
    /// Ids for invitations.
    pub entropy: E,
    /// What it did, in numbers.
    pub metrics: L,
}

impl<S, Q, J, C, E, L> BulkRunner<S, Q, J, C, E, L>
where
    S: BulkRunStore + PortalStore,
    Q: Queue,
    J: JobQueue,
    C: Clock,
    E: Entropy,
    L: MetricLog,
{
    /// Works off a batch of queue messages, and tells which of them should come again. The queue gives one at a time.
    ///
    /// # Errors
    /// If Lambda gives the invocation no id; the whole batch comes again.
    pub async fn work(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let run = RequestId::parse(&event.context.request_id)?;
        let deadline = deadline(&event.context) - MARGIN;
        let tally = Cell::new(Tally::default());
        // Boxed, because the compiler gives up on futures that are nested as deeply as the SDK's within all of this.
        let run_job = async |key| Box::pin(self.run(&key, &run, deadline, &tally)).await;
        let answer = work_batch(event.payload, job_queue::from_body, run_job).await;
        let function = &event.context.env_config.function_name;
        metrics::put(&self.metrics, function, self.clock.now(), &tally.get().figures());
        Ok(answer)
    }

    async fn run(&self, key: &JobKey, run: &RequestId, deadline: DateTime<Utc>, tally: &Cell<Tally>) -> MessageOutcome {
        tracing::Span::current().record("job", key.job.as_str());
        let ports = Ports { store: &self.store, clock: &self.clock };
        let queues = RunQueues { mails: &self.queue, jobs: &self.jobs };
        match bulk_run::run(&ports, &queues, &self.entropy, key, deadline, run).await {
            Ok(RunOutcome::Slice(slice)) => {
                if let Some(error) = &slice.unqueued {
                    tracing::warn!(cause = cause::of_queue(error), "invited but not queued: the sweep will queue them");
                }
                let SliceOutcome { invited, refused, previewed, done, .. } = slice;
                tracing::info!(invited, refused, previewed, done, "slice processed");
                tally.update(|tally| tally.with(&slice));
            }
            Ok(RunOutcome::Held) => tracing::info!("another run has the job"),
            Ok(RunOutcome::Over) => tracing::info!("the job is over"),
            Ok(RunOutcome::Missing) => tracing::warn!("there is no such job"),
            Err(error) => {
                tracing::error!(cause = cause::of_port(&error), "message not processed");
                return MessageOutcome::Retry;
            }
        }
        MessageOutcome::Done
    }
}

/// What an invocation did, in numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    slices: u32,
    invited: u32,
    refused: u32,
    previewed: u32,
    jobs_done: u32,
}

impl Tally {
    /// One more slice.
    fn with(mut self, slice: &SliceOutcome) -> Self {
        self.slices += 1;
        self.invited += slice.invited;
        self.refused += slice.refused;
        self.previewed += slice.previewed;
        self.jobs_done += u32::from(slice.done);
        self
    }

    /// As metrics.
    fn figures(self) -> [Figure; 5] {
        [
            Figure::count("slices", self.slices),
            Figure::count("invited", self.invited),
            Figure::count("refused", self.refused),
            Figure::count("previewed", self.previewed),
            Figure::count("jobsDone", self.jobs_done),
        ]
    }
}
