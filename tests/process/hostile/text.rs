//! Addresses, names and dates that are not what they seem.

use serde_json::{Value, json};
use xtask::token::Role;

use super::{
    Case,
    Expected::{Problem, Taken},
    PATIENT, admitted, hold,
};
use crate::client::{Practice, profile};

/// An invite to what is no address.
fn address(name: &str, address: impl Into<String>) -> Case {
    let body = json!({ "email": address.into() });
    let quoted = body["email"].as_str().unwrap().to_owned();
    Case::new(name, Problem(422, "email_invalid"), move |practice| {
        let answer = practice.invite(PATIENT, &body);
        assert!(!answer.body.contains(&quoted), "{answer:?}");
        answer
    })
}

/// A save of a profile with this member.
fn member(name: &str, member: &'static str, value: impl Into<Value>) -> Case {
    let value = value.into();
    Case::new(name, Problem(422, "invalid_fields"), move |practice| {
        let mut profile = profile(Some(&practice.address(PATIENT)));
        profile[member] = value.clone();
        practice.put_as(Role::Staff, "/v1/patients/p-1", &profile)
    })
}

/// A save of settings with this sender's name.
fn sender(name: &str, sender: &'static str) -> Case {
    Case::new(name, Problem(422, "invalid_fields"), move |practice| {
        let mut settings = crate::client::settings();
        settings["senderName"] = sender.into();
        practice.put_as(Role::Admin, "/v1/practice", &settings)
    })
}

/// An invite of another patient to an address that is the first one's, written otherwise.
fn twin(name: &str, spelling: fn(&str) -> String) -> Case {
    Case::new(name, Problem(409, "email_in_use"), move |practice| {
        practice.invite("p-2", &json!({ "email": spelling(&practice.address("jos\u{e9}")) }))
    })
}

#[test]
fn addresses_and_texts() {
    let cases = [
        address("a header", "a@canary.example.com\r\nBcc: b@canary.example.com"),
        address("a header in the name", "a\nBcc: b@canary.example.com"),
        address("a header in capitals of the wire", "a@canary.example.com%0ABcc:b@canary.example.com"),
        address("a list", "a@canary.example.com,b@canary.example.com"),
        address("a list with semicolons", "a@canary.example.com; b@canary.example.com"),
        address("a group", "undisclosed:a@canary.example.com;"),
        address("a display name", "Jo <a@canary.example.com>"),
        address("a quoted name", "\"a b\"@canary.example.com"),
        address("a comment", "a(b)@canary.example.com"),
        address("a route", "@example.org:a@canary.example.com"),
        address("two at signs", "a@b@canary.example.com"),
        address("a bidirectional override", "a\u{202e}moc.elpmaxe@canary.example.com"),
        address("an isolate", "a\u{2066}b@canary.example.com"),
        address("a zero width space", "a\u{200b}b@canary.example.com"),
        address("a zero width joiner", "a@exam\u{200d}ple.com"),
        address("a soft hyphen", "a\u{ad}b@canary.example.com"),
        address("a null byte", "a\0@canary.example.com"),
        address("an address of numbers", "a@127.0.0.1"),
        address("a literal", "a@[127.0.0.1]"),
        address("a name without dots", "a@localhost"),
        address("an endless name", format!("{}@canary.example.com", "a".repeat(65))),
        address("an endless address", format!("a@{}.com", "b.".repeat(10_000))),
        member("a name of 10,000 characters", "givenName", "n".repeat(10_000)),
        member("a name of nothing", "familyName", " \t "),
        member("a name with a line end", "givenName", "Canary\r\nBcc: b@canary.example.com"),
        member("a name that is turned round", "givenName", "Canary\u{202e}"),
        member("a name with a null byte", "familyName", "Canary\0"),
        member("a day that is none", "dateOfBirth", "1981-02-29"),
        member("a month that is none", "dateOfBirth", "1980-13-01"),
        member("a day zero", "dateOfBirth", "0000-00-00"),
        member("a birth to come", "dateOfBirth", "2999-01-01"),
        member("a year of five digits", "dateOfBirth", "10000-01-01"),
        member("a year before all", "dateOfBirth", "-0001-01-01"),
        member("another order", "dateOfBirth", "02/29/1980"),
        member("digits of another script", "dateOfBirth", "١٩٨٠-٠٢-٢٩"),
        member("a language of commands", "language", "$(id)"),
        sender("a sender who adds a header", "Lake\r\nBcc: b@canary.example.com"),
        sender("a sender who adds an address", "Lake <b@canary.example.com>"),
        sender("a sender of HTML", "<b>Lake</b>"),
    ];
    hold("text", admitted, &cases);
}

#[test]
fn twins_of_an_address() {
    let cases = [
        twin("as it is", str::to_owned),
        twin("in capitals", str::to_uppercase),
        twin("with the accent apart", |address| address.replace('\u{e9}', "e\u{301}")),
        twin("in capitals, with the accent apart", |address| address.to_uppercase().replace('\u{c9}', "E\u{301}")),
        twin("between spaces", |address| format!("  {address}\t")),
        twin("with a full stop of another width", |address| address.replace(".example", "\u{ff0e}example")),
    ];
    let ready = |practice: &Practice| {
        practice.admit(PATIENT, Some(&practice.address("jos\u{e9}")));
        practice.admit("p-2", None);
    };
    hold("twins", ready, &cases);
}

/// Who looks alike is somebody else, and texts that are programs elsewhere are texts: both are taken, as they are.
#[test]
fn texts_that_are_programs_elsewhere_stay_texts() {
    let Some(practice) = Practice::open("payloads") else { return };
    let texts = [
        "<script>alert(1)</script>",
        "{{7777*7777}}${7777*7777}<%=7777*7777%>",
        "'; DROP TABLE patients; --",
        "=HYPERLINK(\"http://example.org\")",
        "&lt;b&gt;%s%n",
        "../../etc/passwd",
    ];
    for (number, text) in texts.iter().enumerate() {
        let (patient, mut saved) = (format!("p-{number}"), profile(None));
        saved["email"] = practice.address(&patient).into();
        saved["givenName"] = (*text).into();
        let answer = practice.put_as(Role::Staff, &format!("/v1/patients/{patient}"), &saved);
        assert_eq!((answer.status, &answer.json()["givenName"]), (201, &json!(text)), "{answer:?}");
        assert_eq!(practice.command(&patient, "invite").status, 202);
        practice.await_sent(&patient);
        for mail in practice.mails(&practice.address(&patient)) {
            let shown = format!("{mail:?}");
            assert!(!shown.contains("<script>") && !shown.contains("60481729"), "{text}: {shown}");
        }
    }
    // A Cyrillic letter is another letter, and its owner another patient.
    practice.admit("p-a", Some(&practice.address("anna")));
    practice.admit("p-b", Some(&practice.address("\u{430}nna")));
    for patient in ["p-a", "p-b"] {
        assert_eq!(practice.command(patient, "invite").status, 202);
    }
    eprintln!("hostile: payloads: {} cases", texts.len() + 1);
}

#[test]
fn a_save_of_what_is_there_is_no_change() {
    let again = Case::new("the same profile", Taken(200), |practice| {
        practice.put_as(Role::Staff, "/v1/patients/p-1", &profile(Some(&practice.address(PATIENT))))
    });
    hold("same", admitted, &[again]);
}
