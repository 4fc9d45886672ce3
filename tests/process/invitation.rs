//! The main case: a patient is saved, invited and mailed, and the status shows it.

use chrono::{DateTime, FixedOffset, TimeDelta};
use serde_json::{Value, json};
use xtask::token::Role;

use crate::client::Practice;

/// The body of the first call in the README.
const PROFILE: &str =
    r#"{"givenName":"Maria","familyName":"Example","dateOfBirth":"1980-02-29","email":"maria@example.com"}"#;
/// Hours that the practice's clocks are ahead of UTC, all year.
const KIRITIMATI_HOURS: i32 = 14;

fn no(code: &str, sentence: &str) -> Value {
    json!({ "allowed": false, "code": code, "sentence": sentence })
}

/// The status of an invited patient. The arguments are the parts that the mail changes.
fn invited(email: &str, activated_on: &Value, sentence: &str, invitation: &Value, reinvite: &Value) -> Value {
    let mut invitation = invitation.clone();
    invitation["email"] = email.into();
    json!({
        "patientId": "p-1001",
        "panel": {
            "optedOut": false,
            "activatedOn": activated_on,
            "registeredOn": { "status": "pending" },
            "lastLoginOn": { "status": "never" },
            "lastReinvitedOn": { "status": "never" },
        },
        "sentence": sentence,
        "invitation": invitation,
        "account": { "state": "none" },
        "actions": {
            "invite": no(
                "already_invited",
                "The patient has already been invited: use reinvite to send the invitation again.",
            ),
            "reinvite": reinvite,
            "revoke": { "allowed": true },
            "optOut": { "allowed": true },
            "optIn": no("not_opted_out", "The patient has not opted out: nothing needs to be done."),
            "changeEmail": no("not_registered", "The patient has no portal account: invite the patient first."),
            "close": no("not_registered", "The patient has no portal account: invite the patient first."),
            "reopen": no("not_registered", "The patient has no portal account: invite the patient first."),
        },
    })
}

/// The status without its version, which the `ETag` repeats.
fn without_version(mut status: Value) -> Value {
    status.as_object_mut().unwrap().remove("version").unwrap();
    status
}

#[test]
fn the_readmes_three_calls_work() {
    assert!(include_str!("../../README.md").contains(PROFILE), "the README shows another body");
    let Some(practice) = Practice::open("readme") else { return };
    // Only the address differs, because another test may use the README's.
    let email = practice.address("maria");
    let mut profile: Value = serde_json::from_str(PROFILE).unwrap();
    profile["email"] = email.clone().into();

    let saved = practice.put_as(Role::Staff, "/v1/patients/p-1001", &profile);
    profile["patientId"] = "p-1001".into();
    profile["language"] = "en".into();
    profile["version"] = 1.into();
    assert_eq!((saved.status, saved.json()), (201, profile), "{saved:?}");

    let answer = practice.invite("p-1001", &json!({}));
    let wait = no("send_in_progress", "The invitation is on its way to the mail service: wait until it has been sent.");
    let pending = json!({ "status": "pending" });
    let queued = json!({ "state": "queued" });
    assert_eq!(
        (answer.status, without_version(answer.json())),
        (202, invited(&email, &pending, "The invitation is on its way to the mail service.", &queued, &wait)),
    );
    assert_eq!(answer.header("etag"), Some("\"2\""));

    let status = practice.await_sent("p-1001");
    let at = status["panel"]["activatedOn"]["at"].as_str().unwrap();
    let sent_at: DateTime<FixedOffset> = at.parse().unwrap();
    let local = sent_at.with_timezone(&FixedOffset::east_opt(KIRITIMATI_HOURS * 60 * 60).unwrap());
    let activated_on = json!({ "status": "date", "at": at, "date": local.format("%Y-%m-%d").to_string() });
    let expires_at = status["invitation"]["expiresAt"].as_str().unwrap();
    let live_for = expires_at.parse::<DateTime<FixedOffset>>().unwrap() - sent_at;
    // Seven days from the claim, which is shortly before the mail.
    assert!((TimeDelta::days(7) - TimeDelta::minutes(1)..=TimeDelta::days(7)).contains(&live_for), "{status}");
    let mut soon = no("too_soon", "A mail was sent a moment ago, or too often today: wait before you ask for another.");
    soon["retryAfter"] = status["actions"]["reinvite"]["retryAfter"].clone();
    assert!(soon["retryAfter"].as_u64().is_some_and(|seconds| (1..=60).contains(&seconds)), "{status}");
    let sentence = format!("Invitation sent on {}. Not registered yet.", local.format("%B %-d, %Y"));
    let sent = json!({ "state": "sent", "delivery": "accepted", "expiresAt": expires_at });
    assert_eq!(without_version(status.clone()), invited(&email, &activated_on, &sentence, &sent, &soon));

    let read = practice.get("/v1/patients/p-1001/portal");
    assert_eq!(read.header("etag"), Some(format!("\"{}\"", status["version"]).as_str()));
    assert_eq!(read.header("cache-control"), Some("no-store"));

    let mails = practice.mails(&email);
    let [mail] = mails.as_slice() else { unreachable!("one mail: {mails:?}") };
    assert_eq!(mail.from, "\"Atoll Family Medicine\" <no-reply@example.com>");
    assert_eq!(mail.to, [email]);
    assert_eq!(mail.subject, "Your invitation to open an account");
    let link = mail.activation_link().unwrap();
    let token = link.strip_prefix("https://portal.example.com/activate#").unwrap();
    assert!(portal::link::Token::parse(token).is_some(), "{token}");
    let html = mail.html.as_deref().unwrap();
    assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
    for body in [mail.text.as_str(), html] {
        assert!(body.contains("Atoll Family Medicine"), "{body}");
        // The mail may reach a wrong person.
        for personal in ["Canary", "1980", "p-1001"] {
            assert!(!body.contains(personal), "{body}");
        }
    }
}

