//! The client imports a practice's patients from a file of its EHR.

use std::{
    collections::BTreeMap,
    io::{self, Cursor},
    num::NonZeroU8,
};

use chrono::Utc;
use portal_cli::{
    api::{Api, Halt},
    fhir::Mapping,
    import::{self, Counts, Ended, Observer, ReportRow, Target},
    stop::Stop,
};
use serde_json::{Value, json};
use xtask::token::Role;

use crate::client::{GIVEN, Practice};

/// Lines of the file, from 1, that cannot be saved.
const BAD: [(u64, &str, &str); 10] = [
    (7, "not_patient", r#"{ "resourceType": "Practitioner", "id": "d-1" }"#),
    (20, "not_json", r#"{ "resourceType": "Patient", "#),
    (33, "id_missing", r#"{ "resourceType": "Patient" }"#),
    (50, "id_unusable", r#"{ "resourceType": "Patient", "id": "no id" }"#),
    (77, "name_missing", r#"{ "resourceType": "Patient", "id": "bad-77" }"#),
    (
        101,
        "name_only_text",
        r#"{ "resourceType": "Patient", "id": "bad-101", "name": [{ "text": "Canary Canaryson" }] }"#,
    ),
    (
        123,
        "birth_date_missing",
        r#"{ "resourceType": "Patient", "id": "bad-123", "name": [{ "family": "Canaryson", "given": ["M"] }] }"#,
    ),
    (
        150,
        "birth_date_partial",
        r#"{ "resourceType": "Patient", "id": "bad-150", "name": [{ "family": "Canaryson", "given": ["M"] }], "birthDate": "1980-02" }"#,
    ),
    (
        178,
        "email_unusable",
        r#"{ "resourceType": "Patient", "id": "bad-178", "name": [{ "family": "Canaryson", "given": ["M"] }],
            "birthDate": "1980-02-29", "telecom": [{ "system": "email", "value": "canary" }] }"#,
    ),
    (
        200,
        "repeated",
        r#"{ "resourceType": "Patient", "id": "f-1", "name": [{ "family": "Canaryson", "given": ["M"] }], "birthDate": "1980-02-29" }"#,
    ),
];

/// The reported rows, by line.
#[derive(Default)]
struct Recorder(BTreeMap<u64, ReportRow>);

impl Observer for Recorder {
    fn row(&mut self, _: &Counts, reported: Option<&ReportRow>) -> io::Result<()> {
        self.0.extend(reported.map(|row| (row.line, row.clone())));
        Ok(())
    }
}

/// The patient of a line. Every tenth is inactive.
fn resource(line: u64, address: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": format!("f-{line}"), "active": !line.is_multiple_of(10),
        "name": [{ "use": "official", "family": format!("Import{line:03}"), "given": [GIVEN, "José"] }],
        "birthDate": "1980-02-29", "telecom": [{ "system": "email", "value": address }],
        "communication": [{ "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "es" }] } }],
    })
}

/// 200 lines, ten of them bad.
fn file(practice: &Practice) -> String {
    let bad: BTreeMap<u64, &str> = BAD.iter().map(|(line, _, text)| (*line, *text)).collect();
    let line = |line: u64| {
        let good = || resource(line, &practice.address(&format!("f-{line}"))).to_string();
        bad.get(&line).map_or_else(good, |text| text.replace('\n', " ")) + "\n"
    };
    (1..=200).map(line).collect()
}

fn import(practice: &Practice, role: Role, file: &str) -> (Counts, Ended, BTreeMap<u64, ReportRow>) {
    let api = Api::new(&practice.stack.api_url, &practice.token(role).into()).unwrap();
    let mapping =
        Mapping { identifier_system: None, now: "2026-05-05T12:00:00Z".parse::<chrono::DateTime<Utc>>().unwrap() };
    let (concurrency, mut recorder) = (NonZeroU8::new(4).unwrap(), Recorder::default());
    let source = Cursor::new(file.to_owned());
    let (counts, ended) =
        import::run(source, mapping, Target::Api(&api), concurrency, &Stop::default(), &mut recorder).unwrap();
    (counts, ended, recorder.0)
}

/// The versions of the saved patients.
fn versions(practice: &Practice) -> Vec<Value> {
    let good = (1..=200_u64).filter(|line| BAD.iter().all(|(bad, ..)| bad != line));
    good.map(|line| {
        let read = practice.get(&format!("/v1/patients/f-{line}"));
        assert_eq!(read.status, 200, "line {line}: {read:?}");
        read.json()["version"].clone()
    })
    .collect()
}

#[test]
fn good_rows_are_saved_bad_ones_reported_and_a_second_import_changes_nothing() {
    let Some(practice) = Practice::open("import") else { return };
    let file = file(&practice);
    let (counts, ended, reported) = import(&practice, Role::Staff, &file);
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!((counts.rows, counts.created, counts.existing, counts.reported), (200, 190, 0, 10), "{reported:?}");
    let reasons: Vec<(u64, &str)> = reported.iter().map(|(line, row)| (*line, row.code.as_str())).collect();
    assert_eq!(reasons, BAD.map(|(line, code, _)| (line, code)));
    assert!(reported.values().all(|row| !row.saved && !row.detail.contains(GIVEN) && !row.detail.contains("1980")));

    let read = practice.get("/v1/patients/f-2").json();
    let profile = json!({
        "patientId": "f-2", "givenName": format!("{GIVEN} José"), "familyName": "Import002", "dateOfBirth": "1980-02-29",
        "email": practice.address("f-2"), "language": "es", "version": 1,
    });
    assert_eq!(read, profile);
    let found = practice.get("/v1/patients?q=import199").json();
    assert_eq!(found["patients"][0]["patientId"], "f-199", "{found}");
    assert_eq!(practice.get("/v1/patients/bad-178").status, 404);

    let (counts, ended, again) = import(&practice, Role::Staff, &file);
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    assert_eq!((counts.created, counts.existing, counts.reported), (0, 190, 10));
    assert_eq!(again, reported);
    assert!(versions(&practice).iter().all(|version| *version == 1), "no version has changed");
}

#[test]
fn an_inactive_patient_is_not_invited_until_a_later_import_activates_them() {
    let Some(practice) = Practice::open("import-inactive") else { return };
    let row = |line| resource(line, &practice.address("f")).to_string();
    import(&practice, Role::Staff, &row(10));
    assert_eq!(practice.get("/v1/patients/f-10").json()["active"], false);
    practice.invite("f-10", &json!({})).assert_problem(409, "patient_inactive", "inactive");
    assert_eq!(practice.status("f-10")["actions"]["invite"]["code"], "patient_inactive");
    let (counts, ..) = import(&practice, Role::Staff, &row(10).replace("\"active\":false", "\"active\":true"));
    assert_eq!(counts.existing, 1);
    assert_eq!(practice.invite("f-10", &json!({})).status, 202);
}

#[test]
fn a_token_without_the_permission_stops_the_import_and_saves_nothing() {
    let Some(practice) = Practice::open("import-forbidden") else { return };
    let (counts, ended, reported) = import(&practice, Role::Read, &file(&practice));
    let Ended::Halted(halt) = ended else { unreachable!("{ended:?}") };
    assert_eq!((halt, counts.rows, reported.len()), (Halt::Forbidden, 0, 0));
    assert_eq!(practice.get("/v1/patients/f-1").status, 404);
}
