//! The function `register`, from the gateway's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use chrono::TimeDelta;
use portal::{
    ports::{ChangeStore as _, Clock as _, CommitOutcome, Hint, InvitationMessage},
    record::{Account, Change, InvitationState, PortalRecord},
    states::RevokeReason,
    testing::{Fault, MemoryQueue, MemoryStore, TestClock, TestEntropy, samples},
};
use portal_aws::{
    config::OriginSecrets,
    http::{
        Edge,
        origin::ORIGIN_VERIFY,
        testing::{Bad, Sample, Shown, assert_refused, bad_bodies},
    },
};
use register::Register;
use serde_json::{Value, json};

type Function = Edge<Register<MemoryStore, MemoryQueue, TestClock, TestEntropy>>;

/// The samples with a token.
const WITH_TOKEN: [&str; 5] =
    ["register/check", "register/register", "register/decline", "register/not-me", "register/new-link"];

/// The function, and patient `p-1001`, whose invitation was mailed an hour ago. The samples have its token.
fn function() -> Function {
    function_behind(None)
}

/// The same, behind a firewall that sends one of these secrets.
fn function_behind(secrets: Option<OriginSecrets>) -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside")]);
    store.mail_invitation(&samples::key("lakeside", "p-1001"), "jose@example.com");
    let clock = TestClock::default();
    clock.advance(TimeDelta::hours(1));
    Edge::public(secrets, Register { store, queue: MemoryQueue::default(), clock, entropy: TestEntropy::default() })
}

fn record(function: &Function) -> PortalRecord {
    function.handler().store.stored_record(&samples::key("lakeside", "p-1001")).unwrap()
}

/// Everything that a request could change.
fn stored_state(
    register: &Register<MemoryStore, MemoryQueue, TestClock, TestEntropy>,
) -> impl std::fmt::Debug + PartialEq + use<> {
    (register.store.contents(), register.queue.messages())
}

async fn ask(function: &Function, sample: &str) -> Shown {
    Sample::new(sample).ask(function).await
}

/// Commits another change of the record.
async fn commit(function: &Function, change: Change) {
    let outcome = function.handler().store.commit(&change).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed);
}

async fn try_date_of_birth(function: &Function, date_of_birth: &str) -> Shown {
    Sample::new("register/register").member("dateOfBirth", json!(date_of_birth)).ask(function).await
}

#[tokio::test]
async fn checking_a_link_changes_nothing() {
    let function = function();
    let before = stored_state(function.handler());
    insta::assert_json_snapshot!("usable", ask(&function, "register/check").await);
    assert_eq!(ask(&function, "register/check").await.status, 200);
    assert_eq!(stored_state(function.handler()), before);
}

#[tokio::test]
async fn behind_a_firewall_only_its_requests_are_answered() {
    const CURRENT: &str = "current-0123456789abcdef01234567";
    const PREVIOUS: &str = "previous-123456789abcdef01234567";
    let secrets = OriginSecrets { current: CURRENT.into(), previous: Some(PREVIOUS.into()) };
    let function = function_behind(Some(secrets));
    let samples = WITH_TOKEN.into_iter().chain(["register/unsubscribe"]);
    let bad = samples.flat_map(|name| {
        let refused = |what, sample| Bad::new(format!("{name}: {what}"), sample, 403, "wrong_host");
        [
            refused("no header", Sample::new(name)),
            refused("another value", Sample::new(name).header(ORIGIN_VERIFY, "x")),
            refused("both values", Sample::new(name).header(ORIGIN_VERIFY, &format!("{CURRENT},{PREVIOUS}"))),
        ]
    });
    assert_refused(&function, bad.collect(), stored_state).await;
    insta::assert_json_snapshot!("wrong_host", ask(&function, "register/check").await);
    let check = async |secret| Sample::new("register/check").header(ORIGIN_VERIFY, secret).ask(&function).await.status;
    assert_eq!((check(CURRENT).await, check(PREVIOUS).await), (200, 200));
    let registered = Sample::new("register/register").header(ORIGIN_VERIFY, CURRENT).ask(&function).await;
    assert_eq!(registered.status, 201);
}

