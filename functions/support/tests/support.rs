//! The function `support`, from the gateway's events to its answers.

use portal::{
    access::{AccessEntry, AccessKind},
    ids::Subject,
    testing::{Fault, MemoryStore, TestClock, samples},
    timeline::Role,
};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, assert_refused, bad_bodies, bad_patients, edge},
};
use serde_json::json;
use support::Support;

type Function = Edge<Support<MemoryStore, TestClock>>;

/// With patient `p-1001` of `lakeside`, who was mailed an invitation to `jose@example.com`.
fn function() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    store.mail_invitation(&samples::key("lakeside", "p-1001"), "jose@example.com");
    edge(Support { store, clock: TestClock::default() })
}

fn accesses(function: &Function) -> Vec<AccessEntry> {
    function.handler().store.contents().accesses.into_values().collect()
}

/// One request of each operation, and what it records.
fn requests() -> [(Sample, AccessKind); 4] {
    [
        (Sample::new("support/lookup-by-email"), AccessKind::Lookup),
        (Sample::new("support/lookup-by-patient"), AccessKind::Lookup),
        (Sample::new("support/status"), AccessKind::Status),
        (Sample::new("support/timeline"), AccessKind::Timeline),
    ]
}

#[tokio::test]
async fn a_patient_is_found_by_the_claim_of_an_address_or_by_id_without_personal_data() {
    let function = function();
    let [(by_email, _), (by_patient, _), ..] = requests();
    let found = by_email.ask(&function).await;
    insta::assert_json_snapshot!("found", found);
    assert_eq!(by_patient.request("request-2").ask(&function).await, found);
    for personal_data in ["example.com", "Jos", "N\u{fa}\u{f1}ez", "1980"] {
        assert!(!found.body.to_string().contains(personal_data), "{}", found.body);
    }
    let other_spelling = by_email.member("email", json!("JOSE@Example.com")).request("request-3");
    assert_eq!(other_spelling.ask(&function).await, found);
}

#[tokio::test]
async fn an_address_that_is_only_in_a_profile_finds_no_patient() {
    let function = function();
    let key = samples::key("hillside", "p-2");
    function.handler().store.put(samples::new_patient(&key, samples::profile(Some("ana@example.com"))).after);
    let lookup = Sample::new("support/lookup-by-email");
    let no_match = lookup.clone().member("email", json!("ana@example.com")).ask(&function).await;
    insta::assert_json_snapshot!("no_match", no_match);
    for missing in [
        lookup.member("email", json!("unknown@example.com")),
        Sample::new("support/lookup-by-patient").member("patientId", json!("p-9")),
        Sample::new("support/lookup-by-patient").member("practiceId", json!("hillside")),
    ] {
        assert_eq!(missing.ask(&function).await, no_match);
    }
    assert_eq!(accesses(&function), [], "there is no patient whose access could be recorded");
}

#[tokio::test]
async fn the_status_and_the_timeline_are_those_of_the_practice_in_the_path() {
    let function = function();
    let status = Sample::new("support/status").ask(&function).await;
    assert_eq!((status.status, &status.body["invitation"]["email"]), (200, &json!("jose@example.com")));
    let timeline = Sample::new("support/timeline").request("request-2").ask(&function).await;
    assert_eq!((timeline.status, &timeline.body["events"][0]["version"]), (200, &json!(3)));
    let older = Sample::new("support/timeline").query("cursor", "2").request("request-3").ask(&function).await;
    assert_eq!(older.body["events"][0]["version"], 1);
}

#[tokio::test]
async fn every_access_is_recorded_before_it_is_answered() {
    for (request, kind) in requests() {
        let function = function();
        assert_eq!(request.ask(&function).await.status, 200);
        let accesses = accesses(&function);
        let [entry] = accesses.as_slice() else { panic!("{accesses:?}") };
        assert_eq!((entry.kind, entry.reason.expose()), (kind, "Ticket 4711: the patient does not find the mail"));
        assert_eq!((entry.context.at, entry.context.actor.role), (samples::noon(), Role::Support));
        assert_eq!(entry.context.actor.subject.as_ref().map(Subject::as_str), Some("support-3"));
        assert_eq!(entry.context.request.as_str(), "JKJaXmPLvHcESHA=");
    }
}

