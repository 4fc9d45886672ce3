//! Malformed HTTP requests.

use ureq::http::header::CONTENT_TYPE;
use xtask::token::Role;

use super::{
    Case,
    Expected::{Either, Problem},
    PATIENT, check_cases, save_patient, send_json,
};
use crate::client::{Practice, send};

const INVITE: &str = "/v1/patients/p-1/portal/invite";

/// The limit of a body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// `{}`, compressed by `gzip`.
const GZIP: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];

/// An invite with this body.
fn body(name: &str, status: u16, code: &'static str, bytes: impl Into<Vec<u8>>) -> Case {
    let bytes = bytes.into();
    Case::new(name, Problem(status, code), move |practice| send_json(practice.request("POST", INVITE), bytes.clone()))
}

/// An invite with this header and a valid body.
fn header(name: &str, status: u16, code: &'static str, header: &'static str, value: &'static str) -> Case {
    Case::new(name, Problem(status, code), move |practice| {
        send_json(practice.request("POST", INVITE).header(header, value), "{}")
    })
}

/// An invite with a valid body of this media type.
fn media_type(name: &str, content_type: &'static str) -> Case {
    Case::new(name, Problem(415, "unsupported_media_type"), move |practice| {
        send(practice.request("POST", INVITE).header(CONTENT_TYPE, content_type).body(b"{}".to_vec()).unwrap())
    })
}

