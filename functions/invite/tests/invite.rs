//! The function `invite`, from the gateway's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use invite::Invite;
use portal::{
    ports::{ChangeStore as _, Hint, InvitationMessage},
    practice::Practice,
    profile::Profile,
    testing::{Contents, Fault, MemoryQueue, MemoryStore, TestClock, TestEntropy, samples},
};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, assert_refused, bad_bodies, bad_callers, bad_patients, edge},
};
use serde_json::json;

type Function = Edge<Invite<MemoryStore, MemoryQueue, TestClock, TestEntropy>>;

fn function() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    edge(Invite { store, queue: MemoryQueue::default(), clock: TestClock::default(), entropy: TestEntropy::default() })
}

async fn add(function: &Function, practice: &str, patient: &str, profile: Profile) {
    let change = samples::new_patient(&samples::key(practice, patient), profile);
    function.handler().store.commit(&change).await.unwrap();
}

async fn function_with_patient() -> Function {
    let function = function();
    add(&function, "lakeside", "p-1001", samples::profile(Some("jose@example.com"))).await;
    function
}

#[tokio::test]
async fn an_invitation_is_accepted_and_queued() {
    let function = function_with_patient().await;
    insta::assert_json_snapshot!("accepted", Sample::new("invite/profile-email").ask(&function).await);
    let record = function.handler().store.stored_record(&samples::key("lakeside", "p-1001")).unwrap();
    let messages = function.handler().queue.messages();
    let message = InvitationMessage { key: record.key, invitation: record.invitation.unwrap().id };
    assert_eq!(messages, [Hint::Invitation(message)]);
}

#[tokio::test]
async fn another_address_is_used_and_not_saved() {
    let function = function_with_patient().await;
    let answer = Sample::new("invite/another-email").ask(&function).await;
    assert_eq!((answer.status, &answer.body["invitation"]["email"]), (202, &json!("nunez.family@example.com")));
    let record = function.handler().store.stored_record(&samples::key("lakeside", "p-1001")).unwrap();
    assert_eq!(record.profile.email, Some(samples::email("jose@example.com")));
}

#[tokio::test]
async fn a_fault_of_the_queue_does_not_fail_the_request() {
    let function = function_with_patient().await;
    function.handler().queue.fail_next(1);
    let answer = Sample::new("invite/profile-email").ask(&function).await;
    assert_eq!((answer.status, &answer.body["invitation"]["state"]), (202, &json!("queued")));
    assert!(function.handler().queue.messages().is_empty());
}

#[tokio::test]
async fn no_body_an_empty_body_and_null_are_the_same() {
    for request in [
        Sample::new("invite/profile-email"),
        Sample::new("invite/profile-email").body(""),
        Sample::new("invite/profile-email").bytes(""),
        Sample::new("invite/profile-email").body("{}"),
        Sample::new("invite/profile-email").body("{\"email\":null}"),
    ] {
        let answer = request.ask(&function_with_patient().await).await;
        assert_eq!((answer.status, &answer.body["invitation"]["email"]), (202, &json!("jose@example.com")));
    }
}

