//! Many at once.

use std::thread;

use serde_json::json;
use ureq::http::header::CONTENT_TYPE;

use crate::client::{Answer, Practice, profile, send};

const CLICKS: usize = 64;
const ROUNDS: usize = 8;
const REPEATS: usize = 16;

/// Sends all of them at the same time, and waits for all answers.
fn at_once(requests: Vec<Box<dyn FnOnce() -> Answer + Send + '_>>) -> Vec<Answer> {
    thread::scope(|scope| {
        let threads: Vec<_> = requests.into_iter().map(|request| scope.spawn(request)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn many_clicks_invite_once() {
    let Some(practice) = Practice::open("clicks") else { return };
    let email = practice.address("p-1");
    practice.admit("p-1", Some(&email));
    let click = || -> Box<dyn FnOnce() -> Answer + Send + '_> { Box::new(|| practice.invite("p-1", &json!({}))) };
    let answers = at_once((0..CLICKS).map(|_| click()).collect());
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 202);
    assert_eq!((accepted.len(), refused.len()), (1, CLICKS - 1), "{answers:?}");
    for answer in refused {
        answer.assert_problem(409, "already_invited", "a click that came second");
    }
    // Saved, invited, sent: nobody else has written anything.
    assert_eq!(practice.await_sent("p-1")["version"], 3);
    assert_eq!(practice.mails(&email).len(), 1);
}

#[test]
fn of_two_practices_one_gets_the_address() {
    let (Some(here), Some(there)) = (Practice::open("race-here"), Practice::open("race-there")) else { return };
    for round in 0..ROUNDS {
        let patient = format!("p-{round}");
        let email = here.address(&patient);
        for practice in [&here, &there] {
            practice.admit(&patient, None);
        }
        let body = json!({ "email": email });
        let (patient, body) = (&patient, &body);
        let answers = at_once(vec![Box::new(|| here.invite(patient, body)), Box::new(|| there.invite(patient, body))]);
        let [first, second] = answers.as_slice() else { unreachable!("two answers") };
        let (winner, loser, lost) = if first.status == 202 { (&here, &there, second) } else { (&there, &here, first) };
        assert_eq!(first.status.min(second.status), 202, "{answers:?}");
        lost.assert_problem(409, "email_in_use", "the address is another practice's patient's");
        assert_eq!(lost.json().get("patientId"), None, "{lost:?}");
        assert_eq!(loser.status(patient)["invitation"]["state"], "none");
        winner.await_sent(patient);
        let mails = here.mails(&email);
        assert_eq!(mails.len(), 1, "{mails:?}");
    }
}

#[test]
fn a_command_repeated_at_once_under_one_key_is_one_command() {
    let Some(practice) = Practice::open("repeats") else { return };
    let email = practice.address("p-1");
    practice.admit("p-1", Some(&email));
    let repeat = || -> Box<dyn FnOnce() -> Answer + Send + '_> {
        Box::new(|| {
            let request = practice.request("POST", "/v1/patients/p-1/portal/invite").header("idempotency-key", "key-1");
            send(request.body(Vec::new()).unwrap())
        })
    };
    let answers = at_once((0..REPEATS).map(|_| repeat()).collect());
    assert!(answers.iter().all(|answer| [200, 202].contains(&answer.status)), "{answers:?}");
    assert_eq!(practice.await_sent("p-1")["version"], 3);
    assert_eq!(practice.mails(&email).len(), 1);
}

#[test]
fn of_two_staff_who_decided_on_one_version_one_is_heard() {
    let Some(practice) = Practice::open("two-staff") else { return };
    practice.admit("p-1", None);
    for round in 0..ROUNDS {
        let before = practice.status("p-1");
        let seen = format!("\"{}\"", before["version"]);
        let choice = if before["panel"]["optedOut"] == true { "opt-in" } else { "opt-out" };
        let choose = practice.request("POST", &format!("/v1/patients/p-1/portal/{choice}")).header("if-match", &seen);
        let choose = choose.body(Vec::new()).unwrap();
        let rename = practice.request("PUT", "/v1/patients/p-1").header("if-match", &seen);
        let mut profile = profile(None);
        profile["givenName"] = json!(format!("Maria {round}"));
        let rename = rename.header(CONTENT_TYPE, "application/json").body(profile.to_string().into()).unwrap();

        let answers = at_once(vec![Box::new(|| send(choose)), Box::new(|| send(rename))]);
        let (heard, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        let ([heard], [refused]) = (heard.as_slice(), refused.as_slice()) else { unreachable!("{answers:?}") };
        refused.assert_problem(412, "version_conflict", "decided on a version that has passed");
        let after = practice.status("p-1")["version"].to_string();
        assert_eq!(heard.header("etag"), Some(format!("\"{after}\"").as_str()));
        assert_eq!(after.parse::<u64>().unwrap(), before["version"].as_u64().unwrap() + 1);
    }
}
