//! Processes bulk jobs: each message is one run, which processes one slice of a job's patients.

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
    sqs::{MessageOutcome, process_batch},
};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, BulkQueueUrl);

/// A run starts with no further patient when only this time is left, so that it can finish before it is stopped.
const MARGIN: TimeDelta = TimeDelta::seconds(15);

/// The names of the metrics that the function can write.
pub fn metric_names() -> impl Iterator<Item = &'static str> {
    RunCounts::default().figures().into_iter().map(|figure| figure.name)
}

/// The function, over its ports.
#[derive(Debug)]
pub struct BulkRunner<S, Q, J, C, E, L> {
    /// The jobs and the records.
    pub store: S,
    /// The queue to the sender.
    pub queue: Q,
    /// The queue of job runs.
    pub jobs: J,
    /// The time.
    pub clock: C,
    /// Randomness for invitation ids.
    pub entropy: E,
    /// The log for metrics.
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
    /// Processes a batch of queue messages, and returns which of them must be received again. The queue delivers one message
    /// at a time.
    ///
    /// # Errors
    /// If Lambda gives the invocation no id: the whole batch is received again.
    pub async fn process_batch(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let run = RequestId::parse(&event.context.request_id)?;
        let deadline = deadline(&event.context) - MARGIN;
        let counts = Cell::new(RunCounts::default());
        // Boxed, because the compiler cannot handle futures that are nested as deeply as the SDK's are here.
        let run_job = async |key| Box::pin(self.process_message(&key, &run, deadline, &counts)).await;
        let answer = process_batch(event.payload, job_queue::from_body, run_job).await;
        let function = &event.context.env_config.function_name;
        metrics::put(&self.metrics, function, self.clock.now(), &counts.get().figures());
        Ok(answer)
    }

    async fn process_message(
        &self,
        key: &JobKey,
        run: &RequestId,
        deadline: DateTime<Utc>,
        counts: &Cell<RunCounts>,
    ) -> MessageOutcome {
        tracing::Span::current().record("job", key.job.as_str());
        let ports = Ports { store: &self.store, clock: &self.clock };
        let queues = RunQueues { mails: &self.queue, jobs: &self.jobs };
        match bulk_run::run(&ports, &queues, &self.entropy, key, deadline, run).await {
            Ok(RunOutcome::Slice(slice)) => {
                if let Some(error) = &slice.unqueued {
                    tracing::warn!(
                        cause = cause::from_queue(error),
                        "invited but not queued: the sweep will queue them"
                    );
                }
                let SliceOutcome { invited, refused, previewed, done, .. } = slice;
                tracing::info!(invited, refused, previewed, done, "slice processed");
                counts.update(|counts| counts.with_slice(&slice));
            }
            Ok(RunOutcome::Held) => tracing::info!("another run has the job"),
            Ok(RunOutcome::Over) => tracing::info!("the job is over"),
            Ok(RunOutcome::Missing) => tracing::warn!("there is no such job"),
            Err(error) => {
                tracing::error!(cause = cause::from_port(&error), "message not processed");
                return MessageOutcome::Retry;
            }
        }
        MessageOutcome::Done
    }
}

/// The counts of an invocation.
#[derive(Clone, Copy, Debug, Default)]
struct RunCounts {
    slices: u32,
    invited: u32,
    refused: u32,
    previewed: u32,
    jobs_done: u32,
}

impl RunCounts {
    /// The counts with one more slice.
    fn with_slice(mut self, slice: &SliceOutcome) -> Self {
        self.slices += 1;
        self.invited += slice.invited;
        self.refused += slice.refused;
        self.previewed += slice.previewed;
        self.jobs_done += u32::from(slice.done);
        self
    }

    /// The metrics.
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
