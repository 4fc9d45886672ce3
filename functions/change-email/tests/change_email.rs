//! The function `change-email`, from the gateway's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use change_email::ChangeEmail;
use portal::{
    ports::{ChangeStore as _, CommitOutcome, Hint},
    record::{Account, PortalRecord, notices::NoticeKind},
    testing::{Fault, MemoryQueue, MemoryStore, TestClock, samples},
    timeline::{EventName, Role},
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
    function.handler().store.peek(&samples::key("lakeside", "p-1001")).unwrap()
}

/// Everything that could change.
fn watched(
    change_email: &ChangeEmail<MemoryStore, MemoryQueue, TestClock>,
) -> impl PartialEq + std::fmt::Debug + use<> {
    (change_email.store.contents(), change_email.queue.messages())
}

#[tokio::test]
async fn the_account_has_the_new_address_and_both_are_to_be_told() {
    let function = function_with_account();
    insta::assert_json_snapshot!("changed", change().ask(&function).await);
    let record = record(&function);
    assert!(matches!(&record.account, Account::Active { email, .. } if email.typed() == "nunez.family@example.com"));
    let told: Vec<_> = record.notices.iter().map(|notice| (notice.kind, notice.to.typed())).collect();
    let both =
        [(NoticeKind::AddressRemoved, "jose@example.com"), (NoticeKind::AddressAdded, "nunez.family@example.com")];
    assert_eq!(told, both);
    assert_eq!(function.handler().queue.messages(), [Hint::Notices(record.key.clone())]);
    let event = function.handler().store.timeline(&record.key).pop().unwrap();
    assert_eq!((event.kind.name(), event.act.actor.role), (EventName::AccountEmailChanged, Role::Support));
    assert_eq!(event.act.actor.subject.unwrap().as_str(), "support-3");
}

#[tokio::test]
async fn the_same_request_again_changes_nothing_and_is_answered_alike() {
    let function = function_with_account();
    let first = change().ask(&function).await;
    let before = watched(function.handler());
    for spelling in ["nunez.family@example.com", "Nunez.Family@EXAMPLE.com"] {
        let again = change().request("request-2").json(&json!({ "email": spelling })).ask(&function).await;
        assert_eq!(again, first, "{spelling}");
        assert_eq!(watched(function.handler()), before, "{spelling}");
    }
}

#[tokio::test]
async fn a_queue_that_is_down_costs_nothing() {
    let function = function_with_account();
    function.handler().queue.fail_next(1);
    assert_eq!(change().ask(&function).await.status, 200);
    assert!(function.handler().queue.messages().is_empty());
    assert_eq!(record(&function).notices.len(), 2);
}

#[tokio::test]
async fn a_condition_on_the_version_is_kept() {
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
    assert_refused(&function, bad, watched).await;
    let answer = change().header("if-match", &format!("\"{version}\"")).ask(&function).await;
    assert_eq!((answer.status, answer.headers["etag"].as_str()), (200, format!("\"{}\"", version + 1).as_str()));
}

#[tokio::test]
async fn only_customer_care_may_and_a_practice_in_their_token_counts_for_nothing() {
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
    assert_refused(&function, bad, watched).await;
    insta::assert_json_snapshot!("support_only", claims(everything).ask(&function).await);

    let answer = change().claim("practice_id", "hillside").ask(&function).await;
    assert_eq!((answer.status, &answer.body["account"]["email"]), (200, &json!("nunez.family@example.com")));
}

#[tokio::test]
async fn whoever_is_not_there_is_not_found_in_the_very_same_words() {
    let function = function_with_account();
    let before = watched(function.handler());
    let missing = change().patient("p-9").ask(&function).await;
    insta::assert_json_snapshot!("patient_not_found", missing);
    for (what, request) in [
        ("another practice's patient", change().practice("hillside")),
        ("a practice that is not there", change().practice("nowhere")),
        ("a practice that can be none", change().practice("lakeside#PATIENT")),
        ("no practice", change().practice("")),
    ] {
        let answer = request.ask(&function).await;
        assert_eq!(answer, missing, "{what}");
        assert_eq!(watched(function.handler()), before, "{what}");
    }
}

#[tokio::test]
async fn a_rule_that_says_no_is_a_problem_with_its_code() {
    let function = function_with_account();
    let store = &function.handler().store;
    for (practice, patient, address) in
        [("lakeside", "p-2", Some("own@example.com")), ("hillside", "p-3", Some("theirs@example.com"))]
    {
        let created = samples::new_patient(&samples::key(practice, patient), samples::profile(address));
        assert_eq!(store.commit(&created).await.unwrap(), CommitOutcome::Committed);
    }
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
    assert_refused(&function, bad, watched).await;
    let holder = async |email| to(email).ask(&function).await.body.get("patientId").cloned();
    assert_eq!(holder("own@example.com").await, Some(json!("p-2")));
    assert_eq!(holder("theirs@example.com").await, None::<Value>, "another practice's patient is not named");
}

#[tokio::test]
async fn while_too_many_changes_are_untold_the_next_has_to_wait() {
    let function = function_with_account();
    for number in 0..4 {
        let request = change().request(&format!("request-{number}"));
        let answer = request.json(&json!({ "email": format!("new{number}@example.com") })).ask(&function).await;
        assert_eq!(answer.status, 200, "{number}: {}", answer.body);
    }
    assert_refused(&function, vec![Bad::new("the fifth", change(), 429, "too_soon")], watched).await;
    assert_eq!(change().ask(&function).await.headers["retry-after"], "60");
}

#[tokio::test]
async fn a_store_at_fault_is_no_fault_of_the_request() {
    let function = function_with_account();
    function.handler().store.fail_next([Some(Fault::Busy)]);
    let answer = change().ask(&function).await;
    assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (503, true));
    assert_eq!(change().ask(&function).await.status, 200);
}

#[tokio::test]
async fn what_is_not_a_request_changes_nothing() {
    let function = function_with_account();
    let mut bad = [bad_patients(&change()), bad_bodies(&change())].concat();
    bad.push(Bad::new(
        "another function's route",
        change().route("POST /v1/patients/{patientId}/portal/invite"),
        404,
        "not_found",
    ));
    assert_refused(&function, bad, watched).await;
}