/// A request with another method, and with the headers that ask for `POST` instead.
fn method(name: &str, code: (u16, &'static str), method: &'static str, path: &'static str) -> Case {
    Case::new(name, Problem(code.0, code.1), move |practice| {
        let request = practice.request_by(&practice.token(Role::Admin), method, path);
        let request = request.header("x-http-method-override", "POST").header("x-http-method", "POST");
        send(request.header("x-method-override", "POST").body(Vec::new()).unwrap())
    })
}

/// A search with this query.
fn query(name: &str, query: impl Fn() -> String + Sync + 'static) -> Case {
    Case::new(name, Problem(400, "malformed"), move |practice| practice.get(&format!("/v1/patients?{}", query())))
}

fn nested(open: &str, close: &str, levels: usize) -> String {
    format!("{}{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn a_malformed_request_is_refused() {
    let not_allowed = (405, "method_not_allowed");
    let cases = [
        body("space only", 400, "malformed", " "),
        body("a null byte", 400, "malformed", "\0"),
        body("no JSON", 400, "malformed", "email=a@canary.example.com"),
        body(
            "XML",
            400,
            "malformed",
            "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>",
        ),
        body("cut off", 400, "malformed", "{\"email\":\"a@exam"),
        body("two values", 400, "malformed", "{}{}"),
        body("a comment", 400, "malformed", "{/**/}"),
        body("a trailing comma", 400, "malformed", "{\"email\":null,}"),
        body("not a number", 400, "malformed", "{\"email\":NaN}"),
        body("a number out of range", 400, "malformed", "{\"email\":1e999}"),
        body("half a surrogate", 400, "malformed", "{\"email\":\"\\ud83d\"}"),
        body("10,000 lists deep", 400, "malformed", nested("[", "]", 10_000)),
        body("10,000 objects deep", 400, "malformed", format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000))),
        body(
            "a member twice",
            400,
            "malformed",
            "{\"email\":\"a@canary.example.com\",\"email\":\"b@canary.example.com\"}",
        ),
        body("a member twice, once escaped", 400, "malformed", "{\"email\":null,\"\\u0065mail\":null}"),
        body("an unknown member", 422, "invalid_fields", "{\"practiceId\":\"another\"}"),
        body("a prototype", 422, "invalid_fields", "{\"__proto__\":{\"admin\":true}}"),
        body("a member of another case", 422, "invalid_fields", "{\"Email\":\"a@canary.example.com\"}"),
        body("a thousand unknown members", 422, "invalid_fields", {
            let members: Vec<String> = (0..1_000).map(|number| format!("\"m{number}\":0")).collect();
            format!("{{{}}}", members.join(","))
        }),
        body("a list", 422, "invalid_fields", "[]"),
        body("a text", 422, "invalid_fields", "\"{}\""),
        body("a number for a text", 422, "invalid_fields", "{\"email\":7}"),
        body("a list for a text", 422, "invalid_fields", "{\"email\":[\"a@canary.example.com\"]}"),
        body("an object for a text", 422, "invalid_fields", "{\"email\":{\"$ne\":null}}"),
        body("64 KiB and a byte", 413, "too_large", format!("{{}}{}", " ".repeat(MAX_BODY - 1))),
        body("a megabyte", 413, "too_large", " ".repeat(1024 * 1024)),
        Case::new("declared gzip", Either([(400, "malformed"), (415, "unsupported_media_type")]), |practice| {
            send_json(practice.request("POST", INVITE).header("content-encoding", "gzip"), GZIP)
        }),
        Case::new("undeclared gzip", Problem(400, "malformed"), |practice| {
            send_json(practice.request("POST", INVITE), GZIP)
        }),
        // The local gateway replaces bytes that are not UTF-8. AWS's gateway passes them on in base64.
        Case::new("no UTF-8", Either([(400, "malformed"), (422, "email_invalid")]), |practice| {
            send_json(practice.request("POST", INVITE), b"{\"email\":\"\xff\xfe@canary.example.com\"}".as_slice())
        }),
        Case::new("UTF-16", Problem(400, "malformed"), |practice| {
            send_json(practice.request("POST", INVITE), b"{\0}\0".as_slice())
        }),
        body("a byte order mark", 400, "malformed", "\u{feff}{}"),
        media_type("plain text", "text/plain"),
        media_type("a form", "application/x-www-form-urlencoded"),
        media_type("a problem", "application/problem+json"),
        media_type("JSON in Latin-1", "application/json; charset=latin1"),
        media_type("no type", ""),
        Case::new("a save without a body", Problem(400, "malformed"), |practice| {
            send_json(practice.request("PUT", "/v1/patients/p-1"), "")
        }),
        header("a version without quotes", 400, "malformed", "if-match", "1"),
        header("a weak version", 400, "malformed", "if-match", "W/\"1\""),
        header("a version out of range", 400, "malformed", "if-match", "\"18446744073709551616\""),
        header("a version that never existed", 412, "version_conflict", "if-match", "\"18446744073709551615\""),
        Case::new("a too long key", Problem(400, "malformed"), |practice| {
            send_json(practice.request("POST", INVITE).header("idempotency-key", "k".repeat(256)), "{}")
        }),
        method("GET that asks for POST", not_allowed, "GET", INVITE),
        method("DELETE that asks for POST", not_allowed, "DELETE", "/v1/patients/p-1"),
        method("PATCH", not_allowed, "PATCH", "/v1/practice"),
        method("a path in capitals", (404, "not_found"), "POST", "/V1/PATIENTS/p-1/PORTAL/INVITE"),
        method("a path with `..`", (404, "not_found"), "POST", "/v1/patients/p-1/portal/%2e%2e/portal/invite/x"),
        query("no query", String::new),
        query("20,000 parameters", || vec!["a"; 20_000].join("&")),
        query("one parameter 1,000 times", || vec!["q=jo"; 1_000].join("&")),
        query("a query of hidden characters", || "q=%00%E2%80%8B%E2%80%AE".to_owned()),
    ];
    check_cases("requests", save_patient, &cases);
}

#[test]
fn a_malformed_patient_id_is_not_found() {
    let ids = ["%2e%2e", "p%231", "p%00", "%FF", "%E2%80%AEp", "p-1%20", "p-1%0d%0aX:1", "%7B%7B7*7%7D%7D"];
    let long = "x".repeat(65);
    let not_found = |id: &str| {
        let path = format!("/v1/patients/{id}/portal/invite");
        Case::new(id, Problem(404, "patient_not_found"), move |practice: &Practice| {
            send_json(practice.request("POST", &path), "{}")
        })
    };
    let cases: Vec<Case> = ids.into_iter().chain([long.as_str()]).map(not_found).collect();
    check_cases("paths", |practice| practice.save_patient(PATIENT, None), &cases);
}
