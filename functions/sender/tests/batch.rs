//! How long the function `sender` takes for a batch, in simulated time.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Context, LambdaEvent};
use portal::{
    operations::breaker::Breaker,
    ports::{Hint, InvitationMail, InvitationMessage, Mailer, NoticeMail, SendOutcome},
    record::guards::Recipient,
    testing::{MemoryStore, ScriptedMailer, TestClock, TestEntropy, samples},
};
use portal_aws::{http::testing::sample, metrics::KeptLines, queue};
use sender::Sender;
use tokio::time::{Instant, sleep};

/// The mail service's response time.
const LATENCY: Duration = Duration::from_millis(50);

/// A slow mail service.
#[derive(Debug, Default)]
struct SlowMailer(ScriptedMailer);

impl Mailer for SlowMailer {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        sleep(LATENCY).await;
        self.0.send(mail).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        sleep(LATENCY).await;
        self.0.notify(mail).await
    }
}

/// A store with this many patients whose invitations are queued, and an event with the messages for all of them.
fn batch(mails: usize) -> (MemoryStore, SqsEvent) {
    let practice = samples::practice("lakeside");
    let mut event: SqsEvent = sample("sender/one-invitation");
    let message = event.records.remove(0);
    let store = MemoryStore::with_practices([practice.clone()]);
    for number in 0..mails {
        let key = samples::key("lakeside", &format!("p-{number}"));
        let id = samples::invitation_id(&format!("invitation-{number}"));
        let patient = samples::new_patient(&key, samples::profile(Some(&format!("patient-{number}@example.com"))));
        let invited = patient.after.invite(
            &practice,
            &Recipient::default(),
            id.clone(),
            samples::staff_context(samples::noon(), "invite"),
        );
        store.put(invited.unwrap().after);
        let hint = Hint::Invitation(InvitationMessage { key, invitation: id });
        let mut message = message.clone();
        message.message_id = Some(format!("message-{number}"));
        message.body = Some(queue::to_body(&hint).unwrap());
        event.records.push(message);
    }
    (store, event)
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "a test measures how long something takes")]
async fn a_batch_takes_as_long_as_one_of_its_mails() {
    let (store, event) = batch(10);
    let sender = Sender {
        store,
        mailer: SlowMailer::default(),
        clock: TestClock::default(),
        entropy: TestEntropy::default(),
        breaker: Breaker::default(),
        metrics: KeptLines::default(),
    };
    let mut context = Context::default();
    "portal-sender".clone_into(&mut Arc::make_mut(&mut context.env_config).function_name);
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = u64::try_from(samples::noon().timestamp_millis() + 30_000).unwrap();

    let start = Instant::now();
    let answer = sender.process_batch(LambdaEvent::new(event, context)).await.unwrap();
    assert!(start.elapsed() < LATENCY * 2, "{:?}", start.elapsed());
    assert!(answer.batch_item_failures.is_empty());
    assert_eq!(sender.mailer.0.mails().len(), 10);
}
