//! The function `track-login`, from the events of its two callers to its answers.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use lambda_http::{Context, LambdaEvent};
use portal::{
    email::EmailAddress,
    ports::{ChangeStore as _, Clock as _, CommitOutcome, LoginOutcome, LoginStore, StoreError},
    record::{
        PortalRecord,
        account::{Login, Registration},
    },
    testing::{Fault, MemoryStore, TestClock, samples},
    timeline::Role,
};
use portal_aws::{
    http::{
        Edge,
        testing::{Bad, Sample, Shown, assert_refused, bad_bodies, bad_machines, edge, sample},
    },
    user_pool::Event,
};
use serde_json::{Value, json};
use track_login::{TrackLogin, reply};

type Function = Edge<TrackLogin<MemoryStore, TestClock>>;

const REPORT: &str = "track-login/track-login";
/// The time in the sample.
const REPORTED: &str = "2026-05-05T12:58:12.345Z";
/// The id of the user pool's invocations.
const INVOCATION: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// The function at one o'clock, patient `p-1001`, who registered at noon, and `p-1002`, who is invited.
async fn function() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside")]);
    store.mail_invitation(&samples::key("lakeside", "p-1001"), "jose@example.com");
    store.mail_invitation(&samples::key("lakeside", "p-1002"), "invited@example.com");
    let record = store.stored_record(&samples::key("lakeside", "p-1001")).unwrap();
    let context = samples::context_as(Role::Patient, samples::noon(), "register");
    let registration = record.register(samples::date_of_birth(), samples::account_id("account-1"), None, context);
    let Registration::Registered(opened) = registration else { panic!("not registered: {registration:?}") };
    assert_eq!(store.commit(&opened).await.unwrap(), CommitOutcome::Committed);
    edge(TrackLogin { store, clock: TestClock::new(samples::noon() + TimeDelta::hours(1)) })
}

fn record(function: &Function) -> PortalRecord {
    function.handler().store.stored_record(&samples::key("lakeside", "p-1001")).unwrap()
}

fn latest(function: &Function) -> DateTime<Utc> {
    record(function).last_login().unwrap().at
}

async fn report(function: &Function, event: &str, at: &str) -> Shown {
    Sample::new(REPORT).member("eventId", json!(event)).member("at", json!(at)).ask(function).await
}

#[tokio::test]
async fn a_login_is_recorded_and_changes_neither_version_nor_fence() {
    let function = function().await;
    let before = record(&function);
    insta::assert_json_snapshot!("recorded", Sample::new(REPORT).ask(&function).await);
    assert_eq!(latest(&function), samples::at(REPORTED));
    assert_eq!((record(&function).version, record(&function).fence), (before.version, before.fence));
}

#[tokio::test]
async fn a_report_that_changes_nothing_gets_the_same_answer() {
    let function = function().await;
    let recorded = Sample::new(REPORT).ask(&function).await;
    let before = function.handler().store.contents();
    assert_eq!(Sample::new(REPORT).ask(&function).await, recorded, "the same report again");
    assert_eq!(report(&function, "another", REPORTED).await, recorded, "another event at the same time");
    assert_eq!(report(&function, "late", "2026-05-05T12:00:00.001Z").await, recorded);
    assert_eq!(report(&function, "ancient", "0001-01-01T00:00:00Z").await, recorded);
    let again = Sample::new(REPORT).member("at", json!("2026-05-05T13:00:00Z"));
    assert_eq!(again.ask(&function).await, recorded, "the same event with another time");
    assert_eq!(function.handler().store.contents(), before);
}

#[tokio::test]
async fn a_login_in_the_future_counts_as_now_and_only_once() {
    let function = function().await;
    for hours in 0..3 {
        assert_eq!(report(&function, "from-the-future", "2999-01-01T00:00:00Z").await.status, 204);
        assert_eq!(latest(&function), samples::noon() + TimeDelta::hours(1), "{hours} hours later");
        function.handler().clock.advance(TimeDelta::hours(1));
    }
}

#[tokio::test]
async fn an_address_without_an_account_is_not_registered() {
    let function = function().await;
    let of = |email: &str| Sample::new(REPORT).member("email", json!(email));
    insta::assert_json_snapshot!("not_registered", of("nobody@example.com").ask(&function).await);
    let bad = ["nobody@example.com", "invited@example.com"];
    let bad = bad.map(|email| Bad::new(email, of(email), 409, "not_registered")).into();
    assert_refused(&function, bad, |handler| handler.store.contents()).await;
    assert_eq!(of(" JOSE@Example.COM").ask(&function).await.status, 204, "an equivalent spelling");
}

