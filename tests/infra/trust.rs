//! Whom roles, functions and queues trust: services, for a named source only.

use serde_json::{Value, json};

use crate::template::{expect, listed, rule};

/// The sources that Lambda may name when it assumes the role of a function: the function, its versions, and the poller of its
/// queue.
fn sources(function: &str, polls: bool) -> Value {
    let lambda = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}";
    let own = format!("{lambda}:function:${{AWS::StackName}}-{function}");
    let mut sources = vec![json!({ "Fn::Sub": own }), json!({ "Fn::Sub": format!("{own}:*") })];
    sources.extend(polls.then(|| json!({ "Fn::Sub": format!("{lambda}:event-source-mapping:*") })));
    Value::Array(sources)
}

#[test]
fn a_role_is_assumed_for_its_own_function_in_this_account() {
    rule(
        |template| {
            let account = json!({ "Ref": "AWS::AccountId" });
            let mut complaints = Vec::new();
            for function in template.functions() {
                let trust = template.property(function.role(), "/AssumeRolePolicyDocument/Statement/0/Condition");
                let polls = function.property("Events").to_string().contains("\"SQS\"");
                // Whether Lambda names a source is not documented for every role, so a missing one does not count.
                let wanted = json!({
                    "StringEqualsIfExists": { "aws:SourceAccount": account },
                    "ArnLikeIfExists": { "aws:SourceArn": sources(function.name, polls) },
                });
                complaints.extend(expect(format!("who assumes the role of {}", function.name), trust, &wanted));
                // The role knows its function by this name.
                let name = json!({ "Fn::Sub": format!("${{AWS::StackName}}-{}", function.name) });
                complaints.extend(expect("the function's name", function.property("FunctionName"), &name));
            }
            let group = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/default";
            let wanted = json!({
                "StringEquals": { "aws:SourceAccount": account },
                "ArnEquals": { "aws:SourceArn": { "Fn::Sub": group } },
            });
            let trust = template.property("SweepScheduleRole", "/AssumeRolePolicyDocument/Statement/0/Condition");
            complaints.extend(expect("who assumes the role of the schedule", trust, &wanted));
            // The default group.
            complaints.extend(expect(
                "the schedule's group",
                template.property("SweepSchedule", "/GroupName"),
                &Value::Null,
            ));
            complaints
        },
        &[
            ("/Resources/InviteRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition", Value::Null),
            (
                "/Resources/SenderRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition/ArnLikeIfExists\
                 /aws:SourceArn",
                sources("sender", false),
            ),
            (
                "/Resources/StatusRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition/ArnLikeIfExists\
                 /aws:SourceArn",
                sources("sender", false),
            ),
            ("/Resources/StatusFunction/Properties/FunctionName", json!("status")),
            (
                "/Resources/SweepScheduleRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition/ArnEquals",
                Value::Null,
            ),
            ("/Resources/SweepSchedule/Properties/GroupName", json!("sweeps")),
        ],
    );
}

#[test]
fn a_service_is_trusted_for_a_named_source_only() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for (name, permission) in template.resources("AWS::Lambda::Permission") {
                if permission["Properties"]["SourceArn"].is_null() {
                    complaints.push(format!("{name} is for every source"));
                }
            }
            for (name, policy) in template.resources("AWS::SQS::QueuePolicy") {
                for statement in listed(&policy["Properties"]["PolicyDocument"]["Statement"]) {
                    let source = &statement["Condition"]["ArnEquals"]["aws:SourceArn"];
                    if statement["Effect"] != "Deny" && source.is_null() {
                        complaints.push(format!("{name} allows {} for every source", statement["Sid"]));
                    }
                }
            }
            complaints
        },
        &[
            ("/Resources/StatusPermission/Properties/SourceArn", Value::Null),
            ("/Resources/MailEventsPermission/Properties/SourceArn", Value::Null),
            ("/Resources/MailEventDlqPolicy/Properties/PolicyDocument/Statement/1/Condition", Value::Null),
            ("/Resources/InvitationQueuePolicy/Properties/PolicyDocument/Statement/0/Effect", json!("Allow")),
        ],
    );
}
