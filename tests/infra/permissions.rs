//! What each role may do: what its code does, where it does it, and nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    documents::read,
    template::{Statement, Template, expect, listed, rule},
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
/// What Lambda's poller does with a queue, under the role of the function that the queue is polled for.
const POLLER: [&str; 3] = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];

/// The actions that the operations need: `docs/cost/counted.json` has the calls that a test of the contract recorded.
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
                        complaints.push(format!("nothing of {} uses {action}", statement.role));
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
                "/Resources/SenderRole/Properties/Policies/0/PolicyDocument/Statement/5/Action",
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
                json!({ "Fn::Sub": "${Table.Arn}/index/*" }),
            ),
            ("/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/1/NotAction", json!("iam:PassRole")),
            ("/Resources/TableKey/Properties/KeyPolicy/Statement/0/Action", json!("kms:*")),
            ("/Resources/InvitationQueuePolicy/Properties/PolicyDocument/Statement/0/Action", json!("sqs:*")),
        ],
    );
}

/// Every text under a name, at whatever depth.
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
fn no_role_has_more_than_is_written_here() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for (name, role) in template.resources("AWS::IAM::Role") {
                let shared = &role["Properties"]["ManagedPolicyArns"];
                if !shared.is_null() {
                    complaints.extend(expect(name, shared, &json!([{ "Ref": "UseTableKey" }])));
                }
            }
            for function in template.functions() {
                // With it, SAM would add to the role.
                complaints.extend(expect(function.name, function.property("Policies"), &Value::Null));
            }
            complaints
        },
        &[
            (
                "/Resources/StatusRole/Properties/ManagedPolicyArns/-",
                json!("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"),
            ),
            ("/Resources/StatusFunction/Properties/Policies", json!("AmazonDynamoDBFullAccess")),
        ],
    );
}

/// Whether a statement reaches items of the table, rather than an index of it.
fn reaches_items(statement: &Statement<'_>) -> bool {
    let table = json!({ "Fn::GetAtt": ["Table", "Arn"] });
    statement.resources().contains(&&table)
}

#[test]
fn every_access_to_items_is_narrowed_to_partitions() {
    rule(
        |template| {
            let statements = template.statements();
            let open =
                statements.iter().filter(|statement| reaches_items(statement) && statement.partitions().is_empty());
            open.map(|statement| format!("{} reaches every partition: {}", statement.role, statement.statement))
                .collect()
        },
        &[
            ("/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition", Value::Null),
            (
                "/Resources/SenderRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition",
                json!({ "StringLike": { "aws:PrincipalTag/x": "y" } }),
            ),
        ],
    );
}

/// Whether a pattern as IAM reads it, with `*` for any text, is that of a text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| (0..=text.len()).any(|end| text.get(end..).is_some_and(|text| matches(rest, text)))),
    }
}

/// The roles that may do something to the items of a partition.
fn who_may(template: &Template, action: &str, partition: &str) -> BTreeSet<String> {
    let may = |statement: &Statement<'_>| {
        let excluded = &statement.statement["Condition"]["ForAllValues:StringNotLike"]["dynamodb:LeadingKeys"];
        let excluded = listed(excluded).into_iter().any(|pattern| matches(pattern.as_str().unwrap(), partition));
        let partitions = statement.partitions();
        let included = partitions.is_empty() || partitions.iter().any(|pattern| matches(pattern, partition));
        reaches_items(statement) && statement.actions().contains(&action) && included && !excluded
    };
    template.statements().iter().filter(|statement| may(statement)).map(|statement| statement.role.to_owned()).collect()
}

/// A patient's partition: the record and its timeline.
const PATIENT: &str = "PRACTICE#oak#PATIENT#p-1";
/// A bulk job's partition: the job, the patients that it names and its slices.
const JOB: &str = "PRACTICE#oak#JOB#job-1";
/// The partition of an address.
const ADDRESS: &str = "EMAIL#x";

