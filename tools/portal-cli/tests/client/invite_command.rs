//! `portal invite` and `portal job`: their exit codes, what they print and what they never print.

use std::{
    fs,
    io::Write as _,
    process::{Output, Stdio},
    sync::mpsc,
};

use crate::{
    fake_api::{FakeApi, ReceivedRequest, Reply, problem, reply},
    jobs::{IN_USE, job, results},
    program::{file, interrupt, output_of, portal},
};
use serde_json::json;

/// A separate list for each test, with three patients.
fn list(name: &str) -> String {
    let list = file(name);
    fs::write(&list, "# three of them\np-1\n\np-2 # moved in\np-3\n").unwrap();
    list.to_str().unwrap().to_owned()
}

/// The lines of a list of `number` patients.
fn patients(number: usize) -> String {
    let ids: Vec<String> = (0..number).map(|number| format!("p-{number}")).collect();
    ids.join("\n")
}

/// One patient who is invited, and two who are not.
fn mixed(request: &ReceivedRequest, _: usize) -> Reply {
    if request.line.contains("/results") {
        return results(&[("p-1", "email_in_use"), ("-2", "invited"), ("p-3", "email_in_use")], None);
    }
    let job = job("j-1", "done", &json!({ "invited": 1, "email_in_use": 2 }));
    reply(if request.line.starts_with("POST") { 202 } else { 200 }, &job)
}

fn run(command: &str, arguments: &[&str], server: &FakeApi) -> (Option<i32>, String, String) {
    let output: Output = portal(command, arguments).env("PORTAL_API", &server.url).output().unwrap();
    output_of(&output)
}

const MIXED: &str = "3 patients: 1 invited, 2 not.\n      2 email_in_use: ";

#[test]
fn the_exit_code_is_1_if_some_were_not_invited_and_the_report_has_all_patients() {
    let server = FakeApi::start(mixed);
    let report = file("invite-report.csv");
    let arguments = [&list("some.txt"), "--report", report.to_str().unwrap()];
    let (code, out, err) = run("invite", &arguments, &server);
    assert_eq!((code, out, err), (Some(1), format!("{MIXED}{IN_USE}\n"), "Job: j-1, 3 patients\n".to_owned()));
    let expected = format!(
        "patientId,outcome,sentence\n\
        p-1,email_in_use,{IN_USE}\n\
        '-2,invited,Another sentence.\n\
        p-3,email_in_use,{IN_USE}\n"
    );
    assert_eq!(fs::read_to_string(&report).unwrap(), expected);
    assert_eq!(server.requests()[0].body, json!({ "patientIds": ["p-1", "p-2", "p-3"], "dryRun": false }));
    let (again, _, _) = run("invite", &arguments, &server);
    assert_eq!(again, Some(1));
    let keys: Vec<_> = server.requests().into_iter().filter_map(|request| request.idempotency_key).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1], "another run has another key");
}

#[test]
fn the_exit_code_is_0_if_a_dry_run_could_invite_all_patients() {
    let server = FakeApi::start(|_, _| {
        let mut job = job("j-1", "done", &json!({ "invitable": 3 }));
        job["dryRun"] = json!(true);
        reply(202, &job)
    });
    let summary = "3 patients: 3 could be invited, 0 not. No patient was invited.\n".to_owned();
    let expected = "Job: j-1, 3 patients\n".to_owned();
    let list = list("dry.txt");
    assert_eq!(run("invite", &[&list, "--dry-run"], &server), (Some(0), summary.clone(), expected.clone()));
    assert_eq!(run("invite", &["--never-invited", "--dry-run"], &server), (Some(0), summary, expected));
    let bodies: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
    let all = json!({ "patientIds": ["p-1", "p-2", "p-3"], "dryRun": true });
    assert_eq!(bodies, [all, json!({ "neverInvited": true, "dryRun": true })]);
}

