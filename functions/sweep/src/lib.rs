//! Processes everything that is due: queues lost mails again, and sends reminders.

use chrono::TimeDelta;
use lambda_runtime::{Context, Error};
use portal::email::Pepper;
use portal::{
    ids::RequestId,
    operations::sweep::{SweepReport, sweep},
    ports::{Clock, DeliveryStore, Entropy, Ports, Queue},
};
use portal_aws::config::{AwsEnvironment, QueueUrl, TableName};
use portal_aws::{
    bootstrap::deadline,
    cause,
    metrics::{self, Figure, MetricLog, Unit},
};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, QueueUrl);

/// A run starts no new page when only this time is left, so that it can finish before it is stopped.
const MARGIN: TimeDelta = TimeDelta::seconds(30);

/// The names of the metrics that the function can write.
pub fn metric_names() -> impl Iterator<Item = &'static str> {
    figures(SweepReport::default()).into_iter().map(|figure| figure.name)
}

/// The function, over its ports.
#[derive(Debug)]
pub struct Sweep<S, Q, C, E, L> {
    /// The records.
    pub store: S,
    /// The queue to the sender.
    pub queue: Q,
    /// The time.
    pub clock: C,
    /// Randomness for the ids of reminders.
    pub entropy: E,
    /// The log for metrics.
    pub metrics: L,
}

impl<S: DeliveryStore, Q: Queue, C: Clock, E: Entropy, L: MetricLog> Sweep<S, Q, C, E, L> {
    /// Makes one run, and writes its report to the log and the metrics.
    ///
    /// # Errors
    /// If the store or the queue fails. The next run continues, and the alarm on errors notifies the operators. The metrics are
    /// not written then.
    pub async fn run(&self, context: &Context) -> Result<(), Error> {
        let run = RequestId::parse(&context.request_id)?;
        let Self { store, queue, clock, entropy, metrics } = self;
        let ports = Ports { store, clock };
        // Boxed, because the compiler cannot handle futures that are nested as deeply as the SDK's are here.
        let report = Box::pin(sweep(&ports, queue, entropy, deadline(context) - MARGIN, &run)).await;
        let report =
            report.inspect_err(|error| tracing::error!(cause = cause::from_port(error), "sweep stopped by a fault"))?;
        let SweepReport { queued, reminded, rescheduled, unscheduled, stale, stopped_early, .. } = report;
        tracing::info!(queued, reminded, rescheduled, unscheduled, stale, stopped_early, "sweep finished");
        metrics::put(metrics, &context.env_config.function_name, clock.now(), &figures(report));
        Ok(())
    }
}

fn figures(report: SweepReport) -> [Figure; 7] {
    let SweepReport { queued, reminded, rescheduled, unscheduled, stale, oldest_unsent, stopped_early } = report;
    let age = oldest_unsent.num_seconds().try_into().unwrap_or_default();
    [
        Figure::count("queued", queued),
        Figure::count("reminded", reminded),
        Figure::count("rescheduled", rescheduled),
        Figure::count("unscheduled", unscheduled),
        Figure::count("stale", stale),
        Figure::count("stoppedEarly", stopped_early.into()),
        Figure { name: "oldestUnsentAge", unit: Unit::Seconds, value: age },
    ]
}