#[test]
fn who_writes_records_keeps_the_addresses_too() {
    rule(
        |template| {
            let (records, addresses) =
                (who_may(template, "dynamodb:PutItem", PATIENT), who_may(template, "dynamodb:UpdateItem", ADDRESS));
            let same = records == addresses && records.contains("InviteRole");
            if same { Vec::new() } else { vec![format!("{records:?} write records, {addresses:?} addresses")] }
        },
        &[
            (
                "/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/1/Action/-",
                json!("dynamodb:PutItem"),
            ),
            ("/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/3", json!({ "Action": [] })),
            (
                "/Resources/TrackLoginRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
                json!("dynamodb:PutItem"),
            ),
            (
                "/Resources/TrackLoginRole/Properties/Policies/0/PolicyDocument/Statement/1/Action/-",
                json!("dynamodb:UpdateItem"),
            ),
            ("/Resources/ChangeEmailRole/Properties/Policies/0/PolicyDocument/Statement/3", json!({ "Action": [] })),
        ],
    );
}

#[test]
fn who_may_write_what() {
    rule(
        |template| {
            [
                // History is kept: what is written in a patient's partition stays.
                ("dynamodb:DeleteItem", PATIENT, vec![]),
                ("dynamodb:UpdateItem", PATIENT, vec!["SenderRole", "SweepRole", "TrackLoginRole"]),
                ("dynamodb:DeleteItem", ADDRESS, vec![]),
                ("dynamodb:PutItem", ADDRESS, vec![]),
                ("dynamodb:GetItem", ADDRESS, vec!["TrackLoginRole"]),
                ("dynamodb:BatchGetItem", ADDRESS, vec!["BulkRunnerRole"]),
                ("dynamodb:PutItem", JOB, vec!["BulkRole", "BulkRunnerRole"]),
                // What came of a job is kept.
                ("dynamodb:UpdateItem", JOB, vec![]),
                ("dynamodb:DeleteItem", JOB, vec![]),
                ("dynamodb:PutItem", "PRACTICE#oak", vec!["PracticeRole"]),
                ("dynamodb:UpdateItem", "PRACTICE#oak", vec![]),
                ("dynamodb:DeleteItem", "PRACTICE#oak", vec![]),
                ("dynamodb:PutItem", "PRACTICE#oak#DIRECTORY", vec!["PatientsRole"]),
                // A directory is searched, and by nobody looked up by its names.
                ("dynamodb:GetItem", "PRACTICE#oak#DIRECTORY", vec![]),
                ("dynamodb:BatchGetItem", "PRACTICE#oak#DIRECTORY", vec![]),
            ]
            .into_iter()
            .filter_map(|(action, partition, wanted)| {
                let actual = who_may(template, action, partition);
                let wanted: BTreeSet<_> = wanted.into_iter().map(str::to_owned).collect();
                (actual != wanted).then(|| format!("{action} on {partition}: {actual:?} may, {wanted:?} should"))
            })
            .collect()
        },
        &[
            (
                "/Resources/PatientsRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
                json!("dynamodb:DeleteItem"),
            ),
            (
                "/Resources/PatientsRole/Properties/Policies/0/PolicyDocument/Statement/4/Condition\
                 /ForAllValues:StringLike/dynamodb:LeadingKeys",
                json!(["PRACTICE#*"]),
            ),
            (
                "/Resources/PracticeRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition\
                 /ForAllValues:StringNotLike",
                Value::Null,
            ),
            (
                "/Resources/SenderRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition\
                 /ForAllValues:StringNotLike",
                Value::Null,
            ),
            (
                "/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
                json!("dynamodb:UpdateItem"),
            ),
            (
                "/Resources/BulkRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition\
                 /ForAllValues:StringLike/dynamodb:LeadingKeys",
                json!(["PRACTICE#*"]),
            ),
            (
                "/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/3/Action/-",
                json!("dynamodb:BatchGetItem"),
            ),
            // Who notes logins writes no record as a whole, no event, and nothing of an address.
            (
                "/Resources/TrackLoginRole/Properties/Policies/0/PolicyDocument/Statement/1/Action",
                json!("dynamodb:PutItem"),
            ),
            (
                "/Resources/TrackLoginRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition\
                 /ForAllValues:StringLike/dynamodb:LeadingKeys",
                json!(["PRACTICE#*"]),
            ),
            ("/Resources/TrackLoginRole/Properties/Policies/0/PolicyDocument/Statement/2", json!({ "Action": [] })),
            (
                "/Resources/ChangeEmailRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
                json!("dynamodb:UpdateItem"),
            ),
            (
                "/Resources/ChangeEmailRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition\
                 /ForAllValues:StringLike/dynamodb:LeadingKeys",
                json!(["PRACTICE#*"]),
            ),
            (
                "/Resources/MailEventsRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
                json!("dynamodb:UpdateItem"),
            ),
        ],
    );
}

