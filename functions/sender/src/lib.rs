//! Hands the mails of queued invitations, and notices, to the mail service.

mod tally;

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
    sqs::{MessageOutcome, work_batch},
};

use self::tally::Tally;

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, MailSettings);

/// The names of the metrics that the function can write.
pub fn metric_names() -> impl Iterator<Item = &'static str> {
    Tally::default().figures().into_iter().map(|figure| figure.name)
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
    /// Secrets for links.
    pub entropy: E,
    /// Whether SES sends anything; kept for as long as the process is.
    pub breaker: Breaker,
    /// What it did, in numbers.
    pub metrics: L,
}

impl<S: DeliveryStore, M: Mailer, C: Clock, E: Entropy, L: MetricLog> Sender<S, M, C, E, L> {
    /// Works off a batch of queue messages, and tells which of them should come again.
    ///
    /// # Errors
    /// If Lambda gives the invocation no id; the whole batch comes again.
    pub async fn work(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let run = RequestId::parse(&event.context.request_id)?;
        let deadline = deadline(&event.context);
        let tally = Cell::new(Tally::default());
        let follow = async |hint| self.follow(&hint, &run, deadline, &tally).await;
        let answer = work_batch(event.payload, queue::from_body, follow).await;
        let function = &event.context.env_config.function_name;
        metrics::put(&self.metrics, function, self.clock.now(), &tally.get().figures());
        Ok(answer)
    }

    async fn follow(
        &self,
        hint: &Hint,
        run: &RequestId,
        deadline: DateTime<Utc>,
        tally: &Cell<Tally>,
    ) -> MessageOutcome {
        if let Hint::Invitation(message) = hint {
            tracing::Span::current().record("invitation", message.invitation.as_str());
        }
        if !time_to_claim(self.clock.now(), deadline) {
            tracing::warn!("no time left to hand the mail over");
            return MessageOutcome::Retry;
        }
        match self.hand_over(hint, run, deadline, tally).await {
            Ok(()) => MessageOutcome::Done,
            Err(error) => {
                tracing::error!(cause = cause::of_store(&error), "message not processed");
                MessageOutcome::Retry
            }
        }
    }

    async fn hand_over(
        &self,
        hint: &Hint,
        run: &RequestId,
        deadline: DateTime<Utc>,
        tally: &Cell<Tally>,
    ) -> Result<(), StoreError> {
        let ports = Ports { store: &self.store, clock: &self.clock };
        let mail_service = MailService { mailer: &self.mailer, breaker: &self.breaker };
        match hint {
            Hint::Invitation(message) => {
                let outcome = deliver(&ports, &mail_service, &self.entropy, message, run).await?;
                tally.update(|tally| tally.with_invitation(outcome));
                tracing::info!(?outcome, "message processed");
            }
            Hint::Notices(key) => {
                let notices = notify(&ports, &mail_service, key, deadline, run).await?;
                tally.update(|tally| tally.with_notices(notices));
                tracing::info!(?notices, "message processed");
            }
        }
        Ok(())
    }
}
