//! The function `patients`, from the gateway's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use patients::Patients;
use portal::{
    email::Pepper,
    ports::ChangeStore as _,
    testing::{Fault, MemoryStore, TestClock, samples},
};
use portal_aws::http::{
    DirectoryCursors, Edge,
    testing::{Bad, Sample, assert_refused, bad_bodies, bad_callers, bad_patients, edge},
};
use serde_json::{Value, json};

type Function = Edge<Patients<MemoryStore, TestClock>>;

fn function() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    let cursors = DirectoryCursors::new(Pepper::new("a pepper for tests".into()));
    edge(Patients { store, clock: TestClock::default(), cursors })
}

async fn function_with_patient(practice: &str) -> Function {
    let function = function();
    let change = samples::new_patient(&samples::key(practice, "p-1001"), samples::profile(Some("jose@example.com")));
    function.handler().store.commit(&change).await.unwrap();
    function
}

#[tokio::test]
async fn a_profile_is_saved_and_read_again() {
    let function = function();
    insta::assert_json_snapshot!("created", Sample::new("patients/save").ask(&function).await);
    insta::assert_json_snapshot!("read", Sample::new("patients/read").ask(&function).await);
}

#[tokio::test]
async fn saving_the_same_again_changes_nothing() {
    let function = function();
    let first = Sample::new("patients/save").ask(&function).await;
    let before = function.handler().store.contents();
    let second = Sample::new("patients/save").request("request-2").ask(&function).await;
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(first.body, second.body);
    assert_eq!(function.handler().store.contents(), before);
}

#[tokio::test]
async fn only_names_and_date_of_birth_are_required() {
    let function = function();
    let minimal = json!({ "givenName": " Ana ", "familyName": "Li", "dateOfBirth": "1990-12-31", "email": null, "language": null });
    let answer = Sample::new("patients/save").json(&minimal).ask(&function).await;
    assert_eq!(answer.status, 201);
    let shown = json!({
        "patientId": "p-1001", "givenName": "Ana", "familyName": "Li", "dateOfBirth": "1990-12-31", "language": "en", "version": 1
    });
    assert_eq!(answer.body, shown);
}