#[test]
fn the_mail_is_in_the_patients_language() {
    let Some(practice) = Practice::open("language") else { return };
    let email = practice.address("jose");
    let profile = json!({
        "givenName": "José", "familyName": "Núñez", "dateOfBirth": "1980-02-29", "email": email, "language": "es",
    });
    assert_eq!(practice.put_as(Role::Staff, "/v1/patients/p-1", &profile).status, 201);
    assert_eq!(practice.invite("p-1", &json!({})).status, 202);
    practice.await_sent("p-1");
    let mails = practice.mails(&email);
    let [mail] = mails.as_slice() else { unreachable!("one mail: {mails:?}") };
    assert_eq!(mail.subject, "Su invitación para abrir una cuenta");
    let html = mail.html.as_deref().unwrap();
    assert!(html.contains("lang=\"es\""), "{html}");
    for body in [mail.text.as_str(), html] {
        assert!(body.contains("Abrir su cuenta"), "{body}");
        assert!(!body.contains("Open your account"), "{body}");
    }
    assert!(mail.activation_link().is_some(), "{}", mail.text);
}

#[test]
fn another_address_is_mailed_and_not_saved() {
    let Some(practice) = Practice::open("another-address") else { return };
    let (usual, other) = (practice.address("usual"), practice.address("other"));
    practice.save_patient("p-1", Some(&usual));
    let before = practice.get("/v1/patients/p-1").json();
    assert_eq!(practice.invite("p-1", &json!({ "email": other })).status, 202);
    assert_eq!(practice.await_sent("p-1")["invitation"]["email"], other);
    assert_eq!((practice.mails(&usual).len(), practice.mails(&other).len()), (0, 1));
    let mut after = practice.get("/v1/patients/p-1").json();
    // One version for each change: saved, invited, sent.
    assert_eq!(after["version"], 3);
    after["version"] = before["version"].clone();
    assert_eq!(after, before);
}

#[test]
fn a_refused_invitation_sends_no_mail() {
    let Some(practice) = Practice::without_settings("refusals") else { return };
    let email = practice.address("p-1");
    practice.save_patient("p-1", Some(&email));
    practice.invite("p-1", &json!({})).assert_problem(409, "portal_not_activated", "no settings");
    practice.get("/v1/practice").assert_problem(404, "practice_not_set_up", "no settings");

    assert_eq!(practice.put_as(Role::Admin, "/v1/practice", &crate::client::settings()).status, 200);
    practice.save_patient("p-2", None);
    practice.invite("p-2", &json!({})).assert_problem(409, "email_required", "no address");
    practice.save_patient("p-3", Some(&email));
    let in_use = practice.invite("p-3", &json!({}));
    in_use.assert_problem(409, "email_in_use", "an address of two patients");
    assert_eq!(in_use.json()["patientId"], "p-1");
    assert!(practice.mails(&email).is_empty());
}
