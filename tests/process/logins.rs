//! Logins after a registration, reported by the portal over HTTP and by a user pool's trigger.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use ureq::http::header::CONTENT_TYPE;
use xtask::token::Role;

use crate::{
    aws,
    client::{Answer, Practice, send},
};

/// Registers a new patient and returns the time.
fn registered(practice: &Practice, patient: &str) -> DateTime<Utc> {
    practice.save_and_register(patient);
    practice.status(patient)["panel"]["registeredOn"]["at"].as_str().unwrap().parse().unwrap()
}

/// The time of the latest login in the panel.
fn latest(practice: &Practice, patient: &str) -> DateTime<Utc> {
    practice.status(patient)["panel"]["lastLoginOn"]["at"].as_str().unwrap().parse().unwrap()
}

fn report_as(practice: &Practice, role: Role, body: &Value) -> Answer {
    let request = practice.request_by(&practice.token(role), "POST", "/v1/logins");
    send(request.header(CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap())
}

fn report(practice: &Practice, patient: &str, event: &str, at: &str) -> Answer {
    report_as(practice, Role::Portal, &json!({ "email": practice.address(patient), "at": at, "eventId": event }))
}

fn assert_recorded(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{answer:?}");
}

#[test]
fn a_login_is_recorded_once_and_never_set_back() {
    let Some(practice) = Practice::open("logs-in") else { return };
    let opened = registered(&practice, "p-1");
    let version = practice.status("p-1")["version"].clone();
    // A clock may be ahead by this much.
    let at = opened + TimeDelta::minutes(2);
    let elsewhere = at.with_timezone(&chrono::FixedOffset::east_opt(5 * 3600).unwrap()).to_rfc3339();
    assert_recorded(&report(&practice, "p-1", "event-1", &elsewhere));
    assert_eq!(latest(&practice, "p-1"), at);

    let later = (at + TimeDelta::minutes(1)).to_rfc3339();
    assert_recorded(&report(&practice, "p-1", "event-1", &elsewhere));
    assert_recorded(&report(&practice, "p-1", "event-1", &later));
    assert_recorded(&report(&practice, "p-1", "late", &opened.to_rfc3339()));
    assert_recorded(&report(&practice, "p-1", "ancient", "1980-02-29T00:00:00Z"));
    assert_eq!(latest(&practice, "p-1"), at);
    assert_recorded(&report(&practice, "p-1", "event-2", &later));
    assert_eq!(latest(&practice, "p-1"), at + TimeDelta::minutes(1));
    assert_eq!(practice.status("p-1")["version"], version, "a login does not change the record's version");

    let out = practice.post("/v1/patients/p-1/portal/opt-out", &json!({}));
    assert_eq!(out.status, 200, "{out:?}");
    assert_eq!(latest(&practice, "p-1"), at + TimeDelta::minutes(1), "a change of the record keeps the login");
}

#[test]
fn a_login_in_the_future_counts_as_now_and_only_once() {
    let Some(practice) = Practice::open("future") else { return };
    let opened = registered(&practice, "p-1");
    assert_recorded(&report(&practice, "p-1", "event-1", "2999-01-01T00:00:00Z"));
    let recorded = latest(&practice, "p-1");
    assert!(opened < recorded && recorded < opened + TimeDelta::hours(1), "{opened} {recorded}");
    assert_recorded(&report(&practice, "p-1", "event-1", "2999-01-01T00:00:00Z"));
    assert_eq!(latest(&practice, "p-1"), recorded);
}

#[test]
fn only_the_portal_reports_logins_and_only_of_accounts() {
    let Some(practice) = Practice::open("reports") else { return };
    let opened = registered(&practice, "p-1");
    practice.save_and_invite("p-2");
    let at = (opened + TimeDelta::minutes(1)).to_rfc3339();
    for patient in ["p-2", "unknown"] {
        report(&practice, patient, "event-1", &at).assert_problem(409, "not_registered", patient);
    }
    let body = json!({ "email": practice.address("p-1"), "at": at, "eventId": "event-1" });
    for role in [Role::Read, Role::Staff, Role::Admin, Role::Support] {
        report_as(&practice, role, &body).assert_problem(403, "forbidden", &format!("{role:?}"));
    }
    let anonymous = practice.anonymous("POST", "/v1/logins").header(CONTENT_TYPE, "application/json");
    assert_eq!(send(anonymous.body(body.to_string().into()).unwrap()).status, 401);
    report(&practice, "p-1", "event-1", "soon").assert_problem(422, "invalid_fields", "no time");
    report(&practice, "p-1", "", &at).assert_problem(422, "invalid_fields", "no event");
    assert_eq!(practice.status("p-1")["panel"]["lastLoginOn"], json!({ "status": "never" }));
}

#[test]
fn a_user_pool_gets_its_event_back_and_the_login_is_recorded() {
    let Some(practice) = Practice::open("user-pool") else { return };
    let opened = registered(&practice, "p-1");
    let sample = include_str!("../../events/track-login/cognito-post-authentication.json");
    let mut event: Value = serde_json::from_str(sample).unwrap();
    event["aMemberThatAwsMayAdd"] = json!({ "of": [1, "kind"] });
    event["request"]["userAttributes"]["email"] = practice.address("p-1").into();
    let call = |event: &Value| assert_eq!(aws::invoke(practice.stack, "track-login", event), *event);

    let mut unverified = event.clone();
    unverified["request"]["userAttributes"]["email_verified"] = "false".into();
    call(&unverified);
    let mut other = event.clone();
    other["triggerSource"] = "PostConfirmation_ConfirmSignUp".into();
    call(&other);
    let mut unknown = event.clone();
    unknown["request"]["userAttributes"]["email"] = practice.address("unknown").into();
    call(&unknown);
    assert_eq!(practice.status("p-1")["panel"]["lastLoginOn"], json!({ "status": "never" }));

    call(&event);
    let recorded = latest(&practice, "p-1");
    assert!(opened < recorded && recorded < opened + TimeDelta::hours(1), "{opened} {recorded}");
}
