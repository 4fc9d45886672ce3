//! The rules of the product that this one replaces, one test each, over HTTP. The unit tests check each rule in detail.

use serde_json::{Value, json};
use xtask::token::Role;

use crate::{
    change_email::path,
    client::{BORN, Practice, profile, token_of},
    record::Record,
    wait::eventually,
};

/// One field of a patient's status panel.
fn panel_field(practice: &Practice, patient: &str, field: &str) -> Value {
    practice.status(patient)["panel"][field].clone()
}

/// Invites a patient again as soon as the rules allow it, and waits for the mail. Returns the status.
fn reinvite(practice: &Practice, patient: &str, body: &Value) -> Value {
    Record::new(practice, patient).age_by_a_minute();
    let answer = practice.post(&format!("/v1/patients/{patient}/portal/reinvite"), body);
    assert_eq!(answer.status, 202, "{answer:?}");
    practice.await_sent(patient)
}

#[test]
fn opted_out_is_yes_or_no() {
    let Some(practice) = Practice::open("rule-opted-out") else { return };
    practice.save_and_register("p-1");
    assert_eq!(panel_field(&practice, "p-1", "optedOut"), false);
    assert_eq!(practice.command("p-1", "opt-out").status, 200);
    let status = practice.status("p-1");
    assert_eq!((&status["panel"]["optedOut"], &status["account"]["state"]), (&json!(true), &json!("active")));
    assert!(status["sentence"].as_str().unwrap().contains("Opted out"), "{status}");
    assert_eq!(practice.command("p-1", "opt-in").status, 200);
    assert_eq!(panel_field(&practice, "p-1", "optedOut"), false);
}

#[test]
fn activated_on_is_pending_and_then_the_date_of_the_first_invitation() {
    let Some(practice) = Practice::open("rule-activated-on") else { return };
    practice.save_patient("p-1", Some(&practice.address("p-1")));
    assert_eq!(panel_field(&practice, "p-1", "activatedOn"), json!({ "status": "none" }));
    let queued = practice.invite("p-1", &json!({})).json();
    assert_eq!(queued["panel"]["activatedOn"], json!({ "status": "pending" }));
    let sent = practice.await_sent("p-1")["panel"]["activatedOn"].clone();
    assert_eq!(sent["status"], "date");
    assert_eq!(reinvite(&practice, "p-1", &json!({}))["panel"]["activatedOn"], sent, "a reinvite does not move it");
}

#[test]
fn registered_on_is_pending_until_activation_is_completed() {
    let Some(practice) = Practice::open("rule-registered-on") else { return };
    practice.save_patient("p-0", None);
    assert_eq!(panel_field(&practice, "p-0", "registeredOn"), json!({ "status": "pending" }));
    let token = practice.invite_and_read_token("p-1");
    assert_eq!(practice.check(&token)["usable"], true);
    assert_eq!(
        panel_field(&practice, "p-1", "registeredOn"),
        json!({ "status": "pending" }),
        "a check does not register"
    );
    assert_eq!(practice.register(&token, BORN).status, 201);
    assert_eq!(panel_field(&practice, "p-1", "registeredOn")["status"], "date");
}

#[test]
fn last_log_in_on_is_never_or_the_last_login() {
    let Some(practice) = Practice::open("rule-last-log-in-on") else { return };
    let token = practice.invite_and_read_token("p-1");
    assert_eq!(panel_field(&practice, "p-1", "lastLoginOn"), json!({ "status": "never" }));
    assert_eq!(practice.register(&token, BORN).status, 201);
    assert_eq!(panel_field(&practice, "p-1", "lastLoginOn"), json!({ "status": "never" }), "registering is no login");
    let at = practice.log_in("p-1", &practice.address("p-1"));
    assert_eq!(panel_field(&practice, "p-1", "lastLoginOn")["at"], at);
}

