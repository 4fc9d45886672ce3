//! The function `reinvite`, from the gateway's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use chrono::TimeDelta;
use portal::{
    ports::{ChangeStore as _, Clock as _, CommitOutcome, Hint, InvitationMessage},
    record::Change,
    testing::{MemoryQueue, MemoryStore, TestClock, TestEntropy, samples},
};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, assert_refused, bad_bodies, bad_callers, bad_patients, edge},
};
use reinvite::Reinvite;
use serde_json::json;

type Function = Edge<Reinvite<MemoryStore, MemoryQueue, TestClock, TestEntropy>>;

/// The function, and patient `p-1001`, who was mailed an invitation a minute ago.
fn function_with_invited() -> Function {
    let function = edge(Reinvite {
        store: MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]),
        queue: MemoryQueue::default(),
        clock: TestClock::default(),
        entropy: TestEntropy::default(),
    });
    function.handler().store.mail_invitation(&samples::key("lakeside", "p-1001"), "jose@example.com");
    function.handler().clock.advance(TimeDelta::minutes(1));
    function
}

async fn commit(function: &Function, change: &Change) {
    let outcome = function.handler().store.commit(change).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed);
}

#[tokio::test]
async fn a_reinvitation_is_accepted_and_queued() {
    let function = function_with_invited();
    insta::assert_json_snapshot!("accepted", Sample::new("reinvite/same-email").ask(&function).await);
    let record = function.handler().store.stored_record(&samples::key("lakeside", "p-1001")).unwrap();
    let messages = function.handler().queue.messages();
    let message = InvitationMessage { key: record.key, invitation: record.invitation.unwrap().id };
    assert_eq!(messages, [Hint::Invitation(message)]);
}

#[tokio::test]
async fn another_address_is_used_and_not_saved() {
    let function = function_with_invited();
    insta::assert_json_snapshot!("another_email", Sample::new("reinvite/another-email").ask(&function).await);
    let record = function.handler().store.stored_record(&samples::key("lakeside", "p-1001")).unwrap();
    assert_eq!(record.profile.email, Some(samples::email("jose@example.com")));
}

#[tokio::test]
async fn too_soon_says_when_to_try_again() {
    let function = function_with_invited();
    function.handler().clock.set(samples::noon() + TimeDelta::milliseconds(22_400));
    let before = function.handler().store.contents();
    let answer = Sample::new("reinvite/same-email").ask(&function).await;
    assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (429, "38"));
    insta::assert_json_snapshot!("too_soon", answer);
    assert_eq!(function.handler().store.contents(), before);
    function.handler().clock.advance(TimeDelta::seconds(38));
    assert_eq!(Sample::new("reinvite/same-email").ask(&function).await.status, 202);
}

#[tokio::test]
async fn a_fault_of_the_queue_does_not_fail_the_request() {
    let function = function_with_invited();
    function.handler().queue.fail_next(1);
    let answer = Sample::new("reinvite/same-email").ask(&function).await;
    assert_eq!((answer.status, &answer.body["invitation"]["state"]), (202, &json!("queued")));
    assert!(function.handler().queue.messages().is_empty());
}

#[tokio::test]
async fn no_body_an_empty_body_and_null_are_the_same() {
    for body in ["", "{}", r#"{"email":null}"#] {
        let answer = Sample::new("reinvite/same-email").body(body).ask(&function_with_invited()).await;
        assert_eq!((answer.status, &answer.body["invitation"]["email"]), (202, &json!("jose@example.com")), "{body}");
    }
}

#[tokio::test]
async fn a_refusal_is_a_problem_with_its_code() {
    let function = function_with_invited();
    let store = &function.handler().store;
    for (patient, address) in [("p-2", None), ("p-3", Some("own@example.com"))] {
        let change = samples::new_patient(&samples::key("lakeside", patient), samples::profile(address));
        store.commit(&change).await.unwrap();
    }
    let request = Sample::new("reinvite/same-email");
    let to = |email: &str| request.clone().json(&json!({ "email": email }));
    let bad = vec![
        Bad::new("not invited", request.clone().patient("p-2"), 409, "not_invited"),
        Bad::new("no patient", request.clone().patient("p-4"), 404, "patient_not_found"),
        Bad::new("another practice", request.clone().claim("practice_id", "hillside"), 404, "patient_not_found"),
        Bad::new("another patient's address", to("own@example.com"), 409, "email_in_use"),
        Bad::new("a bad address", to("jose"), 422, "email_invalid"),
        Bad::new("a stale version", request.clone().header("if-match", "\"1\""), 412, "version_conflict"),
    ];
    assert_refused(&function, bad, |reinvite| (reinvite.store.contents(), reinvite.queue.messages())).await;

    let record = store.stored_record(&samples::key("lakeside", "p-1001")).unwrap();
    commit(&function, &record.opt_out(samples::staff_context(function.handler().clock.now(), "opt-out")).unwrap())
        .await;
    let bad = vec![Bad::new("opted out", request, 409, "opted_out")];
    assert_refused(&function, bad, |reinvite| (reinvite.store.contents(), reinvite.queue.messages())).await;
}

#[tokio::test]
async fn an_invalid_request_changes_nothing() {
    let function = function_with_invited();
    let request = Sample::new("reinvite/another-email");
    let mut bad = [bad_callers(&request), bad_patients(&request), bad_bodies(&request)].concat();
    bad.push(Bad::new("read only", request.clone().claim("scope", "portal/read"), 403, "forbidden"));
    bad.push(Bad::new(
        "another function's route",
        request.route("POST /v1/patients/{patientId}/portal/invite"),
        404,
        "not_found",
    ));
    assert_refused(&function, bad, |reinvite| (reinvite.store.contents(), reinvite.queue.messages())).await;
}
