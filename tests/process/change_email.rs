//! Customer Care changes the address of an account, and both addresses are notified.

use serde_json::{Value, json};
use ureq::http::header::{CONTENT_TYPE, IF_MATCH};
use xtask::{
    mailbox::Mail,
    token::{self, Claims, Role},
};

use crate::{
    aws,
    client::{Answer, GIVEN, Practice, profile, send},
    wait::eventually,
};

/// The path where Customer Care changes the address of an account.
pub(crate) fn path(practice: &str, patient: &str) -> String {
    format!("/v1/practices/{practice}/patients/{patient}/portal/email")
}

fn change(practice: &Practice, role: Role, patient: &str, new: &str) -> Answer {
    practice.put_as(role, &path(&practice.id, patient), &json!({ "email": new }))
}

/// The notices to an address: its mails without an activation link.
fn notices(practice: &Practice, address: &str) -> Vec<Mail> {
    let mut mails = practice.mails(address);
    mails.retain(|mail| mail.activation_link().is_none());
    mails
}

/// Waits for this many notices to an address, and returns the last one.
fn await_notices(practice: &Practice, address: &str, count: usize) -> Mail {
    let mut arrived =
        eventually("the notices arrive", || Some(notices(practice, address)).filter(|notices| notices.len() >= count));
    assert_eq!(arrived.len(), count, "{arrived:?}");
    arrived.remove(count - 1)
}

fn account_email(practice: &Practice, patient: &str) -> Value {
    practice.status(patient)["account"]["email"].clone()
}

#[test]
fn the_address_is_changed_both_addresses_are_notified_and_the_old_one_is_free() {
    let Some(practice) = Practice::open("changes-email") else { return };
    practice.save_and_register("p-1");
    let (old, new) = (practice.address("p-1"), practice.address("new"));
    let version = practice.status("p-1")["version"].clone();

    let changed = change(&practice, Role::Support, "p-1", &new);
    assert_eq!(changed.status, 200, "{changed:?}");
    let panel = changed.json();
    assert_eq!((&panel["account"]["email"], &panel["account"]["state"]), (&json!(new), &json!("active")));
    assert_eq!(panel["version"].as_u64(), version.as_u64().map(|version| version + 1));
    assert_eq!(changed.header("etag"), Some(format!("\"{}\"", panel["version"]).as_str()));

    let (removed, added) = (await_notices(&practice, &old, 1), await_notices(&practice, &new, 1));
    for (mail, other) in [(&removed, &new), (&added, &old)] {
        assert_eq!((mail.to.len(), mail.subject.as_str()), (1, "A change to your account"));
        for body in [Some(&mail.text), mail.html.as_ref()] {
            let body = body.unwrap();
            assert!(body.contains("Atoll Family Medicine") && body.contains("+1 555 0100"), "{body}");
            assert!(body.contains("Customer Care"), "{body}");
            for secret in [other.as_str(), GIVEN, "1980", "http"] {
                assert!(!body.contains(secret), "{secret} in {body}");
            }
        }
    }
    assert!(removed.text.contains("from this email address to another one."), "{removed}");
    assert!(added.text.contains(" to this email address."), "{added}");
    // One event for the change and one for each notice.
    eventually("the notices are recorded", || {
        (practice.status("p-1")["version"].as_u64() == version.as_u64().map(|version| version + 3)).then_some(())
    });
    assert_eq!(account_email(&practice, "p-1"), json!(new));

    // The profile still has the old address, which is free only after the profile is changed too.
    practice.save_patient("p-2", None);
    let invite = |address: &str| practice.invite("p-2", &json!({ "email": address }));
    invite(&old).assert_problem(409, "email_in_use", "the profile's");
    assert_eq!(practice.put_as(Role::Staff, "/v1/patients/p-1", &profile(None)).status, 200);
    invite(&new).assert_problem(409, "email_in_use", "the account's");
    let invited = invite(&old);
    assert_eq!(invited.status, 202, "{invited:?}");
}

#[test]
fn a_repeated_request_sends_no_second_notice() {
    let Some(practice) = Practice::open("changes-once") else { return };
    practice.save_and_register("p-1");
    let (old, new) = (practice.address("p-1"), practice.address("new"));
    assert_eq!(change(&practice, Role::Support, "p-1", &new).status, 200);
    await_notices(&practice, &old, 1);
    await_notices(&practice, &new, 1);
    let settled = eventually("the notices are recorded", || {
        let status = practice.status("p-1");
        // Saved, invited, sent, date of birth checked, registered, changed, and two notices.
        (status["version"] == 8).then_some(status)
    });
    for spelling in [new.clone(), new.to_uppercase()] {
        let again = change(&practice, Role::Support, "p-1", &spelling);
        assert_eq!((again.status, &again.json()["version"]), (200, &settled["version"]), "{again:?}");
    }
    assert_eq!(practice.status("p-1"), settled);
    assert_eq!((notices(&practice, &old).len(), notices(&practice, &new).len()), (1, 1));
}

#[test]
fn a_lost_hint_is_found_by_the_sweep_and_copies_send_no_second_notice() {
    let Some(practice) = Practice::open("hints") else { return };
    practice.save_and_register("p-1");
    let (old, new) = (practice.address("p-1"), practice.address("new"));
    assert_eq!(change(&practice, Role::Support, "p-1", &new).status, 200);
    let sweep = serde_json::from_str(include_str!("../../events/sweep/scheduled.json")).unwrap();
    assert_eq!(aws::invoke(practice.stack, "sweep", &sweep), Value::Null);
    let mut event: Value = serde_json::from_str(include_str!("../../events/sender/notices.json")).unwrap();
    let body = json!({ "schema": 1, "practice": practice.id, "patient": "p-1", "notices": {} });
    event["Records"][0]["body"] = body.to_string().into();
    for _ in 0..3 {
        aws::process_batch(practice.stack, &event);
    }
    await_notices(&practice, &old, 1);
    await_notices(&practice, &new, 1);
}

