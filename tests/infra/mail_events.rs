//! The path of SES's events: from the configuration set over the bus to the function, with retries and a dead-letter queue.

use std::{collections::BTreeSet, fs};

use portal_aws::{
    mail_tags,
    ses_events::{self, Origin, SesEvent},
};
use serde_json::{Value, json};
use xtask::workspace::Workspace;

use crate::template::{Template, expect, rule};

/// Every kind of event that is handled: its name in the SES destination, its `detail-type` on the bus, its `eventType`.
const KINDS: [(&str, &str, &str); 7] = [
    ("send", "Email Sent", "Send"),
    ("delivery", "Email Delivered", "Delivery"),
    ("deliveryDelay", "Email Delivery Delayed", "DeliveryDelay"),
    ("bounce", "Email Bounced", "Bounce"),
    ("complaint", "Email Complaint Received", "Complaint"),
    ("reject", "Email Rejected", "Reject"),
    ("renderingFailure", "Email Rendering Failed", "Rendering Failure"),
];
const FUNCTION: &str = "MailEventsFunction";
const DAY_SECS: i64 = 24 * 60 * 60;

fn arn(resource: &str) -> Value {
    json!({ "Fn::GetAtt": [resource, "Arn"] })
}

fn target<'template>(template: &'template Template, pointer: &str) -> &'template Value {
    template.property("MailEventRule", &format!("/Targets/0{pointer}"))
}

#[test]
fn the_kinds_are_those_of_the_sample_events() {
    let origin = Origin { account: "123456789012", configuration_set: "portal-invitations" };
    let folder = Workspace::locate().unwrap().path("events/mail-events");
    let mut read = BTreeSet::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let event: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if let SesEvent::Mail(_) = ses_events::read(&event, origin).unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            read.insert((text(&event["detail-type"]), text(&event["detail"]["eventType"])));
        }
    }
    let known = KINDS.iter().map(|(_, detail_type, event_type)| ((*detail_type).to_owned(), (*event_type).to_owned()));
    assert_eq!(read, known.collect());
}