#[tokio::test]
async fn a_registration_returns_the_account_for_the_identity_provider() {
    let function = function();
    let answer = ask(&function, "register/register").await;
    let account = record(&function).account;
    assert!(matches!(account, Account::Active { id, .. } if answer.body["accountId"] == id.as_str()));
    insta::assert_json_snapshot!("registered", answer);
}

#[tokio::test]
async fn a_repeated_registration_returns_the_same_account() {
    let function = function();
    let request = Sample::new("register/register").header("idempotency-key", "key-1");
    let first = request.ask(&function).await;
    assert_eq!(first.status, 201);
    assert_eq!(request.clone().request("request-2").ask(&function).await, first);
    let bad = vec![
        Bad::new("no key", Sample::new("register/register"), 409, "link_not_usable"),
        Bad::new("another key", request.clone().header("idempotency-key", "key-2"), 409, "link_not_usable"),
        Bad::new("an invalid key", request.clone().header("idempotency-key", " "), 400, "malformed"),
        Bad::new("another date of birth", request.member("dateOfBirth", json!("1980-02-28")), 409, "link_not_usable"),
    ];
    assert_refused(&function, bad, stored_state).await;
}

#[tokio::test]
async fn a_wrong_date_of_birth_counts_and_the_fifth_locks_the_link() {
    let function = function();
    insta::assert_json_snapshot!("date_of_birth_mismatch", try_date_of_birth(&function, "1980-02-28").await);
    assert_eq!(record(&function).link.unwrap().birth_date_attempts, 1);
    for _ in 2..=5 {
        assert_eq!(try_date_of_birth(&function, "1980-02-28").await.code(), "date_of_birth_mismatch");
    }
    assert_eq!(ask(&function, "register/register").await.code(), "link_not_usable");
}

#[tokio::test]
async fn an_invalid_date_of_birth_does_not_count_as_an_attempt() {
    let function = function();
    let request = Sample::new("register/register");
    let invalid = [
        json!("1980-02-30"),
        json!("1980-2-29"),
        json!("02/29/1980"),
        json!("1980-02-29T00:00:00Z"),
        json!("2999-01-01"),
        json!("1980-02-29\n"),
        json!(""),
        json!(19_800_229),
        json!(["1980-02-29"]),
        Value::Null,
    ];
    let bad =
        |date: Value| Bad::new(date.to_string(), request.clone().member("dateOfBirth", date), 422, "invalid_fields");
    let mut bad: Vec<Bad> = invalid.into_iter().map(bad).collect();
    let token = request.clone().member("token", json!("not a token"));
    bad.push(Bad::new("a bad token too", token.member("dateOfBirth", json!("soon")), 422, "invalid_fields"));
    bad.push(Bad::new("no date", request.json(&json!({ "token": "link-1.x" })), 422, "invalid_fields"));
    assert_refused(&function, bad, stored_state).await;
}

#[tokio::test]
async fn declining_and_not_me_end_the_invitation() {
    for (sample, why) in [("register/decline", RevokeReason::Declined), ("register/not-me", RevokeReason::WrongPerson)]
    {
        let function = function();
        insta::assert_json_snapshot!("done", ask(&function, sample).await);
        let state = record(&function).invitation.unwrap().state;
        assert!(matches!(state, InvitationState::Revoked { reason, .. } if reason == why), "{sample}");
    }
}

#[tokio::test]
async fn a_new_link_is_queued_for_the_address_of_the_old_one() {
    let function = function();
    function.handler().clock.advance(TimeDelta::days(8));
    insta::assert_json_snapshot!("new_link", ask(&function, "register/new-link").await);
    let (invitation, messages) = (record(&function).invitation.unwrap(), function.handler().queue.messages());
    assert_eq!(invitation.email, samples::email("jose@example.com"));
    let key = samples::key("lakeside", "p-1001");
    assert_eq!(messages, [Hint::Invitation(InvitationMessage { key, invitation: invitation.id })]);
}

