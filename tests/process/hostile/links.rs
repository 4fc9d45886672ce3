//! What scanners and attackers do with a mailed link.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::header::CONTENT_TYPE;
use xtask::clock;

use super::{
    Case,
    Expected::{Accepted, Either, Problem},
    PATIENT, check_cases,
};
use crate::{
    client::{Answer, BORN, Practice, send, token_of},
    record::Record,
};

/// The permitted difference between the median times of two kinds of answers, if one is less than twice the other. The
/// test finds extra work or an extra wait, but no nanoseconds, which are the matter of the constant-time comparison.
const TOLERANCE: Duration = Duration::from_millis(30);

/// The token of the patient's latest mail.
fn token(practice: &Practice) -> String {
    token_of(practice.mails(&practice.address(PATIENT)).last().unwrap())
}

fn register(practice: &Practice, token: &str) -> Answer {
    practice.register(token, BORN)
}

/// A registration with a changed token.
fn changed(name: &str, change: fn(&str) -> String) -> Case {
    Case::new(name, Problem(409, "link_not_usable"), move |practice| register(practice, &change(&token(practice))))
}

#[test]
fn a_misused_link_changes_nothing() {
    let other_case = |text: &str| -> String {
        let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        text.chars().map(swap).collect()
    };
    let cases = [
        Case::new("100 GETs by a scanner", Problem(405, "method_not_allowed"), |practice| {
            let path = format!("/v1/activation?token={}", token(practice));
            let get = |path: &str| send(practice.anonymous("GET", path).body(Vec::new()).unwrap());
            (0..100).for_each(|_| drop(get(&path)));
            get(&path)
        }),
        Case::new("100 checks", Accepted(200), |practice| {
            let body = json!({ "token": token(practice) });
            let check = || practice.with_link("/v1/activation/check", &body);
            (0..99).for_each(|_| drop(check()));
            check()
        }),
        Case::new("a form, posted by a scanner", Problem(415, "unsupported_media_type"), |practice| {
            let request = practice.anonymous("POST", "/v1/activation");
            let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            send(request.body(format!("token={}&dateOfBirth={BORN}", token(practice)).into()).unwrap())
        }),
        Case::new("an empty form", Problem(400, "malformed"), |practice| {
            send(practice.anonymous("POST", "/v1/activation").body(Vec::new()).unwrap())
        }),
        Case::new("a POST without a date of birth", Problem(422, "invalid_fields"), |practice| {
            practice.with_link("/v1/activation", &json!({ "token": token(practice) }))
        }),
        Case::new("a GET to unsubscribe", Problem(405, "method_not_allowed"), |practice| {
            let path = format!("/v1/unsubscribe?t={}", token(practice).split_once('.').unwrap().0);
            send(practice.anonymous("GET", &path).body(Vec::new()).unwrap())
        }),
        changed("cut off", |token| token[..token.len() - 1].to_owned()),
        changed("the id only", |token| token.split_once('.').unwrap().0.to_owned()),
        changed("the id and an empty secret", |token| format!("{}.", token.split_once('.').unwrap().0)),
        changed("upper and lower case swapped", other_case),
        changed("with a letter after it", |token| format!("{token}A")),
        changed("with a full stop after it", |token| format!("{token}.")),
        changed("twice", |token| format!("{token}{token}")),
        changed("with another secret", |token| format!("{}.{}", token.split_once('.').unwrap().0, "A".repeat(43))),
        Case::new("a list of tokens", Problem(422, "invalid_fields"), |practice| {
            practice.with_link("/v1/activation", &json!({ "token": [token(practice)], "dateOfBirth": BORN }))
        }),
        Case::new("a token of a megabyte", Either([(413, "too_large"), (409, "link_not_usable")]), |practice| {
            register(practice, &"A".repeat(1024 * 1024))
        }),
    ];
    check_cases("links", |practice| drop(practice.save_and_invite(PATIENT)), &cases);
}

#[test]
fn a_superseded_link_is_refused() {
    let first = |practice: &Practice| token_of(&practice.mails(&practice.address(PATIENT))[0]);
    let refused = |name: &str, path: &'static str| {
        Case::new(name, Problem(409, "link_not_usable"), move |practice| {
            practice.with_link(path, &json!({ "token": first(practice), "dateOfBirth": BORN }))
        })
    };
    let check = Case::new("a check", Accepted(200), move |practice| {
        let answer = practice.with_link("/v1/activation/check", &json!({ "token": first(practice) }));
        assert_eq!(answer.json(), json!({ "usable": false }));
        answer
    });
    let prepare = |practice: &Practice| {
        practice.save_and_invite(PATIENT);
        Record::new(practice, PATIENT).age_by_a_minute();
        let other = json!({ "email": practice.address("other") });
        assert_eq!(practice.post("/v1/patients/p-1/portal/reinvite", &other).status, 202);
        practice.await_sent(PATIENT);
    };
    check_cases("superseded", prepare, &[check, refused("a registration", "/v1/activation")]);
}

/// So an attacker cannot find out by the time whether a link exists.
#[test]
fn all_unusable_links_take_the_same_time() {
    const ROUNDS: usize = 15;
    let Some(practice) = Practice::open("timing") else { return };
    let good = practice.invite_and_read_token(PATIENT);
    let id = good.split_once('.').unwrap().0;
    let tokens = [format!("{id}.{}", "A".repeat(43)), format!("{}.{}", "A".repeat(id.len()), "A".repeat(43))];
    let mut times = [const { Vec::new() }; 2];
    let mut answers: Vec<Value> = Vec::new();
    for _ in 0..ROUNDS {
        // Alternately, so that the machine's other work affects both kinds.
        for (token, times) in tokens.iter().zip(&mut times) {
            let started = clock::now();
            let answer = register(&practice, token);
            times.push(started.elapsed());
            answer.assert_problem(409, "link_not_usable", "no such link");
            answers.push(answer.without_instance());
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let [existing, unknown] = times.map(|mut times: Vec<Duration>| {
        times.sort_unstable();
        times[ROUNDS / 2]
    });
    eprintln!("hostile: timing: 2 cases (medians {existing:?} and {unknown:?})");
    assert!(existing.abs_diff(unknown) < TOLERANCE.max(existing.min(unknown)), "{existing:?} {unknown:?}");
}
