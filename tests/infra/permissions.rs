//! The permissions of each role: exactly those that its function needs. Those on the table are in `partitions.rs`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    documents::read,
    template::{Statement, expect, listed, rule},
};

/// The actions that services take under the role of a function.
const BY_SERVICES: [&str; 10] = [
    // DynamoDB, for the calls of the function.
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    // The scheduler.
    "lambda:InvokeFunction",
    // The log agent of Lambda.
    "logs:CreateLogStream",
    "logs:PutLogEvents",
];
/// The actions of Lambda's poller on a queue, under the role of the function.
const POLLER: [&str; 3] = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];

/// The actions that the operations need, as a contract test recorded them in `docs/cost/counted.json`.
fn recorded() -> BTreeSet<String> {
    let counted: Value = serde_json::from_str(&read("docs/cost/counted.json")).unwrap();
    let mut actions = BTreeSet::new();
    for operation in counted.as_object().unwrap().values() {
        let names = operation["dynamodbActions"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        actions.extend(names.map(|name| format!("dynamodb:{name}")));
        let calls = |service: &str| operation[service].as_u64().unwrap() > 0;
        actions.extend(calls("sqsMessages").then(|| "sqs:SendMessage".to_owned()));
        actions.extend(calls("sesCalls").then(|| "ses:SendEmail".to_owned()));
    }
    actions
}

#[test]
fn every_action_is_used() {
    let recorded = recorded();
    rule(
        |template| {
            let mut complaints = Vec::new();
            let pollers: BTreeSet<_> = template
                .functions()
                .iter()
                .filter(|function| function.property("Events").to_string().contains("\"SQS\""))
                .map(|function| function.role().to_owned())
                .collect();
            for statement in template.statements() {
                for action in statement.actions() {
                    let used = if POLLER.contains(&action) {
                        pollers.contains(statement.role)
                    } else {
                        BY_SERVICES.contains(&action) || recorded.contains(action)
                    };
                    if !used {
                        complaints.push(format!("no operation of {} uses {action}", statement.role));
                    }
                }
            }
            complaints
        },
        &[
            ("/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/1/Action/-", json!("dynamodb:Scan")),
            (
                "/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/4/Action/-",
                json!("sqs:ReceiveMessage"),
            ),
            (
                "/Resources/SenderRole/Properties/Policies/0/PolicyDocument/Statement/7/Action",
                json!("ses:SendRawEmail"),
            ),
            (
                "/Resources/MailEventsRole/Properties/Policies/0/PolicyDocument/Statement/4/Action/-",
                json!("sqs:DeleteMessage"),
            ),
        ],
    );
}

#[test]
fn nothing_is_allowed_by_a_wildcard() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for statement in template.statements() {
                let text = statement.statement.to_string();
                if ["NotAction", "NotResource", "NotPrincipal"].iter().any(|word| text.contains(word)) {
                    complaints.push(format!("{} allows all but something", statement.role));
                }
                let resources = statement.resources();
                if resources.is_empty() || resources.iter().any(|resource| resource.to_string().contains('*')) {
                    complaints.push(format!("{} reaches {resources:?}", statement.role));
                }
            }
            for (kind, policy) in [
                ("AWS::IAM::Role", "/Properties/Policies"),
                ("AWS::IAM::ManagedPolicy", "/Properties/PolicyDocument"),
                ("AWS::KMS::Key", "/Properties/KeyPolicy"),
                ("AWS::SQS::QueuePolicy", "/Properties/PolicyDocument"),
            ] {
                for (name, resource) in template.resources(kind) {
                    let actions = every(resource.pointer(policy).unwrap_or(&Value::Null), "Action");
                    if actions.iter().any(|action| action.contains('*')) {
                        complaints.push(format!("{name} allows {actions:?}"));
                    }
                }
            }
            complaints
        },
        &[
            ("/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/-", json!("logs:*")),
            ("/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource", json!("*")),
            ("/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource", Value::Null),
            (
                "/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource",
                json!({ "Fn::Sub": "${TableArn.Value}/index/*" }),
            ),
            ("/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/1/NotAction", json!("iam:PassRole")),
            ("/Resources/TableKey/Properties/KeyPolicy/Statement/0/Action", json!("kms:*")),
            ("/Resources/InvitationQueuePolicy/Properties/PolicyDocument/Statement/0/Action", json!("sqs:*")),
        ],
    );
}

/// All strings under a name, at any depth.
fn every<'value>(value: &'value Value, wanted: &str) -> Vec<&'value str> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| {
                if name == wanted {
                    listed(member).into_iter().filter_map(Value::as_str).collect()
                } else {
                    every(member, wanted)
                }
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| every(item, wanted)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[test]
fn a_role_has_only_its_own_policies_and_the_one_for_the_table_key() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for (name, role) in template.resources("AWS::IAM::Role") {
                let shared = &role["Properties"]["ManagedPolicyArns"];
                if !shared.is_null() {
                    let of_the_key = [json!([{ "Ref": "UseTableKey" }]), json!({ "Ref": "AWS::NoValue" })];
                    let [with, without] = of_the_key;
                    complaints.extend(expect(name, shared, &json!({ "Fn::If": ["HasTableKey", with, without] })));
                }
            }
            for function in template.functions() {
                // With it, SAM would add statements to the role.
                complaints.extend(expect(function.name, function.property("Policies"), &Value::Null));
            }
            complaints
        },
        &[
            (
                "/Resources/StatusRole/Properties/ManagedPolicyArns/Fn::If/1/-",
                json!("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"),
            ),
            ("/Resources/StatusFunction/Properties/Policies", json!("AmazonDynamoDBFullAccess")),
        ],
    );
}