#[test]
fn only_customer_care_changes_an_address() {
    let Some(practice) = Practice::open("not-support") else { return };
    practice.save_and_register("p-1");
    let (before, new) = (practice.snapshot("p-1"), practice.address("new"));
    for role in [Role::Read, Role::Staff, Role::Admin, Role::Portal] {
        change(&practice, role, "p-1", &new).assert_problem(403, "support_only", &format!("{role:?}"));
    }
    let anonymous = practice.anonymous("PUT", &path(&practice.id, "p-1")).header(CONTENT_TYPE, "application/json");
    assert_eq!(send(anonymous.body(json!({ "email": new }).to_string().into()).unwrap()).status, 401);
    assert_eq!(practice.snapshot("p-1"), before);
    assert!(practice.mails(&new).is_empty());
}

#[test]
fn customer_care_acts_for_the_practice_in_the_path_not_in_the_token() {
    let (Some(ours), Some(theirs)) = (Practice::open("care-ours"), Practice::open("care-theirs")) else { return };
    theirs.save_and_register("p-1");
    let before = theirs.snapshot("p-1");
    let mut claims = serde_json::to_value(Claims::new(&ours.stack.issuer, Role::Support, &ours.id).unwrap()).unwrap();
    claims["practice_id"] = theirs.id.clone().into();
    let key = xtask::issuer::SigningKey::load(&ours.stack.issuer.key_file).unwrap();
    let token = token::sign(&claims, &key).unwrap();
    let ask = |practice: &str, patient: &str| {
        let request = ours.request_by(&token, "PUT", &path(practice, patient)).header(CONTENT_TYPE, "application/json");
        send(request.body(json!({ "email": ours.address("new") }).to_string().into()).unwrap())
    };
    // A patient of another practice, a missing patient and a missing practice have the same answer.
    let missing = ask(&theirs.id, "p-9");
    missing.assert_problem(404, "patient_not_found", "a missing patient");
    for (practice, patient) in [(ours.id.as_str(), "p-1"), ("nowhere", "p-1"), ("a%23b", "p-1")] {
        let answer = ask(practice, patient);
        assert_eq!((answer.status, answer.without_instance()), (404, missing.without_instance()), "{practice}");
    }
    assert_eq!(theirs.snapshot("p-1"), before);
    assert_eq!(ask(&theirs.id, "p-1").status, 200);
}

#[test]
fn a_refused_change_sends_no_notice() {
    let (Some(practice), Some(other)) = (Practice::open("refused-email"), Practice::open("refused-other")) else {
        return;
    };
    practice.save_and_register("p-1");
    other.save_and_register("p-1");
    practice.save_patient("p-2", Some(&practice.address("p-2")));
    let before = practice.snapshot("p-1");
    let by_care = |patient: &str, new: &str| change(&practice, Role::Support, patient, new);
    let ours = by_care("p-1", &practice.address("p-2"));
    ours.assert_problem(409, "email_in_use", "a patient of the practice");
    assert_eq!(ours.json()["patientId"], "p-2");
    let foreign = by_care("p-1", &other.address("p-1"));
    foreign.assert_problem(409, "email_in_use", "a patient of another practice");
    assert_eq!(foreign.json()["patientId"], Value::Null);
    by_care("p-2", &practice.address("new")).assert_problem(409, "not_registered", "no account");
    by_care("p-1", "no-address").assert_problem(422, "email_invalid", "no address");
    let request = practice.request_by(&practice.token(Role::Support), "PUT", &path(&practice.id, "p-1"));
    let request = request.header(CONTENT_TYPE, "application/json").header(IF_MATCH, "\"1\"");
    let stale = send(request.body(json!({ "email": practice.address("new") }).to_string().into()).unwrap());
    stale.assert_problem(412, "version_conflict", "a stale version");
    assert_eq!(practice.snapshot("p-1"), before);
    assert!(notices(&practice, &practice.address("p-1")).is_empty());
    assert!(notices(&practice, &other.address("p-1")).is_empty());
}

#[test]
fn only_one_of_many_accounts_gets_an_address() {
    const RIVALS: usize = 6;
    let Some(practice) = Practice::open("want-one") else { return };
    let patients: Vec<String> = (0..RIVALS).map(|number| format!("p-{number}")).collect();
    for patient in &patients {
        practice.save_and_register(patient);
    }
    let wanted = practice.address("wanted");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let rivals: Vec<_> =
            patients.iter().map(|patient| scope.spawn(|| change(&practice, Role::Support, patient, &wanted))).collect();
        rivals.into_iter().map(|rival| rival.join().unwrap()).collect()
    });
    let won: Vec<_> = patients.iter().zip(&answers).filter(|(_, answer)| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for (patient, answer) in patients.iter().zip(&answers).filter(|(_, answer)| answer.status != 200) {
        answer.assert_problem(409, "email_in_use", patient);
        assert_eq!(account_email(&practice, patient), json!(practice.address(patient)));
        assert!(notices(&practice, &practice.address(patient)).is_empty());
    }
    await_notices(&practice, &wanted, 1);
}
