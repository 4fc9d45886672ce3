//! The whole client against a fake of the API.

use std::{
    collections::BTreeSet,
    io::{self, BufReader, Cursor, Read},
    num::NonZeroU8,
    sync::mpsc,
};

use crate::fake_api::{FakeApi, Reply, problem, reply, retry_at_once};
use chrono::Utc;
use portal_cli::{
    api::{Api, Failure, Halt},
    fhir::Mapping,
    import::{self, Counts, Ended, Observer, ReportRow, Target},
    stop::Stop,
};
use serde_json::json;

/// Records each call as one line.
#[derive(Default)]
struct Recorder(Vec<String>);

impl Observer for Recorder {
    fn row(&mut self, _: &Counts, row: Option<&ReportRow>) -> io::Result<()> {
        self.0.extend(row.map(ToString::to_string));
        Ok(())
    }
}

fn mapping() -> Mapping {
    let now = "2026-05-05T12:00:00Z".parse::<chrono::DateTime<Utc>>().unwrap();
    Mapping { identifier_system: None, now }
}

fn row(id: &str) -> String {
    let name = json!([{ "family": "Example", "given": ["Maria"] }]);
    format!("{}\n", json!({ "resourceType": "Patient", "id": id, "name": name, "birthDate": "1980-02-29" }))
}

fn run_with(
    server: &FakeApi,
    source: impl Read + Send + 'static,
    at_once: u8,
    stop: &Stop,
) -> (Counts, Ended, Vec<String>) {
    let api = Api::new(&server.url, &"hush-hush".into()).unwrap();
    let mut recorded = Recorder::default();
    let at_once = NonZeroU8::new(at_once).unwrap();
    let (counts, ended) =
        import::run(BufReader::new(source), mapping(), Target::Api(&api), at_once, stop, &mut recorded).unwrap();
    (counts, ended, recorded.0)
}

fn run(server: &FakeApi, file: &str) -> (Counts, Ended, Vec<String>) {
    run_with(server, Cursor::new(file.to_owned()), 4, &Stop::default())
}

#[test]
fn the_rows_of_the_sample_are_saved_or_reported() {
    let server =
        FakeApi::start(|request, _| reply(if request.line.contains("p-5001") { 200 } else { 201 }, &json!({})));
    let (counts, ended, recorded) = run(&server, include_str!("../../sample.ndjson"));
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    let bytes = u64::try_from(include_bytes!("../../sample.ndjson").len()).unwrap();
    assert_eq!(counts, Counts { bytes, rows: 10, created: 6, existing: 1, checked: 0, reported: 3, noted: 1 });
    assert_eq!(
        recorded,
        [
            "line 7, p-5007: noted, language_not_offered: There are no mails in the patient's language: they will be in English.",
            "line 8, p-5008: not saved, birth_date_partial: The birth date has no day, or no month.",
            "line 9, p-5009: not saved, name_only_text: The name is one text: given and family name must be separate members.",
            "line 10: not saved, not_patient: The resource is not a Patient.",
        ]
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 7);
    let second = requests.iter().find(|request| request.line == "PUT /stage/v1/patients/p-5002 HTTP/1.1").unwrap();
    assert_eq!(second.authorization, "Bearer hush-hush");
    let body = json!({
        "givenName": "José", "familyName": "Núñez Ejemplo", "dateOfBirth": "1980-02-29",
        "email": "jose.nunez@example.com", "language": "es", "active": true,
    });
    assert_eq!(second.body, body);
    let inactive = requests.iter().filter(|request| request.body["active"] == json!(false)).count();
    assert_eq!(inactive, 2);
}

#[test]
fn bad_lines_are_reported_in_the_order_of_the_file_and_the_rest_continues() {
    let server = FakeApi::start(|_, _| reply(201, &json!({})));
    let file = format!(
        "{}\n{{\"resourceType\":\n{}{{}}\n{}\u{ff}not json\n{}",
        row("p-1"),
        row("p-2"),
        row("p-1"),
        row("p-3")
    );
    let (counts, ended, recorded) = run(&server, &file);
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!((counts.rows, counts.created, counts.reported), (7, 3, 4));
    assert_eq!(
        recorded,
        [
            "line 3: not saved, not_json: The line is not one JSON value in UTF-8.",
            "line 5: not saved, not_patient: The resource is not a Patient.",
            "line 6, p-1: not saved, repeated: An earlier line has the same id: only that one counts.",
            "line 7: not saved, not_json: The line is not one JSON value in UTF-8.",
        ]
    );
}

