//! Records the events of SES about mails.

use lambda_runtime::{Error, LambdaEvent};
use portal::{
    email::Pepper,
    ids::RequestId,
    operations::mail_event::{EventOutcome, record_event},
    ports::{Clock, DeliveryStore, Ports},
    record::delivery::MailEvent,
    states::Delivery,
};
use portal_aws::{
    bootstrap::account,
    cause,
    config::{AwsEnvironment, ConfigurationSet, TableName},
    metrics::{self, Figure, MetricLog},
    ses_events::{self, Origin, SesEvent},
};
use serde_json::Value;
use strum::IntoEnumIterator as _;

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, ConfigurationSet);

/// The metric for events that contain nothing new. A new event is counted under the name of its delivery state.
const KNOWN: &str = "known";
/// The metric for events about mails of no current invitation.
const FOREIGN: &str = "foreign";
/// The metric for events of a kind that the configuration does not request from SES.
const UNASKED: &str = "unasked";

/// The names of the metrics that the function can write.
pub fn metric_names() -> impl Iterator<Item = &'static str> {
    Delivery::iter().map(Delivery::name).chain([KNOWN, FOREIGN, UNASKED])
}

/// The function, over its ports.
#[derive(Debug)]
pub struct MailEvents<S, C, L> {
    /// The records.
    pub store: S,
    /// The time.
    pub clock: C,
    /// The configuration set that our mails are sent with.
    pub configuration_set: String,
    /// The log for metrics.
    pub metrics: L,
}

impl<S: DeliveryStore, C: Clock, L: MetricLog> MailEvents<S, C, L> {
    /// Processes one event. An event that is not about our mails, or not new, changes nothing and is not an error.
    ///
    /// # Errors
    /// If the event cannot be read, or the store fails: Lambda retries twice, and then puts the event into the dead-letter
    /// queue.
    pub async fn process_event(&self, event: LambdaEvent<Value>) -> Result<(), Error> {
        let LambdaEvent { payload, context } = event;
        let run = RequestId::parse(&context.request_id)?;
        let account = account(&context).ok_or("the invocation has no AWS account id")?;
        let origin = Origin { account, configuration_set: &self.configuration_set };
        let ses_event =
            ses_events::read(&payload, origin).inspect_err(|error| tracing::error!(%error, "event not read"))?;
        let metric = match ses_event {
            SesEvent::Mail(event) => self.record(&event, &run).await?,
            SesEvent::Other(kind) => {
                tracing::warn!(kind = kind.as_str(), "event of a kind that is not requested");
                UNASKED
            }
            SesEvent::Foreign => {
                tracing::info!("event about no invitation's mail");
                FOREIGN
            }
        };
        // Only the metric of this outcome is written, because each written metric costs money.
        let figure = Figure::count(metric, 1);
        metrics::put(&self.metrics, &context.env_config.function_name, self.clock.now(), &[figure]);
        Ok(())
    }

    /// Records an event, and returns the name of its metric.
    async fn record(&self, event: &MailEvent, run: &RequestId) -> Result<&'static str, Error> {
        let MailEvent { invitation, attempt, message, delivery, .. } = event;
        // Not `message`, because a log line's text has that name.
        let (invitation, ses_message, delivery) = (invitation.as_str(), message.as_str(), delivery.name());
        // Boxed, because the compiler cannot handle futures that are nested as deeply as the SDK's are here.
        let ports = Ports { store: &self.store, clock: &self.clock };
        let outcome = Box::pin(record_event(&ports, event, run)).await.inspect_err(|error| {
            tracing::error!(
                invitation,
                attempt,
                ses_message,
                delivery,
                cause = cause::from_store(error),
                "event not recorded"
            );
        })?;
        tracing::info!(invitation, attempt, ses_message, delivery, ?outcome, "event processed");
        Ok(match outcome {
            EventOutcome::Recorded => delivery,
            EventOutcome::Known => KNOWN,
            EventOutcome::Foreign => FOREIGN,
        })
    }
}
