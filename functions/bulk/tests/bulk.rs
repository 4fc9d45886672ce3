//! The function `bulk`, from the gateway's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use bulk::Bulk;
use chrono::TimeDelta;
use portal::{
    bulk::{Audience, BulkJob, BulkOutcome, BulkResult, SliceProgress},
    ports::{BulkStore as _, CommitOutcome, JobPart},
    refusal::InviteRefusal,
    testing::{Fault, MemoryJobQueue, MemoryStore, TestClock, TestEntropy, samples},
};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, assert_refused, bad_bodies, bad_callers, edge},
};
use serde_json::{Value, json};

type Function = Edge<Bulk<MemoryStore, MemoryJobQueue, TestClock, TestEntropy>>;

/// The id of the job in the samples.
const JOB: &str = "0199c0de-7c3a-7d2e-9f00-0123456789ab";

fn function() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    edge(Bulk { store, jobs: MemoryJobQueue::default(), clock: TestClock::default(), entropy: TestEntropy::default() })
}

/// The function, and a job of which this many slices of two patients have been processed.
async fn function_with_job(practice: &str, slices: u32) -> Function {
    let function = function();
    let store = &function.handler().store;
    let (scope, run) = (samples::scope(practice), samples::request_id("run-1"));
    let mut job = samples::bulk_job(practice, JOB, 100);
    assert_eq!(store.begin_job(&scope, &job, &[], &samples::job_begun(&job)).await.unwrap(), None);
    for slice in 0..slices {
        let claimed = job.claim(&run, samples::noon()).unwrap();
        save(store, &claimed, None).await;
        let result =
            |number: u32, outcome| BulkResult { patient: samples::patient_id(&format!("p-{number}")), outcome };
        let refused = BulkOutcome::from_refusal(&InviteRefusal::EmailInUse { holder: None });
        let progress = SliceProgress {
            audience: Audience::Named { total: 100, processed: slice * 2 + 2 },
            complete: false,
            results: vec![result(slice * 2, BulkOutcome::Invited), result(slice * 2 + 1, refused)],
        };
        let at = samples::noon() + TimeDelta::seconds((slice + 1).into());
        let (after, written) = claimed.advance(&run, progress, at).unwrap();
        save(store, &after, written.as_ref()).await;
        job = after;
    }
    function
}

async fn save(store: &MemoryStore, job: &BulkJob, slice: Option<&portal::bulk::Slice>) {
    assert_eq!(store.save_job(&job.scope, job, slice.map(JobPart::Slice)).await.unwrap(), CommitOutcome::Committed);
}

