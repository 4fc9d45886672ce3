//! Inviting many patients, against a fake of the API.

use std::{io, time::Duration};

use crate::{
    fake_api::{CUT_OFF, FakeApi, ReceivedRequest, Reply, problem, reply, retry_at_once},
    jobs::{IN_USE, job, results},
};
use portal::ids::PatientId;
use portal_cli::{
    api::{Api, Halt},
    invite::{Ended, JobsProgress, Observer, PollIntervals, Watcher},
    job::{Job, NewJob, PatientResult, Recipients, State},
    stop::Stop,
};
use serde_json::json;

/// Short waits for tests.
const NO_WAIT: PollIntervals = PollIntervals { shortest: Duration::ZERO, longest: Duration::ZERO };

/// Records each call as one line.
#[derive(Default)]
struct Recorder {
    every_result: bool,
    lines: Vec<String>,
    full: bool,
}

impl Observer for Recorder {
    fn wants_every_result(&self) -> bool {
        self.every_result
    }

    fn polled(&mut self, progress: &JobsProgress, job: &Job) {
        self.lines.push(format!("{} {} {:?} {} of {:?}", progress.begun, job.id, job.state, job.processed, job.total));
    }

    fn result(&mut self, result: &PatientResult) -> io::Result<()> {
        self.lines.push(result.cells().join(" "));
        if self.full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

fn recorder() -> Recorder {
    Recorder { every_result: true, ..Recorder::default() }
}

fn patients(number: usize) -> Recipients {
    Recipients::Patients((1..=number).map(|number| PatientId::parse(&format!("p-{number}")).unwrap()).collect())
}

fn invite_with(
    server: &FakeApi,
    recipients: Recipients,
    intervals: PollIntervals,
    stop: &Stop,
    recorder: &mut Recorder,
) -> (JobsProgress, Ended) {
    let api = Api::new(&server.url, &"hush-hush".into()).unwrap();
    let mut keys = 1..;
    let jobs = NewJob::split(recipients, false, || keys.next().map(|key: u8| format!("key-{key}")).ok_or(())).unwrap();
    Watcher::new(&api, intervals, stop, recorder).invite(&jobs)
}

fn invite(server: &FakeApi, recipients: Recipients, recorder: &mut Recorder) -> (JobsProgress, Ended) {
    invite_with(server, recipients, NO_WAIT, &Stop::default(), recorder)
}

fn counts(progress: &JobsProgress) -> Vec<(String, u64)> {
    progress.counts().each().map(|(outcome, count)| (outcome.to_string(), count)).collect()
}

fn lines(server: &FakeApi) -> Vec<String> {
    let line =
        |request: ReceivedRequest| request.line.replace("/stage/v1/invitations/bulk", "~").replace(" HTTP/1.1", "");
    server.requests().into_iter().map(line).collect()
}

/// A job that is done at once.
fn done(id: &str, counts: &serde_json::Value) -> Reply {
    reply(202, &job(id, "done", counts))
}

#[test]
fn a_job_is_begun_watched_until_it_is_done_and_its_results_are_read_page_by_page() {
    let server = FakeApi::start(|_, before| match before {
        0 => reply(202, &job("j-1", "queued", &json!({}))),
        1 => reply(200, &job("j-1", "running", &json!({ "invited": 1 }))),
        2 => reply(200, &job("j-1", "done", &json!({ "invited": 2, "email_in_use": 1 }))),
        3 => results(&[("p-2", "invited"), ("p-1", "email_in_use")], Some("a b+c/=?&")),
        _ => results(&[("p-3", "invited")], None),
    });
    let mut recorder = recorder();
    let (progress, ended) = invite(&server, patients(3), &mut recorder);
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!(
        recorder.lines,
        [
            "1 j-1 Queued 0 of Some(3)",
            "1 j-1 Running 1 of Some(3)",
            "1 j-1 Done 3 of Some(3)",
            "p-2 invited Another sentence.",
            &format!("p-1 email_in_use {IN_USE}"),
            "p-3 invited Another sentence.",
        ]
    );
    assert_eq!(counts(&progress), [("email_in_use".to_owned(), 1), ("invited".to_owned(), 2)]);
    assert_eq!((progress.begun, progress.counts().good(), progress.counts().refused()), (1, 2, 1));
    let sentence = progress.sentences.iter().find(|(outcome, _)| outcome.to_string() == "email_in_use").unwrap().1;
    assert_eq!(sentence, IN_USE);
    assert_eq!(
        lines(&server),
        ["POST ~", "GET ~/j-1", "GET ~/j-1", "GET ~/j-1/results", "GET ~/j-1/results?cursor=a%20b%2Bc%2F%3D%3F%26"]
    );
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.authorization == "Bearer hush-hush"));
    assert_eq!(requests[0].body, json!({ "patientIds": ["p-1", "p-2", "p-3"], "dryRun": false }));
    assert_eq!(requests[0].idempotency_key.as_deref(), Some("key-1"));
    assert!(requests[1..].iter().all(|request| request.idempotency_key.is_none()));
}