#[tokio::test]
async fn a_second_request_for_a_new_link_is_too_soon() {
    let function = function();
    assert_eq!(ask(&function, "register/new-link").await.status, 202);
    let before = stored_state(function.handler());
    let again = ask(&function, "register/new-link").await;
    assert_eq!((again.status, again.code(), again.headers["retry-after"].as_str()), (429, "too_soon", "60"));
    assert_eq!(stored_state(function.handler()), before);
}

#[tokio::test]
async fn a_fault_of_the_queue_does_not_fail_the_request() {
    let function = function();
    function.handler().queue.fail_next(1);
    assert_eq!(ask(&function, "register/new-link").await.status, 202);
    assert!(function.handler().queue.messages().is_empty());
    assert!(record(&function).next_action.is_some(), "the sweep queues it");
}

#[tokio::test]
async fn one_click_stops_the_reminders_and_nothing_else() {
    let function = function();
    assert!(record(&function).next_action.is_some());
    let answer = ask(&function, "register/unsubscribe").await;
    insta::assert_json_snapshot!("done", answer);
    assert_eq!(record(&function).next_action, None);
    assert_eq!(ask(&function, "register/check").await.body["usable"], json!(true));

    let before = stored_state(function.handler());
    assert_eq!(ask(&function, "register/unsubscribe").await, answer, "a repeat");
    assert_eq!(stored_state(function.handler()), before);
}

#[tokio::test]
async fn unsubscribing_has_the_same_answer_for_every_input() {
    let function = function();
    let request = Sample::new("register/unsubscribe");
    let done = ask(&self::function(), "register/unsubscribe").await;
    let before = stored_state(function.handler());
    for link in ["", "link-2", "a b", "link-2,link-1", "link-1.AQEB", "é", "\0", &"x".repeat(10_000)] {
        assert_eq!(request.clone().query("t", link).ask(&function).await, done, "{link:?}");
    }
    assert_eq!(Sample::new("register/check").route("POST /v1/unsubscribe").ask(&function).await, done, "no query");
    assert_eq!(stored_state(function.handler()), before);
    for body in ["", "nonsense", "List-Unsubscribe=One-Click&x=1"] {
        assert_eq!(request.clone().body(body).ask(&self::function()).await, done, "{body}");
    }
}

/// Unusable links, each with the reason.
async fn unusable_links() -> Vec<(&'static str, Function)> {
    let registered = function();
    assert_eq!(ask(&registered, "register/register").await.status, 201);
    let declined = function();
    assert_eq!(ask(&declined, "register/decline").await.status, 204);
    let locked = function();
    for _ in 1..=5 {
        assert_eq!(try_date_of_birth(&locked, "1980-02-28").await.status, 409);
    }
    let readdressed = function();
    let context = samples::staff_context(readdressed.handler().clock.now(), "reinvite");
    let (practice, elsewhere) = (samples::practice("lakeside"), samples::email("nunez@example.com"));
    let id = samples::invitation_id("invitation-2");
    commit(&readdressed, record(&readdressed).reinvite(&practice, &Some(&elsewhere).into(), id, context).unwrap())
        .await;
    let revoked = function();
    let context = samples::staff_context(revoked.handler().clock.now(), "revoke");
    commit(&revoked, record(&revoked).revoke(context).unwrap()).await;
    let opted_out = function();
    let context = samples::staff_context(opted_out.handler().clock.now(), "opt-out");
    commit(&opted_out, record(&opted_out).opt_out(context).unwrap()).await;
    vec![
        ("used", registered),
        ("declined", declined),
        ("locked", locked),
        ("another address", readdressed),
        ("revoked", revoked),
        ("opted out", opted_out),
    ]
}

/// The answer to a token that was never mailed.
async fn unusable_answer(sample: &str) -> Shown {
    let token = samples::token(9).to_text();
    Sample::new(sample).member("token", json!(token.expose())).ask(&function()).await
}

#[tokio::test]
async fn an_unusable_link_is_answered_without_the_reason() {
    insta::assert_json_snapshot!("unusable", unusable_answer("register/check").await);
    for sample in &WITH_TOKEN[1..] {
        insta::assert_json_snapshot!("link_not_usable", unusable_answer(sample).await);
    }
}