#[tokio::test]
async fn a_practice_in_the_portals_token_is_ignored() {
    let with_practice = Sample::new(REPORT).claim("practice_id", "hillside");
    assert_eq!(with_practice.ask(&function().await).await.status, 204);
}

#[tokio::test]
async fn an_invalid_request_changes_nothing() {
    let function = function().await;
    let request = Sample::new(REPORT);
    let mut bad = [bad_machines(&request), bad_bodies(&request)].concat();
    bad.push(Bad::new("no body", request.clone().body(""), 400, "malformed"));
    bad.push(Bad::new("nothing", request.clone().json(&json!({})), 422, "invalid_fields"));
    for (member, values) in [
        ("email", vec![Value::Null, json!(7), json!(["jose@example.com"])]),
        ("at", vec![Value::Null, json!(1_777_982_400), json!("yesterday"), json!("2026-05-05"), json!("")]),
        ("eventId", vec![Value::Null, json!(7), json!(""), json!("a b"), json!("a#b"), json!("x".repeat(129))]),
        ("practiceId", vec![json!("lakeside"), Value::Null]),
    ] {
        for value in values {
            let what = format!("{member} {value}");
            bad.push(Bad::new(what, request.clone().member(member, value), 422, "invalid_fields"));
        }
    }
    bad.push(Bad::new("no address", request.member("email", json!("jose")), 422, "email_invalid"));
    assert_refused(&function, bad, |handler| handler.store.contents()).await;
}

#[tokio::test]
async fn all_invalid_members_are_reported_together() {
    let body = json!({ "email": "jose", "at": "noon", "when": "noon" });
    insta::assert_json_snapshot!("invalid_fields", Sample::new(REPORT).json(&body).ask(&function().await).await);
}

#[tokio::test]
async fn after_a_fault_of_the_store_a_report_can_be_repeated() {
    let function = function().await;
    for (fault, status, code) in
        [(Fault::Busy, 503, "unavailable"), (Fault::Unavailable, 503, "unavailable"), (Fault::Corrupt, 500, "internal")]
    {
        function.handler().store.fail_next([Some(fault)]);
        let bad = vec![Bad::new(format!("{fault:?}"), Sample::new(REPORT), status, code)];
        assert_refused(&function, bad, |handler| handler.store.contents()).await;
    }
    function.handler().store.fail_next([Some(Fault::LostReply)]);
    assert_eq!(Sample::new(REPORT).ask(&function).await.status, 503);
    assert_eq!(Sample::new(REPORT).ask(&function).await.status, 204, "the event id makes a repeat safe");
}

/// The user pool's event.
fn sign_in() -> Value {
    sample("track-login/cognito-post-authentication")
}

/// The user pool's event with another value at a pointer.
fn sign_in_with(pointer: &str, value: Value) -> Value {
    let mut event = sign_in();
    *event.pointer_mut(pointer).unwrap() = value;
    event
}

/// Calls the function like the user pool. Returns the answer and the log lines.
async fn call<S: LoginStore>(
    function: &Edge<TrackLogin<S, TestClock>>,
    event: &str,
    invocation: &str,
) -> (String, Vec<Value>) {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(log);
    let mut context = Context::default();
    invocation.clone_into(&mut context.request_id);
    let event: Event = serde_json::from_str(event).unwrap();
    let answer = reply(function, LambdaEvent::new(event, context)).await;
    drop(guard);
    (serde_json::to_string(&answer).unwrap(), lines.read())
}