#[test]
fn ses_publishes_only_the_events_that_are_handled() {
    rule(
        |template| {
            let destination = |pointer: &str| template.property("MailEventDestination", pointer);
            let bus = json!({
                "Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default",
            });
            let kinds: Value = KINDS.iter().map(|(kind, _, _)| json!(kind)).collect();
            [
                expect("the set", destination("/ConfigurationSetName"), &json!({ "Ref": "MailConfiguration" })),
                expect("the kinds", destination("/EventDestination/MatchingEventTypes"), &kinds),
                expect("the bus", destination("/EventDestination/EventBridgeDestination/EventBusArn"), &bus),
                expect("the state", destination("/EventDestination/Enabled"), &json!(true)),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/MailEventDestination", Value::Null),
            ("/Resources/MailEventDestination/Properties/EventDestination/Enabled", json!(false)),
            ("/Resources/MailEventDestination/Properties/EventDestination/MatchingEventTypes/6", json!("open")),
            ("/Resources/MailEventDestination/Properties/EventDestination/MatchingEventTypes/-", json!("click")),
            ("/Resources/MailEventDestination/Properties/ConfigurationSetName", json!("newsletter")),
        ],
    );
}

#[test]
fn the_rule_passes_only_events_of_our_own_mails_to_the_function() {
    rule(
        |template| {
            let own = |pointer| template.property("MailEventRule", pointer);
            let details: Value = KINDS.iter().map(|(_, detail_type, _)| json!(detail_type)).collect();
            let pattern = json!({
                "source": ["aws.ses"],
                "account": [{ "Ref": "AWS::AccountId" }],
                "detail-type": details,
                "detail": { "mail": { "tags": {
                    mail_tags::CONFIGURATION_SET: [{ "Ref": "MailConfiguration" }],
                } } },
            });
            let variable = format!("/Resources/{FUNCTION}/Properties/Environment/Variables/CONFIGURATION_SET");
            let permission = |pointer| template.property("MailEventsPermission", pointer);
            [
                expect("the pattern", own("/EventPattern"), &pattern),
                // SES publishes to the default bus only. A rule without a bus name is on the default bus.
                expect("the bus", own("/EventBusName"), &Value::Null),
                expect("the state", own("/State"), &Value::Null),
                expect("the target", target(template, "/Arn"), &arn(FUNCTION)),
                expect("the input", target(template, "/InputTransformer"), &Value::Null),
                expect("another target", own("/Targets/1"), &Value::Null),
                expect("the function's set", template.at(&variable), &json!({ "Ref": "MailConfiguration" })),
                expect("who may call", permission("/Principal"), &json!("events.amazonaws.com")),
                expect("for which rule", permission("/SourceArn"), &arn("MailEventRule")),
                expect("what", permission("/FunctionName"), &json!({ "Ref": FUNCTION })),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/MailEventRule/Properties/EventPattern/source", json!(["aws.ses", "test"])),
            ("/Resources/MailEventRule/Properties/EventPattern/account", Value::Null),
            ("/Resources/MailEventRule/Properties/EventPattern/detail", Value::Null),
            ("/Resources/MailEventRule/Properties/EventPattern/detail-type/-", json!("Email Opened")),
            ("/Resources/MailEventRule/Properties/EventBusName", json!("other")),
            ("/Resources/MailEventRule/Properties/State", json!("DISABLED")),
            ("/Resources/MailEventRule/Properties/Targets/0/Arn", arn("SweepFunction")),
            ("/Resources/MailEventsFunction/Properties/Environment/Variables/CONFIGURATION_SET", json!("newsletter")),
            ("/Resources/MailEventsPermission/Properties/SourceArn", Value::Null),
            ("/Resources/MailEventsPermission/Properties/Principal", json!("*")),
        ],
    );
}

#[test]
fn an_event_that_fails_is_tried_again_and_then_kept() {
    rule(
        |template| {
            let invoke = |pointer: &str| template.property(FUNCTION, &format!("/EventInvokeConfig{pointer}"));
            let policy = |pointer: &str| {
                template.property("MailEventDlqPolicy", &format!("/PolicyDocument/Statement/1{pointer}"))
            };
            let alarm = |pointer| template.property("MailEventDlqAlarm", pointer);
            let queue = arn("MailEventDlq");
            let dimensions = json!([{ "Name": "QueueName", "Value": { "Fn::GetAtt": ["MailEventDlq", "QueueName"] } }]);
            let by_the_rule = json!({ "ArnEquals": { "aws:SourceArn": arn("MailEventRule") } });
            [
                // Delivery by the bus.
                expect("the tries of the bus", target(template, "/RetryPolicy/MaximumRetryAttempts"), &json!(185)),
                expect("for", target(template, "/RetryPolicy/MaximumEventAgeInSeconds"), &json!(DAY_SECS)),
                expect("the bus's failures", target(template, "/DeadLetterConfig/Arn"), &queue),
                expect("the bus", policy("/Principal"), &json!({ "Service": "events.amazonaws.com" })),
                expect("what it may", policy("/Action"), &json!(["sqs:SendMessage"])),
                expect("where", policy("/Resource"), &queue),
                expect("for which rule", policy("/Condition"), &by_the_rule),
                expect(
                    "another permission",
                    template.property("MailEventDlqPolicy", "/PolicyDocument/Statement/2"),
                    &Value::Null,
                ),
                // Retries of the function.
                expect("the tries of the function", invoke("/MaximumRetryAttempts"), &json!(2)),
                expect("for", invoke("/MaximumEventAgeInSeconds"), &json!(DAY_SECS / 4)),
                expect("its failures", invoke("/DestinationConfig/OnFailure/Destination"), &queue),
                expect("its failures' kind", invoke("/DestinationConfig/OnFailure/Type"), &json!("SQS")),
                // The dead-letter queue.
                expect(
                    "the time they are kept",
                    template.property("MailEventDlq", "/MessageRetentionPeriod"),
                    &json!(14 * DAY_SECS),
                ),
                expect("the alarm's queue", alarm("/Dimensions"), &dimensions),
                expect("the alarm's metric", alarm("/MetricName"), &json!("ApproximateNumberOfMessagesVisible")),
                expect("the alarm's threshold", alarm("/Threshold"), &json!(0)),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/MailEventRule/Properties/Targets/0/RetryPolicy", Value::Null),
            ("/Resources/MailEventRule/Properties/Targets/0/DeadLetterConfig", Value::Null),
            ("/Resources/MailEventDlqPolicy/Properties/PolicyDocument/Statement/1/Condition", Value::Null),
            ("/Resources/MailEventDlqPolicy/Properties/PolicyDocument/Statement/1/Principal", json!("*")),
            ("/Resources/MailEventsFunction/Properties/EventInvokeConfig", Value::Null),
            ("/Resources/MailEventsFunction/Properties/EventInvokeConfig/MaximumRetryAttempts", json!(0)),
            (
                "/Resources/MailEventsFunction/Properties/EventInvokeConfig/DestinationConfig/OnFailure/Destination",
                arn("InvitationDlq"),
            ),
            ("/Resources/MailEventDlq/Properties/MessageRetentionPeriod", json!(60)),
            ("/Resources/MailEventDlqAlarm", Value::Null),
        ],
    );
}
