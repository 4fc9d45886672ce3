//! Hostile requests and messages, as tables: each case has its expected answer and changes nothing.
//!
//! The tests compare every item of the practice in the table, byte for byte (settings, record, timeline, directory, and
//! the items of its addresses), every mail to one of its addresses, and every message of it in the dead-letter queue. Each
//! case has its own practice, so that all cases run concurrently and a change belongs to one case. The work queue cannot be
//! read without receiving its messages: the handlers' own tests compare it, with the bodies that only the gateway can
//! change.

mod identity;
mod links;
mod messages;
mod requests;
mod text;

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

/// Cases that run concurrently.
const CONCURRENCY: usize = 4;
/// The patient of every case.
const PATIENT: &str = "p-1";

/// The expected answer of a case.
#[derive(Clone, Copy)]
enum Expected {
    /// A problem document of ours.
    Problem(u16, &'static str),
    /// The gateway's own 401: our code was not called.
    Unauthorized,
    /// One of two problem documents. Which one depends on how the local gateway changes the request.
    Either([(u16, &'static str); 2]),
    /// The request is accepted and changes nothing.
    Accepted(u16),
}

/// One case: a request and its expected answer.
struct Case {
    name: String,
    expected: Expected,
    request: Box<dyn Fn(&Practice) -> Answer + Sync>,
}

impl Case {
    fn new(name: &str, expected: Expected, request: impl Fn(&Practice) -> Answer + Sync + 'static) -> Self {
        Self { name: name.to_owned(), expected, request: Box::new(request) }
    }

    fn assert(&self, answer: &Answer) {
        match self.expected {
            Expected::Problem(status, code) => answer.assert_problem(status, code, &self.name),
            Expected::Unauthorized => {
                let unauthorized = (401, json!({ "message": "Unauthorized" }));
                assert_eq!((answer.status, answer.json()), unauthorized, "{}", self.name);
            }
            Expected::Either(expected) => {
                let actual = (answer.status, answer.json()["code"].clone());
                assert!(expected.iter().any(|one| actual == (one.0, one.1.into())), "{}: {answer:?}", self.name);
            }
            Expected::Accepted(status) => assert_eq!(answer.status, status, "{}: {answer:?}", self.name),
        }
    }
}

/// All items, mails and dead letters of each practice.
fn everything_of(stack: &StackFile, practices: &[Practice]) -> Vec<Vec<String>> {
    let mut all: Vec<String> = items(stack).unwrap().iter().map(Value::to_string).collect();
    all.sort_unstable();
    all.extend(mailbox::read(&stack.mailbox_url).unwrap().iter().map(|mail| format!("{mail:?}")));
    let dead = json!({ "QueueUrl": stack.dlq_url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
    let dead = aws::sqs(stack, "ReceiveMessage", &dead);
    all.extend(dead["Messages"].as_array().into_iter().flatten().map(|message| message["Body"].to_string()));
    let of_practice = |practice: &Practice| all.iter().filter(|text| text.contains(&practice.id)).cloned().collect();
    practices.iter().map(of_practice).collect()
}

/// Sends the request of every case to its own practice, and asserts that the answers are right and nothing has changed.
/// `prepare` creates what the cases of this class need.
fn check_cases(class: &str, prepare: impl Fn(&Practice) + Sync, cases: &[Case]) {
    let Some(stack) = system_tests::stack() else { return };
    let practices: Vec<Practice> = run_concurrently(cases.len(), |_| {
        let practice = Practice::open(class).unwrap();
        prepare(&practice);
        practice
    });
    let before = everything_of(stack, &practices);
    run_concurrently(cases.len(), |at| {
        let case = &cases[at];
        case.assert(&(case.request)(&practices[at]));
    });
    let after = everything_of(stack, &practices);
    for ((case, before), after) in cases.iter().zip(before).zip(after) {
        assert!(!before.is_empty(), "{class}: {}: the practice has no data", case.name);
        assert_eq!(after, before, "{class}: {}: the practice's data has changed", case.name);
    }
    eprintln!("hostile: {class}: {} cases", cases.len());
}

/// Calls a function for each number, some concurrently, and returns the results in order.
fn run_concurrently<T: Send>(count: usize, each: impl Fn(usize) -> T + Sync) -> Vec<T> {
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
        let workers: Vec<_> = (0..CONCURRENCY).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Saves a patient with an address, who is not invited.
fn save_patient(practice: &Practice) {
    practice.save_patient(PATIENT, Some(&practice.address(PATIENT)));
}

/// Sends a JSON body.
fn send_json(request: http::request::Builder, body: impl Into<Vec<u8>>) -> Answer {
    send(request.header(CONTENT_TYPE, "application/json").body(body.into()).unwrap())
}
