//! What the queue and the event bus can be made to carry.

use std::thread;

use serde_json::{Value, json};

use super::{PATIENT, belongings};
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

/// Every message that is no hint fails, alone, and changes nothing.
#[test]
fn messages_that_are_none() {
    let Some(practice) = Practice::open("queue") else { return };
    practice.admit_and_invite(PATIENT);
    let message = Record::of(&practice, PATIENT).message();
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
        ("of no schema", "{}".to_owned()),
        ("of a schema to come", with("schema", json!(99))),
        ("of a schema below zero", with("schema", json!(-1))),
        ("with a practice that reaches further", with("practice", json!(format!("{}#PATIENT#p-1", practice.id)))),
        ("with a list of patients", with("patient", json!([PATIENT]))),
        ("with an address for a patient", with("patient", json!(practice.address(PATIENT)))),
        ("with an empty id", with("invitationId", json!(""))),
        ("with a huge id", with("invitationId", json!("x".repeat(10_000)))),
    ];
    let practices = [practice];
    let stack = practices[0].stack;
    let before = belongings(stack, &practices);
    for (name, body) in &cases {
        let answer = aws::invoke(stack, "sender", &batch(std::slice::from_ref(body)));
        assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "m-0" }] }), "{name}");
        assert_eq!(belongings(stack, &practices), before, "{name}");
    }
    eprintln!("hostile: queue: {} cases", cases.len());
}

/// Messages that can be read, of what is not there any more or never was, have nothing to do.
#[test]
fn messages_of_others() {
    let (Some(practice), Some(other)) = (Practice::open("queue-own"), Practice::open("queue-other")) else { return };
    practice.admit_and_invite(PATIENT);
    other.admit_and_invite(PATIENT);
    let own = Record::of(&practice, PATIENT).message();
    let foreign: Value = serde_json::from_str(&Record::of(&other, PATIENT).message()).unwrap();
    let with = |member: &str, value: &Value| {
        let mut body: Value = serde_json::from_str(&own).unwrap();
        body[member] = value.clone();
        body.to_string()
    };
    let cases = [
        ("the invitation of another practice", vec![with("invitationId", &foreign["invitationId"])]),
        ("a patient of another practice", vec![with("practice", &foreign["practice"])]),
        ("a patient who is not there", vec![with("patient", &json!("nobody"))]),
        ("a practice that is not there", vec![with("practice", &json!("nowhere"))]),
        ("an invitation that was not", vec![with("invitationId", &json!("i-0"))]),
        ("100 times the same", vec![own.clone(); 100]),
    ];
    let stack = practice.stack;
    let practices = [practice, other];
    let before = belongings(stack, &practices);
    for (name, bodies) in &cases {
        aws::process_batch(stack, &batch(bodies));
        assert_eq!(belongings(stack, &practices), before, "{name}");
    }
    eprintln!("hostile: foreign messages: {} cases", cases.len());
}

/// An event of SES that somebody else has made up, or that is of another's mail.
#[test]
fn forged_events() {
    let (Some(practice), Some(other)) = (Practice::open("events-own"), Practice::open("events-other")) else { return };
    practice.admit_and_invite(PATIENT);
    other.admit_and_invite(PATIENT);
    let genuine = Record::of(&practice, PATIENT).mail_event("bounce-permanent");
    let elsewhere = Record::of(&other, PATIENT).mail_event("bounce-permanent");
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
    let before = belongings(stack, &practices);
    for (pointer, value) in &cases {
        let mut event = genuine.clone();
        *event.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(aws::invoke(stack, "mail-events", &event), Value::Null, "{pointer}");
        assert_eq!(belongings(stack, &practices), before, "{pointer}");
    }
    // The genuine one, from many at once, is noted once.
    let version = practices[0].status(PATIENT)["version"].as_u64().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| drop(aws::invoke(stack, "mail-events", &genuine))));
        }
    });
    assert_eq!(practices[0].status(PATIENT)["version"], version + 1);
    eprintln!("hostile: events: {} cases", cases.len() + 1);
}
