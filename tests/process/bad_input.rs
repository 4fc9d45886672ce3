//! Invalid requests: each gets its problem document, and none changes anything.

use serde_json::{Value, json};
use ureq::http::header::{CONTENT_TYPE, IF_MATCH};
use xtask::token::Role;

use crate::client::{Answer, Practice, profile, send, settings};

/// Every operation that reads a body, with a valid body.
fn writes(practice: &Practice) -> [(&'static str, &'static str, Value); 3] {
    let mut profile = profile(Some(&practice.address("changed")));
    profile["givenName"] = "Changed".into();
    let mut settings = settings();
    settings["name"] = "Changed".into();
    [
        ("PUT", "/v1/patients/p-1", profile),
        ("POST", "/v1/patients/p-1/portal/invite", json!({ "email": practice.address("changed") })),
        ("PUT", "/v1/practice", settings),
    ]
}

/// Sends a body as an administrator, who has all permissions.
fn send_body(practice: &Practice, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
    let request = practice.request_by(&practice.token(Role::Admin), method, path).header(CONTENT_TYPE, content_type);
    send(request.body(body.to_vec()).unwrap())
}

/// A practice with a patient whom the test's requests must not change.
fn open(name: &str) -> Option<Practice> {
    let practice = Practice::open(name)?;
    practice.save_patient("p-1", Some(&practice.address("p-1")));
    Some(practice)
}

#[test]
fn an_unreadable_body_changes_nothing() {
    let Some(practice) = open("unreadable") else { return };
    let before = practice.snapshot("p-1");
    let spaces = |count| [b"{}".as_slice(), &vec![b' '; count]].concat();
    let nested = [vec![b'['; 30_000], vec![b']'; 30_000]].concat();
    let cases: [(&str, &[u8], u16, &str); 12] = [
        ("no JSON", b"nonsense", 400, "malformed"),
        ("blank", b" ", 400, "malformed"),
        ("cut off", b"{\"email\":", 400, "malformed"),
        ("two values", b"{} {}", 400, "malformed"),
        ("a member twice", b"{\"email\":null,\"email\":null}", 400, "malformed"),
        ("half a surrogate", b"{\"email\":\"\\ud800\"}", 400, "malformed"),
        ("nested deeply", &nested, 400, "malformed"),
        ("one byte too long", &spaces(64 * 1024 - 1), 413, "too_large"),
        ("a megabyte too long", &spaces(1024 * 1024), 413, "too_large"),
        ("a list", b"[]", 422, "invalid_fields"),
        ("null", b"null", 422, "invalid_fields"),
        ("an unknown member", b"{\"practiceId\":\"other\"}", 422, "invalid_fields"),
    ];
    for (method, path, _) in writes(&practice) {
        for (case, body, status, code) in cases {
            let answer = send_body(&practice, method, path, "application/json", body);
            answer.assert_problem(status, code, &format!("{method} {path}: {case}"));
        }
    }
    for (method, path, _) in writes(&practice) {
        // The local gateway replaces bytes that are not UTF-8, so that the function cannot detect them. The parser's own
        // tests check that it refuses such bytes.
        let answer =
            send_body(&practice, method, path, "application/json", b"{\"email\":\"\xff\xfe@canary.example.com\"}");
        assert!([400, 422].contains(&answer.status), "{method} {path}: {answer:?}");
    }
    assert_eq!(practice.snapshot("p-1"), before);
}

#[test]
fn a_body_of_another_media_type_changes_nothing() {
    let Some(practice) = open("media-type") else { return };
    let before = practice.snapshot("p-1");
    for (method, path, body) in writes(&practice) {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
            let answer = send_body(&practice, method, path, content_type, body.to_string().as_bytes());
            answer.assert_problem(415, "unsupported_media_type", &format!("{method} {path}: {content_type}"));
        }
    }
    assert_eq!(practice.snapshot("p-1"), before);
}

#[test]
fn a_save_without_a_body_is_refused() {
    let Some(practice) = open("empty") else { return };
    let before = practice.snapshot("p-1");
    for path in ["/v1/patients/p-1", "/v1/practice"] {
        send_body(&practice, "PUT", path, "application/json", b"").assert_problem(400, "malformed", path);
    }
    assert_eq!(practice.snapshot("p-1"), before);
}