#[test]
fn the_role_for_the_status_only_reads() {
    rule(
        |template| {
            let reads = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"];
            let statements = template.statements();
            let of_status = statements.iter().filter(|statement| statement.role == "StatusRole");
            let actions = of_status.flat_map(Statement::actions).filter(|action| !action.starts_with("logs:"));
            let more = actions.filter(|action| !reads.contains(action));
            more.map(|action| format!("the role for the status has {action}")).collect()
        },
        &[(
            "/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
            json!("dynamodb:UpdateItem"),
        )],
    );
}

/// Prefixes of the actions that use a key, in contrast to administrative actions.
const USES_OF_A_KEY: [&str; 5] =
    ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncrypt"];

#[test]
fn the_key_of_the_table_is_used_through_dynamodb_only() {
    let through =
        json!({ "StringEquals": { "kms:ViaService": { "Fn::Sub": "dynamodb.${AWS::Region}.amazonaws.com" } } });
    rule(
        |template| {
            let uses = |action: &str| USES_OF_A_KEY.iter().any(|verb| action.starts_with(verb));
            let own = listed(template.property("TableKey", "/KeyPolicy/Statement"));
            let shared = listed(template.property("UseTableKey", "/PolicyDocument/Statement"));
            let statements = own.into_iter().chain(shared);
            statements
                .filter(|statement| every(statement, "Action").into_iter().any(uses))
                .filter_map(|statement| expect("the condition on the key", &statement["Condition"], &through))
                .collect()
        },
        &[
            ("/Resources/UseTableKey/Properties/PolicyDocument/Statement/0/Condition", Value::Null),
            ("/Resources/TableKey/Properties/KeyPolicy/Statement/1/Condition", Value::Null),
            ("/Resources/TableKey/Properties/KeyPolicy/Statement/0/Action/-", json!("kms:Decrypt")),
        ],
    );
}

#[test]
fn mail_is_sent_by_one_role_and_from_one_address() {
    rule(
        |template| {
            let statements = template.statements();
            let mail = statements.iter().filter(|statement| statement.actions().contains(&"ses:SendEmail"));
            let mut complaints = Vec::new();
            for statement in mail {
                let from = json!({ "StringEquals": { "ses:FromAddress": { "Ref": "MailFrom" } } });
                complaints.extend(expect(statement.role, &statement.statement["Condition"], &from));
                complaints.extend(expect("who sends", &statement.role.into(), &json!("SenderRole")));
            }
            complaints
        },
        &[
            ("/Resources/SenderRole/Properties/Policies/0/PolicyDocument/Statement/7/Condition", Value::Null),
            ("/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/-", json!("ses:SendEmail")),
        ],
    );
}

#[test]
fn each_queue_accepts_messages_from_its_own_senders_only() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for (queue, wanted) in [
                // The functions whose changes cause mails, and the sweep. Not the sender, and no function that only reads.
                (
                    "InvitationQueue",
                    vec![
                        "BulkRunnerRole",
                        "ChangeEmailRole",
                        "InviteRole",
                        "RegisterRole",
                        "ReinviteRole",
                        "SweepRole",
                    ],
                ),
                // The function that starts a job, and each run for the next one.
                ("BulkQueue", vec!["BulkRole", "BulkRunnerRole"]),
                ("BulkDlq", vec![]),
                ("InvitationDlq", vec![]),
                ("MailEventDlq", vec!["MailEventsRole"]),
            ] {
                let arn = json!({ "Fn::GetAtt": [queue, "Arn"] });
                let statements = template.statements();
                let senders = statements.iter().filter(|statement| {
                    statement.actions().contains(&"sqs:SendMessage") && statement.resources().contains(&&arn)
                });
                let senders: BTreeSet<_> = senders.map(|statement| statement.role).collect();
                if senders != wanted.iter().copied().collect() {
                    complaints.push(format!("{senders:?} send to {queue}, {wanted:?} should"));
                }
            }
            complaints
        },
        &[
            (
                "/Resources/MailEventsRole/Properties/Policies/0/PolicyDocument/Statement/5/Resource",
                json!({ "Fn::GetAtt": ["InvitationQueue", "Arn"] }),
            ),
            (
                "/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/7/Resource",
                json!({ "Fn::GetAtt": ["InvitationDlq", "Arn"] }),
            ),
            ("/Resources/ChangeEmailRole/Properties/Policies/0/PolicyDocument/Statement/4", json!({ "Action": [] })),
            (
                "/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/-",
                json!({
                    "Effect": "Allow", "Action": "sqs:SendMessage",
                    "Resource": { "Fn::GetAtt": ["InvitationQueue", "Arn"] },
                }),
            ),
        ],
    );
}
