//! The events of SES about mails, handled by the real function.
//!
//! The local stack's SES sends no events, and its bus, like AWS's, accepts no event from others under SES's name. So the
//! tests invoke the function with the events, and ask the bus which events its rule matches.

use std::thread;

use portal::policy::{SEND_GRACE, SEND_LEASE};
use portal_aws::{http::testing, mail_tags};
use serde_json::{Value, json};
use xtask::{StackFile, stack_file::STACK_NAME};

use crate::{aws, client::Practice, record::Record};

/// Invokes the function with an event. Its answer is empty.
fn handle_event(stack: &StackFile, event: &Value) {
    assert_eq!(aws::invoke(stack, "mail-events", event), Value::Null);
}

#[test]
fn the_delivery_state_shows_in_the_status() {
    let Some(practice) = Practice::open("mail-events") else { return };
    practice.save_and_invite("p-1");
    let record = Record::new(&practice, "p-1");
    let mut version = practice.status("p-1")["version"].as_u64().unwrap();
    for (sample, delivery) in [("delivery-delay", "delayed"), ("delivery", "delivered"), ("complaint", "complained")] {
        version += 1;
        // The second event is a repeat.
        for _ in 0..2 {
            handle_event(practice.stack, &record.mail_event(sample));
            let status = practice.status("p-1");
            assert_eq!(status["invitation"]["delivery"], delivery, "{sample}");
            assert_eq!(status["version"], version, "{sample}");
        }
    }
    let before = practice.snapshot("p-1");
    for late in ["send", "delivery", "delivery-delay", "bounce-transient", "bounce-undetermined", "open"] {
        handle_event(practice.stack, &record.mail_event(late));
        assert_eq!(practice.snapshot("p-1"), before, "{late}");
    }
}

#[test]
fn a_bounce_shows_what_to_do_and_blocks_the_address() {
    for (sample, sentence) in [
        ("bounce-permanent", "The mailbox does not exist: ask for another address."),
        (
            "bounce-suppressed",
            "Mail to this address bounced or was reported as unwanted before: ask for another address.",
        ),
    ] {
        let Some(practice) = Practice::open(sample) else { return };
        practice.save_and_invite("p-1");
        handle_event(practice.stack, &Record::new(&practice, "p-1").mail_event(sample));
        let status = practice.status("p-1");
        assert_eq!((&status["sentence"], &status["invitation"]["state"]), (&json!(sentence), &json!("sent")));
        assert_eq!(status["actions"]["reinvite"]["code"], "address_suppressed");
        let again = practice.post("/v1/patients/p-1/portal/reinvite", &json!({}));
        again.assert_problem(409, "address_suppressed", sample);
        assert_eq!(practice.mails(&practice.address("p-1")).len(), 1);
    }
}

#[test]
fn an_event_that_is_not_of_the_current_mail_changes_nothing() {
    let Some(practice) = Practice::open("foreign-events") else { return };
    practice.save_and_invite("p-1");
    let record = Record::new(&practice, "p-1");
    let before = practice.snapshot("p-1");
    let other = Practice::open("other-events").unwrap();
    other.save_and_invite("p-1");
    let elsewhere = Record::new(&other, "p-1").mail_event("bounce-permanent");
    let tag = |name: &str| elsewhere["detail"]["mail"]["tags"][name].clone();
    for (pointer, value) in [
        ("/source", json!("example.forged")),
        ("/account", json!("123456789012")),
        ("/detail/mail/tags/ses:configuration-set", json!(["newsletter"])),
        ("/detail/mail/tags/invitation", tag(mail_tags::INVITATION)),
        ("/detail/mail/tags/record", tag(mail_tags::RECORD)),
        ("/detail/mail/tags/record", json!(["bm9ib2R5I3AtMQ"])),
        ("/detail/mail/tags/attempt", json!(["0"])),
        ("/detail/mail/tags/attempt", json!(["2"])),
        ("/detail/mail/tags", json!({})),
    ] {
        let mut event = record.mail_event("bounce-permanent");
        *event.pointer_mut(pointer).unwrap() = value;
        handle_event(practice.stack, &event);
        assert_eq!(practice.snapshot("p-1"), before, "{pointer}");
    }
    for sample in ["other-mail", "other-configuration-set"] {
        handle_event(practice.stack, &record.mail_event(sample));
        assert_eq!(practice.snapshot("p-1"), before, "{sample}");
    }
    assert_eq!(other.status("p-1")["invitation"]["delivery"], "accepted");
}

