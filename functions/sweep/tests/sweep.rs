//! The function `sweep`, from the schedule's events to their effects.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use std::sync::Arc;

use chrono::TimeDelta;
use lambda_runtime::Context;
use portal::{
    ports::Clock as _,
    testing::{Fault, MemoryQueue, MemoryStore, TestClock, TestEntropy, samples},
};
use portal_aws::{http::testing::sample, metrics::KeptLines};
use sweep::Sweep;

type Function = Sweep<MemoryStore, MemoryQueue, TestClock, TestEntropy, KeptLines>;

/// The function, and a patient whose invitation was queued an hour ago, with a lost queue message.
fn function() -> Function {
    let store = MemoryStore::with_queued_invitation();
    let clock = TestClock::new(samples::noon() + TimeDelta::hours(1));
    Sweep {
        store,
        queue: MemoryQueue::default(),
        clock,
        entropy: TestEntropy::default(),
        metrics: KeptLines::default(),
    }
}

fn context(function: &Function, secs_left: i64) -> Context {
    let _scheduled: serde::de::IgnoredAny = sample("sweep/scheduled");
    let mut context = Context::default();
    "portal-sweep".clone_into(&mut Arc::make_mut(&mut context.env_config).function_name);
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = u64::try_from(function.clock.now().timestamp_millis() + secs_left * 1000).unwrap();
    context
}

#[tokio::test]
async fn an_invitation_with_a_lost_message_is_queued_again() {
    let function = function();
    function.run(&context(&function, 120)).await.unwrap();
    assert_eq!(function.queue.messages().len(), 1);
    function.run(&context(&function, 120)).await.unwrap();
    assert_eq!(function.queue.messages().len(), 1, "a second run finds nothing due");
}

#[tokio::test]
async fn nothing_is_processed_in_the_last_half_minute() {
    let function = function();
    function.run(&context(&function, 30)).await.unwrap();
    assert!(function.queue.messages().is_empty());
    function.run(&context(&function, 31)).await.unwrap();
    assert_eq!(function.queue.messages().len(), 1);
}

#[tokio::test]
async fn a_run_with_a_fault_is_an_error() {
    let function = function();
    function.store.fail_next([Some(Fault::Unavailable)]);
    assert!(function.run(&context(&function, 120)).await.is_err());
    assert_eq!(function.queue.take().len(), 1, "the other shards are still processed");
    function.clock.advance(TimeDelta::hours(1));
    function.queue.fail_next(1);
    assert!(function.run(&context(&function, 120)).await.is_err());
    assert!(function.run(&Context::default()).await.is_err());
}

#[tokio::test]
async fn a_run_that_finds_something_writes_its_metrics_in_one_line() {
    let function = function();
    function.run(&context(&function, 120)).await.unwrap();
    let golden = concat!(
        r#"{"_aws":{"Timestamp":1777986000000,"CloudWatchMetrics":[{"Namespace":"PatientPortalInvitations","#,
        r#""Dimensions":[["function"]],"Metrics":[{"Name":"queued","Unit":"Count"},"#,
        r#"{"Name":"oldestUnsentAge","Unit":"Seconds"}]}]},"#,
        r#""function":"portal-sweep","oldestUnsentAge":3600,"queued":1}"#,
    );
    assert_eq!(function.metrics.lines(), [golden]);
    function.run(&context(&function, 120)).await.unwrap();
    assert_eq!(function.metrics.lines().len(), 1, "a run that finds nothing has nothing to count");
}