#[test]
fn a_dry_run_of_all_who_were_never_invited_has_no_total_until_it_is_done() {
    let server = FakeApi::start(|_, before| {
        let mut job = job("j-1", if before < 2 { "running" } else { "done" }, &json!({ "invitable": before }));
        job["dryRun"] = json!(true);
        if before < 2 {
            job.as_object_mut().unwrap().remove("total");
        }
        reply(if before == 0 { 202 } else { 200 }, &job)
    });
    let api = Api::new(&server.url, &"hush-hush".into()).unwrap();
    let jobs = NewJob::split(Recipients::NeverInvited, true, || Ok::<_, ()>("key".to_owned())).unwrap();
    let mut recorder = Recorder::default();
    let (progress, ended) = Watcher::new(&api, NO_WAIT, &Stop::default(), &mut recorder).invite(&jobs);
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!(recorder.lines, ["1 j-1 Running 0 of None", "1 j-1 Running 1 of None", "1 j-1 Done 2 of Some(3)"]);
    assert!(progress.job.as_ref().is_some_and(|job| job.dry_run));
    assert_eq!((progress.counts().good(), progress.counts().refused()), (2, 0));
    assert_eq!(server.requests()[0].body, json!({ "neverInvited": true, "dryRun": true }));
}

#[test]
fn a_list_longer_than_a_job_becomes_several_jobs_one_after_the_other() {
    let server = FakeApi::start(|request, before| match before {
        0 => done("j-1", &json!({ "invited": 500 })),
        1 => reply(202, &job("j-2", "running", &json!({ "opted_out": 1 }))),
        2 => reply(200, &job("j-2", "done", &json!({ "invited": 499, "opted_out": 1 }))),
        _ if request.line.starts_with("POST") => done("j-3", &json!({ "invited": 1, "opted_out": 2 })),
        _ => results(&[("p-1", "opted_out")], None),
    });
    let mut recorder = Recorder::default();
    let (progress, ended) = invite(&server, patients(1_003), &mut recorder);
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!(lines(&server), ["POST ~", "POST ~", "GET ~/j-2", "GET ~/j-2/results", "POST ~"]);
    assert_eq!(counts(&progress), [("invited".to_owned(), 1_000), ("opted_out".to_owned(), 3)]);
    assert_eq!(progress.begun, 3);
    let begun: Vec<_> = server.requests().into_iter().filter(|request| request.line.starts_with("POST")).collect();
    let keys: Vec<_> = begun.iter().map(|request| request.idempotency_key.clone().unwrap()).collect();
    assert_eq!(keys, ["key-1", "key-2", "key-3"]);
    let ids: Vec<_> = begun.iter().map(|request| request.body["patientIds"].as_array().unwrap().clone()).collect();
    assert_eq!(ids.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 3]);
    assert_eq!((&ids[1][0], &ids[2][2]), (&json!("p-501"), &json!("p-1003")));
}

#[test]
fn without_a_report_results_are_read_until_each_refusal_has_its_sentence() {
    let server = FakeApi::start(|request, before| match before {
        0 => done("j-1", &json!({ "invited": 1, "opted_out": 1, "email_in_use": 1 })),
        1 => results(&[("p-1", "opted_out")], Some("2")),
        2 => results(&[("p-2", "email_in_use")], Some("3")),
        _ => unreachable!("{request:?}"),
    });
    let (progress, ended) = invite(&server, patients(3), &mut Recorder::default());
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!((progress.sentences.len(), server.requests().len()), (2, 3));
}