#[test]
fn a_row_that_the_api_refuses_is_reported_with_the_apis_sentence() {
    let server = FakeApi::start(|request, _| match request.line.split(['/', ' ']).nth(5).unwrap() {
        "p-1" => problem(409, "email_in_use"),
        "p-2" => {
            let errors = json!([{ "pointer": "/email", "code": "email_invalid" }]);
            reply(422, &json!({ "code": "invalid_fields", "detail": "Some are wrong.", "errors": errors }))
        }
        "p-3" => reply(500, &json!({ "message": "Internal Server Error" })),
        "p-4" => problem(404, "patient_not_found"),
        _ => reply(200, &json!({})),
    });
    let file: String = ["p-1", "p-2", "p-3", "p-4", "p-5"].map(row).concat();
    let (counts, ended, recorded) = run(&server, &file);
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!((counts.existing, counts.reported), (1, 4));
    assert_eq!(
        recorded,
        [
            "line 1, p-1: not saved, email_in_use: A fixed sentence.",
            "line 2, p-2: not saved, invalid_fields: Some are wrong. (/email email_invalid)",
            "line 3, p-3: not saved, http_500: The API could not process it, and gives no reason: try again later.",
            "line 4, p-4: not saved, patient_not_found: A fixed sentence.",
        ]
    );
}

#[test]
fn a_request_is_retried_as_the_api_asks_up_to_a_maximum_of_tries() {
    let server = FakeApi::start(|request, before| {
        if request.line.contains("p-2") {
            retry_at_once(problem(503, "unavailable"))
        } else if before == 0 {
            retry_at_once(reply(429, &json!({ "message": "Too Many Requests" })))
        } else if before == 1 {
            retry_at_once(problem(503, "unavailable"))
        } else {
            reply(201, &json!({}))
        }
    });
    let (counts, ended, recorded) = run_with(&server, Cursor::new(row("p-1") + &row("p-2")), 1, &Stop::default());
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!((counts.created, counts.reported), (1, 1));
    assert_eq!(recorded, ["line 2, p-2: not saved, unavailable: A fixed sentence."]);
    assert_eq!(server.requests().len(), 3 + 6, "three tries of one row, six of the other");
    assert_eq!(server.requests()[0].body, server.requests()[2].body);
}

#[test]
fn an_error_that_would_fail_every_row_stops_the_import() {
    let not_found = json!({ "message": "Not Found" });
    let cases: [(Reply, Halt); 5] = [
        (reply(401, &json!({ "message": "Unauthorized" })), Halt::Unauthenticated),
        (problem(403, "forbidden"), Halt::Forbidden),
        (reply(404, &not_found), Halt::NotTheApi(404)),
        (problem(404, "not_found"), Halt::NotTheApi(404)),
        ((302, vec![("location", "http://127.0.0.1:1/".to_owned())], String::new()), Halt::NotTheApi(302)),
    ];
    for (answer, expected) in cases {
        let server = FakeApi::start(move |_, before| if before < 3 { reply(201, &json!({})) } else { answer.clone() });
        let file: String = (0..500).map(|number| row(&format!("p-{number}"))).collect();
        let (counts, ended, recorded) = run(&server, &file);
        let Ended::Halted(halt) = ended else { unreachable!("{ended:?}") };
        assert_eq!(halt, expected);
        assert!(!halt.to_string().contains("hush"));
        assert_eq!((counts.created, counts.reported), (3, 0), "{halt}");
        assert_eq!(recorded, Vec::<String>::new());
        assert!(server.requests().len() <= 3 + 4, "{halt}: only the requests in progress are finished");
    }
}

