use portal::{ids::RecordKey, testing::samples};
use proptest::{prelude::*, sample::Index};
use serde_json::json;

use super::*;
use crate::http::testing::sample;

const OWN: Origin<'_> = Origin { account: "123456789012", configuration_set: "portal-invitations" };
/// All samples of events about invitation mails.
const MAILS: [&str; 12] = [
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
];

fn event(name: &str) -> Value {
    sample(&format!("mail-events/{name}"))
}

fn changed(name: &str, pointer: &str, value: Value) -> Value {
    let mut event = event(name);
    *event.pointer_mut(pointer).unwrap() = value;
    event
}

fn parsed(event: &Value) -> SesEvent {
    read(event, OWN).unwrap()
}

fn mail(delivery: Delivery) -> SesEvent {
    SesEvent::Mail(MailEvent {
        key: samples::key("lakeside", "p-1001"),
        invitation: samples::invitation_id("invitation-0001"),
        attempt: 1,
        message: MessageId::parse("0100019df7e3a8f1-0a1b2c3d-example-000000").unwrap(),
        delivery,
    })
}

#[test]
fn each_event_type_reports_this_delivery_state() {
    for (name, delivery) in [
        ("send", Delivery::Accepted),
        ("delivery", Delivery::Delivered),
        ("delivery-delay", Delivery::Delayed),
        ("bounce-permanent", Delivery::Bounced),
        ("bounce-transient", Delivery::Accepted),
        ("bounce-undetermined", Delivery::Accepted),
        ("bounce-suppressed", Delivery::Suppressed),
        ("bounce-account-suppressed", Delivery::Suppressed),
        ("complaint", Delivery::Complained),
        ("complaint-account-suppressed", Delivery::Suppressed),
        ("reject", Delivery::Rejected),
        ("rendering-failure", Delivery::Rejected),
    ] {
        assert_eq!(parsed(&event(name)), mail(delivery), "{name}");
    }
}

#[test]
fn unknown_types_change_nothing() {
    assert_eq!(parsed(&event("open")), SesEvent::Other(Kind("Open".to_owned())));
    let bounced = changed("bounce-permanent", "/detail/bounce/bounceType", json!("Sideways"));
    assert_eq!(parsed(&bounced), mail(Delivery::Accepted));
    let bounced = changed("bounce-permanent", "/detail/bounce/bounceSubType", json!("NoEmail"));
    assert_eq!(parsed(&bounced), mail(Delivery::Bounced));
}

#[test]
fn the_name_of_an_event_type_contains_no_personal_data() {
    for (kind, shown) in [
        ("Subscription", "Subscription"),
        ("Rendering Success", "Rendering Success"),
        ("jose@example.com", "unnamed"),
        ("0100019df7e3", "unnamed"),
        ("line\nbreak", "unnamed"),
        (&"a".repeat(33), "unnamed"),
    ] {
        let SesEvent::Other(kind) = parsed(&changed("send", "/detail/eventType", json!(kind))) else {
            panic!("{kind}")
        };
        assert_eq!(kind.as_str(), shown);
    }
}

#[test]
fn an_event_of_another_origin_is_foreign() {
    let tag = |name: &str, value: Value| changed("bounce-permanent", &format!("/detail/mail/tags/{name}"), value);
    for (foreign, why) in [
        (event("other-mail"), "not an invitation"),
        (event("other-configuration-set"), "another configuration set"),
        (changed("bounce-permanent", "/source", json!("aws.ses.example")), "another source"),
        (changed("bounce-permanent", "/source", json!("test")), "another source"),
        (changed("bounce-permanent", "/account", json!("210987654321")), "another account"),
        (changed("bounce-permanent", "/detail/mail/tags", json!({})), "no tags"),
        (tag("ses:configuration-set", json!([])), "no configuration set"),
        (tag("ses:configuration-set", json!(["x", "portal-invitations"])), "another configuration set"),
        (tag("invitation", json!(["i 1"])), "an invalid invitation"),
        (tag("attempt", json!(["-1"])), "an invalid attempt"),
        (tag("attempt", json!(["99999999999"])), "an invalid attempt"),
        (tag("attempt", json!([])), "no attempt"),
        (tag("record", json!(["lakeside#p-1001"])), "an invalid record"),
        (tag("record", json!([])), "no record, as in mails of older versions"),
    ] {
        assert_eq!(parsed(&foreign), SesEvent::Foreign, "{why}");
    }
}

#[test]
fn other_members_are_optional() {
    let mut event = event("delivery");
    event["detail"]["mail"].as_object_mut().unwrap().retain(|name, _| name == "messageId" || name == "tags");
    event["detail"].as_object_mut().unwrap().remove("delivery");
    event.as_object_mut().unwrap().retain(|name, _| ["source", "account", "detail"].contains(&name.as_str()));
    event["detail"]["mail"]["new"] = json!({ "er": [1] });
    assert_eq!(parsed(&event), mail(Delivery::Delivered));
}

#[test]
fn an_unreadable_event_is_an_error_that_does_not_quote_it() {
    let address = "jose@example.com";
    for (event, why) in [
        (Value::Null, "no object"),
        (json!(address), "no object"),
        (json!({}), "no members"),
        (changed("send", "/source", json!([address])), "no source"),
        (changed("send", "/account", json!({ address: 1 })), "no account"),
        (changed("send", "/detail", json!(address)), "no detail"),
        (changed("send", "/detail/eventType", Value::Null), "no kind"),
        (changed("send", "/detail/mail", json!(address)), "no mail"),
        (changed("send", "/detail/mail/tags", json!(address)), "no tags"),
        (changed("send", "/detail/mail/messageId", json!(7)), "no id"),
        (changed("send", "/detail/mail/messageId", json!(format!("<{address}>"))), "no id"),
        (changed("bounce-permanent", "/detail/bounce", json!(address)), "no bounce type"),
        (changed("complaint", "/detail/complaint", json!(address)), "no complaint"),
    ] {
        let error = read(&event, OWN).expect_err(why);
        assert!(!error.to_string().contains(address), "{error}");
    }
}

/// Arbitrary JSON, with some meaningful strings.
fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "\\PC{0,12}",
        Just("aws.ses".to_owned()),
        Just("Bounce".to_owned()),
        Just("Permanent".to_owned()),
        Just("bGFrZXNpZGUjcC0xMDAx".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

/// The pointers to everything in a value.
fn pointers(value: &Value, here: &str) -> Vec<String> {
    let inner: Vec<_> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let mut all = vec![here.to_owned()];
    all.extend(inner.into_iter().flat_map(|(name, value)| pointers(value, &format!("{here}/{name}"))));
    all
}

proptest! {
    #[test]
    fn reading_never_panics(event in json_value()) {
        let _event = read(&event, OWN);
    }

    #[test]
    fn a_modified_event_never_names_another_record(name in prop::sample::select(&MAILS), place: Index, value in json_value()) {
        let event = event(name);
        let all = pointers(&event, "");
        let modified = changed(name, &all[place.index(all.len())], value);
        if let Ok(SesEvent::Mail(MailEvent { key, .. })) = read(&modified, OWN) {
            // The record comes from its own tag.
            let RecordKey { practice, patient } = key;
            prop_assert_eq!((practice.as_str(), patient.as_str()), ("lakeside", "p-1001"));
        }
    }
}
