//! Hostile addresses, names and dates.

use serde_json::{Value, json};
use xtask::token::Role;

use super::{
    Case,
    Expected::{Accepted, Problem},
    PATIENT, check_cases, save_patient,
};
use crate::client::{Practice, profile};

/// An invite to an invalid address.
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

/// An invite of another patient to the first one's address, in another spelling.
fn spelling(name: &str, respell: fn(&str) -> String) -> Case {
    Case::new(name, Problem(409, "email_in_use"), move |practice| {
        practice.invite("p-2", &json!({ "email": respell(&practice.address("jos\u{e9}")) }))
    })
}

#[test]
fn an_invalid_address_name_or_date_is_refused() {
    let cases = [
        address("a header", "a@canary.example.com\r\nBcc: b@canary.example.com"),
        address("a header in the name", "a\nBcc: b@canary.example.com"),
        address("a percent-encoded header", "a@canary.example.com%0ABcc:b@canary.example.com"),
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
        address("an IP address", "a@127.0.0.1"),
        address("an address literal", "a@[127.0.0.1]"),
        address("a domain without dots", "a@localhost"),
        address("a very long local part", format!("{}@canary.example.com", "a".repeat(65))),
        address("a very long address", format!("a@{}.com", "b.".repeat(10_000))),
        member("a name of 10,000 characters", "givenName", "n".repeat(10_000)),
        member("an empty name", "familyName", " \t "),
        member("a name with a line end", "givenName", "Canary\r\nBcc: b@canary.example.com"),
        member("a name with a bidirectional override", "givenName", "Canary\u{202e}"),
        member("a name with a null byte", "familyName", "Canary\0"),
        member("an invalid day", "dateOfBirth", "1981-02-29"),
        member("an invalid month", "dateOfBirth", "1980-13-01"),
        member("day zero", "dateOfBirth", "0000-00-00"),
        member("a date in the future", "dateOfBirth", "2999-01-01"),
        member("a year of five digits", "dateOfBirth", "10000-01-01"),
        member("a negative year", "dateOfBirth", "-0001-01-01"),
        member("another order", "dateOfBirth", "02/29/1980"),
        member("digits of another script", "dateOfBirth", "١٩٨٠-٠٢-٢٩"),
        member("a command as the language", "language", "$(id)"),
        sender("a sender with a header", "Lake\r\nBcc: b@canary.example.com"),
        sender("a sender with an address", "Lake <b@canary.example.com>"),
        sender("a sender with HTML", "<b>Lake</b>"),
    ];
    check_cases("text", save_patient, &cases);
}

#[test]
fn another_spelling_of_a_used_address_is_refused() {
    let cases = [
        spelling("the same", str::to_owned),
        spelling("in capitals", str::to_uppercase),
        spelling("with a combining accent", |address| address.replace('\u{e9}', "e\u{301}")),
        spelling("in capitals, with a combining accent", |address| {
            address.to_uppercase().replace('\u{c9}', "E\u{301}")
        }),
        spelling("between spaces", |address| format!("  {address}\t")),
        spelling("with a full-width full stop", |address| address.replace(".example", "\u{ff0e}example")),
    ];
    let prepare = |practice: &Practice| {
        practice.save_patient(PATIENT, Some(&practice.address("jos\u{e9}")));
        practice.save_patient("p-2", None);
    };
    check_cases("spellings", prepare, &cases);
}

/// Texts that are code elsewhere, and addresses that only look equal, are accepted unchanged.
#[test]
fn texts_that_look_like_code_stay_texts() {
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
    // An address with a Cyrillic letter is another address, of another patient.
    practice.save_patient("p-a", Some(&practice.address("anna")));
    practice.save_patient("p-b", Some(&practice.address("\u{430}nna")));
    for patient in ["p-a", "p-b"] {
        assert_eq!(practice.command(patient, "invite").status, 202);
    }
    eprintln!("hostile: payloads: {} cases", texts.len() + 1);
}

#[test]
fn saving_an_unchanged_profile_changes_nothing() {
    let again = Case::new("the same profile", Accepted(200), |practice| {
        practice.put_as(Role::Staff, "/v1/patients/p-1", &profile(Some(&practice.address(PATIENT))))
    });
    check_cases("same", save_patient, &[again]);
}