#[test]
fn a_job_is_requested_again_with_its_key_if_the_api_asks_to_wait() {
    let server = FakeApi::start(|_, before| match before {
        0 => retry_at_once(problem(503, "unavailable")),
        1 => retry_at_once(reply(429, &json!({ "message": "Too Many Requests" }))),
        _ => done("j-1", &json!({ "invited": 3 })),
    });
    let (progress, ended) = invite(&server, patients(3), &mut Recorder::default());
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!((progress.begun, progress.counts().good()), (1, 3));
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.idempotency_key.as_deref() == Some("key-1")));
    assert!(requests.iter().all(|again| again.body == requests[0].body));
}

#[test]
fn a_job_whose_answer_was_lost_is_requested_again_with_its_key() {
    let server = FakeApi::start(|_, before| {
        let (status, headers, body) = done("j-1", &json!({ "invited": 3 }));
        (if before == 0 { CUT_OFF } else { status }, headers, body)
    });
    let (progress, ended) = invite(&server, patients(3), &mut Recorder::default());
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!(progress.begun, 1);
    let keys: Vec<_> = server.requests().into_iter().map(|request| request.idempotency_key).collect();
    assert_eq!(keys, [Some("key-1".to_owned()), Some("key-1".to_owned())]);
}

#[test]
fn a_cancelled_job_is_the_last_one_and_its_results_are_reported() {
    let server = FakeApi::start(|_, before| match before {
        0 => reply(202, &job("j-1", "running", &json!({}))),
        1 => reply(200, &job("j-1", "cancelled", &json!({ "invited": 1, "opted_out": 1 }))),
        _ => results(&[("p-1", "invited"), ("p-2", "opted_out")], None),
    });
    let mut recorder = recorder();
    let (progress, ended) = invite(&server, patients(501), &mut recorder);
    assert!(matches!(ended, Ended::Cancelled), "{ended:?}");
    assert_eq!((progress.begun, progress.counts().good(), progress.counts().refused()), (1, 1, 1));
    assert_eq!(recorder.lines[2..], ["p-1 invited Another sentence.", "p-2 opted_out Another sentence."]);
    assert_eq!(lines(&server), ["POST ~", "GET ~/j-1", "GET ~/j-1/results"]);
}

#[test]
fn a_job_is_watched_by_its_id() {
    let server = FakeApi::start(|_, before| match before {
        0 => reply(200, &job("j-1", "running", &json!({ "already_registered": 2 }))),
        1 => reply(200, &job("j-1", "done", &json!({ "already_registered": 3 }))),
        _ => results(&[("p-1", "already_registered")], Some("2")),
    });
    let api = Api::new(&server.url, &"hush-hush".into()).unwrap();
    let stop = Stop::default();
    let mut recorder = Recorder::default();
    let (_, ended) = Watcher::new(&api, NO_WAIT, &stop, &mut recorder).watch(&"j-1".parse().unwrap());
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    let expected =
        ["1 j-1 Running 2 of Some(3)", "1 j-1 Done 3 of Some(3)", "p-1 already_registered Another sentence."];
    assert_eq!(recorder.lines, expected);
    assert_eq!(lines(&server), ["GET ~/j-1", "GET ~/j-1", "GET ~/j-1/results"]);

    let missing = FakeApi::start(|_, _| problem(404, "job_not_found"));
    let api = Api::new(&missing.url, &"hush-hush".into()).unwrap();
    let (progress, ended) = Watcher::new(&api, NO_WAIT, &stop, &mut recorder).watch(&"j-2".parse().unwrap());
    let Ended::Refused(refused) = ended else { unreachable!("{ended:?}") };
    assert_eq!(refused.to_string(), "A fixed sentence. (job_not_found)");
    assert_eq!((progress, lines(&missing)), (JobsProgress::default(), vec!["GET ~/j-2".to_owned()]));
}