#[test]
fn who_may_list_what() {
    rule(
        |template| {
            let directory = "PRACTICE#oak#DIRECTORY";
            [
                (PATIENT, vec!["StatusRole"]),
                (directory, vec!["BulkRunnerRole", "PatientsRole"]),
                (JOB, vec!["BulkRole"]),
                // Nobody's list: what is in these is read by its own key.
                ("PRACTICE#oak", vec![]),
                (ADDRESS, vec![]),
            ]
            .into_iter()
            .filter_map(|(partition, wanted)| {
                let actual = who_may(template, "dynamodb:Query", partition);
                let wanted: BTreeSet<_> = wanted.into_iter().map(str::to_owned).collect();
                (actual != wanted).then(|| format!("{actual:?} may list {partition}, {wanted:?} should"))
            })
            .collect()
        },
        &[
            (
                "/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/1/Action/-",
                json!("dynamodb:Query"),
            ),
            ("/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/2", json!({ "Action": [] })),
            (
                "/Resources/PatientsRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
                json!("dynamodb:Query"),
            ),
            (
                "/Resources/PatientsRole/Properties/Policies/0/PolicyDocument/Statement/4/Action",
                json!("dynamodb:PutItem"),
            ),
        ],
    );
}

#[test]
fn who_reads_changes_nothing() {
    rule(
        |template| {
            let reads = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"];
            let statements = template.statements();
            let of_status = statements.iter().filter(|statement| statement.role == "StatusRole");
            let actions = of_status.flat_map(Statement::actions).filter(|action| !action.starts_with("logs:"));
            let more = actions.filter(|action| !reads.contains(action));
            more.map(|action| format!("who asks for a status may do {action}")).collect()
        },
        &[(
            "/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
            json!("dynamodb:UpdateItem"),
        )],
    );
}

/// How the names of the actions begin that use a key rather than look after it.
const USES_OF_A_KEY: [&str; 5] =
    ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncrypt"];

#[test]
fn the_tables_key_is_used_through_the_table_only() {
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
fn mail_goes_out_under_one_identity_and_from_one_address() {
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
            ("/Resources/SenderRole/Properties/Policies/0/PolicyDocument/Statement/5/Condition", Value::Null),
            ("/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/-", json!("ses:SendEmail")),
        ],
    );
}

#[test]
fn each_queue_takes_messages_of_its_own_senders_only() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for (queue, wanted) in [
                // Whoever makes a change that mails follow, and the sweep; never who only reads, and not the sender itself.
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
                // Who begins a job, and each run for the next one.
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
                "/Resources/MailEventsRole/Properties/Policies/0/PolicyDocument/Statement/4/Resource",
                json!({ "Fn::GetAtt": ["InvitationQueue", "Arn"] }),
            ),
            (
                "/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/5/Resource",
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
