//! `portal import`: its exit codes, what it prints and what it never prints.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
    sync::mpsc,
};

use crate::{
    fake_api::{FakeApi, reply},
    program::{self, file, interrupt, output_of},
};
use serde_json::json;

fn portal(arguments: &[&str]) -> Command {
    program::portal("import", arguments)
}

fn sample() -> String {
    format!("{}/sample.ndjson", env!("CARGO_MANIFEST_DIR"))
}

fn first_of_sample(lines: usize) -> String {
    let sample = fs::read_to_string(sample()).unwrap();
    sample.split_inclusive('\n').take(lines).collect()
}

#[test]
fn the_sample_is_imported_and_the_other_rows_are_in_the_report() {
    let server = FakeApi::start(|_, _| reply(201, &json!({})));
    let report = file("sample-report.csv");
    let output = portal(&[&sample(), "--api", &server.url, "--report", report.to_str().unwrap()]).output().unwrap();
    let summary = "10 rows: 7 saved new, 0 changed or unchanged, 3 reported. With a note: 1.\n";
    assert_eq!(output_of(&output), (Some(1), summary.to_owned(), String::new()));
    let expected = "line,id,saved,reason,detail\n\
        7,p-5007,yes,language_not_offered,There are no mails in the patient's language: they will be in English.\n\
        8,p-5008,no,birth_date_partial,\"The birth date has no day, or no month.\"\n\
        9,p-5009,no,name_only_text,The name is one text: given and family name must be separate members.\n\
        10,,no,not_patient,The resource is not a Patient.\n";
    assert_eq!(fs::read_to_string(&report).unwrap(), expected);
}

#[test]
fn the_exit_code_is_0_if_all_rows_are_saved_with_a_token_from_a_file() {
    let server = FakeApi::start(|request, _| {
        reply(if request.authorization == "Bearer from-a-file" { 200 } else { 401 }, &json!({}))
    });
    let (rows, token) = (file("good.ndjson"), file("token"));
    fs::write(&rows, first_of_sample(6)).unwrap();
    fs::write(&token, "from-a-file\n").unwrap();
    let arguments = [rows.to_str().unwrap(), "--token-file", token.to_str().unwrap(), "--concurrency", "1"];
    let output = portal(&arguments).env("PORTAL_API", &server.url).output().unwrap();
    let summary = "6 rows: 0 saved new, 6 changed or unchanged, 0 reported. With a note: 0.\n";
    assert_eq!(output_of(&output), (Some(0), summary.to_owned(), String::new()));
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn without_a_terminal_a_line_is_printed_every_thousand_rows_and_for_twenty_reported_ones() {
    let rows = file("many.ndjson");
    fs::write(&rows, "{}\n".repeat(2_500)).unwrap();
    let output = portal(&[rows.to_str().unwrap(), "--dry-run"]).output().unwrap();
    let (code, out, err) = output_of(&output);
    assert_eq!(
        (code, out.as_str()),
        (Some(1), "2500 rows: 0 could be saved (0 with a note), 2500 reported. Nothing was saved.\n")
    );
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 20 + 2 + 1, "{err}");
    assert_eq!(lines[19], "line 20: not saved, not_patient: The resource is not a Patient.");
    assert_eq!(&lines[20..22], ["1000 rows, 1000 reported", "2000 rows, 2000 reported"]);
    assert_eq!(lines[22], "... and 2480 more: use --report FILE to get them all");
}

#[test]
fn the_exit_code_is_2_with_a_reason_if_the_import_cannot_run() {
    let server = FakeApi::start(|_, _| reply(401, &json!({ "message": "Unauthorized" })));
    let sample = sample();
    let copy = file("copy.ndjson");
    fs::copy(&sample, &copy).unwrap();
    let copy = copy.to_str().unwrap();
    for (arguments, expected) in [
        (vec![sample.as_str(), "--api", &server.url], "the API does not accept the token (401)"),
        (vec![&sample], "give the address of the API"),
        (vec![&sample, "--api", "http://api.example.com"], "must begin with https://"),
        (vec![&sample, "--api", &server.url, "--token-file", "/nowhere"], "/nowhere cannot be read"),
        (vec!["/nowhere", "--api", &server.url], "/nowhere cannot be read"),
        (vec!["/", "--api", &server.url], "/ cannot be read"),
        (
            vec![&sample, "--api", &server.url, "--report", "/nowhere/report.csv"],
            "/nowhere/report.csv cannot be written",
        ),
        (vec![copy, "--api", &server.url, "--report", copy], "the report would overwrite the input file"),
        (vec![&sample, "--dry-run", "--concurrency", "0"], "must be a number from 1 to 32"),
        (vec![&sample, "--dry-run", "--concurrency", "33"], "must be a number from 1 to 32"),
        (vec!["--dry-run"], "<FILE>"),
    ] {
        let (code, _, err) = output_of(&portal(&arguments).output().unwrap());
        assert_eq!(code, Some(2), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
    assert_eq!(fs::read_to_string(copy).unwrap(), fs::read_to_string(&sample).unwrap(), "the input file is unchanged");
    let output = portal(&[&sample, "--api", &server.url]).env_remove("PORTAL_TOKEN").output().unwrap();
    assert!(output_of(&output).2.contains("give an access token"));
}

#[test]
fn ctrl_c_finishes_the_rows_in_progress_and_prints_the_summary() {
    let (arrived, arrival) = mpsc::channel();
    let server = FakeApi::start(move |_, _| {
        arrived.send(()).unwrap();
        reply(201, &json!({}))
    });
    let mut child = portal(&["-", "--api", &server.url, "--concurrency", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe stays open and silent, so only the signal ends the import.
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(first_of_sample(3).as_bytes()).unwrap();
    for _ in 0..3 {
        arrival.recv().unwrap();
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let (code, out, err) = output_of(&output);
    assert_eq!(out, "3 rows: 3 saved new, 0 changed or unchanged, 0 reported. With a note: 0.\n");
    assert_eq!(code, Some(130));
    assert!(err.starts_with("Interrupted"), "{err}");
    drop(pipe);
}