#[test]
fn last_reinvited_on_is_never_or_the_most_recent_date() {
    let Some(practice) = Practice::open("rule-last-reinvited-on") else { return };
    practice.save_and_invite("p-1");
    assert_eq!(panel_field(&practice, "p-1", "lastReinvitedOn"), json!({ "status": "never" }));
    let at = |status: Value| status["panel"]["lastReinvitedOn"]["at"].as_str().unwrap().to_owned();
    let first = at(reinvite(&practice, "p-1", &json!({})));
    assert!(at(reinvite(&practice, "p-1", &json!({}))) > first);
}

#[test]
fn only_an_unregistered_patient_is_reinvited() {
    let Some(practice) = Practice::open("rule-reinvite") else { return };
    practice.save_patient("p-0", Some(&practice.address("p-0")));
    practice.command("p-0", "reinvite").assert_problem(409, "not_invited", "never invited");
    practice.save_and_register("p-1");
    practice.command("p-1", "reinvite").assert_problem(409, "already_registered", "registered");
    practice.command("p-1", "invite").assert_problem(409, "already_registered", "registered");
}

#[test]
fn another_address_of_a_reinvite_is_never_saved_to_the_profile() {
    let Some(practice) = Practice::open("rule-another-address") else { return };
    practice.save_and_invite("p-1");
    let other = practice.address("other");
    let status = reinvite(&practice, "p-1", &json!({ "email": other }));
    assert_eq!(status["invitation"]["email"], other);
    assert_eq!(practice.mails(&other).len(), 1);
    assert_eq!(practice.get("/v1/patients/p-1").json()["email"], practice.address("p-1"));
}

#[test]
fn an_invitation_needs_an_email_address() {
    let Some(practice) = Practice::open("rule-email-required") else { return };
    practice.save_patient("p-1", None);
    let refused = practice.command("p-1", "invite");
    refused.assert_problem(409, "email_required", "no address");
    assert!(refused.json()["detail"].as_str().unwrap().contains("add it on the Profile tab"), "{refused:?}");
}

#[test]
fn an_email_address_belongs_to_one_patient_of_all_practices() {
    let (Some(here), Some(there)) = (Practice::open("rule-here"), Practice::open("rule-there")) else { return };
    here.save_and_invite("p-1");
    let taken = json!({ "email": here.address("p-1") });
    for (practice, named) in [(&here, Some("p-1")), (&there, None)] {
        practice.save_patient("p-2", None);
        let refused = practice.invite("p-2", &taken);
        refused.assert_problem(409, "email_in_use", "another patient's address");
        assert_eq!(refused.json().get("patientId").and_then(Value::as_str), named);
    }
    // An address in a profile is in use in the same practice too, without any invitation. Elsewhere it is not.
    there.save_patient("p-3", Some(&there.address("p-3")));
    let refused = there.invite("p-2", &json!({ "email": there.address("p-3") }));
    refused.assert_problem(409, "email_in_use", "another patient's profile");
    assert_eq!(here.invite("p-2", &json!({ "email": there.address("p-3") })).status, 202);
}

#[test]
fn only_customer_care_changes_the_address_of_an_account() {
    let Some(practice) = Practice::open("rule-support-only") else { return };
    practice.save_and_register("p-1");
    let (path, new) = (path(&practice.id, "p-1"), practice.address("new"));
    for role in [Role::Read, Role::Staff, Role::Admin] {
        let refused = practice.put_as(role, &path, &json!({ "email": new }));
        refused.assert_problem(403, "support_only", "not Customer Care");
    }
    assert_eq!(practice.status("p-1")["actions"]["changeEmail"]["code"], "support_only");
    let changed = practice.put_as(Role::Support, &path, &json!({ "email": new }));
    assert_eq!((changed.status, &changed.json()["account"]["email"]), (200, &json!(new)), "{changed:?}");
}

