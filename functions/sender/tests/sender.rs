//! The function `sender`, from the queue's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Context, LambdaEvent};
use portal::{
    ports::{CommitOutcome, DeliveryStore as _},
    testing::{Fault, MemoryStore, ScriptedMailer, TestClock, TestEntropy, samples},
    timeline::Role,
};
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
    work_sample(function, "sender/one-invitation", secs_left).await
}

async fn work_sample(function: &Function, name: &str, secs_left: i64) -> String {
    let mut context = Context::default();
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = u64::try_from(samples::noon().timestamp_millis() + secs_left * 1000).unwrap();
    let event: SqsEvent = sample(name);
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

/// The function, and a patient whose account has another address since a moment ago.
async fn function_with_notices() -> Function {
    let (store, key) =
        (MemoryStore::with_practices([samples::practice("lakeside")]), samples::key("lakeside", "p-1001"));
    store.open_account(&key, "jose@example.com");
    let act = samples::act_of(Role::Support, samples::noon(), "change");
    let change = store.peek(&key).unwrap().change_account_email(&samples::email("new@example.com"), act);
    let committed = store.commit_delivery(&change.unwrap().unwrap()).await.unwrap();
    assert_eq!(committed, CommitOutcome::Committed);
    Function { store, ..function() }
}

#[tokio::test]
async fn notices_are_mailed_once() {
    let function = function_with_notices().await;
    for _ in 0..2 {
        assert_eq!(work_sample(&function, "sender/notices", 30).await, NOTHING_AGAIN);
    }
    let told: Vec<_> = function.mailer.notices().into_iter().map(|notice| notice.to).collect();
    assert_eq!(told, [samples::email("jose@example.com"), samples::email("new@example.com")]);
    assert!(function.mailer.mails().is_empty());
}

#[tokio::test]
async fn a_hint_at_notices_comes_again_if_the_store_is_at_fault_or_no_time_is_left() {
    let function = function_with_notices().await;
    let before = function.store.contents();
    assert_eq!(work_sample(&function, "sender/notices", 9).await, ALL_AGAIN);
    function.store.fail_next([Some(Fault::Unavailable)]);
    assert_eq!(work_sample(&function, "sender/notices", 30).await, ALL_AGAIN);
    assert_eq!((function.store.contents(), function.mailer.notices().len()), (before, 0));
    assert_eq!(work_sample(&function, "sender/notices", 30).await, NOTHING_AGAIN);
    assert_eq!(function.mailer.notices().len(), 2);
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
