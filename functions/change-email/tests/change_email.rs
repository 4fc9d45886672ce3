//! The function `change-email`, from the gateway's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use change_email::ChangeEmail;
use portal::{
    ports::{ChangeStore as _, CommitOutcome, Hint},
    record::{Account, PortalRecord},
    states::NoticeKind,
    testing::{Fault, MemoryQueue, MemoryStore, TestClock, samples},
    timeline::{EventKind, EventName, Role},
};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, assert_refused, bad_bodies, bad_patients, edge},
};
use serde_json::{Value, json};

type Function = Edge<ChangeEmail<MemoryStore, MemoryQueue, TestClock>>;

/// With patient `p-1001`, who has an account.
fn function_with_account() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    store.open_account(&samples::key("lakeside", "p-1001"), "jose@example.com");
    edge(ChangeEmail { store, queue: MemoryQueue::default(), clock: TestClock::default() })
}

fn change() -> Sample {
    Sample::new("change-email/change")
}

fn record(function: &Function) -> PortalRecord {
    function.handler().store.stored_record(&samples::key("lakeside", "p-1001")).unwrap()
}

fn close() -> Sample {
    Sample::new("change-email/close")
}

fn reopen() -> Sample {
    Sample::new("change-email/reopen")
}

/// Everything that a request could change.
fn stored_state(
    change_email: &ChangeEmail<MemoryStore, MemoryQueue, TestClock>,
) -> impl PartialEq + std::fmt::Debug + use<> {
    (change_email.store.contents(), change_email.queue.messages())
}

#[tokio::test]
async fn the_account_has_the_new_address_and_both_addresses_get_a_notice() {
    let function = function_with_account();
    insta::assert_json_snapshot!("changed", change().ask(&function).await);
    let record = record(&function);
    assert!(matches!(&record.account, Account::Active { email, .. } if email.typed() == "nunez.family@example.com"));
    let notices: Vec<_> = record.notices.iter().map(|notice| (notice.kind, notice.to.typed())).collect();
    let both =
        [(NoticeKind::AddressRemoved, "jose@example.com"), (NoticeKind::AddressAdded, "nunez.family@example.com")];
    assert_eq!(notices, both);
    assert_eq!(function.handler().queue.messages(), [Hint::Notices(record.key.clone())]);
    let event = function.handler().store.timeline(&record.key).pop().unwrap();
    assert_eq!((event.kind.name(), event.context.actor.role), (EventName::AccountEmailChanged, Role::Support));
    assert_eq!(event.context.actor.subject.unwrap().as_str(), "support-3");
}

#[tokio::test]
async fn a_practice_closes_an_account_and_customer_care_opens_it_again() {
    let function = function_with_account();
    insta::assert_json_snapshot!("closed", close().ask(&function).await);
    let closed = record(&function);
    assert!(matches!(&closed.account, Account::Deactivated { .. }));
    assert_eq!(function.handler().queue.messages(), [Hint::Notices(closed.key.clone())]);
    let event = function.handler().store.timeline(&closed.key).pop().unwrap();
    assert_eq!(event.kind, EventKind::AccountClosed { reason: samples::close_reason() });
    assert_eq!(event.context.actor, samples::staff());

    let bad = vec![
        Bad::new("a second time", close(), 409, "account_closed"),
        Bad::new("a new address", change(), 409, "account_closed"),
    ];
    assert_refused(&function, bad, stored_state).await;
    insta::assert_json_snapshot!("reopened", reopen().ask(&function).await);
    let bad = vec![Bad::new("a second time", reopen(), 409, "account_not_closed")];
    assert_refused(&function, bad, stored_state).await;

    let by_care = Sample::new("change-email/close-for-practice");
    assert_eq!(by_care.ask(&function).await.body["account"]["state"], "deactivated");
    let event = function.handler().store.timeline(&closed.key).pop().unwrap();
    assert_eq!((event.kind.name(), event.context.actor.role), (EventName::AccountClosed, Role::Support));
}