#[tokio::test]
async fn a_job_is_accepted_and_queued() {
    let function = function();
    insta::assert_json_snapshot!("accepted", Sample::new("bulk/begin").ask(&function).await);
    let key = samples::scope("lakeside").job(&samples::job_id("job-0001"));
    assert_eq!(function.handler().jobs.take(), [(key.clone(), TimeDelta::zero())]);
    let named = ["p-1001", "p-1002", "p-1003"].map(samples::patient_id);
    assert_eq!(function.handler().store.contents().jobs[&key].1, named);
    insta::assert_json_snapshot!("never_invited", Sample::new("bulk/begin-never-invited").ask(&function).await);
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_the_same_job() {
    let function = function();
    let request = Sample::new("bulk/begin").header("idempotency-key", "key-1");
    function.handler().jobs.fail_next(1);
    insta::assert_json_snapshot!("unavailable", request.ask(&function).await);
    let begun = request.ask(&function).await;
    assert_eq!(begun.status, 202);
    assert_eq!(request.ask(&function).await, begun);
    assert_eq!(function.handler().jobs.take().len(), 2);
    let others = vec![
        Bad::new("another body", request.clone().json(&json!({ "neverInvited": true })), 422, "idempotency_key_reused"),
        Bad::new("no key", request.clone().header("idempotency-key", ""), 400, "malformed"),
    ];
    assert_refused(&function, others, |bulk| bulk.store.contents()).await;
    let elsewhere = request.claim("practice_id", "hillside").ask(&function).await;
    assert_ne!(elsewhere.body["jobId"], begun.body["jobId"]);
}

#[tokio::test]
async fn an_audience_is_either_named_patients_or_all_who_were_never_invited() {
    let invalid = |body: Value, pointer: &str, code: &str| (body, json!([{ "pointer": pointer, "code": code }]));
    let ids = |count: usize| (0..count).map(|number| format!("{number:064}")).collect::<Vec<_>>();
    let function = function();
    for (body, errors) in [
        invalid(json!({}), "", "invalid"),
        invalid(json!({ "dryRun": true }), "", "invalid"),
        invalid(json!({ "patientIds": ["p-1"], "neverInvited": true }), "", "invalid"),
        invalid(json!({ "patientIds": ["p-1"], "audience": "never_invited" }), "", "invalid"),
        invalid(json!({ "audience": "neverInvited" }), "/audience", "invalid"),
        invalid(json!({ "audience": true }), "/audience", "wrong_type"),
        invalid(json!({ "patientIds": [] }), "/patientIds", "invalid"),
        invalid(json!({ "patientIds": ["p-1", "p-2", "p-1"] }), "/patientIds", "invalid"),
        invalid(json!({ "patientIds": ["p 1"] }), "/patientIds", "invalid"),
        invalid(json!({ "patientIds": [1] }), "/patientIds", "wrong_type"),
        invalid(json!({ "patientIds": "p-1" }), "/patientIds", "wrong_type"),
        invalid(json!({ "patientIds": ids(501) }), "/patientIds", "invalid"),
        invalid(json!({ "neverInvited": false }), "/neverInvited", "invalid"),
        invalid(json!({ "neverInvited": true, "dryRun": "no" }), "/dryRun", "wrong_type"),
    ] {
        let answer = Sample::new("bulk/begin").json(&body).ask(&function).await;
        assert_eq!((answer.status, &answer.body["errors"]), (422, &errors), "{body}");
    }
    assert!(function.handler().store.contents().jobs.is_empty());
    for (body, total) in [
        (json!({ "patientIds": ids(500) }), json!(500)),
        (json!({ "patientIds": ["p-1"], "neverInvited": null, "dryRun": null }), json!(1)),
        (json!({ "audience": "never_invited" }), Value::Null),
        // The former way, which clients may still use.
        (json!({ "neverInvited": true }), Value::Null),
    ] {
        let answer = Sample::new("bulk/begin").json(&body).ask(&function).await;
        assert_eq!((answer.status, &answer.body["total"]), (202, &total));
    }
}

#[tokio::test]
async fn a_job_shows_its_progress() {
    let function = function_with_job("lakeside", 7).await;
    insta::assert_json_snapshot!("running", Sample::new("bulk/read").ask(&function).await);
}

#[tokio::test]
async fn results_come_in_pages_as_json_and_as_a_table() {
    let function = function_with_job("lakeside", 7).await;
    insta::assert_json_snapshot!("results", Sample::new("bulk/results").ask(&function).await);
    insta::assert_json_snapshot!("last_results", Sample::new("bulk/results").query("cursor", "5").ask(&function).await);
    insta::assert_json_snapshot!("table", Sample::new("bulk/results-csv").ask(&function).await);
    let last = Sample::new("bulk/results-csv").query("cursor", "5").ask(&function).await;
    assert_eq!((last.headers.get("link"), last.body.as_str().unwrap().lines().count()), (None, 5));
    for accept in ["application/json", "*/*", "text/csvx", "text/*"] {
        let answer = Sample::new("bulk/results").header("accept", accept).ask(&function).await;
        assert_eq!(answer.headers["content-type"], "application/json", "{accept}");
    }
    for accept in ["TEXT/CSV", "text/csv;q=0.9", "application/json;q=0.1, text/csv"] {
        let answer = Sample::new("bulk/results").header("accept", accept).ask(&function).await;
        assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8", "{accept}");
    }
    let bad = ["", "0", "x", "05", "-1", "99999999999"].map(|cursor| {
        Bad::new(format!("cursor {cursor:?}"), Sample::new("bulk/results").query("cursor", cursor), 400, "malformed")
    });
    assert_refused(&function, bad.into(), |bulk| bulk.store.contents()).await;
}

#[tokio::test]
async fn a_new_job_has_no_results() {
    let function = function_with_job("lakeside", 0).await;
    insta::assert_json_snapshot!("no_results", Sample::new("bulk/results").ask(&function).await);
}

#[tokio::test]
async fn a_job_is_cancelled_once() {
    let function = function_with_job("lakeside", 1).await;
    function.handler().clock.advance(TimeDelta::minutes(1));
    let cancelled = Sample::new("bulk/cancel").ask(&function).await;
    insta::assert_json_snapshot!("cancelled", cancelled);
    function.handler().clock.advance(TimeDelta::minutes(1));
    assert_eq!(Sample::new("bulk/cancel").ask(&function).await, cancelled);
    let member = Sample::new("bulk/cancel").json(&json!({ "reason": "x" })).ask(&function).await;
    assert_eq!((member.status, member.code()), (422, "invalid_fields"));
}

#[tokio::test]
async fn a_job_of_another_practice_is_answered_like_an_unknown_one() {
    let (with_foreign_job, without_job) = (function_with_job("hillside", 1).await, function());
    for name in ["bulk/read", "bulk/results", "bulk/results-csv", "bulk/cancel"] {
        let before = with_foreign_job.handler().store.contents();
        let answer = Sample::new(name).ask(&with_foreign_job).await;
        assert_eq!(answer, Sample::new(name).ask(&without_job).await, "{name}");
        assert_eq!((answer.status, answer.code()), (404, "job_not_found"), "{name}");
        assert_eq!(with_foreign_job.handler().store.contents(), before);
        let ids = ["", " ", "a b", "a/b", "a#b", "é", &"x".repeat(65), &"x".repeat(10_000)];
        let bad = ids.map(|id| Bad::new(format!("{name} {id:?}"), Sample::new(name).job(id), 404, "job_not_found"));
        assert_refused(&with_foreign_job, bad.into(), |bulk| bulk.store.contents()).await;
    }
    insta::assert_json_snapshot!("job_not_found", Sample::new("bulk/read").ask(&without_job).await);
}

#[tokio::test]
async fn a_caller_without_permission_is_refused() {
    let function = function_with_job("lakeside", 1).await;
    for name in ["bulk/begin", "bulk/read", "bulk/results", "bulk/cancel"] {
        assert_refused(&function, bad_callers(&Sample::new(name)), |bulk| bulk.store.contents()).await;
    }
    for name in ["bulk/begin", "bulk/cancel"] {
        let reader = Sample::new(name).claim("scope", "portal/read");
        let bad = vec![Bad::new(name, reader, 403, "forbidden")];
        assert_refused(&function, bad, |bulk| bulk.store.contents()).await;
        assert_refused(&function, bad_bodies(&Sample::new(name)), |bulk| bulk.store.contents()).await;
    }
}

#[tokio::test]
async fn a_fault_of_the_store_is_answered_as_a_problem() {
    for name in ["bulk/begin", "bulk/read", "bulk/results", "bulk/cancel"] {
        for (fault, status, code) in [(Fault::Busy, 503, "unavailable"), (Fault::Corrupt, 500, "internal")] {
            let function = function_with_job("lakeside", 1).await;
            function.handler().store.fail_next([Some(fault)]);
            let answer = Sample::new(name).ask(&function).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{name}");
            assert!(function.handler().jobs.take().is_empty());
        }
    }
}
