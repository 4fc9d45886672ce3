//! A patient's whole journey with canaries for all personal data: no canary is found outside its allowed places.
//!
//! `cargo xtask test` searches once more after all other tests.

use serde_json::{Value, json};
use ureq::http::header::CONTENT_TYPE;
use xtask::{
    canaries::{self, Place},
    token::Role,
};

use crate::{
    aws, change_email,
    client::{BORN, GIVEN, NOT_BORN, Practice, profile, send, token_of},
    record::Record,
    wait::eventually,
};

const PATIENT: &str = "p-1";

#[test]
fn a_whole_patient_journey_leaks_no_personal_data() {
    let Some(practice) = Practice::open("life") else { return };
    let stack = practice.stack;
    let (profiled, invited, changed) = (practice.address("home"), practice.address("work"), practice.address("new"));
    practice.save_patient(PATIENT, Some(&profiled));
    assert_eq!(practice.get(&format!("/v1/patients?q={GIVEN}")).json()["patients"][0]["dateOfBirth"], BORN);
    mistakes(&practice);

    assert_eq!(practice.invite(PATIENT, &json!({ "email": invited })).status, 202);
    practice.await_sent(PATIENT);
    let record = Record::new(&practice, PATIENT);
    record.age_by_a_minute();
    assert_eq!(practice.command(PATIENT, "reinvite").status, 202);
    practice.await_sent(PATIENT);
    assert_eq!(aws::invoke(stack, "mail-events", &record.mail_event("delivery")), Value::Null);

    let token = token_of(practice.mails(&invited).last().unwrap());
    practice.check(&token);
    practice.register(&format!("{token}A"), BORN).assert_problem(409, "link_not_usable", "a changed token");
    practice.register(&token, NOT_BORN).assert_problem(409, "date_of_birth_mismatch", "another date");
    assert_eq!(practice.register(&token, BORN).status, 201);
    practice.log_in(PATIENT, &invited);
    let moved =
        practice.put_as(Role::Support, &change_email::path(&practice.id, PATIENT), &json!({ "email": changed }));
    assert_eq!(moved.status, 200, "{moved:?}");
    eventually("both addresses are notified", || (practice.mails(&changed).len() == 1).then_some(()));
    assert_eq!(practice.command(PATIENT, "opt-out").status, 200);
    assert_eq!(practice.get("/v1/patients/p-1/portal/timeline").status, 200);

    let report = canaries::search(stack).unwrap();
    assert!(report.leaks.is_empty(), "{report}");
    let allowed = ["given", "family", "born", "email", "invitation_email", "account_email", "directory keys", "tokens"];
    assert!(allowed.iter().all(|place| report.allowed[place] > 0), "{report}");
    let places = [Place::FunctionLog, Place::StackLog, Place::Item, Place::Mail];
    assert!(places.iter().all(|place| report.searched[place] > 0), "{report}");
}

/// Sends personal data where the system does not accept it.
fn mistakes(practice: &Practice) {
    let stack = practice.stack;
    let address = practice.address("odd");
    let mut invalid = profile(Some(&format!("{GIVEN} <{address}>")));
    invalid["born"] = BORN.into();
    practice.put_as(Role::Staff, "/v1/patients/p-1", &invalid).assert_problem(422, "invalid_fields", "a profile");
    let cut_off = practice.request("POST", "/v1/patients/p-1/portal/invite").header(CONTENT_TYPE, "application/json");
    let cut_off = send(cut_off.body(format!("{{\"email\":\"{address}").into()).unwrap());
    cut_off.assert_problem(400, "malformed", "an invite that is cut off");
    practice.register(&format!("{GIVEN}.{address}"), BORN).assert_problem(409, "link_not_usable", "no token");

    let mut messages: Value = serde_json::from_str(include_str!("../../events/sender/one-invitation.json")).unwrap();
    messages["Records"][0]["body"] =
        json!({ "schema": 1, "practice": practice.id, "patient": address }).to_string().into();
    assert_eq!(aws::invoke(stack, "sender", &messages)["batchItemFailures"].as_array().map(Vec::len), Some(1));
    let mut login: Value =
        serde_json::from_str(include_str!("../../events/track-login/cognito-post-authentication.json")).unwrap();
    login["request"]["userAttributes"]["email"] = address.into();
    assert_eq!(aws::invoke(stack, "track-login", &login), login);
}