#[tokio::test]
async fn every_unusable_link_has_the_same_answer() {
    for (what, function) in unusable_links().await {
        let before = stored_state(function.handler());
        for sample in WITH_TOKEN {
            assert_eq!(ask(&function, sample).await, unusable_answer(sample).await, "{what}: {sample}");
        }
        assert_eq!(stored_state(function.handler()), before, "{what}");
    }
}

#[tokio::test]
async fn an_expired_link_is_unusable_except_for_a_new_link() {
    let function = function();
    function.handler().clock.advance(TimeDelta::days(8));
    let before = stored_state(function.handler());
    for sample in &WITH_TOKEN[..4] {
        assert_eq!(ask(&function, sample).await, unusable_answer(sample).await, "{sample}");
    }
    assert_eq!(stored_state(function.handler()), before);
}

#[tokio::test]
async fn a_text_that_is_no_token_is_answered_like_an_unusable_link() {
    let function = function();
    let before = stored_state(function.handler());
    let ours = samples::token(1).to_text().expose().clone();
    let other_secret = samples::token(9).to_text().expose().replace("link-9", "link-1");
    let forged = [
        other_secret,
        format!("{ours}A"),
        format!("{ours}\n"),
        ours[..ours.len() - 1].to_owned(),
        ours.replace('.', ""),
        ours.replace("link-1", "link#1"),
        String::new(),
        ".".to_owned(),
        "é\0".to_owned(),
        "x".repeat(60_000),
    ];
    for token in forged {
        for sample in WITH_TOKEN {
            let answer = Sample::new(sample).member("token", json!(token)).ask(&function).await;
            assert_eq!(answer, unusable_answer(sample).await, "{sample}: {token:.80}");
        }
    }
    assert_eq!(stored_state(function.handler()), before);
}

#[tokio::test]
async fn an_invalid_request_changes_nothing() {
    let function = function();
    for sample in WITH_TOKEN {
        let request = Sample::new(sample);
        let mut bad = bad_bodies(&request);
        bad.push(Bad::new("no body", request.clone().body(""), 400, "malformed"));
        for token in [Value::Null, json!(1), json!(["link-1.AQEB"]), json!({ "token": "link-1.AQEB" })] {
            let invalid = request.clone().member("token", token);
            bad.push(Bad::new(format!("{sample}: a token of another type"), invalid, 422, "invalid_fields"));
        }
        bad.push(Bad::new("no token", request.clone().json(&json!({})), 422, "invalid_fields"));
        bad.push(Bad::new("more members", request.clone().member("practiceId", json!("a")), 422, "invalid_fields"));
        bad.push(Bad::new("another function's route", request.route("GET /v1/practice"), 404, "not_found"));
        assert_refused(&function, bad, stored_state).await;
    }
}

#[tokio::test]
async fn an_access_token_of_staff_makes_no_difference() {
    for sample in WITH_TOKEN {
        let claims = json!({ "practice_id": "hillside", "scope": "portal/admin", "sub": "staff-7" });
        let as_staff = Sample::new(sample).authorizer(&json!({ "jwt": { "claims": claims, "scopes": null } }));
        let as_staff = as_staff.header("authorization", "Bearer token").header("if-match", "\"99\"");
        assert_eq!(as_staff.ask(&function()).await, ask(&function(), sample).await, "{sample}");
    }
}

#[tokio::test]
async fn a_fault_of_the_store_is_answered_as_a_problem() {
    let function = function();
    for sample in WITH_TOKEN.iter().chain(&["register/unsubscribe"]) {
        for fault in [Fault::Busy, Fault::Unavailable] {
            function.handler().store.fail_next([Some(fault)]);
            let refused = vec![Bad::new(*sample, Sample::new(sample), 503, "unavailable")];
            assert_refused(&function, refused, stored_state).await;
        }
        function.handler().store.fail_next([Some(Fault::Corrupt)]);
        assert_refused(&function, vec![Bad::new(*sample, Sample::new(sample), 500, "internal")], stored_state).await;
    }
}
