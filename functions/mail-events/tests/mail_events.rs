//! The function `mail-events`, from the bus's events to their effects.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use std::sync::Arc;

use lambda_runtime::{Context, Error, LambdaEvent};
use mail_events::MailEvents;
use portal::{
    ids::RecordKey,
    ports::{ClaimOutcome, DeliveryStore as _},
    record::InvitationState,
    states::Delivery,
    testing::{Fault, MemoryStore, TestClock, samples},
    timeline::{Actor, Role},
};
use portal_aws::{http::testing::sample, metrics::KeptLines};
use serde_json::{Value, json};

type Function = MailEvents<MemoryStore, TestClock, KeptLines>;

/// Every sample, and the delivery state that it gives to a mail that a sender has claimed. `None`: no change.
const SAMPLES: [(&str, Option<Delivery>); 15] = [
    ("send", Some(Delivery::Accepted)),
    ("delivery", Some(Delivery::Delivered)),
    ("delivery-delay", Some(Delivery::Delayed)),
    ("bounce-permanent", Some(Delivery::Bounced)),
    ("bounce-transient", Some(Delivery::Accepted)),
    ("bounce-undetermined", Some(Delivery::Accepted)),
    ("bounce-suppressed", Some(Delivery::Suppressed)),
    ("bounce-account-suppressed", Some(Delivery::Suppressed)),
    ("complaint", Some(Delivery::Complained)),
    ("complaint-account-suppressed", Some(Delivery::Suppressed)),
    ("reject", Some(Delivery::Rejected)),
    ("rendering-failure", Some(Delivery::Rejected)),
    ("open", None),
    ("other-mail", None),
    ("other-configuration-set", None),
];

fn key() -> RecordKey {
    samples::key("lakeside", "p-1001")
}

/// The function, and a patient whose mail a sender has claimed.
async fn function() -> Function {
    let store = MemoryStore::with_queued_invitation();
    let claim = samples::claim_request(&samples::invitation_id("invitation-0001"), samples::noon(), 1);
    assert!(matches!(store.claim(&key(), &claim).await.unwrap(), ClaimOutcome::Claimed(_)));
    let configuration_set = "portal-invitations".to_owned();
    MailEvents { store, clock: TestClock::default(), configuration_set, metrics: KeptLines::default() }
}

fn event(name: &str) -> Value {
    sample(&format!("mail-events/{name}"))
}

fn context() -> Context {
    let mut context = Context::default();
    "portal-mail-events".clone_into(&mut Arc::make_mut(&mut context.env_config).function_name);
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    "arn:aws:lambda:us-east-1:123456789012:function:portal-mail-events".clone_into(&mut context.invoked_function_arn);
    context
}

async fn process_event(function: &Function, event: Value) -> Result<(), Error> {
    function.process_event(LambdaEvent::new(event, context())).await
}

fn delivery(function: &Function) -> Option<Delivery> {
    match function.store.stored_record(&key()).unwrap().invitation.unwrap().state {
        InvitationState::Sent { delivery, .. } => Some(delivery),
        InvitationState::Queued
        | InvitationState::Sending { .. }
        | InvitationState::Failed { .. }
        | InvitationState::Revoked { .. }
        | InvitationState::Consumed { .. } => None,
    }
}

#[tokio::test]
async fn each_sample_is_recorded_and_a_repeat_changes_nothing() {
    for (name, expected) in SAMPLES {
        let function = function().await;
        process_event(&function, event(name)).await.unwrap();
        assert_eq!(delivery(&function), expected, "{name}");
        let after = function.store.contents();
        process_event(&function, event(name)).await.unwrap();
        assert_eq!(function.store.contents(), after, "{name}");
    }
}

