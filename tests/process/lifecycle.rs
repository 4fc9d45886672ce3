//! After the first mail: registering, wrong dates of birth, revoking, opting out.

use std::thread;

use serde_json::{Value, json};
use ureq::http::header::CONTENT_TYPE;

use crate::client::{BORN, NOT_BORN, Practice, send};

/// Concurrent wrong dates of birth.
const GUESSES: usize = 40;

#[test]
fn a_link_can_be_checked_often_and_registers_once() {
    let Some(practice) = Practice::open("registers") else { return };
    let token = practice.invite_and_read_token("p-1");
    let before = practice.snapshot("p-1");
    for _ in 0..10 {
        let preview = practice.check(&token);
        assert_eq!((&preview["usable"], &preview["practiceName"]), (&json!(true), &json!("Atoll Family Medicine")));
    }
    assert_eq!(practice.snapshot("p-1"), before, "a check changes nothing");

    let registered = practice.register(&token, BORN);
    assert_eq!(registered.status, 201, "{registered:?}");
    assert_eq!(registered.json()["email"], practice.address("p-1"));
    let panel = practice.status("p-1")["panel"].clone();
    assert_eq!((&panel["registeredOn"]["status"], &panel["lastLoginOn"]["status"]), (&json!("date"), &json!("never")));
    practice.register(&token, BORN).assert_problem(409, "link_not_usable", "used up");
    assert_eq!(practice.check(&token), json!({ "usable": false }));
    practice.command("p-1", "reinvite").assert_problem(
        409,
        "already_registered",
        "only an unregistered patient is reinvited",
    );
}

#[test]
fn only_five_of_many_dates_of_birth_are_compared() {
    let Some(practice) = Practice::open("guesses") else { return };
    let token = practice.invite_and_read_token("p-1");
    let codes: Vec<Value> = thread::scope(|scope| {
        let guesses: Vec<_> = (0..GUESSES).map(|_| scope.spawn(|| guess(&practice, &token))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let compared = codes.iter().filter(|code| *code == "date_of_birth_mismatch").count();
    assert!(compared <= 5, "{compared} were compared");
    // A request that loses too many races is asked to try again. In the end the link is locked.
    while guess(&practice, &token) != "link_not_usable" {}
    practice.register(&token, BORN).assert_problem(409, "link_not_usable", "locked for the right date too");
    assert_eq!(practice.status("p-1")["invitation"]["reason"], "locked");
}

/// The code of the answer to a wrong date of birth. Under contention the answer may be to try again later.
fn guess(practice: &Practice, token: &str) -> Value {
    practice.register(token, NOT_BORN).json()["code"].clone()
}

#[test]
fn a_revoked_or_declined_invitation_frees_the_address_at_once() {
    let Some(practice) = Practice::open("frees") else { return };
    for (patient, other, end) in [("p-1", "p-2", "revoke"), ("p-3", "p-4", "decline"), ("p-5", "p-6", "not-me")] {
        let token = practice.invite_and_read_token(patient);
        let ended = match end {
            "revoke" => practice.command(patient, end).status,
            _ => practice.with_link(&format!("/v1/activation/{end}"), &json!({ "token": token })).status,
        };
        assert!([200, 204].contains(&ended), "{end}: {ended}");
        assert_eq!(practice.check(&token), json!({ "usable": false }), "{end}");
        // The address is free only after the profile is changed too.
        let saved = practice.put_as(
            xtask::token::Role::Staff,
            &format!("/v1/patients/{patient}"),
            &crate::client::profile(None),
        );
        assert_eq!(saved.status, 200, "{saved:?}");
        // A practice that was told that the address is not its patient's does not use it again.
        if end == "not-me" {
            practice.save_patient(other, None);
            let refused = practice.invite(other, &json!({ "email": practice.address(patient) }));
            refused.assert_problem(409, "address_suppressed", end);
            continue;
        }
        practice.save_patient(other, None);
        let invited = practice.invite(other, &json!({ "email": practice.address(patient) }));
        assert_eq!(invited.status, 202, "{end}: {invited:?}");
    }
}

#[test]
fn opting_out_ends_the_invitation_and_opting_in_sends_nothing() {
    let Some(practice) = Practice::open("opts") else { return };
    let token = practice.invite_and_read_token("p-1");
    let out = practice.command("p-1", "opt-out");
    assert_eq!((out.status, &out.json()["panel"]["optedOut"]), (200, &json!(true)), "{out:?}");
    assert_eq!(practice.check(&token), json!({ "usable": false }));
    practice.command("p-1", "opt-out").assert_problem(409, "opted_out", "twice");
    practice.command("p-1", "reinvite").assert_problem(409, "opted_out", "no invitation");
    let opted_in = practice.command("p-1", "opt-in");
    assert_eq!((opted_in.status, &opted_in.json()["panel"]["optedOut"]), (200, &json!(false)), "{opted_in:?}");
    assert_eq!(practice.mails(&practice.address("p-1")).len(), 1, "opting in sends no mail");
}

#[test]
fn unsubscribing_has_an_empty_answer_and_stops_only_the_reminders() {
    let Some(practice) = Practice::open("unsubscribes") else { return };
    let token = practice.invite_and_read_token("p-1");
    let link = token.split_once('.').unwrap().0;
    for id in [link, link, "unknown", "%20"] {
        let request = practice.anonymous("POST", &format!("/v1/unsubscribe?t={id}"));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = send(request.body(b"List-Unsubscribe=One-Click".to_vec()).unwrap());
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{id}");
    }
    assert_eq!(practice.check(&token)["usable"], true);
}
