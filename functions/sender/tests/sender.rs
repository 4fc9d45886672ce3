//! The function `sender`, from the queue's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Context, LambdaEvent};
use portal::{
    operations::breaker::Breaker,
    ports::{ChangeStore as _, CommitOutcome, SendOutcome},
    testing::{Fault, MemoryStore, ScriptedMailer, TestClock, TestEntropy, samples},
    timeline::Role,
};
use portal_aws::{http::testing::sample, metrics::KeptLines};
use sender::Sender;

type Function = Sender<MemoryStore, ScriptedMailer, TestClock, TestEntropy, KeptLines>;

const NOTHING_AGAIN: &str = r#"{"batchItemFailures":[]}"#;
const ALL_AGAIN: &str = r#"{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975830a7d"}]}"#;

/// The function, and a patient whose invitation is queued.
fn function() -> Function {
    Sender {
        store: MemoryStore::with_queued_invitation(),
        mailer: ScriptedMailer::default(),
        clock: TestClock::default(),
        entropy: TestEntropy::default(),
        breaker: Breaker::default(),
        metrics: KeptLines::default(),
    }
}

async fn work(function: &Function, secs_left: i64) -> String {
    work_sample(function, "sender/one-invitation", secs_left).await
}

async fn work_sample(function: &Function, name: &str, secs_left: i64) -> String {
    let mut context = Context::default();
    "portal-sender".clone_into(&mut Arc::make_mut(&mut context.env_config).function_name);
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = u64::try_from(samples::noon().timestamp_millis() + secs_left * 1000).unwrap();
    let event: SqsEvent = sample(name);
    serde_json::to_string(&function.work(LambdaEvent::new(event, context)).await.unwrap()).unwrap()
}

fn state(function: &Function) -> &'static str {
    let record = function.store.peek(&samples::key("lakeside", "p-1001")).unwrap();
    record.invitation.unwrap().state.facet().into()
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

/// The metrics of the last line.
fn counted(function: &Function) -> Vec<(String, u64)> {
    let line: serde_json::Value = serde_json::from_str(function.metrics.lines().last().unwrap()).unwrap();
    line.as_object().unwrap().iter().filter_map(|(name, value)| Some((name.clone(), value.as_u64()?))).collect()
}

#[tokio::test]
async fn each_run_writes_its_metrics_in_one_line() {
    let function = function();
    work(&function, 30).await;
    let golden = concat!(
        r#"{"_aws":{"Timestamp":1777982400000,"CloudWatchMetrics":[{"Namespace":"PatientPortalInvitations","#,
        r#""Dimensions":[["function"]],"Metrics":[{"Name":"sent","Unit":"Count"}]}]},"#,
        r#""function":"portal-sender","sent":1}"#,
    );
    assert_eq!(function.metrics.lines(), [golden]);
}

#[tokio::test]
async fn metrics_tell_the_outcomes_apart() {
    for (answer, name) in [
        (SendOutcome::Refused, "refused"),
        (SendOutcome::Throttled, "deferred"),
        (SendOutcome::Paused, "paused"),
        (SendOutcome::Unknown, "unknown"),
    ] {
        let function = function();
        function.mailer.answer_next([answer]);
        work(&function, 30).await;
        assert_eq!(counted(&function), [(name.to_owned(), 1)]);
        assert!(sender::metric_names().any(|known| known == name), "{name}");
    }
}

#[tokio::test]
async fn a_pause_that_one_run_met_is_known_to_the_next() {
    let function = function();
    function.mailer.answer_next([SendOutcome::Paused]);
    assert_eq!(work(&function, 30).await, NOTHING_AGAIN);
    let before = function.store.contents();
    assert_eq!(work(&function, 30).await, NOTHING_AGAIN);
    assert_eq!(counted(&function), [("skipped".to_owned(), 1)]);
    assert_eq!((function.store.contents(), function.mailer.mails().len()), (before, 1));
}

/// The function, and a patient whose account has another address since a moment ago.
async fn function_with_notices() -> Function {
    let (store, key) =
        (MemoryStore::with_practices([samples::practice("lakeside")]), samples::key("lakeside", "p-1001"));
    store.open_account(&key, "jose@example.com");
    let act = samples::act_of(Role::Support, samples::noon(), "change");
    let change = store.peek(&key).unwrap().change_account_email(&samples::email("new@example.com"), act);
    let committed = store.commit(&change.unwrap().unwrap()).await.unwrap();
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
    assert!(function.metrics.lines()[0].contains(r#""noticesSent":2"#));
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