#[tokio::test]
async fn active_is_shown_as_false_for_an_inactive_patient_and_otherwise_absent() {
    let function = function();
    let save = Sample::new("patients/save");
    for (number, (active, shown)) in [
        (json!(false), json!(false)),
        (json!(true), Value::Null),
        (json!(false), json!(false)),
        (json!(null), Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let request = format!("request-{number}");
        let saved = save.clone().request(&request).member("active", active.clone()).ask(&function).await;
        assert_eq!((&saved.body["active"], &saved.body["version"]), (&shown, &json!(number + 1)), "{active}");
        assert_eq!(Sample::new("patients/read").ask(&function).await.body, saved.body);
    }
}

#[tokio::test]
async fn a_body_in_base64_is_the_same_body() {
    let (plain, encoded) = (function(), function());
    let body = r#"{"givenName":"José","familyName":"Núñez","dateOfBirth":"1980-02-29"}"#;
    let first = Sample::new("patients/save").body(body).ask(&plain).await;
    assert_eq!(first.status, 201);
    assert_eq!(Sample::new("patients/save").bytes(body).ask(&encoded).await, first);
}

#[tokio::test]
async fn if_match_is_checked() {
    let function = function();
    let save = Sample::new("patients/save");
    assert_eq!(save.clone().header("if-match", "\"1\"").ask(&function).await.code(), "version_conflict");
    assert_eq!(save.ask(&function).await.status, 201);
    let change = save.clone().request("request-2").member("givenName", json!("Josefa"));
    let stale = change.clone().header("if-match", "\"7\"").ask(&function).await;
    assert_eq!((stale.status, stale.code()), (412, "version_conflict"));
    let current = change.header("if-match", "\"1\"").ask(&function).await;
    assert_eq!((current.status, current.headers["etag"].as_str()), (200, "\"2\""));
    let malformed = [
        "",
        "1",
        "\"1",
        "W/\"1\"",
        "\"1\", \"2\"",
        "\"01\"",
        "\"-1\"",
        "\"x\"",
        "\"\"",
        "*",
        "\"99999999999999999999\"",
    ];
    let bad = |tag: &str| Bad::new(format!("If-Match {tag}"), save.clone().header("if-match", tag), 400, "malformed");
    assert_refused(&function, malformed.map(bad).into(), |patients| patients.store.contents()).await;
}

#[tokio::test]
async fn each_invalid_member_has_an_error_with_its_pointer() {
    let function = function();
    let errors = async |name: &str, value: Value| {
        let answer = Sample::new("patients/save").member(name, value).ask(&function).await;
        assert_eq!(answer.status, 422);
        (answer.code().to_owned(), answer.body["errors"].clone())
    };
    let one = |pointer: &str, code: &str| json!([{ "pointer": pointer, "code": code }]);
    let of = |code: &str, pointer: &str, error: &str| (code.to_owned(), one(pointer, error));
    for (name, value, error) in [
        ("givenName", json!(null), "required"),
        ("givenName", json!(1), "wrong_type"),
        ("givenName", json!(""), "invalid"),
        ("givenName", json!("x".repeat(101)), "invalid"),
        ("familyName", json!(["Li"]), "wrong_type"),
        ("familyName", json!("a\u{202e}b"), "invalid"),
        ("dateOfBirth", json!(null), "required"),
        ("dateOfBirth", json!(19_800_229), "wrong_type"),
        ("dateOfBirth", json!("1981-02-29"), "invalid"),
        ("dateOfBirth", json!("02/29/1980"), "invalid"),
        ("dateOfBirth", json!("1879-12-31"), "invalid"),
        ("dateOfBirth", json!("2026-05-07"), "invalid"),
        ("email", json!({}), "wrong_type"),
        ("language", json!("klingon!"), "invalid"),
        ("language", json!(true), "wrong_type"),
        ("active", json!("false"), "wrong_type"),
        ("active", json!(0), "wrong_type"),
    ] {
        let pointer = format!("/{name}");
        assert_eq!(errors(name, value.clone()).await, of("invalid_fields", &pointer, error), "{name} {value}");
    }
    assert_eq!(errors("email", json!("jose")).await, of("email_invalid", "/email", "email_invalid"));
    assert_eq!(errors("practice", json!("hillside")).await, of("invalid_fields", "", "unknown_field"));
    assert!(function.handler().store.contents().records.is_empty());
}

#[tokio::test]
async fn all_invalid_members_are_reported_together() {
    let body = json!({ "givenName": 1, "familyName": "", "email": "no", "secret@example.com": 1 });
    insta::assert_json_snapshot!("wrong_members", Sample::new("patients/save").json(&body).ask(&function()).await);
}

#[tokio::test]
async fn an_invalid_save_request_changes_nothing() {
    let function = function_with_patient("lakeside").await;
    let save = Sample::new("patients/save");
    let mut bad = [bad_callers(&save), bad_patients(&save), bad_bodies(&save)].concat();
    bad.push(Bad::new("no body", save.clone().body(""), 400, "malformed"));
    bad.push(Bad::new("read only", save.claim("scope", "portal/read portal/admin portal/support"), 403, "forbidden"));
    assert_refused(&function, bad, |patients| patients.store.contents()).await;
}

#[tokio::test]
async fn an_invalid_read_request_is_refused() {
    let function = function_with_patient("lakeside").await;
    let read = Sample::new("patients/read");
    let mut bad = [bad_callers(&read), bad_patients(&read)].concat();
    bad.push(Bad::new("write only", read.claim("scope", "portal/patients"), 403, "forbidden"));
    assert_refused(&function, bad, |patients| patients.store.contents()).await;
}

#[tokio::test]
async fn a_patient_of_another_practice_is_answered_like_an_unknown_one() {
    let read = Sample::new("patients/read");
    let foreign = function_with_patient("hillside").await;
    let answer = serde_json::to_string(&foreign.answer(read.event()).await).unwrap();
    assert_eq!(answer, serde_json::to_string(&function().answer(read.event()).await).unwrap());
    assert_eq!(answer, serde_json::to_string(&function().answer(read.patient("no such").event()).await).unwrap());

    let before = foreign.handler().store.stored_record(&samples::key("hillside", "p-1001"));
    assert_eq!(Sample::new("patients/save").member("givenName", json!("Eve")).ask(&foreign).await.status, 201);
    assert_eq!(foreign.handler().store.stored_record(&samples::key("hillside", "p-1001")), before);
}

#[tokio::test]
async fn a_fault_of_the_store_is_answered_with_retry_after_and_no_details() {
    let function = function_with_patient("lakeside").await;
    let store = &function.handler().store;
    let read = Sample::new("patients/read");
    for fault in [Fault::Busy, Fault::Unavailable] {
        store.fail_next([Some(fault)]);
        let answer = read.ask(&function).await;
        assert_eq!((answer.status, answer.code()), (503, "unavailable"));
        assert_eq!(answer.headers["retry-after"], "1");
    }
    store.fail_next([Some(Fault::Corrupt)]);
    insta::assert_json_snapshot!("corrupt", read.ask(&function).await);
}
