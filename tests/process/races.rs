//! Concurrent requests.

use std::thread;

use serde_json::json;
use ureq::http::header::CONTENT_TYPE;

use crate::{
    client::{Answer, BORN, GIVEN, Practice, profile, send, token_of},
    record::Record,
    wait::eventually,
};

const CLICKS: usize = 64;
const ROUNDS: usize = 8;
const REPEATS: usize = 16;

/// Sends all requests concurrently and waits for all answers.
fn concurrently(requests: Vec<Box<dyn FnOnce() -> Answer + Send + '_>>) -> Vec<Answer> {
    thread::scope(|scope| {
        let threads: Vec<_> = requests.into_iter().map(|request| scope.spawn(request)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn keyed_invite(practice: &Practice, key: &str) -> Answer {
    let request = practice.request("POST", "/v1/patients/p-1/portal/invite").header("idempotency-key", key);
    send(request.body(Vec::new()).unwrap())
}

#[test]
fn many_clicks_invite_once() {
    let Some(practice) = Practice::open("clicks") else { return };
    let email = practice.address("p-1");
    practice.save_patient("p-1", Some(&email));
    // Each click has its own key, so that a repeated request gets the answer of its click.
    let practice = &practice;
    let click = |number| -> Box<dyn FnOnce() -> Answer + Send + '_> {
        Box::new(move || keyed_invite(practice, &format!("key-{number}")))
    };
    let answers = concurrently((0..CLICKS).map(click).collect());
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| [200, 202].contains(&answer.status));
    assert_eq!((accepted.len(), refused.len()), (1, CLICKS - 1), "{answers:?}");
    for answer in refused {
        answer.assert_problem(409, "already_invited", "a later click");
    }
    // Saved, invited, sent: there was no other write.
    assert_eq!(practice.await_sent("p-1")["version"], 3);
    assert_eq!(practice.mails(&email).len(), 1);
}

#[test]
fn only_one_of_two_practices_gets_the_address() {
    let (Some(here), Some(there)) = (Practice::open("race-here"), Practice::open("race-there")) else { return };
    for round in 0..ROUNDS {
        let patient = format!("p-{round}");
        let email = here.address(&patient);
        for practice in [&here, &there] {
            practice.save_patient(&patient, None);
        }
        let body = json!({ "email": email });
        let (patient, body) = (&patient, &body);
        let answers =
            concurrently(vec![Box::new(|| here.invite(patient, body)), Box::new(|| there.invite(patient, body))]);
        let [first, second] = answers.as_slice() else { unreachable!("two answers") };
        let (winner, loser, refused) =
            if first.status == 202 { (&here, &there, second) } else { (&there, &here, first) };
        assert_eq!(first.status.min(second.status), 202, "{answers:?}");
        refused.assert_problem(409, "email_in_use", "a patient of the other practice has the address");
        assert_eq!(refused.json().get("patientId"), None, "{refused:?}");
        assert_eq!(loser.status(patient)["invitation"]["state"], "none");
        winner.await_sent(patient);
        let mails = here.mails(&email);
        assert_eq!(mails.len(), 1, "{mails:?}");
    }
}

#[test]
fn concurrent_repeats_under_one_key_are_one_command() {
    let Some(practice) = Practice::open("repeats") else { return };
    let email = practice.address("p-1");
    practice.save_patient("p-1", Some(&email));
    let repeat = || -> Box<dyn FnOnce() -> Answer + Send + '_> { Box::new(|| keyed_invite(&practice, "key-1")) };
    let answers = concurrently((0..REPEATS).map(|_| repeat()).collect());
    assert!(answers.iter().all(|answer| [200, 202].contains(&answer.status)), "{answers:?}");
    assert_eq!(practice.await_sent("p-1")["version"], 3);
    assert_eq!(practice.mails(&email).len(), 1);
}

#[test]
fn only_one_of_two_concurrent_changes_of_a_version_is_made() {
    let Some(practice) = Practice::open("two-staff") else { return };
    practice.save_patient("p-1", None);
    for round in 0..ROUNDS {
        let before = practice.status("p-1");
        let version = format!("\"{}\"", before["version"]);
        let choice = if before["panel"]["optedOut"] == true { "opt-in" } else { "opt-out" };
        let choose =
            practice.request("POST", &format!("/v1/patients/p-1/portal/{choice}")).header("if-match", &version);
        let choose = choose.body(Vec::new()).unwrap();
        let rename = practice.request("PUT", "/v1/patients/p-1").header("if-match", &version);
        let mut profile = profile(None);
        profile["givenName"] = json!(format!("{GIVEN} {round}"));
        let rename = rename.header(CONTENT_TYPE, "application/json").body(profile.to_string().into()).unwrap();

        let answers = concurrently(vec![Box::new(|| send(choose)), Box::new(|| send(rename))]);
        let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        let ([made], [refused]) = (made.as_slice(), refused.as_slice()) else { unreachable!("{answers:?}") };
        refused.assert_problem(412, "version_conflict", "based on an old version");
        let after = practice.status("p-1")["version"].to_string();
        assert_eq!(made.header("etag"), Some(format!("\"{after}\"").as_str()));
        assert_eq!(after.parse::<u64>().unwrap(), before["version"].as_u64().unwrap() + 1);
    }
}

#[test]
fn two_tabs_register_one_account() {
    let Some(practice) = Practice::open("tabs") else { return };
    let token = &practice.invite_and_read_token("p-1");
    let tab = || -> Box<dyn FnOnce() -> Answer + Send + '_> { Box::new(|| practice.register(token, BORN)) };
    let answers = concurrently((0..REPEATS).map(|_| tab()).collect());
    let (opened, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(opened.len(), 1, "{answers:?}");
    for answer in refused {
        answer.assert_problem(409, "link_not_usable", "the later tab");
    }
    let timeline = practice.get("/v1/patients/p-1/portal/timeline").json();
    let registered = timeline["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "registered");
    assert_eq!(registered.count(), 1, "{timeline}");
}

#[test]
fn a_reinvite_to_another_address_and_a_registration_do_not_both_happen() {
    let Some(practice) = Practice::open("reinvite-register") else { return };
    for round in 0..ROUNDS {
        let patient = format!("p-{round}");
        let token = &practice.invite_and_read_token(&patient);
        Record::new(&practice, &patient).age_by_a_minute();
        let other = json!({ "email": practice.address(&format!("other-{round}")) });
        let path = &format!("/v1/patients/{patient}/portal/reinvite");
        let answers =
            concurrently(vec![Box::new(|| practice.post(path, &other)), Box::new(|| practice.register(token, BORN))]);
        let [reinvited, registered] = answers.as_slice() else { unreachable!("two answers") };
        if registered.status == 201 {
            reinvited.assert_problem(409, "already_registered", "the patient was first");
            assert_eq!(practice.status(&patient)["account"]["email"], practice.address(&patient));
            assert_eq!(practice.mails(&practice.address(&format!("other-{round}"))), []);
        } else {
            registered.assert_problem(409, "link_not_usable", "staff were first");
            assert_eq!(reinvited.status, 202, "{reinvited:?}");
            assert_eq!(practice.await_sent(&patient)["account"]["state"], "none");
        }
    }
}

#[test]
fn opting_out_while_the_mail_is_sent_leaves_no_working_link() {
    let Some(practice) = Practice::open("opt-out-sending") else { return };
    for round in 0..ROUNDS {
        let patient = format!("p-{round}");
        let email = practice.address(&patient);
        practice.save_patient(&patient, Some(&email));
        assert_eq!(practice.command(&patient, "invite").status, 202);
        let out = practice.command(&patient, "opt-out");
        assert_eq!((out.status, &out.json()["panel"]["optedOut"]), (200, &json!(true)), "{out:?}");
        // Sent or not, the mail is not being sent any more.
        let state = eventually("the sender has ended", || {
            Some(practice.status(&patient)["invitation"]["state"].clone()).filter(|state| *state != "sending")
        });
        assert!(["revoked", "sent", "failed"].map(|state| json!(state)).contains(&state), "{state}");
        let mails = practice.mails(&email);
        assert!(mails.len() <= 1, "{mails:?}");
        for mail in &mails {
            assert_eq!(practice.check(&token_of(mail)), json!({ "usable": false }));
        }
    }
}

#[test]
fn two_patients_who_swap_addresses_at_once_never_share_one() {
    let Some(practice) = Practice::open("swap") else { return };
    let addresses = ["one", "two"].map(|name| practice.address(name));
    for (patient, email) in ["p-1", "p-2"].iter().zip(&addresses) {
        practice.save_patient(patient, None);
        assert_eq!(practice.invite(patient, &json!({ "email": email })).status, 202);
        practice.await_sent(patient);
        Record::new(&practice, patient).age_by_a_minute();
    }
    let swap = |patient: &str, email: &str| {
        practice.post(&format!("/v1/patients/{patient}/portal/reinvite"), &json!({ "email": email }))
    };
    let answers = concurrently(vec![Box::new(|| swap("p-1", &addresses[1])), Box::new(|| swap("p-2", &addresses[0]))]);
    // Each patient requests the address that the other one still has.
    for answer in &answers {
        answer.assert_problem(409, "email_in_use", "the other patient has the address");
    }
    for (patient, email) in ["p-1", "p-2"].iter().zip(&addresses) {
        assert_eq!(practice.status(patient)["invitation"]["email"], *email);
        assert_eq!(practice.mails(email).len(), 1);
    }
}
