//! Measures the function `sender`, with mail services of different latency.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use lambda_runtime::{Context, LambdaEvent};
use portal::{
    operations::breaker::Breaker,
    ports::{Clock as _, DeliveryStore, Hint, InvitationMail, Mailer, NoticeMail, SendOutcome},
};
use portal_aws::{clock::SystemClock, entropy::OsEntropy, metrics::StandardOutput, queue};
use sender::Sender;
use tokio::time::sleep;

use crate::measure::{Figures, Stopwatch, TimeSpent};

/// Mails in a batch: the batch size of the event source.
pub const BATCH: usize = 10;
/// Batches for each of [`LATENCIES_MILLIS`].
pub const BATCHES: usize = 50;
/// The latency that is added to that of the fake mail service.
pub const LATENCIES_MILLIS: [u64; 3] = [0, 10, 50];
/// The time limit of a run: the function's timeout in the template.
const TIMEOUT_MILLIS: i64 = 60_000;

/// A mailer with additional latency. It waits in this process, as it would for a real answer.
struct SlowMailer<M> {
    mailer: M,
    latency: Duration,
}

impl<M: Mailer> Mailer for SlowMailer<M> {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        sleep(self.latency).await;
        self.mailer.send(mail).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        sleep(self.latency).await;
        self.mailer.notify(mail).await
    }
}

/// Sends the mails of all hints. Returns the figures for each latency.
///
/// # Errors
/// If there are too few hints, or a mail is not sent.
pub async fn measure<S: DeliveryStore + Clone, M: Mailer + Clone>(
    store: S,
    mailer: M,
    hints: Vec<Hint>,
) -> Result<Vec<Figures>> {
    let senders = LATENCIES_MILLIS.map(|millis| Sender {
        store: store.clone(),
        mailer: SlowMailer { mailer: mailer.clone(), latency: Duration::from_millis(millis) },
        clock: SystemClock,
        entropy: OsEntropy,
        breaker: Breaker::default(),
        metrics: StandardOutput,
    });
    let mut spent = LATENCIES_MILLIS.map(|_| TimeSpent::default());
    let mut batches = hints.chunks_exact(BATCH);
    // In turns, so that other load on the machine affects all of them alike.
    for _ in 0..BATCHES {
        for (sender, spent) in senders.iter().zip(&mut spent) {
            let event = event(batches.next().context("there are too few hints")?)?;
            let stopwatch = Stopwatch::start()?;
            let answer = sender.process_batch(event).await.map_err(anyhow::Error::from_boxed)?;
            *spent = *spent + stopwatch.spent()?;
            ensure!(answer.batch_item_failures.is_empty(), "not all mails were sent: {answer:?}");
        }
    }
    let figures = LATENCIES_MILLIS.into_iter().zip(spent).map(|(millis, spent)| {
        Figures::new(format!("sender, {millis} ms"), BATCHES * BATCH, spent).in_batches(BATCHES)
    });
    Ok(figures.collect())
}

/// A batch of messages, as Lambda gives it to the function.
fn event(hints: &[Hint]) -> Result<LambdaEvent<SqsEvent>> {
    let message = |(number, hint): (usize, &Hint)| {
        let mut message = SqsMessage::default();
        message.message_id = Some(format!("message-{number}"));
        message.body = Some(queue::to_body(hint)?);
        Ok(message)
    };
    let mut event = SqsEvent::default();
    event.records = hints.iter().enumerate().map(message).collect::<Result<_>>()?;
    let mut context = Context::default();
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = u64::try_from(SystemClock.now().timestamp_millis() + TIMEOUT_MILLIS)?;
    Ok(LambdaEvent::new(event, context))
}