#[tokio::test]
async fn each_event_is_counted_once() {
    let counted = async |names: &[&str]| {
        let function = function().await;
        for name in names {
            process_event(&function, event(name)).await.unwrap();
        }
        let lines = function.metrics.lines();
        let metric = |line: &String| {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["function"], "portal-mail-events");
            let name = line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"].as_str().unwrap().to_owned();
            assert_eq!(line[&name], 1);
            assert!(mail_events::metric_names().any(|known| known == name), "{name}");
            name
        };
        lines.iter().map(metric).collect::<Vec<_>>()
    };
    assert_eq!(
        counted(&["send", "delivery-delay", "delivery", "delivery"]).await,
        ["accepted", "delayed", "delivered", "known"]
    );
    assert_eq!(counted(&["bounce-permanent", "delivery", "complaint"]).await, ["bounced", "known", "known"]);
    assert_eq!(counted(&["reject", "other-mail", "other-configuration-set"]).await, ["rejected", "foreign", "foreign"]);
    assert_eq!(counted(&["delivery", "complaint", "open"]).await, ["delivered", "complained", "unasked"]);
}

#[tokio::test]
async fn a_transient_bounce_does_not_change_a_sent_invitation() {
    for name in ["bounce-transient", "bounce-undetermined"] {
        let function = function().await;
        process_event(&function, event("send")).await.unwrap();
        let before = function.store.contents();
        process_event(&function, event(name)).await.unwrap();
        assert_eq!(function.store.contents(), before, "{name}");
    }
}

#[tokio::test]
async fn a_change_has_the_mail_service_as_actor_the_invocation_as_request_and_the_message_id() {
    let function = function().await;
    process_event(&function, event("send")).await.unwrap();
    let last = function.store.timeline(&key()).pop().unwrap();
    assert_eq!(last.context.actor, Actor::from_role(Role::MailService));
    assert_eq!(
        (last.context.at, last.context.request.as_str()),
        (samples::noon(), "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
    );
    let record = function.store.stored_record(&key()).unwrap();
    let receipt = record.invitation.as_ref().unwrap().receipt().unwrap();
    assert_eq!(receipt.message.as_str(), "0100019df7e3a8f1-0a1b2c3d-example-000000");
}

#[tokio::test]
async fn an_event_about_another_mail_changes_nothing_and_is_no_error() {
    let function = function().await;
    let before = function.store.contents();
    for (pointer, value) in [
        ("/source", json!("aws.ses.forged")),
        ("/account", json!("210987654321")),
        ("/detail/mail/tags/ses:configuration-set", json!(["portal-other"])),
        ("/detail/mail/tags/invitation", json!(["invitation-0002"])),
        ("/detail/mail/tags/attempt", json!(["2"])),
        ("/detail/mail/tags/attempt", json!(["0"])),
        ("/detail/mail/tags/record", json!(["bGFrZXNpZGUjcC0xMDAy"])),
        ("/detail/mail/tags/record", json!(["?"])),
        ("/detail/mail/tags", json!({})),
    ] {
        let mut event = event("bounce-permanent");
        *event.pointer_mut(pointer).unwrap() = value;
        process_event(&function, event).await.unwrap();
        assert_eq!(function.store.contents(), before, "{pointer}");
    }
}

#[tokio::test]
async fn an_unreadable_event_is_an_error_that_contains_no_input() {
    let function = function().await;
    let before = function.store.contents();
    let mut with_invalid_id = event("send");
    with_invalid_id["detail"]["mail"]["messageId"] = json!("<jose@example.com>");
    for event in [Value::Null, json!({ "poison": "jose@example.com" }), with_invalid_id] {
        let error = process_event(&function, event).await.unwrap_err();
        assert!(!format!("{error}").contains("jose"), "{error}");
    }
    assert_eq!(function.store.contents(), before);
}

#[tokio::test]
async fn a_fault_of_the_store_is_an_error_and_the_event_can_be_received_again() {
    let function = function().await;
    for fault in [Fault::Busy, Fault::Unavailable, Fault::Corrupt] {
        function.store.fail_next([Some(fault)]);
        assert!(process_event(&function, event("delivery")).await.is_err(), "{fault:?}");
    }
    process_event(&function, event("delivery")).await.unwrap();
    assert_eq!(delivery(&function), Some(Delivery::Delivered));
}

#[tokio::test]
async fn without_an_invocation_id_or_account_nothing_is_recorded() {
    let function = function().await;
    let before = function.store.contents();
    let (mut without_id, mut without_account) = (context(), context());
    without_id.request_id.clear();
    without_account.invoked_function_arn.clear();
    for context in [without_id, without_account] {
        assert!(function.process_event(LambdaEvent::new(event("send"), context)).await.is_err());
    }
    assert_eq!(function.store.contents(), before);
}
