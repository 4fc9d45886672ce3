//! Hostile messages of the queue and hostile events of the bus.

use std::thread;

use serde_json::{Value, json};

use super::{PATIENT, everything_of};
use crate::{
    aws,
    client::{GIVEN, Practice},
    record::Record,
};

/// A batch of the queue with these bodies.
fn batch(bodies: &[String]) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/sender/one-invitation.json")).unwrap();
    let sample = event["Records"][0].clone();
    let record = |(number, body): (usize, &String)| {
        let mut record = sample.clone();
        record["messageId"] = format!("m-{number}").into();
        record["body"] = body.clone().into();
        record
    };
    event["Records"] = bodies.iter().enumerate().map(record).collect();
    event
}

#[test]
fn an_unreadable_message_fails_alone_and_changes_nothing() {
    let Some(practice) = Practice::open("queue") else { return };
    practice.save_and_invite(PATIENT);
    let message = Record::new(&practice, PATIENT).message();
    let with = |member: &str, value: Value| {
        let mut body: Value = serde_json::from_str(&message).unwrap();
        body[member] = value;
        body.to_string()
    };
    let cases = [
        ("nothing", String::new()),
        ("not JSON", format!("to {GIVEN} <{}>", practice.address(PATIENT))),
        ("cut off", message[..message.len() - 1].to_owned()),
        ("a list", format!("[{message}]")),
        ("10,000 lists deep", "[".repeat(10_000)),
        ("256 KiB of it", format!("\"{}\"", "x".repeat(256 * 1024 - 2))),
        ("without a schema", "{}".to_owned()),
        ("of a future schema", with("schema", json!(99))),
        ("of a negative schema", with("schema", json!(-1))),
        ("with a practice and a patient in one key", with("practice", json!(format!("{}#PATIENT#p-1", practice.id)))),
        ("with a list of patients", with("patient", json!([PATIENT]))),
        ("with an address for a patient", with("patient", json!(practice.address(PATIENT)))),
        ("with an empty id", with("invitationId", json!(""))),
        ("with a huge id", with("invitationId", json!("x".repeat(10_000)))),
    ];
    let practices = [practice];
    let stack = practices[0].stack;
    let before = everything_of(stack, &practices);
    for (name, body) in &cases {
        let answer = aws::invoke(stack, "sender", &batch(std::slice::from_ref(body)));
        assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "m-0" }] }), "{name}");
        assert_eq!(everything_of(stack, &practices), before, "{name}");
    }
    eprintln!("hostile: queue: {} cases", cases.len());
}

#[test]
fn a_message_about_foreign_or_missing_records_changes_nothing() {
    let (Some(practice), Some(other)) = (Practice::open("queue-own"), Practice::open("queue-other")) else { return };
    practice.save_and_invite(PATIENT);
    other.save_and_invite(PATIENT);
    let own = Record::new(&practice, PATIENT).message();
    let foreign: Value = serde_json::from_str(&Record::new(&other, PATIENT).message()).unwrap();
    let with = |member: &str, value: &Value| {
        let mut body: Value = serde_json::from_str(&own).unwrap();
        body[member] = value.clone();
        body.to_string()
    };
    let cases = [
        ("the invitation of another practice", vec![with("invitationId", &foreign["invitationId"])]),
        ("a patient of another practice", vec![with("practice", &foreign["practice"])]),
        ("a missing patient", vec![with("patient", &json!("unknown"))]),
        ("a missing practice", vec![with("practice", &json!("nowhere"))]),
        ("a missing invitation", vec![with("invitationId", &json!("i-0"))]),
        ("100 copies", vec![own.clone(); 100]),
    ];
    let stack = practice.stack;
    let practices = [practice, other];
    let before = everything_of(stack, &practices);
    for (name, bodies) in &cases {
        aws::process_batch(stack, &batch(bodies));
        assert_eq!(everything_of(stack, &practices), before, "{name}");
    }
    eprintln!("hostile: foreign messages: {} cases", cases.len());
}

#[test]
fn a_forged_event_changes_nothing() {
    let (Some(practice), Some(other)) = (Practice::open("events-own"), Practice::open("events-other")) else { return };
    practice.save_and_invite(PATIENT);
    other.save_and_invite(PATIENT);
    let genuine = Record::new(&practice, PATIENT).mail_event("bounce-permanent");
    let elsewhere = Record::new(&other, PATIENT).mail_event("bounce-permanent");
    let tag = |name: &str| elsewhere["detail"]["mail"]["tags"][name].clone();
    let cases = [
        ("/source", json!("example.forged")),
        ("/account", json!("123456789012")),
        ("/detail/mail/tags", json!({})),
        ("/detail/mail/tags/ses:configuration-set", json!(["newsletter"])),
        ("/detail/mail/tags/invitation", tag("invitation")),
        ("/detail/mail/tags/invitation", json!(["x".repeat(10_000)])),
        ("/detail/mail/tags/record", tag("record")),
        ("/detail/mail/tags/record", json!(["%%%"])),
        ("/detail/mail/tags/attempt", json!(["99"])),
        ("/detail/mail/tags/attempt", json!(["-1"])),
        ("/detail/eventType", json!("Transfer")),
        ("/detail/eventType", json!("x".repeat(10_000))),
    ];
    let stack = practice.stack;
    let practices = [practice, other];
    let before = everything_of(stack, &practices);
    for (pointer, value) in &cases {
        let mut event = genuine.clone();
        *event.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(aws::invoke(stack, "mail-events", &event), Value::Null, "{pointer}");
        assert_eq!(everything_of(stack, &practices), before, "{pointer}");
    }
    // The genuine event is recorded once, although it arrives a hundred times.
    let version = practices[0].status(PATIENT)["version"].as_u64().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| drop(aws::invoke(stack, "mail-events", &genuine))));
        }
    });
    assert_eq!(practices[0].status(PATIENT)["version"], version + 1);
    eprintln!("hostile: events: {} cases", cases.len() + 1);
}