#[test]
fn a_forbidden_request_or_an_answer_of_another_server_ends_the_command() {
    let cases: [(Reply, Halt); 6] = [
        (reply(401, &json!({ "message": "Unauthorized" })), Halt::Unauthenticated),
        (problem(403, "forbidden"), Halt::Forbidden),
        (problem(404, "not_found"), Halt::NotTheApi(404)),
        (reply(204, &json!({})), Halt::NotTheApi(204)),
        ((202, Vec::new(), "<html>".to_owned()), Halt::NotTheApi(202)),
        (reply(202, &job("../x", "queued", &json!({}))), Halt::NotTheApi(202)),
    ];
    for (answer, expected) in cases {
        for begun in [0, 1] {
            let answer = answer.clone();
            let server = FakeApi::start(move |_, before| {
                if before < begun {
                    reply(202, &job("j-1", "running", &json!({ "invited": 2 })))
                } else {
                    answer.clone()
                }
            });
            let (progress, ended) = invite(&server, patients(501), &mut Recorder::default());
            let Ended::Halted(halt) = ended else { unreachable!("{ended:?}") };
            assert_eq!(
                (&halt, progress.begun, progress.counts().good()),
                (&expected, begun, 2 * u64::try_from(begun).unwrap())
            );
            assert_eq!(progress.job.map(|job| job.state), (begun == 1).then_some(State::Running), "as last polled");
            assert_eq!(server.requests().len(), begun + 1, "{halt}");
        }
    }
}

#[test]
fn a_refused_job_is_not_begun() {
    let server = FakeApi::start(|_, _| problem(409, "portal_not_activated"));
    let (progress, ended) = invite(&server, patients(501), &mut Recorder::default());
    let Ended::Refused(refused) = ended else { unreachable!("{ended:?}") };
    assert_eq!((refused.code.as_str(), progress.begun, server.requests().len()), ("portal_not_activated", 0, 1));
}

#[test]
fn a_stop_ends_the_wait_and_does_not_cancel_the_job() {
    let stop = Stop::default();
    let raised_by_server = stop.clone();
    let server = FakeApi::start(move |_, _| {
        raised_by_server.raise();
        reply(202, &job("j-1", "running", &json!({ "invited": 1 })))
    });
    let intervals = PollIntervals { shortest: Duration::from_hours(1), longest: Duration::from_hours(1) };
    let (progress, ended) = invite_with(&server, patients(501), intervals, &stop, &mut Recorder::default());
    assert!(matches!(ended, Ended::Interrupted), "{ended:?}");
    assert_eq!(progress.job.map(|job| job.state), Some(State::Running));
    assert_eq!(lines(&server), ["POST ~"]);
}

#[test]
fn after_a_stop_there_is_no_further_job_page_or_retry() {
    for (answer, expected) in [
        (done("j-1", &json!({ "invited": 1 })), vec!["POST ~"]),
        (done("j-1", &json!({ "opted_out": 1 })), vec!["POST ~"]),
        (problem(503, "unavailable"), vec!["POST ~"]),
    ] {
        let stop = Stop::default();
        let raised_by_server = stop.clone();
        let server = FakeApi::start(move |_, _| {
            raised_by_server.raise();
            answer.clone()
        });
        let (_, ended) = invite_with(&server, patients(501), NO_WAIT, &stop, &mut Recorder::default());
        assert!(matches!(ended, Ended::Interrupted), "{ended:?}");
        assert_eq!(lines(&server), expected);
    }
}

#[test]
fn an_observer_that_cannot_write_begins_no_further_job() {
    let server = FakeApi::start(|_, before| match before {
        0 => done("j-1", &json!({ "invited": 2 })),
        _ => results(&[("p-1", "invited"), ("p-2", "invited")], None),
    });
    let mut recorder = Recorder { full: true, ..recorder() };
    let (progress, ended) = invite(&server, patients(501), &mut recorder);
    let Ended::ReportFailed(error) = ended else { unreachable!("{ended:?}") };
    assert_eq!((error.kind(), progress.begun, recorder.lines.len()), (io::ErrorKind::StorageFull, 1, 2));
    assert_eq!(lines(&server), ["POST ~", "GET ~/j-1/results"]);
}