#[test]
fn a_lost_stamp_is_replaced_by_the_send_event() {
    let Some(practice) = Practice::open("replaced-stamp") else { return };
    practice.save_and_invite("p-1");
    let record = Record::new(&practice, "p-1");
    let message = record.message();
    record.lose_stamp((SEND_LEASE + SEND_GRACE).num_milliseconds());
    assert_eq!(practice.status("p-1")["panel"]["activatedOn"], json!({ "status": "pending" }));

    handle_event(practice.stack, &record.mail_event("send"));
    let status = practice.status("p-1");
    assert_eq!(status["invitation"]["state"], "sent");
    assert_eq!(status["panel"]["activatedOn"]["status"], "date");
    // A sender that still has the message finds nothing to send.
    let mut batch: Value = testing::sample("sender/one-invitation");
    batch["Records"][0]["body"] = message.into();
    let before = practice.snapshot("p-1");
    aws::process_batch(practice.stack, &batch);
    assert_eq!(practice.snapshot("p-1"), before);
    assert_eq!(practice.mails(&practice.address("p-1")).len(), 1);
}

#[test]
fn concurrent_events_are_recorded_once_each() {
    let Some(practice) = Practice::open("events-at-once") else { return };
    practice.save_and_invite("p-1");
    let record = Record::new(&practice, "p-1");
    record.lose_stamp((SEND_LEASE + SEND_GRACE).num_milliseconds());
    let version = practice.status("p-1")["version"].as_u64().unwrap();
    let events = ["send", "bounce-permanent"].map(|sample| record.mail_event(sample));
    thread::scope(|scope| {
        for event in events.iter().cycle().take(8) {
            scope.spawn(|| handle_event(practice.stack, event));
        }
    });
    let status = practice.status("p-1");
    assert_eq!((&status["invitation"]["delivery"], &status["version"]), (&json!("bounced"), &json!(version + 2)));
}

#[test]
fn the_rule_matches_only_events_of_our_own_mails() {
    let Some(practice) = Practice::open("bus") else { return };
    practice.save_and_invite("p-1");
    let record = Record::new(&practice, "p-1");
    let rules = aws::events(practice.stack, "ListRules", &json!({ "NamePrefix": format!("{STACK_NAME}-") }));
    let patterns: Vec<_> =
        rules["Rules"].as_array().unwrap().iter().filter_map(|rule| rule["EventPattern"].as_str()).collect();
    let [pattern] = patterns.as_slice() else { unreachable!("one rule with a pattern: {rules}") };
    let matches = |event: &Value| {
        let input = json!({ "EventPattern": pattern, "Event": event.to_string() });
        aws::events(practice.stack, "TestEventPattern", &input)["Result"].as_bool().unwrap()
    };
    for sample in [
        "send",
        "delivery",
        "delivery-delay",
        "bounce-permanent",
        "bounce-transient",
        "bounce-undetermined",
        "bounce-suppressed",
        "bounce-account-suppressed",
        "complaint",
        "complaint-account-suppressed",
        "reject",
        "rendering-failure",
    ] {
        assert!(matches(&record.mail_event(sample)), "{sample}");
    }
    for sample in ["open", "other-configuration-set"] {
        assert!(!matches(&record.mail_event(sample)), "{sample}");
    }
    for (member, value) in [("source", "example.forged"), ("account", "123456789012")] {
        let mut event = record.mail_event("send");
        event[member] = value.into();
        assert!(!matches(&event), "{member}");
    }
}