#[test]
fn a_long_list_becomes_several_jobs_and_each_has_a_line_without_a_terminal() {
    let server = FakeApi::start(|request, before| {
        let patients = request.body["patientIds"].as_array().unwrap().len();
        let mut job = job(&format!("j-{before}"), "done", &json!({ "invited": patients }));
        job["total"] = json!(patients);
        reply(202, &job)
    });
    let mut command = portal("invite", &["-", "--api", &server.url]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(patients(1_203).as_bytes()).unwrap();
    let (code, out, err) = output_of(&child.wait_with_output().unwrap());
    assert_eq!((code, out.as_str()), (Some(0), "1203 patients: 1203 invited, 0 not.\n"));
    let expected = "Job 1 of 3: j-0, 500 patients\nJob 2 of 3: j-1, 500 patients\n\
        1000 patients: 1000 invited, 0 not\nJob 3 of 3: j-2, 203 patients\n";
    // The line for a thousand patients is printed at the poll that reaches that number.
    assert_eq!(err, expected);
}

#[test]
fn the_exit_code_is_2_with_a_reason_if_the_command_cannot_run_and_nothing_is_sent() {
    let server = FakeApi::start(mixed);
    let good = list("good.txt");
    let bad = file("bad.txt");
    fs::write(&bad, b"p-1\nMaria Example\np-\xff\np-1\n").unwrap();
    let empty = file("empty.txt");
    fs::write(&empty, "# no patients\n").unwrap();
    let (bad, empty) = (bad.to_str().unwrap(), empty.to_str().unwrap());
    let no_id = "no patient id, which is 1 to 64 of A-Z a-z 0-9 . _ : -";
    let bad_lines = format!(
        "bad.txt: each line must have one patient id, and each only once\n  line 2: {no_id}\n  line 3: {no_id}\n  line 4: the id of line 1 again\n"
    );
    for (arguments, expected) in [
        (vec![bad], bad_lines.as_str()),
        (vec![empty], "empty.txt: there is no patient id in it"),
        (vec!["/nowhere"], "/nowhere cannot be read"),
        (vec![&good, "--report", &good], "the report would overwrite the input file"),
        (vec![&good, "--report", "/nowhere/report.csv"], "/nowhere/report.csv cannot be written"),
        (vec![&good, "--never-invited"], "cannot be used with"),
        (vec![], "<FILE|--never-invited>"),
    ] {
        let (code, out, err) = run("invite", &arguments, &server);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
        assert!(!err.contains("Maria"), "{err}");
    }
    let (code, _, err) = run("job", &["watch", "../x"], &server);
    assert!(code == Some(2) && err.contains("a job's id is"), "{err}");
    assert!(server.requests().is_empty());
    let (_, _, err) = output_of(&portal("invite", &["--never-invited"]).output().unwrap());
    assert!(err.contains("give the address of the API"), "{err}");
}

#[test]
fn the_exit_code_is_2_with_the_apis_sentence_if_it_refuses_the_job() {
    for (answer, expected) in [
        (problem(409, "portal_not_activated"), "Error: A fixed sentence. (portal_not_activated)\n"),
        (reply(401, &json!({})), "Error: the API does not accept the token (401): get a new one, and try again\n"),
        (
            problem(403, "forbidden"),
            "Error: the token does not permit this (403): ask an administrator for the scope that --help names\n",
        ),
    ] {
        let server = FakeApi::start(move |_, _| answer.clone());
        let (code, out, err) = run("invite", &["--never-invited"], &server);
        let expected = format!(
            "Jobs known to have begun: 0 of 1. The same command again invites the others, and no patient twice.\n{expected}"
        );
        assert_eq!((code, out, err), (Some(2), String::new(), expected));
    }
}

#[test]
fn ctrl_c_does_not_cancel_the_job_and_prints_how_to_continue() {
    let (arrived, arrival) = mpsc::channel();
    let server = FakeApi::start(move |request, _| {
        let begins = request.line.starts_with("POST");
        if !begins {
            arrived.send(()).unwrap();
        }
        reply(if begins { 202 } else { 200 }, &job("j-1", "running", &json!({ "invited": 1, "opted_out": 1 })))
    });
    let token = file("a token");
    fs::write(&token, "hush-hush").unwrap();
    let (ids, token) = (file("five-hundred-and-one.txt"), token.to_str().unwrap());
    fs::write(&ids, patients(501)).unwrap();
    let arguments = [ids.to_str().unwrap(), "--api", &server.url, "--token-file", token];
    let mut command = portal("invite", &arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    arrival.recv().unwrap();
    interrupt(&child);
    let (code, out, err) = output_of(&child.wait_with_output().unwrap());
    assert_eq!((code, out.as_str()), (Some(130), "2 patients: 1 invited, 1 not.\n      1 opted_out\n"));
    let options = format!("--api {} --token-file '{token}'", server.url);
    let expected = format!(
        "Job 1 of 2: j-1, 3 patients\n\
        Job j-1 continues, but is no longer watched. To continue watching it, or to cancel it:\n  \
        portal job watch j-1 {options}\n  portal job cancel j-1 {options}\n\
        Jobs known to have begun: 1 of 2. The same command again invites the others, and no patient twice.\n"
    );
    assert_eq!(err, expected);
}

#[test]
fn the_exit_code_is_2_if_watching_fails_and_the_output_says_how_to_continue() {
    let server = FakeApi::start(|_, before| match before {
        0 => reply(202, &job("j-1", "done", &json!({ "email_in_use": 3 }))),
        _ => reply(500, &json!({ "message": "Internal Server Error" })),
    });
    let (code, out, err) = run("invite", &["--never-invited"], &server);
    assert_eq!((code, out.as_str()), (Some(2), "3 patients: 0 invited, 3 not.\n      3 email_in_use\n"));
    let expected = "Job: j-1, 3 patients\n\
        Job j-1 is over. To get all of its results:\n  portal job watch j-1 --report FILE\n\
        Error: The API could not process it, and gives no reason: try again later. (http_500)\n";
    assert_eq!(err, expected);
}

#[test]
fn a_job_is_watched_by_its_id_and_reported() {
    let server = FakeApi::start(mixed);
    let report = file("watch-report.csv");
    let (code, out, err) = run("job", &["watch", "j-1", "--report", report.to_str().unwrap()], &server);
    assert_eq!((code, out, err), (Some(1), format!("{MIXED}{IN_USE}\n"), "Job: j-1, 3 patients\n".to_owned()));
    assert_eq!(fs::read_to_string(&report).unwrap().lines().count(), 4);
    assert!(server.requests().iter().all(|request| request.line.starts_with("GET ")));

    let cancelled = FakeApi::start(|_, _| reply(200, &job("j-1", "cancelled", &json!({ "invited": 2 }))));
    let (code, out, err) = run("job", &["watch", "j-1"], &cancelled);
    assert_eq!((code, out.as_str()), (Some(2), "2 patients: 2 invited, 0 not.\n"));
    assert_eq!(err, "Job: j-1, 3 patients\nJob j-1 was cancelled. Patients who were invited stay invited.\n");

    let missing = FakeApi::start(|_, _| problem(404, "job_not_found"));
    let expected = "Error: A fixed sentence. (job_not_found)\n".to_owned();
    assert_eq!(run("job", &["watch", "j-1"], &missing), (Some(2), String::new(), expected));
}

#[test]
fn a_job_is_cancelled_unless_it_has_ended() {
    for (state, code, expected) in [
        ("cancelled", 0, "Job j-1 is cancelled. 2 patients: 2 invited, 0 not.\n"),
        ("done", 0, "Job j-1 was done already. 2 patients: 2 invited, 0 not.\n"),
        ("running", 2, ""),
    ] {
        let server = FakeApi::start(move |_, _| reply(200, &job("j-1", state, &json!({ "invited": 2 }))));
        let (exit, out, err) = run("job", &["cancel", "j-1"], &server);
        assert_eq!((exit, out.as_str()), (Some(code), expected), "{err}");
        let requests = server.requests();
        assert_eq!(requests[0].line, "POST /stage/v1/invitations/bulk/j-1/cancel HTTP/1.1");
        assert_eq!((requests.len(), &requests[0].body), (1, &json!({})));
    }
    let missing = FakeApi::start(|_, _| problem(404, "job_not_found"));
    let expected = "Error: A fixed sentence. (job_not_found)\n".to_owned();
    assert_eq!(run("job", &["cancel", "j-1"], &missing), (Some(2), String::new(), expected));
}
