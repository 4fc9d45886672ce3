//! Hands the mails of queued invitations, and notices, to the mail service.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, Utc};
use lambda_runtime::{Error, LambdaEvent};
use portal::{
    ids::RequestId,
    operations::{
        deliver::{Delivery, time_to_claim},
        notify::Notify,
    },
    ports::{Clock, DeliveryStore, Entropy, Hint, Mailer, StoreError},
};
use portal_aws::{
    bootstrap::deadline,
    cause,
    sqs::{MessageOutcome, work_batch},
};

/// The function, over its ports.
#[derive(Debug)]
pub struct Sender<S, M, C, E> {
    /// The records.
    pub store: S,
    /// The mail service.
    pub mailer: M,
    /// The time.
    pub clock: C,
    /// Secrets for links.
    pub entropy: E,
}

impl<S: DeliveryStore, M: Mailer, C: Clock, E: Entropy> Sender<S, M, C, E> {
    /// Works off a batch of queue messages, and tells which of them should come again.
    ///
    /// # Errors
    /// If Lambda gives the invocation no id; the whole batch comes again.
    pub async fn work(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let run = RequestId::parse(&event.context.request_id)?;
        let deadline = deadline(&event.context);
        Ok(work_batch(event.payload, async |hint| self.follow(&hint, &run, deadline).await).await)
    }

    async fn follow(&self, hint: &Hint, run: &RequestId, deadline: DateTime<Utc>) -> MessageOutcome {
        if !time_to_claim(self.clock.now(), deadline) {
            tracing::warn!("no time left to hand the mail over");
            return MessageOutcome::Retry;
        }
        match self.hand_over(hint, run, deadline).await {
            Ok(()) => MessageOutcome::Done,
            Err(error) => {
                tracing::error!(cause = cause::of_store(&error), "message not worked off");
                MessageOutcome::Retry
            }
        }
    }

    async fn hand_over(&self, hint: &Hint, run: &RequestId, deadline: DateTime<Utc>) -> Result<(), StoreError> {
        let Self { store, mailer, clock, entropy } = self;
        match hint {
            Hint::Invitation(message) => {
                let delivered = Delivery { store, mailer, clock, entropy }.deliver(message, run).await?;
                tracing::info!(?delivered, "message worked off");
            }
            Hint::Notices(key) => {
                let notified = Notify { store, mailer, clock }.notify(key, deadline, run).await?;
                tracing::info!(?notified, "message worked off");
            }
        }
        Ok(())
    }
}
