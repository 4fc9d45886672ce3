//! Hostile requests and messages, as tables: each case has its expected answer, and changes nothing.
//!
//! "Nothing" is every item of the practice in the table, byte for byte (settings, record, timeline, directory, and the
//! items of its addresses), every mail to one of its addresses, and every message of it that was given up. Each case has
//! a practice of its own, so all of them run at once and a change is told from another case's. What cannot be looked at
//! without taking it, the queue of work, is compared where the handlers are tested, with the bodies that only the
//! gateway can spoil.

mod identity;
mod links;
mod messages;
mod text;
mod transport;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use serde_json::{Value, json};
use ureq::http::{self, header::CONTENT_TYPE};
use xtask::{StackFile, aws::items, mailbox};

use crate::{
    aws,
    client::{Answer, Practice, send},
};

/// How many cases are under way at once.
const AT_ONCE: usize = 4;
/// The patient whom every case is about.
const PATIENT: &str = "p-1";

/// What a case must be answered with.
#[derive(Clone, Copy)]
enum Expected {
    /// A problem document of ours.
    Problem(u16, &'static str),
    /// The gateway's own 401: our code was not asked.
    Unauthorized,
    /// One of ours, of which the answer depends on how much of a request the local gateway leaves as it is.
    Either([(u16, &'static str); 2]),
    /// Taken, with nothing to do.
    Taken(u16),
}

/// One case: what is asked of a practice, and what must be answered.
struct Case {
    name: String,
    expected: Expected,
    ask: Box<dyn Fn(&Practice) -> Answer + Sync>,
}

impl Case {
    fn new(name: &str, expected: Expected, ask: impl Fn(&Practice) -> Answer + Sync + 'static) -> Self {
        Self { name: name.to_owned(), expected, ask: Box::new(ask) }
    }

    fn assert(&self, answer: &Answer) {
        match self.expected {
            Expected::Problem(status, code) => answer.assert_problem(status, code, &self.name),
            Expected::Unauthorized => {
                let unauthorized = (401, json!({ "message": "Unauthorized" }));
                assert_eq!((answer.status, answer.json()), unauthorized, "{}", self.name);
            }
            Expected::Either(expected) => {
                let given = (answer.status, answer.json()["code"].clone());
                assert!(expected.iter().any(|one| given == (one.0, one.1.into())), "{}: {answer:?}", self.name);
            }
            Expected::Taken(status) => assert_eq!(answer.status, status, "{}: {answer:?}", self.name),
        }
    }
}

/// Everything that a practice has.
fn belongings(stack: &StackFile, practices: &[Practice]) -> Vec<Vec<String>> {
    let mut all: Vec<String> = items(stack).unwrap().iter().map(Value::to_string).collect();
    all.sort_unstable();
    all.extend(mailbox::read(&stack.mailbox_url).unwrap().iter().map(|mail| format!("{mail:?}")));
    let given_up = json!({ "QueueUrl": stack.dlq_url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
    let given_up = aws::sqs(stack, "ReceiveMessage", &given_up);
    all.extend(given_up["Messages"].as_array().into_iter().flatten().map(|message| message["Body"].to_string()));
    let of = |practice: &Practice| all.iter().filter(|thing| thing.contains(&practice.id)).cloned().collect();
    practices.iter().map(of).collect()
}

/// Asks every case of a practice of its own, and looks afterwards for what it changed. `ready` makes what the cases of
/// this class are about.
fn hold(class: &str, ready: impl Fn(&Practice) + Sync, cases: &[Case]) {
    let Some(stack) = system_tests::stack() else { return };
    let practices: Vec<Practice> = at_once(cases.len(), |_| {
        let practice = Practice::open(class).unwrap();
        ready(&practice);
        practice
    });
    let before = belongings(stack, &practices);
    at_once(cases.len(), |at| {
        let case = &cases[at];
        case.assert(&(case.ask)(&practices[at]));
    });
    let after = belongings(stack, &practices);
    for ((case, before), after) in cases.iter().zip(before).zip(after) {
        assert!(!before.is_empty(), "{class}: {}: nothing is there that could change", case.name);
        assert_eq!(after, before, "{class}: {}: something has changed", case.name);
    }
    eprintln!("hostile: {class}: {} cases", cases.len());
}

/// Does something for each number, some at once, and returns what came of each.
fn at_once<T: Send>(count: usize, each: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return done;
            }
            done.push((at, each(at)));
        }
    };
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, made)| made).collect()
}

/// A patient with an address, who has not been invited.
fn admitted(practice: &Practice) {
    practice.admit(PATIENT, Some(&practice.address(PATIENT)));
}

/// Sends a JSON body.
fn send_json(request: http::request::Builder, body: impl Into<Vec<u8>>) -> Answer {
    send(request.header(CONTENT_TYPE, "application/json").body(body.into()).unwrap())
}
