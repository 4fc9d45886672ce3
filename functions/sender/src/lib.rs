//! Hands the mails of queued invitations, and notices, to SES.

mod counts;

use std::cell::Cell;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, Utc};
use lambda_runtime::{Error, LambdaEvent};
use portal::email::Pepper;
use portal::{
    ids::RequestId,
    operations::{
        breaker::Breaker,
        deliver::{MailService, deliver, time_to_claim},
        notify::notify,
    },
    ports::{Clock, DeliveryStore, Entropy, Hint, Mailer, Ports, StoreError},
};
use portal_aws::config::{AwsEnvironment, MailSettings, TableName};
use portal_aws::{
    bootstrap::deadline,
    cause,
    metrics::{self, MetricLog},
    queue,
    sqs::{MessageOutcome, process_batch},
};

use self::counts::RunCounts;

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, MailSettings);

/// The names of the metrics that the function can write.
pub fn metric_names() -> impl Iterator<Item = &'static str> {
    RunCounts::default().figures().into_iter().map(|figure| figure.name)
}

/// The function, over its ports.
#[derive(Debug)]
pub struct Sender<S, M, C, E, L> {
    /// The records.
    pub store: S,
    /// The mail service.
    pub mailer: M,
    /// The time.
    pub clock: C,
    /// Randomness for link secrets.
    pub entropy: E,
    /// The breaker, which lives as long as the process.
    pub breaker: Breaker,
    /// The log for metrics.
    pub metrics: L,
}

impl<S: DeliveryStore, M: Mailer, C: Clock, E: Entropy, L: MetricLog> Sender<S, M, C, E, L> {
    /// Processes a batch of queue messages, and returns which of them must be received again.
    ///
    /// # Errors
    /// If Lambda gives the invocation no id: the whole batch is received again.
    pub async fn process_batch(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let run = RequestId::parse(&event.context.request_id)?;
        let deadline = deadline(&event.context);
        let counts = Cell::new(RunCounts::default());
        let process_hint = async |hint| self.process_hint(&hint, &run, deadline, &counts).await;
        let answer = process_batch(event.payload, queue::from_body, process_hint).await;
        let function = &event.context.env_config.function_name;
        metrics::put(&self.metrics, function, self.clock.now(), &counts.get().figures());
        Ok(answer)
    }

    async fn process_hint(
        &self,
        hint: &Hint,
        run: &RequestId,
        deadline: DateTime<Utc>,
        counts: &Cell<RunCounts>,
    ) -> MessageOutcome {
        if let Hint::Invitation(message) = hint {
            tracing::Span::current().record("invitation", message.invitation.as_str());
        }
        if !time_to_claim(self.clock.now(), deadline) {
            tracing::warn!("no time left to hand the mail over");
            return MessageOutcome::Retry;
        }
        match self.hand_over(hint, run, deadline, counts).await {
            Ok(()) => MessageOutcome::Done,
            Err(error) => {
                tracing::error!(cause = cause::from_store(&error), "message not processed");
                MessageOutcome::Retry
            }
        }
    }

    async fn hand_over(
        &self,
        hint: &Hint,
        run: &RequestId,
        deadline: DateTime<Utc>,
        counts: &Cell<RunCounts>,
    ) -> Result<(), StoreError> {
        let ports = Ports { store: &self.store, clock: &self.clock };
        let mail_service = MailService { mailer: &self.mailer, breaker: &self.breaker };
        match hint {
            Hint::Invitation(message) => {
                let outcome = deliver(&ports, &mail_service, &self.entropy, message, run).await?;
                counts.update(|counts| counts.with_invitation(outcome));
                tracing::info!(?outcome, "message processed");
            }
            Hint::Notices(key) => {
                let notices = notify(&ports, &mail_service, key, deadline, run).await?;
                counts.update(|counts| counts.with_notices(notices));
                tracing::info!(?notices, "message processed");
            }
        }
        Ok(())
    }
}
