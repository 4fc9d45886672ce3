//! The function `sender`, from the queue's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Context, LambdaEvent};
use portal::testing::{Fault, MemoryStore, ScriptedMailer, TestClock, TestEntropy, samples};
use portal_aws::http::testing::sample;
use sender::Sender;

type Function = Sender<MemoryStore, ScriptedMailer, TestClock, TestEntropy>;

const NOTHING_AGAIN: &str = r#"{"batchItemFailures":[]}"#;
const ALL_AGAIN: &str = r#"{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975830a7d"}]}"#;

/// The function, and a patient whose invitation is queued.
fn function() -> Function {
    let store = MemoryStore::with_queued_invitation();
    Sender { store, mailer: ScriptedMailer::default(), clock: TestClock::default(), entropy: TestEntropy::default() }
}

async fn work(function: &Function, secs_left: i64) -> String {
    let mut context = Context::default();
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = u64::try_from(samples::noon().timestamp_millis() + secs_left * 1000).unwrap();
    let event: SqsEvent = sample("sender/one-invitation");
    serde_json::to_string(&function.work(LambdaEvent::new(event, context)).await.unwrap()).unwrap()
}

fn state(function: &Function) -> &'static str {
    let record = function.store.peek(&samples::key("lakeside", "p-1001")).unwrap();
    record.invitation.unwrap().state.name()
}

#[tokio::test]
async fn a_queued_invitation_is_mailed_once() {
    let function = function();
    assert_eq!(work(&function, 30).await, NOTHING_AGAIN);
    assert_eq!(work(&function, 30).await, NOTHING_AGAIN);
    assert_eq!(state(&function), "sent");
    let mails = function.mailer.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, samples::email("jose@example.com"));
}

#[tokio::test]
async fn without_time_left_nothing_is_begun() {
    let function = function();
    let before = function.store.contents();
    assert_eq!(work(&function, 9).await, ALL_AGAIN);
    assert_eq!(function.store.contents(), before);
    assert!(function.mailer.mails().is_empty());
}

#[tokio::test]
async fn a_message_comes_again_if_the_store_is_at_fault() {
    let function = function();
    function.store.fail_next([Some(Fault::Unavailable)]);
    assert_eq!(work(&function, 30).await, ALL_AGAIN);
    assert_eq!(state(&function), "queued");
    assert_eq!(work(&function, 30).await, NOTHING_AGAIN);
    assert_eq!(state(&function), "sent");
}

#[tokio::test]
async fn without_an_id_of_its_run_nothing_is_begun() {
    let function = function();
    let event: SqsEvent = sample("sender/one-invitation");
    assert!(function.work(LambdaEvent::new(event, Context::default())).await.is_err());
    assert_eq!(state(&function), "queued");
}
