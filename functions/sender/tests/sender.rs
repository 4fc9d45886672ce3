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

const NONE_RECEIVED_AGAIN: &str = r#"{"batchItemFailures":[]}"#;
const ALL_RECEIVED_AGAIN: &str = r#"{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975830a7d"}]}"#;

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

async fn process(function: &Function, secs_left: i64) -> String {
    process_sample(function, "sender/one-invitation", secs_left).await
}

async fn process_sample(function: &Function, name: &str, secs_left: i64) -> String {
    let mut context = Context::default();
    "portal-sender".clone_into(&mut Arc::make_mut(&mut context.env_config).function_name);
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = u64::try_from(samples::noon().timestamp_millis() + secs_left * 1000).unwrap();
    let event: SqsEvent = sample(name);
    serde_json::to_string(&function.process_batch(LambdaEvent::new(event, context)).await.unwrap()).unwrap()
}

fn state(function: &Function) -> &'static str {
    let record = function.store.stored_record(&samples::key("lakeside", "p-1001")).unwrap();
    record.invitation.unwrap().state.facet().into()
}

#[tokio::test]
async fn a_queued_invitation_is_mailed_once() {
    let function = function();
    assert_eq!(process(&function, 30).await, NONE_RECEIVED_AGAIN);
    assert_eq!(process(&function, 30).await, NONE_RECEIVED_AGAIN);
    assert_eq!(state(&function), "sent");
    let mails = function.mailer.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, samples::email("jose@example.com"));
}

/// The metrics in the last line.
fn written_metrics(function: &Function) -> Vec<(String, u64)> {
    let line: serde_json::Value = serde_json::from_str(function.metrics.lines().last().unwrap()).unwrap();
    line.as_object().unwrap().iter().filter_map(|(name, value)| Some((name.clone(), value.as_u64()?))).collect()
}

#[tokio::test]
async fn each_run_writes_its_metrics_in_one_line() {
    let function = function();
    process(&function, 30).await;
    let golden = concat!(
        r#"{"_aws":{"Timestamp":1777982400000,"CloudWatchMetrics":[{"Namespace":"PatientPortalInvitations","#,
        r#""Dimensions":[["function"]],"Metrics":[{"Name":"sent","Unit":"Count"}]}]},"#,
        r#""function":"portal-sender","sent":1}"#,
    );
    assert_eq!(function.metrics.lines(), [golden]);
}

#[tokio::test]
async fn each_outcome_has_its_own_metric() {
    for (answer, name) in [
        (SendOutcome::Refused, "refused"),
        (SendOutcome::Throttled, "deferred"),
        (SendOutcome::Paused, "paused"),
        (SendOutcome::Unknown, "unknown"),
    ] {
        let function = function();
        function.mailer.answer_next([answer]);
        process(&function, 30).await;
        assert_eq!(written_metrics(&function), [(name.to_owned(), 1)]);
        assert!(sender::metric_names().any(|known| known == name), "{name}");
    }
}

#[tokio::test]
async fn the_breaker_stays_open_in_the_next_run() {
    let function = function();
    function.mailer.answer_next([SendOutcome::Paused]);
    assert_eq!(process(&function, 30).await, NONE_RECEIVED_AGAIN);
    let before = function.store.contents();
    assert_eq!(process(&function, 30).await, NONE_RECEIVED_AGAIN);
    assert_eq!(written_metrics(&function), [("skipped".to_owned(), 1)]);
    assert_eq!((function.store.contents(), function.mailer.mails().len()), (before, 1));
}

/// The function, and a patient whose account's address was just changed.
async fn function_with_notices() -> Function {
    let (store, key) =
        (MemoryStore::with_practices([samples::practice("lakeside")]), samples::key("lakeside", "p-1001"));
    store.open_account(&key, "jose@example.com");
    let context = samples::context_as(Role::Support, samples::noon(), "change");
    let change = store.stored_record(&key).unwrap().change_account_email(&samples::email("new@example.com"), context);
    let committed = store.commit(&change.unwrap().unwrap()).await.unwrap();
    assert_eq!(committed, CommitOutcome::Committed);
    Function { store, ..function() }
}

#[tokio::test]
async fn notices_are_mailed_once() {
    let function = function_with_notices().await;
    for _ in 0..2 {
        assert_eq!(process_sample(&function, "sender/notices", 30).await, NONE_RECEIVED_AGAIN);
    }
    let recipients: Vec<_> = function.mailer.notices().into_iter().map(|notice| notice.to).collect();
    assert_eq!(recipients, [samples::email("jose@example.com"), samples::email("new@example.com")]);
    assert!(function.metrics.lines()[0].contains(r#""noticesSent":2"#));
    assert!(function.mailer.mails().is_empty());
}

#[tokio::test]
async fn a_hint_for_notices_is_received_again_after_a_fault_or_without_time() {
    let function = function_with_notices().await;
    let before = function.store.contents();
    assert_eq!(process_sample(&function, "sender/notices", 9).await, ALL_RECEIVED_AGAIN);
    function.store.fail_next([Some(Fault::Unavailable)]);
    assert_eq!(process_sample(&function, "sender/notices", 30).await, ALL_RECEIVED_AGAIN);
    assert_eq!((function.store.contents(), function.mailer.notices().len()), (before, 0));
    assert_eq!(process_sample(&function, "sender/notices", 30).await, NONE_RECEIVED_AGAIN);
    assert_eq!(function.mailer.notices().len(), 2);
}

#[tokio::test]
async fn without_time_no_mail_is_claimed() {
    let function = function();
    let before = function.store.contents();
    assert_eq!(process(&function, 9).await, ALL_RECEIVED_AGAIN);
    assert_eq!(function.store.contents(), before);
    assert!(function.mailer.mails().is_empty());
}

#[tokio::test]
async fn a_message_is_received_again_after_a_fault_of_the_store() {
    let function = function();
    function.store.fail_next([Some(Fault::Unavailable)]);
    assert_eq!(process(&function, 30).await, ALL_RECEIVED_AGAIN);
    assert_eq!(state(&function), "queued");
    assert_eq!(process(&function, 30).await, NONE_RECEIVED_AGAIN);
    assert_eq!(state(&function), "sent");
}

#[tokio::test]
async fn without_an_invocation_id_nothing_is_sent() {
    let function = function();
    let event: SqsEvent = sample("sender/one-invitation");
    assert!(function.process_batch(LambdaEvent::new(event, Context::default())).await.is_err());
    assert_eq!(state(&function), "queued");
}