#[test]
fn a_server_without_tls_is_reported_and_receives_no_token() {
    let server = FakeApi::start(|_, _| reply(201, &json!({})));
    let api = Api::new(&server.url.replace("http:", "https:"), &"hush-hush".into()).unwrap();
    let stop = Stop::default();
    // The import stops during the first wait between two tries.
    stop.raise();
    let mapped = portal_cli::fhir::map(&serde_json::from_str(&row("p-1")).unwrap(), &mapping()).unwrap();
    assert_eq!(api.save(&mapped.id, &mapped.profile, &stop), Err(Failure::Abandoned));
    assert!(server.requests().is_empty());
}

#[test]
fn a_stop_finishes_the_rows_in_progress_and_begins_none() {
    let stop = Stop::default();
    let raised_by_server = stop.clone();
    let server = FakeApi::start(move |_, before| {
        if before == 5 {
            raised_by_server.raise();
        }
        reply(201, &json!({}))
    });
    let file: String = (0..500).map(|number| row(&format!("p-{number}"))).collect();
    let (counts, ended, _) = run_with(&server, Cursor::new(file), 2, &stop);
    assert!(matches!(ended, Ended::Interrupted), "{ended:?}");
    assert_eq!(
        counts.created,
        u64::try_from(server.requests().len()).unwrap(),
        "each answer was waited for and counted"
    );
    assert!((6..=7).contains(&counts.created), "{counts:?}");
}

#[test]
fn a_silent_source_does_not_prevent_stopping() {
    /// A source that waits for more data.
    struct Pipe(mpsc::Receiver<Vec<u8>>, Vec<u8>);
    impl Read for Pipe {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            if self.1.is_empty() {
                self.1 = self.0.recv().unwrap_or_default();
            }
            let length = self.1.as_slice().read(to)?;
            self.1.drain(..length);
            Ok(length)
        }
    }
    let (pipe, source) = mpsc::channel();
    pipe.send(row("p-1").into_bytes()).unwrap();
    let stop = Stop::default();
    let raised_by_server = stop.clone();
    let server = FakeApi::start(move |_, _| {
        raised_by_server.raise();
        reply(201, &json!({}))
    });
    let (counts, ended, _) = run_with(&server, Pipe(source, Vec::new()), 4, &stop);
    assert!(matches!(ended, Ended::Interrupted), "{ended:?}");
    assert_eq!(counts.created, 1);
    drop(pipe);
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_is_reported_after_the_rows_read() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let server = FakeApi::start(|_, _| reply(201, &json!({})));
    let source = Cursor::new(row("p-1")).chain(Broken);
    let (counts, ended, _) = run_with(&server, source, 4, &Stop::default());
    assert!(matches!(ended, Ended::Unreadable(_)), "{ended:?}");
    assert_eq!(counts.created, 1);
}

#[test]
fn an_observer_that_cannot_write_stops_the_import() {
    struct Full;
    impl Observer for Full {
        fn row(&mut self, _: &Counts, _: Option<&ReportRow>) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let file: String = (0..500).map(|number| row(&format!("p-{number}"))).collect();
    let at_once = NonZeroU8::new(1).unwrap();
    let ran = import::run(Cursor::new(file), mapping(), Target::DryRun, at_once, &Stop::default(), &mut Full);
    assert_eq!(ran.unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn many_rows_at_once_are_each_saved_once() {
    let server = FakeApi::start(|_, _| reply(201, &json!({})));
    let file: String = (0..300).map(|number| row(&format!("p-{number}"))).collect();
    let (counts, ended, _) = run_with(&server, Cursor::new(file), 16, &Stop::default());
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!((counts.rows, counts.created), (300, 300));
    let lines: BTreeSet<String> = server.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines.len(), 300);
}

#[test]
fn a_dry_run_sends_nothing() {
    let mut recorded = Recorder::default();
    let at_once = NonZeroU8::new(4).unwrap();
    let sample = Cursor::new(include_str!("../../sample.ndjson"));
    let (counts, _) = import::run(sample, mapping(), Target::DryRun, at_once, &Stop::default(), &mut recorded).unwrap();
    assert_eq!((counts.rows, counts.checked, counts.noted, counts.reported), (10, 7, 1, 3));
    assert_eq!(recorded.0.len(), 4);
}
