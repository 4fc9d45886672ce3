//! Takes in what SES tells of the mails that were handed to it.

use lambda_runtime::{Error, LambdaEvent};
use portal::email::Pepper;
use portal::{
    ids::RequestId,
    operations::mail_event::{EventOutcome, record_event},
    ports::{Clock, DeliveryStore, Ports},
    record::{Delivery, delivery::MailEvent},
};
use portal_aws::config::{AwsEnvironment, ConfigurationSet, TableName};
use portal_aws::{
    bootstrap::account,
    cause,
    metrics::{self, Figure, MetricLog},
    ses_events::{self, Origin, SesEvent},
};
use serde_json::Value;
use strum::IntoEnumIterator as _;

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, ConfigurationSet);

/// Counts events that tell nothing new. What is new is counted under the name of what became of the mail.
const KNOWN: &str = "known";
/// Counts events of mails that are nobody's current invitation.
const FOREIGN: &str = "foreign";
/// Counts events of a kind that SES is not asked to send.
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
    /// What became of mails, in numbers.
    pub metrics: L,
}

impl<S: DeliveryStore, C: Clock, L: MetricLog> MailEvents<S, C, L> {
    /// Takes one event in. What is not of our mails, or not new, changes nothing and is no failure.
    ///
    /// # Errors
    /// If the event cannot be read, or the store is at fault: Lambda tries twice more, and then keeps the event in the
    /// dead-letter queue.
    pub async fn take_in(&self, event: LambdaEvent<Value>) -> Result<(), Error> {
        let LambdaEvent { payload, context } = event;
        let run = RequestId::parse(&context.request_id)?;
        let account = account(&context).ok_or("Lambda does not say in which account this is")?;
        let origin = Origin { account, configuration_set: &self.configuration_set };
        let told = ses_events::read(&payload, origin).inspect_err(|error| tracing::error!(%error, "event not read"))?;
        let counted = match told {
            SesEvent::Mail(event) => self.note(&event, &run).await?,
            SesEvent::Other(kind) => {
                tracing::warn!(kind = kind.as_str(), "event of a kind that is not asked for");
                UNASKED
            }
            SesEvent::Foreign => {
                tracing::info!("event of no invitation's mail");
                FOREIGN
            }
        };
        // One figure, of what happened.
        let figure = Figure::count(counted, 1);
        metrics::put(&self.metrics, &context.env_config.function_name, self.clock.now(), &[figure]);
        Ok(())
    }

    /// Notes an event, and gives the name that it is counted under.
    async fn note(&self, event: &MailEvent, run: &RequestId) -> Result<&'static str, Error> {
        let MailEvent { invitation, attempt, message, news, .. } = event;
        // Not `message`, which is what a log line calls its words.
        let (invitation, ses_message, news) = (invitation.as_str(), message.as_str(), news.name());
        // Boxed, because the compiler gives up on futures that are nested as deeply as the SDK's within all of this.
        let ports = Ports { store: &self.store, clock: &self.clock };
        let outcome = Box::pin(record_event(&ports, event, run)).await.inspect_err(|error| {
            tracing::error!(
                invitation,
                attempt,
                ses_message,
                news,
                cause = cause::of_store(error),
                "event not recorded"
            );
        })?;
        tracing::info!(invitation, attempt, ses_message, news, ?outcome, "event processed");
        Ok(match outcome {
            EventOutcome::Recorded => news,
            EventOutcome::Known => KNOWN,
            EventOutcome::Foreign => FOREIGN,
        })
    }
}