#[tokio::test]
async fn an_access_that_cannot_be_recorded_is_not_answered() {
    for (number, (request, _)) in requests().into_iter().enumerate() {
        // The lookup by address reads the address first.
        let reads = if number == 0 { 2 } else { 1 };
        for fault in [Fault::Busy, Fault::Unavailable] {
            let function = function();
            let faults = std::iter::repeat_n(None, reads).chain([Some(fault)]);
            function.handler().store.fail_next(faults.collect::<Vec<_>>());
            let answer = request.ask(&function).await;
            assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{number}: {}", answer.body);
            assert_eq!(accesses(&function), []);
        }
    }
}

#[tokio::test]
async fn only_customer_care_may_read_and_nothing_is_recorded_for_others() {
    let function = function();
    let everything = "openid portal/read portal/patients portal/invite portal/admin portal/logins";
    let mut bad = Vec::new();
    for (request, _) in requests() {
        let staff = request.clone().claim("practice_id", "lakeside").claim("scope", everything);
        bad.push(Bad::new("no token", request.clone().anonymous(), 401, "unauthenticated"));
        bad.push(Bad::new("an ID token", request.clone().claim("token_use", "id"), 401, "not_an_access_token"));
        bad.push(Bad::new("all but Customer Care", staff, 403, "support_only"));
        bad.push(Bad::new("no scope", request.clone().without_claim("scope"), 403, "forbidden"));
        bad.push(Bad::new("no subject", request.without_claim("sub"), 403, "forbidden"));
    }
    assert_refused(&function, bad, |support| support.store.contents()).await;
}

#[tokio::test]
async fn an_invalid_request_is_refused_and_not_recorded() {
    let function = function();
    let lookup = Sample::new("support/lookup-by-email");
    let reason = json!("a test");
    let body = |body| lookup.clone().json(&body);
    let invalid = |what, sample| Bad::new(what, sample, 422, "invalid_fields");
    let mut bad = bad_bodies(&lookup);
    bad.extend([
        invalid("neither", body(json!({ "reason": reason }))),
        invalid("no reason", body(json!({ "email": "jose@example.com" }))),
        invalid("an empty reason", lookup.clone().member("reason", json!(" "))),
        invalid("a long reason", lookup.clone().member("reason", json!("x".repeat(201)))),
        invalid("a practice only", body(json!({ "practiceId": "lakeside", "reason": reason }))),
        invalid("a patient only", body(json!({ "patientId": "p-1001", "reason": reason }))),
        invalid("both", lookup.clone().member("patientId", json!("p-1001"))),
        invalid("an invalid patient", body(json!({ "practiceId": "lakeside", "patientId": "a b", "reason": reason }))),
        Bad::new("an invalid address", lookup.clone().member("email", json!("jose")), 422, "email_invalid"),
    ]);
    for name in ["support/status", "support/timeline"] {
        let sample = Sample::new(name);
        bad.append(&mut bad_patients(&sample));
        bad.push(Bad::new("another practice", sample.clone().practice("hillside"), 404, "patient_not_found"));
        bad.push(Bad::new("no practice", sample.clone().practice(""), 404, "patient_not_found"));
        for reason in ["", " ", "a\nb", &"x".repeat(201)] {
            bad.push(Bad::new(format!("reason={reason}"), sample.clone().query("reason", reason), 400, "malformed"));
        }
    }
    bad.push(Bad::new("a cursor", Sample::new("support/timeline").query("cursor", "x"), 400, "malformed"));
    assert_refused(&function, bad, |support| support.store.contents()).await;
}