#[tokio::test]
async fn who_may_close_and_reopen_an_account_and_how() {
    let function = function_with_account();
    let by_care = || Sample::new("change-email/close-for-practice");
    let everything_else = "openid portal/read portal/patients portal/invite portal/support portal/logins";
    let as_admin = "openid portal/read portal/patients portal/invite portal/admin portal/logins";
    let reason = |reason: &Value| close().json(&json!({ "reason": reason }));
    let bad = vec![
        Bad::new("no admin", close().claim("scope", everything_else), 403, "forbidden"),
        Bad::new("an admin, as Customer Care", by_care().claim("scope", as_admin), 403, "support_only"),
        Bad::new("an admin", reopen().claim("scope", as_admin), 403, "support_only"),
        Bad::new("another practice's patient", close().claim("practice_id", "hillside"), 404, "patient_not_found"),
        Bad::new("another practice", by_care().practice("hillside"), 404, "patient_not_found"),
        Bad::new("another practice, to reopen", reopen().practice("hillside"), 404, "patient_not_found"),
        Bad::new("an open account", reopen(), 409, "account_not_closed"),
        Bad::new("no reason", close().json(&json!({})), 422, "invalid_fields"),
        Bad::new("an empty reason", reason(&json!(" ")), 422, "invalid_fields"),
        Bad::new("a long reason", reason(&json!("x".repeat(101))), 422, "invalid_fields"),
        Bad::new("a hidden character", reason(&json!("a\u{202e}b")), 422, "invalid_fields"),
        Bad::new("a number", reason(&json!(1)), 422, "invalid_fields"),
        Bad::new("no body", close().body(""), 400, "malformed"),
        Bad::new("a member", reopen().json(&json!({ "reason": "?" })), 422, "invalid_fields"),
        Bad::new("a stale version", close().header("if-match", "\"1\""), 412, "version_conflict"),
        Bad::new("a stale version, to reopen", reopen().header("if-match", "\"1\""), 412, "version_conflict"),
    ];
    assert_refused(&function, bad, stored_state).await;
}

#[tokio::test]
async fn a_repeated_request_changes_nothing_and_gets_the_same_answer() {
    let function = function_with_account();
    let first = change().ask(&function).await;
    let before = stored_state(function.handler());
    for spelling in ["nunez.family@example.com", "Nunez.Family@EXAMPLE.com"] {
        let again = change().request("request-2").json(&json!({ "email": spelling })).ask(&function).await;
        assert_eq!(again, first, "{spelling}");
        assert_eq!(stored_state(function.handler()), before, "{spelling}");
    }
}

#[tokio::test]
async fn a_fault_of_the_queue_does_not_fail_the_request() {
    let function = function_with_account();
    function.handler().queue.fail_next(1);
    assert_eq!(change().ask(&function).await.status, 200);
    assert!(function.handler().queue.messages().is_empty());
    assert_eq!(record(&function).notices.len(), 2);
}

#[tokio::test]
async fn if_match_is_checked() {
    let function = function_with_account();
    let version = record(&function).version;
    let bad = vec![
        Bad::new(
            "a stale version",
            change().header("if-match", &format!("\"{}\"", version - 1)),
            412,
            "version_conflict",
        ),
        Bad::new("no version", change().header("if-match", "1"), 400, "malformed"),
    ];
    assert_refused(&function, bad, stored_state).await;
    let answer = change().header("if-match", &format!("\"{version}\"")).ask(&function).await;
    assert_eq!((answer.status, answer.headers["etag"].as_str()), (200, format!("\"{}\"", version + 1).as_str()));
}

#[tokio::test]
async fn only_customer_care_may_change_an_address_and_a_practice_in_the_token_is_ignored() {
    let function = function_with_account();
    let claims = |scope: &str| change().claim("practice_id", "lakeside").claim("scope", scope);
    let everything = "openid portal/read portal/patients portal/invite portal/admin portal/logins";
    let bad = vec![
        Bad::new("no token", change().anonymous(), 401, "unauthenticated"),
        Bad::new("staff", claims("openid portal/read portal/invite"), 403, "support_only"),
        Bad::new("all but Customer Care", claims(everything), 403, "support_only"),
        Bad::new("a scope within another", claims("xportal/supportx"), 403, "support_only"),
        Bad::new("an empty scope", claims(""), 403, "support_only"),
        Bad::new("no scope", change().without_claim("scope"), 403, "forbidden"),
        Bad::new("no subject", change().without_claim("sub"), 403, "forbidden"),
        Bad::new("staff of a foreign patient", claims("portal/invite").patient("p-9"), 403, "support_only"),
    ];
    assert_refused(&function, bad, stored_state).await;
    insta::assert_json_snapshot!("support_only", claims(everything).ask(&function).await);

    let answer = change().claim("practice_id", "hillside").ask(&function).await;
    assert_eq!((answer.status, &answer.body["account"]["email"]), (200, &json!("nunez.family@example.com")));
}