/// Calls the function like the user pool, and asserts that the answer is the event. Returns the level and the message of the
/// only log line, or `None` if there is none.
async fn call_for_sign_in<S: LoginStore>(function: &Edge<TrackLogin<S, TestClock>>, event: &Value) -> Option<String> {
    let event = serde_json::to_string_pretty(event).unwrap();
    let (answer, lines) = call(function, &event, INVOCATION).await;
    assert_eq!(answer, event, "the answer is the unchanged event");
    let text = format!("{lines:?}").to_lowercase();
    assert!(!text.contains("jose") && !text.contains('@'), "{text}");
    assert!(lines.len() <= 1, "{lines:?}");
    lines.first().map(|line| format!("{} {}", line["level"].as_str().unwrap(), line["message"].as_str().unwrap()))
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn read(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_sign_in_is_recorded_with_the_current_time_and_the_invocation_id() {
    let function = function().await;
    let mut expected = record(&function);
    assert_eq!(call_for_sign_in(&function, &sign_in()).await, None);
    expected = expected.track_login(&samples::login(INVOCATION, function.handler().clock.now())).unwrap().unwrap();
    assert_eq!(record(&function), expected);

    function.handler().clock.advance(TimeDelta::hours(1));
    assert_eq!(call_for_sign_in(&function, &sign_in()).await, None, "the same invocation again");
    assert_eq!(record(&function), expected);
}

#[tokio::test]
async fn an_address_that_is_not_verified_is_ignored() {
    let function = function().await;
    let before = function.handler().store.contents();
    for event in [
        sign_in_with("/request/userAttributes/email_verified", json!("false")),
        sign_in_with("/request/userAttributes/email_verified", json!(null)),
        sign_in_with("/request/userAttributes/email", json!("jose")),
        sign_in_with("/request/userAttributes", json!({})),
        sign_in_with("/request", json!("jose@example.com")),
    ] {
        let logged = call_for_sign_in(&function, &event).await.unwrap();
        assert_eq!(logged, "WARN login not recorded: the user has no verified address", "{event}");
    }
    assert_eq!(function.handler().store.contents(), before);
}

#[tokio::test]
async fn a_user_without_an_account_can_sign_in() {
    let function = function().await;
    let before = function.handler().store.contents();
    for email in ["staff@example.com", "invited@example.com"] {
        let event = sign_in_with("/request/userAttributes/email", json!(email));
        assert_eq!(call_for_sign_in(&function, &event).await.unwrap(), "INFO login not recorded");
    }
    assert_eq!(function.handler().store.contents(), before);
}

#[tokio::test]
async fn other_triggers_are_returned_and_record_nothing() {
    let function = function().await;
    let before = function.handler().store.contents();
    for source in
        ["PostConfirmation_ConfirmSignUp", "TokenGeneration_Authentication", "PreAuthentication_Authentication", ""]
    {
        let logged = call_for_sign_in(&function, &sign_in_with("/triggerSource", json!(source))).await.unwrap();
        assert_eq!(logged, "WARN not a sign-in: the user pool need not call for this", "{source}");
    }
    assert_eq!(function.handler().store.contents(), before);
}

#[tokio::test]
async fn after_a_fault_of_the_store_the_user_can_sign_in_and_an_error_is_logged() {
    let function = function().await;
    let before = function.handler().store.contents();
    for fault in [Fault::Busy, Fault::Unavailable, Fault::Corrupt] {
        function.handler().store.fail_next([Some(fault)]);
        assert_eq!(call_for_sign_in(&function, &sign_in()).await.unwrap(), "ERROR login not recorded", "{fault:?}");
    }
    let (answer, lines) = call(&function, &sign_in().to_string(), "").await;
    assert_eq!(answer, sign_in().to_string());
    assert_eq!(lines[0]["message"], "login not recorded: the invocation has no id");
    assert_eq!(function.handler().store.contents(), before);
}

/// A store that never answers, or panics.
enum BrokenStore {
    NeverAnswers,
    Panics,
}

impl LoginStore for BrokenStore {
    async fn record_login(&self, _: &EmailAddress, _: &Login) -> Result<LoginOutcome, StoreError> {
        match self {
            Self::NeverAnswers => std::future::pending().await,
            Self::Panics => panic!("a defect"),
        }
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "a test measures how long something takes")]
async fn without_an_answer_of_the_store_the_user_can_sign_in_before_cognito_retries() {
    let function = edge(TrackLogin { store: BrokenStore::NeverAnswers, clock: TestClock::default() });
    let start = tokio::time::Instant::now();
    assert_eq!(
        call_for_sign_in(&function, &sign_in()).await.unwrap(),
        "ERROR login not recorded: the store took too long"
    );
    assert!(start.elapsed() <= Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn after_a_panic_the_user_can_sign_in() {
    let function = edge(TrackLogin { store: BrokenStore::Panics, clock: TestClock::default() });
    // The process's panic hook logs it.
    assert_eq!(call_for_sign_in(&function, &sign_in()).await, None);
}

#[tokio::test]
async fn the_gateway_gets_an_http_answer() {
    let function = function().await;
    let event = serde_json::to_string(&sample::<Value>(REPORT)).unwrap();
    let (answer, _) = call(&function, &event, INVOCATION).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["statusCode"], answer.get("triggerSource")), (&json!(204), None));
    assert_eq!(latest(&function), samples::at(REPORTED));
}