#[test]
fn every_wrong_member_is_named_and_nothing_changes() {
    let Some(practice) = open("fields") else { return };
    let before = practice.snapshot("p-1");
    let wrong = |pointer: &str, code: &str| json!({ "pointer": pointer, "code": code });
    let too_long = "x".repeat(1_000);
    let cases = [
        (
            "PUT",
            "/v1/patients/p-1",
            json!({ "givenName": 5, "familyName": too_long, "dateOfBirth": "1980-02-30", "language": "!" }),
            json!([
                wrong("/givenName", "wrong_type"),
                wrong("/familyName", "invalid"),
                wrong("/dateOfBirth", "invalid"),
                wrong("/language", "invalid"),
            ]),
        ),
        (
            "PUT",
            "/v1/patients/p-1",
            json!({ "email": ["a@canary.example.com"], "version": 1 }),
            json!([
                wrong("/givenName", "required"),
                wrong("/familyName", "required"),
                wrong("/dateOfBirth", "required"),
                wrong("/email", "wrong_type"),
                wrong("", "unknown_field"),
            ]),
        ),
        ("POST", "/v1/patients/p-1/portal/invite", json!({ "email": 5 }), json!([wrong("/email", "wrong_type")])),
        (
            "PUT",
            "/v1/practice",
            json!({
                "name": "", "senderName": "a\nb", "supportPhone": {}, "timeZone": "Mars/Olympus", "linkDays": 31,
                "portal": { "termsAccepted": "yes" }, "reminders": { "afterDays": [3, -1] },
            }),
            json!([
                wrong("/name", "invalid"),
                wrong("/senderName", "invalid"),
                wrong("/supportPhone", "wrong_type"),
                wrong("/timeZone", "invalid"),
                wrong("/portal/termsAccepted", "wrong_type"),
                wrong("/linkDays", "invalid"),
                wrong("/reminders/afterDays", "invalid"),
            ]),
        ),
    ];
    for (method, path, body, errors) in cases {
        let answer = send_body(&practice, method, path, "application/json", body.to_string().as_bytes());
        answer.assert_problem(422, "invalid_fields", path);
        assert_eq!(answer.json()["errors"], errors, "{method} {path}");
    }
    let typed = "No Mailbox <unknown@canary.example.com>";
    let answer = practice.invite("p-1", &json!({ "email": typed }));
    answer.assert_problem(422, "email_invalid", "a display name");
    assert!(!answer.body.contains("unknown@"), "{answer:?}");
    assert_eq!(practice.snapshot("p-1"), before);
}

#[test]
fn a_stale_or_malformed_version_changes_nothing() {
    let Some(practice) = open("if-match") else { return };
    let before = practice.snapshot("p-1");
    for (method, path, body) in writes(&practice) {
        for (tag, status, code) in [
            ("\"7\"", 412, "version_conflict"),
            ("\"18446744073709551615\"", 412, "version_conflict"),
            ("7", 400, "malformed"),
            ("W/\"1\"", 400, "malformed"),
            ("\"1\", \"2\"", 400, "malformed"),
            ("\"18446744073709551616\"", 400, "malformed"),
            ("", 400, "malformed"),
        ] {
            let request = practice.request_by(&practice.token(Role::Admin), method, path);
            let request = request.header(CONTENT_TYPE, "application/json").header(IF_MATCH, tag);
            let answer = send(request.body(body.to_string().into()).unwrap());
            answer.assert_problem(status, code, &format!("{method} {path}: {tag}"));
        }
    }
    assert_eq!(practice.snapshot("p-1"), before);

    let request = practice.request("PUT", "/v1/patients/p-1").header(CONTENT_TYPE, "application/json");
    let saved = send(request.header(IF_MATCH, "\"1\"").body(profile(None).to_string().into()).unwrap());
    assert_eq!((saved.status, saved.header("etag")), (200, Some("\"2\"")), "{saved:?}");
}

#[test]
fn an_unknown_path_is_not_found() {
    let Some(practice) = open("paths") else { return };
    let before = practice.snapshot("p-1");
    let long = format!("/v1/patients/{}/nothing", "x".repeat(2_000));
    for path in [
        "/",
        "/v1",
        "/v2/practice",
        "/v1/practice/",
        "/v1/patients/p-1/portal/nothing",
        "/v1/patients/p-1/portal/invite/again",
        "/V1/practice",
        &long,
    ] {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let answer = send(practice.request(method, path).body(Vec::new()).unwrap());
            answer.assert_problem(404, "not_found", &format!("{method} {path}"));
        }
        // That answer needs no token.
        send(practice.anonymous("GET", path).body(Vec::new()).unwrap()).assert_problem(404, "not_found", path);
    }
    assert_eq!(practice.snapshot("p-1"), before);
}

#[test]
fn an_unsupported_method_is_refused() {
    let Some(practice) = open("methods") else { return };
    let before = practice.snapshot("p-1");
    for (path, allowed, methods) in [
        ("/v1/practice", "GET, PUT", ["POST", "DELETE", "PATCH"]),
        ("/v1/patients", "GET", ["POST", "DELETE", "PUT"]),
        ("/v1/patients/p-1", "PUT, GET", ["POST", "DELETE", "PATCH"]),
        ("/v1/patients/p-1/portal", "GET", ["POST", "DELETE", "PUT"]),
        ("/v1/patients/p-1/portal/timeline", "GET", ["POST", "DELETE", "PUT"]),
        ("/v1/patients/p-1/portal/invite", "POST", ["GET", "DELETE", "PUT"]),
    ] {
        for method in methods {
            let answer = send(practice.request(method, path).body(Vec::new()).unwrap());
            answer.assert_problem(405, "method_not_allowed", &format!("{method} {path}"));
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        }
    }
    assert_eq!(practice.snapshot("p-1"), before);
}

#[test]
fn a_malformed_patient_id_finds_no_patient() {
    let Some(practice) = open("patient-ids") else { return };
    let missing = practice.get("/v1/patients/p-2/portal");
    missing.assert_problem(404, "patient_not_found", "a missing patient");
    for id in ["p%231", "p%20%201", "p%00", "%C3%A9", "%FF", "p-1%23PATIENT", &"x".repeat(65)] {
        for (method, rest) in [("GET", ""), ("GET", "/portal"), ("GET", "/portal/timeline"), ("POST", "/portal/invite")]
        {
            let path = format!("/v1/patients/{id}{rest}");
            let answer = send(practice.request(method, &path).body(Vec::new()).unwrap());
            answer.assert_problem(404, "patient_not_found", &format!("{method} {path}"));
            assert_eq!(answer.without_instance(), missing.without_instance());
        }
    }
}