#[test]
fn a_patient_is_found_by_the_first_letters_of_a_name_or_the_date_of_birth() {
    let Some(practice) = Practice::open("rule-search") else { return };
    for (patient, given, family) in [("p-1", "José", "Smith"), ("p-2", "Mary Jo", "Lee"), ("p-3", "Ann", "Olsen")] {
        let mut profile = profile(None);
        profile["givenName"] = given.into();
        profile["familyName"] = family.into();
        assert_eq!(practice.put_as(Role::Staff, &format!("/v1/patients/{patient}"), &profile).status, 201);
    }
    for (query, expected) in [
        ("jo", &["p-1", "p-2"][..]),
        ("SMI", &["p-1"]),
        ("ol", &["p-3"]),
        ("xx", &[]),
        ("02%2F29%2F1980", &["p-1", "p-2", "p-3"]),
        ("1980-02-29", &["p-1", "p-2", "p-3"]),
        ("02%2F28%2F1980", &[]),
    ] {
        let answer = practice.get(&format!("/v1/patients?q={query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let found = answer.json()["patients"].clone();
        let mut ids: Vec<&str> =
            found.as_array().unwrap().iter().map(|hit| hit["patientId"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, expected, "{query}");
    }
}

/// One patient from the first invitation to a change of the account's address. `--no-capture` prints what staff see after
/// each step.
#[test]
fn a_patient_from_the_first_invitation_to_the_last_change() {
    let Some(practice) = Practice::open("life") else { return };
    let (usual, other) = (practice.address("usual"), practice.address("other"));
    let see = |step: &str| {
        let status = practice.status("p-1");
        let panel = status["panel"].as_object().unwrap();
        let field = |value: &Value| {
            let word = value["date"].as_str().or(value["status"].as_str());
            word.map_or_else(|| value.to_string(), str::to_owned)
        };
        let fields: Vec<String> = panel.iter().map(|(name, value)| format!("{name} {}", field(value))).collect();
        eprintln!("{step}\n    {}\n    {}", fields.join(", "), status["sentence"].as_str().unwrap());
        status
    };
    practice.save_patient("p-1", Some(&usual));
    see("saved");
    assert_eq!(practice.command("p-1", "invite").status, 202);
    let sent = practice.await_sent("p-1");
    see("invited and mailed");
    let first = token_of(&practice.mails(&usual)[0]);
    practice.command("p-1", "reinvite").assert_problem(429, "too_soon", "within a minute");

    let reinvited = reinvite(&practice, "p-1", &json!({ "email": other }));
    see("reinvited to another address");
    assert_eq!(reinvited["panel"]["activatedOn"], sent["panel"]["activatedOn"]);
    let second = token_of(&practice.mails(&other)[0]);
    assert_eq!(practice.check(&first), json!({ "usable": false }));
    assert_eq!(practice.check(&second)["usable"], true);

    practice.register(&first, BORN).assert_problem(409, "link_not_usable", "mailed to the earlier address");
    assert_eq!(practice.register(&second, BORN).status, 201);
    see("registered");
    let at = practice.log_in("p-1", &other);
    assert_eq!(see("logged in")["panel"]["lastLoginOn"]["at"], at);

    assert_eq!(practice.command("p-1", "opt-out").status, 200);
    see("opted out");
    assert_eq!(practice.command("p-1", "opt-in").status, 200);
    see("opted in");
    let changed = practice.put_as(Role::Support, &path(&practice.id, "p-1"), &json!({ "email": usual }));
    assert_eq!(changed.status, 200, "{changed:?}");
    let status = see("address changed by Customer Care");
    assert_eq!(status["account"]["email"], usual);
    eventually("both addresses are notified", || {
        (practice.mails(&usual).len() == 2 && practice.mails(&other).len() == 2).then_some(())
    });

    let timeline = practice.get("/v1/patients/p-1/portal/timeline").json();
    for event in timeline["events"].as_array().unwrap().iter().rev() {
        eprintln!("{:>3} {:<22} {}", event["version"], event["kind"].as_str().unwrap(), event["sentence"]);
    }
}