#[tokio::test]
async fn every_unknown_patient_gets_the_same_answer() {
    let function = function_with_account();
    let before = stored_state(function.handler());
    let missing = change().patient("p-9").ask(&function).await;
    insta::assert_json_snapshot!("patient_not_found", missing);
    for (what, request) in [
        ("another practice's patient", change().practice("hillside")),
        ("an unknown practice", change().practice("nowhere")),
        ("an invalid practice id", change().practice("lakeside#PATIENT")),
        ("no practice", change().practice("")),
    ] {
        let answer = request.ask(&function).await;
        assert_eq!(answer, missing, "{what}");
        assert_eq!(stored_state(function.handler()), before, "{what}");
    }
}

#[tokio::test]
async fn a_refusal_is_a_problem_with_its_code() {
    let function = function_with_account();
    let store = &function.handler().store;
    let created = samples::new_patient(&samples::key("lakeside", "p-2"), samples::profile(Some("own@example.com")));
    assert_eq!(store.commit(&created).await.unwrap(), CommitOutcome::Committed);
    store.mail_invitation(&samples::key("hillside", "p-3"), "theirs@example.com");
    let to = |email: &str| change().json(&json!({ "email": email }));
    let bad = vec![
        Bad::new("no account", change().patient("p-2"), 409, "not_registered"),
        Bad::new("an address of the practice", to("own@example.com"), 409, "email_in_use"),
        Bad::new("an address of another practice", to("theirs@example.com"), 409, "email_in_use"),
        Bad::new("a bad address", to("jose"), 422, "email_invalid"),
        Bad::new("no address", change().json(&json!({})), 422, "invalid_fields"),
        Bad::new("null", change().json(&json!({ "email": null })), 422, "invalid_fields"),
        Bad::new("two addresses", change().json(&json!({ "email": ["a@example.com"] })), 422, "invalid_fields"),
        Bad::new("no body", change().body(""), 400, "malformed"),
    ];
    assert_refused(&function, bad, stored_state).await;
    let holder = async |email| to(email).ask(&function).await.body.get("patientId").cloned();
    assert_eq!(holder("own@example.com").await, Some(json!("p-2")));
    assert_eq!(holder("theirs@example.com").await, None::<Value>, "another practice's patient is not named");
}

#[tokio::test]
async fn with_too_many_waiting_notices_a_change_is_too_soon() {
    let function = function_with_account();
    for number in 0..4 {
        let request = change().request(&format!("request-{number}"));
        let answer = request.json(&json!({ "email": format!("new{number}@example.com") })).ask(&function).await;
        assert_eq!(answer.status, 200, "{number}: {}", answer.body);
    }
    assert_refused(&function, vec![Bad::new("the fifth", change(), 429, "too_soon")], stored_state).await;
    assert_eq!(change().ask(&function).await.headers["retry-after"], "60");
}

#[tokio::test]
async fn a_fault_of_the_store_is_answered_with_503() {
    let function = function_with_account();
    function.handler().store.fail_next([Some(Fault::Busy)]);
    let answer = change().ask(&function).await;
    assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (503, true));
    assert_eq!(change().ask(&function).await.status, 200);
}

#[tokio::test]
async fn an_invalid_request_changes_nothing() {
    let function = function_with_account();
    let mut bad = [bad_patients(&change()), bad_bodies(&change())].concat();
    bad.push(Bad::new(
        "another function's route",
        change().route("POST /v1/patients/{patientId}/portal/invite"),
        404,
        "not_found",
    ));
    assert_refused(&function, bad, stored_state).await;
}