#[tokio::test]
async fn if_match_is_checked() {
    let request = Sample::new("invite/profile-email");
    let stale = request.clone().header("if-match", "\"7\"");
    let bad = vec![
        Bad::new("a stale version", stale, 412, "version_conflict"),
        Bad::new("no version", request.clone().header("if-match", "1"), 400, "malformed"),
    ];
    assert_refused(&function_with_patient().await, bad, |invite| invite.store.contents()).await;
    for good in ["\"1\"", "*"] {
        let answer = request.clone().header("if-match", good).ask(&function_with_patient().await).await;
        assert_eq!((answer.status, answer.headers["etag"].as_str()), (202, "\"2\""), "{good}");
    }
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_the_same_command() {
    let function = function_with_patient().await;
    let request = Sample::new("invite/profile-email").header("idempotency-key", "key-1");
    let first = request.ask(&function).await;
    assert_eq!(first.status, 202);
    let repeated = request.clone().request("request-2").ask(&function).await;
    assert_eq!(repeated, first);
    assert_eq!(function.handler().queue.messages().len(), 1);
    let other_content = request.clone().body("{}");
    let bad = vec![
        Bad::new("another content", other_content, 422, "idempotency_key_reused"),
        Bad::new("another key", request.clone().header("idempotency-key", "key-2"), 409, "already_invited"),
        Bad::new("an empty key", request.clone().header("idempotency-key", ""), 400, "malformed"),
        Bad::new("a space", request.clone().header("idempotency-key", "a b"), 400, "malformed"),
        Bad::new("no ASCII", request.clone().header("idempotency-key", "é"), 400, "malformed"),
        Bad::new("a long key", request.clone().header("idempotency-key", &"k".repeat(256)), 400, "malformed"),
    ];
    assert_refused(&function, bad, |invite| (invite.store.contents(), invite.queue.messages())).await;
    let longest = Sample::new("invite/revoke").header("idempotency-key", &"k".repeat(255));
    assert_eq!(longest.ask(&function).await.status, 200);
}

#[tokio::test]
async fn a_refusal_is_a_problem_with_its_code() {
    let function = function_with_patient().await;
    add(&function, "lakeside", "p-2", samples::profile(None)).await;
    add(&function, "lakeside", "p-3", Profile { date_of_birth: None, ..samples::profile(Some("p3@example.org")) })
        .await;
    add(&function, "lakeside", "p-5", Profile { active: false, ..samples::profile(Some("p5@example.org")) }).await;
    let request = Sample::new("invite/profile-email");
    assert_eq!(request.ask(&function).await.status, 202);
    let bad = vec![
        Bad::new("inactive", request.clone().patient("p-5"), 409, "patient_inactive"),
        Bad::new("a repeat", request.clone(), 409, "already_invited"),
        Bad::new("no address", request.clone().patient("p-2"), 409, "email_required"),
        Bad::new("no date of birth", request.clone().patient("p-3"), 409, "date_of_birth_missing"),
        Bad::new("no patient", request.clone().patient("p-4"), 404, "patient_not_found"),
        Bad::new("another practice", request.clone().claim("practice_id", "hillside"), 404, "patient_not_found"),
        Bad::new("a bad address", request.json(&json!({ "email": "jose" })), 422, "email_invalid"),
    ];
    assert_refused(&function, bad, |invite| (invite.store.contents(), invite.queue.messages())).await;
}

#[tokio::test]
async fn the_portal_must_be_activated() {
    let settings = samples::settings();
    let not_activated = Practice::save(None, samples::practice_id("lakeside"), settings, false, samples::noon());
    let function = edge(Invite {
        store: MemoryStore::with_practices([not_activated]),
        queue: MemoryQueue::default(),
        clock: TestClock::default(),
        entropy: TestEntropy::default(),
    });
    add(&function, "lakeside", "p-1001", samples::profile(Some("jose@example.com"))).await;
    let bad = vec![Bad::new("not activated", Sample::new("invite/profile-email"), 409, "portal_not_activated")];
    assert_refused(&function, bad, |invite| invite.store.contents()).await;
}

#[tokio::test]
async fn an_address_of_another_patient_is_refused_and_only_a_patient_of_the_same_practice_is_named() {
    let function = function();
    add(&function, "lakeside", "p-1001", samples::profile(None)).await;
    add(&function, "lakeside", "p-2", samples::profile(Some("own@example.com"))).await;
    add(&function, "hillside", "p-3", samples::profile(Some("foreign@example.com"))).await;
    let request = |email| Sample::new("invite/profile-email").json(&json!({ "email": email }));
    let theirs = Sample::new("invite/profile-email").patient("p-3").claim("practice_id", "hillside");
    assert_eq!(theirs.ask(&function).await.status, 202);
    let before = function.handler().store.contents();
    insta::assert_json_snapshot!("email_in_use_own", request("own@example.com").ask(&function).await);
    insta::assert_json_snapshot!("email_in_use_foreign", request("foreign@example.com").ask(&function).await);
    let after = Contents { budgets: before.budgets.clone(), ..function.handler().store.contents() };
    assert_eq!(after, before);
}

#[tokio::test]
async fn an_invalid_invite_request_changes_nothing() {
    let function = function_with_patient().await;
    let request = Sample::new("invite/another-email");
    let mut bad = [bad_callers(&request), bad_patients(&request), bad_bodies(&request)].concat();
    bad.push(Bad::new("read only", request.clone().claim("scope", "portal/read"), 403, "forbidden"));
    bad.push(Bad::new("a number", request.clone().body(r#"{"email":1}"#), 422, "invalid_fields"));
    bad.push(Bad::new("two addresses", request.body(r#"{"email":"a@x.org,b@x.org"}"#), 422, "email_invalid"));
    assert_refused(&function, bad, |invite| (invite.store.contents(), invite.queue.messages())).await;
}

#[tokio::test]
async fn an_invitation_is_revoked() {
    let function = function_with_patient().await;
    assert_eq!(Sample::new("invite/profile-email").ask(&function).await.status, 202);
    let queued = function.handler().queue.messages();
    insta::assert_json_snapshot!("revoked", Sample::new("invite/revoke").ask(&function).await);
    assert_eq!(function.handler().queue.messages(), queued, "a revocation sends nothing");
    assert_eq!(function.handler().store.email_entry(&samples::email("jose@example.com")).owner, None);
}

#[tokio::test]
async fn a_revoke_request_needs_no_body() {
    for request in [
        Sample::new("invite/revoke").body(""),
        Sample::new("invite/revoke").body("{}"),
        Sample::new("invite/revoke").header("if-match", "\"2\""),
    ] {
        let function = function_with_patient().await;
        Sample::new("invite/profile-email").ask(&function).await;
        let answer = request.ask(&function).await;
        assert_eq!((answer.status, &answer.body["invitation"]["state"]), (200, &json!("revoked")));
    }
}

#[tokio::test]
async fn an_invalid_revoke_request_changes_nothing() {
    let function = function_with_patient().await;
    Sample::new("invite/profile-email").ask(&function).await;
    let request = Sample::new("invite/revoke");
    let mut bad = [bad_callers(&request), bad_patients(&request), bad_bodies(&request)].concat();
    let stale = request.clone().header("if-match", "\"1\"");
    bad.push(Bad::new("read only", request.clone().claim("scope", "portal/read"), 403, "forbidden"));
    bad.push(Bad::new("a stale version", stale, 412, "version_conflict"));
    bad.push(Bad::new("no patient", request.clone().patient("p-4"), 404, "patient_not_found"));
    bad.push(Bad::new("an address", request.clone().json(&json!({ "email": "a@example.com" })), 422, "invalid_fields"));
    bad.push(Bad::new("another practice", request.clone().claim("practice_id", "hillside"), 404, "patient_not_found"));
    assert_refused(&function, bad, |invite| (invite.store.contents(), invite.queue.messages())).await;

    assert_eq!(request.ask(&function).await.status, 200);
    let twice = vec![Bad::new("a repeat", request, 409, "not_invited")];
    assert_refused(&function, twice, |invite| invite.store.contents()).await;
}

#[tokio::test]
async fn a_busy_store_is_answered_with_retry_after() {
    let function = function_with_patient().await;
    let before = function.handler().store.contents();
    function.handler().store.fail_next([None, Some(Fault::Busy)]);
    insta::assert_json_snapshot!("busy", Sample::new("invite/profile-email").ask(&function).await);
    assert_eq!(function.handler().store.contents(), before);
    assert!(function.handler().queue.messages().is_empty());
}
