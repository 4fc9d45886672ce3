//! The function `bulk-runner`, from the queue's events to their effects.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use bulk_runner::BulkRunner;
use lambda_runtime::{Context, LambdaEvent};
use portal::{
    bulk::JobState,
    ports::{BulkStore as _, ChangeStore as _, Clock as _},
    testing::{Fault, MemoryJobQueue, MemoryQueue, MemoryStore, TestClock, TestEntropy, samples},
};
use portal_aws::{http::testing::sample, metrics::KeptLines};

type Function = BulkRunner<MemoryStore, MemoryQueue, MemoryJobQueue, TestClock, TestEntropy, KeptLines>;

/// The id of the job in the sample.
const JOB: &str = "0199c0de-7c3a-7d2e-9f00-0123456789ab";

/// The function, and a job with three patients, the last of whom does not exist.
async fn function() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside")]);
    let (scope, patients) = (samples::scope("lakeside"), ["p-1", "p-2", "p-3"].map(samples::patient_id));
    for patient in &patients[..2] {
        let profile = samples::profile(Some(&format!("{patient}@example.com")));
        store.commit(&samples::new_patient(&scope.record(patient), profile)).await.unwrap();
    }
    let job = samples::bulk_job("lakeside", JOB, 3);
    assert_eq!(store.begin_job(&scope, &job, &patients, &samples::job_begun(&job)).await.unwrap(), None);
    BulkRunner {
        store,
        queue: MemoryQueue::default(),
        jobs: MemoryJobQueue::default(),
        clock: TestClock::default(),
        entropy: TestEntropy::default(),
        metrics: KeptLines::default(),
    }
}

/// The answer to a batch with one message: the given one or the sample's.
async fn answer(function: &Function, body: Option<&str>, secs_left: i64) -> String {
    let mut event: SqsEvent = sample("bulk-runner/one-job");
    if let (Some(body), Some(message)) = (body, event.records.first_mut()) {
        message.body = Some(body.to_owned());
    }
    let mut context = Context::default();
    "portal-bulk-runner".clone_into(&mut Arc::make_mut(&mut context.env_config).function_name);
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = u64::try_from(function.clock.now().timestamp_millis() + secs_left * 1000).unwrap();
    serde_json::to_string(&function.process_batch(LambdaEvent::new(event, context)).await.unwrap()).unwrap()
}

async fn state(function: &Function) -> (JobState, u32) {
    let job = function.store.job(&samples::scope("lakeside"), &samples::job_id(JOB)).await.unwrap().unwrap();
    (job.state, job.processed())
}

const DONE: &str = r#"{"batchItemFailures":[]}"#;
const RECEIVED_AGAIN: &str = r#"{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975830a7d"}]}"#;

#[tokio::test]
async fn a_message_is_one_slice_and_one_line_of_metrics() {
    let function = function().await;
    assert_eq!(answer(&function, None, 30).await, DONE);
    assert_eq!(state(&function).await, (JobState::Done, 3));
    assert_eq!(function.queue.messages().len(), 2);
    let golden = concat!(
        r#"{"_aws":{"Timestamp":1777982400000,"CloudWatchMetrics":[{"Namespace":"PatientPortalInvitations","#,
        r#""Dimensions":[["function"]],"Metrics":[{"Name":"slices","Unit":"Count"},{"Name":"invited","Unit":"Count"},"#,
        r#"{"Name":"refused","Unit":"Count"},{"Name":"jobsDone","Unit":"Count"}]}]},"#,
        r#""function":"portal-bulk-runner","invited":2,"jobsDone":1,"refused":1,"slices":1}"#,
    );
    assert_eq!(function.metrics.lines(), [golden]);
    assert_eq!(answer(&function, None, 30).await, DONE, "the job is over");
    assert_eq!(function.metrics.lines().len(), 1, "and the run has nothing to count");
}

#[tokio::test]
async fn a_run_without_time_processes_one_patient_and_queues_the_next_run() {
    let function = function().await;
    assert_eq!(answer(&function, None, 15).await, DONE);
    assert_eq!(state(&function).await, (JobState::Running, 1));
    assert_eq!(function.jobs.take().len(), 1);
}

#[tokio::test]
async fn a_message_that_was_not_processed_is_received_again() {
    for calls in 0..8 {
        let function = function().await;
        let faults = std::iter::repeat_n(None, calls).chain([Some(Fault::Unavailable)]);
        function.store.fail_next(faults);
        assert_eq!(answer(&function, None, 30).await, RECEIVED_AGAIN, "call {calls}");
    }
    let function = function().await;
    function.jobs.fail_next(1);
    assert_eq!(answer(&function, None, 15).await, RECEIVED_AGAIN);
    // The run does not depend on the hints to the sender.
    function.queue.fail_next(1);
    assert_eq!(answer(&function, None, 30).await, DONE);
    assert_eq!(state(&function).await, (JobState::Done, 3));
}

#[tokio::test]
async fn an_unreadable_message_is_received_again_and_one_about_an_unknown_job_is_not() {
    let function = function().await;
    let before = function.store.contents();
    for body in ["", "poison", r#"{"schema":2,"practice":"lakeside","job":"job-1"}"#] {
        assert_eq!(answer(&function, Some(body), 30).await, RECEIVED_AGAIN, "{body}");
    }
    for body in [
        format!(r#"{{"schema":1,"practice":"hillside","job":"{JOB}"}}"#),
        r#"{"schema":1,"practice":"lakeside","job":"job-1"}"#.to_owned(),
    ] {
        assert_eq!(answer(&function, Some(&body), 30).await, DONE, "{body}");
    }
    assert_eq!(function.store.contents(), before);
}

#[tokio::test]
async fn without_an_invocation_id_nothing_is_run() {
    let function = function().await;
    let event = LambdaEvent::new(sample("bulk-runner/one-job"), Context::default());
    assert!(function.process_batch(event).await.is_err());
}
