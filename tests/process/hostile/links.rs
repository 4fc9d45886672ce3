//! What programs and strangers do with a mailed link.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::header::CONTENT_TYPE;
use xtask::clock;

use super::{
    Case,
    Expected::{Either, Problem, Taken},
    PATIENT, hold,
};
use crate::{
    client::{Answer, BORN, Practice, send, token_of},
    record::Record,
};

/// How much longer, or shorter, the median of one kind of answer may take than that of another, if it is not twice as
/// long. It finds work or a wait that only one of them has, and no nanosecond: those are the constant-time comparison's.
const ALIKE: Duration = Duration::from_millis(30);

/// The token of the mail that the patient has.
fn token(practice: &Practice) -> String {
    token_of(practice.mails(&practice.address(PATIENT)).last().unwrap())
}

fn register(practice: &Practice, token: &str) -> Answer {
    practice.register(token, BORN)
}

/// A registration with a token that was spoilt.
fn spoilt(name: &str, spoil: fn(&str) -> String) -> Case {
    Case::new(name, Problem(409, "link_not_usable"), move |practice| register(practice, &spoil(&token(practice))))
}

#[test]
fn links() {
    let other_case = |text: &str| -> String {
        let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        text.chars().map(swap).collect()
    };
    let cases = [
        Case::new("100 GETs of a scanner", Problem(405, "method_not_allowed"), |practice| {
            let path = format!("/v1/activation?token={}", token(practice));
            let get = |path: &str| send(practice.anonymous("GET", path).body(Vec::new()).unwrap());
            (0..100).for_each(|_| drop(get(&path)));
            get(&path)
        }),
        Case::new("100 looks", Taken(200), |practice| {
            let body = json!({ "token": token(practice) });
            let look = || practice.with_link("/v1/activation/check", &body);
            (0..99).for_each(|_| drop(look()));
            look()
        }),
        Case::new("a form that a scanner posts", Problem(415, "unsupported_media_type"), |practice| {
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
        Case::new("a GET that unsubscribes", Problem(405, "method_not_allowed"), |practice| {
            let path = format!("/v1/unsubscribe?t={}", token(practice).split_once('.').unwrap().0);
            send(practice.anonymous("GET", &path).body(Vec::new()).unwrap())
        }),
        spoilt("cut off", |token| token[..token.len() - 1].to_owned()),
        spoilt("the id only", |token| token.split_once('.').unwrap().0.to_owned()),
        spoilt("the id and no secret", |token| format!("{}.", token.split_once('.').unwrap().0)),
        spoilt("in the other case", other_case),
        spoilt("with something after it", |token| format!("{token}A")),
        spoilt("with a full stop of a sentence", |token| format!("{token}.")),
        spoilt("twice", |token| format!("{token}{token}")),
        spoilt("with another secret", |token| format!("{}.{}", token.split_once('.').unwrap().0, "A".repeat(43))),
        Case::new("a list of tokens", Problem(422, "invalid_fields"), |practice| {
            practice.with_link("/v1/activation", &json!({ "token": [token(practice)], "dateOfBirth": BORN }))
        }),
        Case::new("a token of a megabyte", Either([(413, "too_large"), (409, "link_not_usable")]), |practice| {
            register(practice, &"A".repeat(1024 * 1024))
        }),
    ];
    hold("links", |practice| drop(practice.admit_and_invite(PATIENT)), &cases);
}

#[test]
fn superseded_links() {
    let first = |practice: &Practice| token_of(&practice.mails(&practice.address(PATIENT))[0]);
    let refused = |name: &str, path: &'static str| {
        Case::new(name, Problem(409, "link_not_usable"), move |practice| {
            practice.with_link(path, &json!({ "token": first(practice), "dateOfBirth": BORN }))
        })
    };
    let look = Case::new("a look", Taken(200), move |practice| {
        let answer = practice.with_link("/v1/activation/check", &json!({ "token": first(practice) }));
        assert_eq!(answer.json(), json!({ "usable": false }));
        answer
    });
    let ready = |practice: &Practice| {
        practice.admit_and_invite(PATIENT);
        Record::of(practice, PATIENT).pass_a_minute();
        let other = json!({ "email": practice.address("other") });
        assert_eq!(practice.post("/v1/patients/p-1/portal/reinvite", &other).status, 202);
        practice.await_sent(PATIENT);
    };
    hold("superseded", ready, &[look, refused("a registration", "/v1/activation")]);
}

/// Whatever is wrong with a link, the answer takes as long: a stranger cannot tell a link that is there from others.
#[test]
fn unusable_links_take_alike() {
    const TURNS: usize = 15;
    let Some(practice) = Practice::open("timing") else { return };
    let good = practice.mailed(PATIENT);
    let id = good.split_once('.').unwrap().0;
    let tokens = [format!("{id}.{}", "A".repeat(43)), format!("{}.{}", "A".repeat(id.len()), "A".repeat(43))];
    let mut times = [const { Vec::new() }; 2];
    let mut answers: Vec<Value> = Vec::new();
    for _ in 0..TURNS {
        // In turns, so that whatever else the machine does meets both alike.
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
    let [there, nowhere] = times.map(|mut times: Vec<Duration>| {
        times.sort_unstable();
        times[TURNS / 2]
    });
    eprintln!("hostile: timing: 2 cases (medians {there:?} and {nowhere:?})");
    assert!(there.abs_diff(nowhere) < ALIKE.max(there.min(nowhere)), "{there:?} {nowhere:?}");
}
