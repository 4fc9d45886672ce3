//! How long the function `sender` takes for a batch, in time that is only counted.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Context, LambdaEvent};
use portal::{
    operations::breaker::Breaker,
    ports::{Hint, InvitationMail, InvitationMessage, Mailer, NoticeMail, SendOutcome},
    testing::{MemoryStore, ScriptedMailer, TestClock, TestEntropy, samples},
};
use portal_aws::{http::testing::sample, metrics::KeptLines, queue};
use sender::Sender;
use tokio::time::{Instant, sleep};

/// How long the mail service takes for a mail.
const LATENCY: Duration = Duration::from_millis(50);

/// A mail service that takes its time.
#[derive(Debug, Default)]
struct Slow(ScriptedMailer);

impl Mailer for Slow {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        sleep(LATENCY).await;
        self.0.send(mail).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        sleep(LATENCY).await;
        self.0.notify(mail).await
    }
}

/// A store with so many patients whose invitations are queued, and the event that tells of all of them.
fn batch(mails: usize) -> (MemoryStore, SqsEvent) {
    let practice = samples::practice("lakeside");
    let mut event: SqsEvent = sample("sender/one-invitation");
    let message = event.records.remove(0);
    let store = MemoryStore::with_practices([practice.clone()]);
    for number in 0..mails {
        let key = samples::key("lakeside", &format!("p-{number}"));
        let id = samples::invitation_id(&format!("invitation-{number}"));
        let patient = samples::new_patient(&key, samples::profile(Some(&format!("patient-{number}@example.com"))));
        let invited = patient.after.invite(&practice, None, id.clone(), samples::act(samples::noon(), "invite"));
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
        mailer: Slow::default(),
        clock: TestClock::default(),
        entropy: TestEntropy::default(),
        breaker: Breaker::default(),
        metrics: KeptLines::default(),
    };
    let mut context = Context::default();
    "portal-sender".clone_into(&mut Arc::make_mut(&mut context.env_config).function_name);
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = u64::try_from(samples::noon().timestamp_millis() + 30_000).unwrap();

    let begun = Instant::now();
    let answer = sender.work(LambdaEvent::new(event, context)).await.unwrap();
    assert!(begun.elapsed() < LATENCY * 2, "{:?}", begun.elapsed());
    assert!(answer.batch_item_failures.is_empty());
    assert_eq!(sender.mailer.0.mails().len(), 10);
}
