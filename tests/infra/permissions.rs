//! The permissions of each role: exactly those that its function needs.

use std::collections::BTreeSet;

use portal_aws::store::attributes;
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

/// Whether a statement covers items of the table, not an index.
fn reaches_items(statement: &Statement<'_>) -> bool {
    let table = json!({ "Fn::GetAtt": ["TableArn", "Value"] });
    statement.resources().contains(&&table)
}

#[test]
fn every_access_to_items_is_limited_to_partitions() {
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

/// Whether an IAM pattern, with `*` for any text, matches a text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| (0..=text.len()).any(|end| text.get(end..).is_some_and(|text| matches(rest, text)))),
    }
}

/// Whether a statement allows an action on the items of a partition.
fn allows(statement: &Statement<'_>, action: &str, partition: &str) -> bool {
    let excluded = &statement.condition("ForAllValues:StringNotLike")["dynamodb:LeadingKeys"];
    let excluded = listed(excluded).into_iter().any(|pattern| matches(pattern.as_str().unwrap(), partition));
    let partitions = statement.partitions();
    let included = partitions.is_empty() || partitions.iter().any(|pattern| matches(pattern, partition));
    reaches_items(statement) && statement.actions().contains(&action) && included && !excluded
}

/// The roles that have an action on the items of a partition.
fn who_may(template: &Template, action: &str, partition: &str) -> BTreeSet<String> {
    let statements = template.statements();
    let allowing = statements.iter().filter(|statement| allows(statement, action, partition));
    allowing.map(|statement| statement.role.to_owned()).collect()
}

/// Whether a statement allows an action in a transaction only.
fn needs_transaction(statement: &Statement<'_>) -> bool {
    statement.condition("ForAnyValue:StringEquals")["dynamodb:EnclosingOperation"] == json!(["TransactWriteItems"])
}

/// The partition of a patient: the record and its timeline.
const PATIENT: &str = "PRACTICE#oak#PATIENT#p-1";
/// The partition of a bulk job: the job, the patients that it names and its slices.
const JOB: &str = "PRACTICE#oak#JOB#job-1";
/// The partition of an address.
const ADDRESS: &str = "EMAIL#x";
/// The partition of the profiles of a practice that have an address.
const PROFILES: &str = "PRACTICE#oak#EMAIL#x";
/// The partition of the refusals of addresses to a practice.
const REFUSALS: &str = "PRACTICE#oak#REFUSALS";
/// The roles whose commands take or release addresses.
const CLAIMING_ROLES: [&str; 9] = [
    "BulkRunnerRole",
    "ChangeEmailRole",
    "InviteRole",
    "MailEventsRole",
    "OptOutRole",
    "RegisterRole",
    "ReinviteRole",
    "SenderRole",
    "SweepRole",
];
/// The partition of a practice's directory.
const DIRECTORY: &str = "PRACTICE#oak#DIRECTORY";
/// The partition of the accesses to a patient.
const ACCESSES: &str = "PRACTICE#oak#ACCESS#p-1";
/// The partition of a practice's history.
const HISTORY: &str = "PRACTICE#oak#HISTORY";

#[test]
fn a_role_that_writes_records_also_writes_addresses() {
    rule(
        |template| {
            let (mut records, addresses) =
                (who_may(template, "dynamodb:PutItem", PATIENT), who_may(template, "dynamodb:PutItem", ADDRESS));
            // A profile takes no claim.
            records.remove("PatientsRole");
            let same = records == addresses && records.contains("InviteRole");
            if same { Vec::new() } else { vec![format!("{records:?} write records, {addresses:?} addresses")] }
        },
        &[
            (
                "/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/1/Action/-",
                json!("dynamodb:PutItem"),
            ),
            (
                "/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition\
                 /ForAllValues:StringLike/dynamodb:LeadingKeys",
                json!(["PRACTICE#*#PATIENT#*"]),
            ),
            (
                "/Resources/TrackLoginRole/Properties/Policies/0/PolicyDocument/Statement/1/Action/-",
                json!("dynamodb:PutItem"),
            ),
            (
                "/Resources/ChangeEmailRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition\
                 /ForAllValues:StringLike/dynamodb:LeadingKeys",
                json!(["PRACTICE#*#PATIENT#*"]),
            ),
        ],
    );
}

#[test]
fn each_partition_is_written_by_its_own_roles_only() {
    rule(
        |template| {
            [
                // Nothing is deleted from the partition of a patient.
                ("dynamodb:DeleteItem", PATIENT, vec![]),
                ("dynamodb:UpdateItem", PATIENT, vec!["SenderRole", "SweepRole", "TrackLoginRole"]),
                ("dynamodb:DeleteItem", ADDRESS, CLAIMING_ROLES.to_vec()),
                ("dynamodb:PutItem", ADDRESS, CLAIMING_ROLES.to_vec()),
                ("dynamodb:UpdateItem", ADDRESS, vec![]),
                ("dynamodb:GetItem", ADDRESS, vec!["SupportRole", "TrackLoginRole"]),
                ("dynamodb:BatchGetItem", ADDRESS, CLAIMING_ROLES.to_vec()),
                ("dynamodb:PutItem", PROFILES, vec!["PatientsRole"]),
                ("dynamodb:DeleteItem", PROFILES, vec!["PatientsRole"]),
                ("dynamodb:PutItem", REFUSALS, vec!["BulkRunnerRole", "InviteRole", "ReinviteRole"]),
                ("dynamodb:DeleteItem", REFUSALS, vec![]),
                ("dynamodb:PutItem", JOB, vec!["BulkRole", "BulkRunnerRole"]),
                // The results of a job are kept.
                ("dynamodb:UpdateItem", JOB, vec![]),
                ("dynamodb:DeleteItem", JOB, vec![]),
                ("dynamodb:PutItem", "PRACTICE#oak", vec!["PracticeRole"]),
                ("dynamodb:UpdateItem", "PRACTICE#oak", vec![]),
                ("dynamodb:DeleteItem", "PRACTICE#oak", vec![]),
                ("dynamodb:PutItem", DIRECTORY, vec!["PatientsRole"]),
                ("dynamodb:DeleteItem", DIRECTORY, vec!["PatientsRole"]),
                // A directory is queried, and no entry is read by its key.
                ("dynamodb:GetItem", DIRECTORY, vec![]),
                ("dynamodb:BatchGetItem", DIRECTORY, vec![]),
                ("dynamodb:GetItem", JOB, vec!["BulkRole", "BulkRunnerRole"]),
                ("dynamodb:BatchGetItem", JOB, vec![]),
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
                "/Resources/PatientsRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition\
                 /ForAllValues:StringLike/dynamodb:LeadingKeys",
                json!(["PRACTICE#*"]),
            ),
            (
                "/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition\
                 /ForAllValues:StringNotLike/dynamodb:LeadingKeys",
                json!(["PRACTICE#*#DIRECTORY"]),
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
                json!("dynamodb:UpdateItem"),
            ),
            // The role for logins puts no record and no event, and writes no address.
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
fn histories_are_written_by_their_own_roles_and_never_altered() {
    rule(
        |template| {
            [
                ("dynamodb:PutItem", HISTORY, vec!["BulkRole", "PracticeRole"]),
                ("dynamodb:UpdateItem", HISTORY, vec![]),
                ("dynamodb:DeleteItem", HISTORY, vec![]),
                ("dynamodb:GetItem", HISTORY, vec![]),
                ("dynamodb:BatchGetItem", HISTORY, vec![]),
                ("dynamodb:PutItem", ACCESSES, vec!["SupportRole"]),
                ("dynamodb:UpdateItem", ACCESSES, vec![]),
                ("dynamodb:DeleteItem", ACCESSES, vec![]),
                ("dynamodb:GetItem", ACCESSES, vec![]),
                ("dynamodb:BatchGetItem", ACCESSES, vec![]),
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
                "/Resources/SupportRole/Properties/Policies/0/PolicyDocument/Statement/4/Condition\
                 /ForAllValues:StringLike/dynamodb:LeadingKeys",
                json!(["PRACTICE#*"]),
            ),
            (
                "/Resources/SupportRole/Properties/Policies/0/PolicyDocument/Statement/4/Action/-",
                json!("dynamodb:UpdateItem"),
            ),
            (
                "/Resources/PracticeRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
                json!("dynamodb:DeleteItem"),
            ),
        ],
    );
}

#[test]
fn each_partition_is_queried_by_its_own_roles_only() {
    rule(
        |template| {
            [
                (PATIENT, vec!["StatusRole", "SupportRole"]),
                (ACCESSES, vec!["StatusRole"]),
                (DIRECTORY, vec!["BulkRunnerRole", "PatientsRole"]),
                (JOB, vec!["BulkRole"]),
                (HISTORY, vec!["PracticeRole"]),
                // Items of these partitions are read by key only.
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
fn a_condition_on_a_list_needs_the_list() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for statement in template.statements() {
                let conditions = statement.statement["Condition"].as_object().into_iter().flatten();
                let for_all = conditions.filter(|(operator, _)| operator.starts_with("ForAllValues:"));
                for key in for_all.flat_map(|(_, keys)| keys.as_object().unwrap().keys()) {
                    // Such a condition is true for a request without the key.
                    let what = format!("the Null of {key} of {}", statement.role);
                    complaints.extend(expect(what, &statement.condition("Null")[key], &json!("false")));
                }
            }
            complaints
        },
        &[
            ("/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition/Null", Value::Null),
            (
                "/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/4/Condition/Null/dynamodb:Attributes",
                json!("true"),
            ),
        ],
    );
}

#[test]
fn what_belongs_to_a_transaction_is_written_in_one_only() {
    rule(
        |template| {
            let statements = template.statements();
            [
                ("dynamodb:PutItem", PATIENT),
                ("dynamodb:PutItem", ADDRESS),
                ("dynamodb:DeleteItem", ADDRESS),
                ("dynamodb:PutItem", PROFILES),
                ("dynamodb:PutItem", DIRECTORY),
                ("dynamodb:DeleteItem", DIRECTORY),
            ]
            .into_iter()
            .flat_map(|(action, partition)| {
                let alone = statements
                    .iter()
                    .filter(move |statement| allows(statement, action, partition) && !needs_transaction(statement));
                alone.map(move |statement| format!("{} may {action} {partition} alone", statement.role))
            })
            .collect()
        },
        &[
            (
                "/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition\
                 /ForAnyValue:StringEquals",
                Value::Null,
            ),
            (
                "/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/5/Condition\
                 /ForAnyValue:StringEquals",
                Value::Null,
            ),
            (
                "/Resources/PatientsRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition\
                 /ForAnyValue:StringEquals/dynamodb:EnclosingOperation/-",
                json!("ExecuteTransaction"),
            ),
        ],
    );
}

#[test]
fn one_statement_allows_all_puts_of_a_transaction() {
    rule(
        |template| {
            let mut seen = BTreeSet::new();
            let statements = template.statements();
            let of_transactions = statements.iter().filter(|statement| needs_transaction(statement));
            let allowed = of_transactions.flat_map(|statement| {
                statement.actions().into_iter().map(|action| (statement.role, action)).collect::<Vec<_>>()
            });
            // IAM may judge them by all their partitions at once, and then no single one of two statements would allow them.
            let twice = allowed.filter(|allowed| !seen.insert(*allowed));
            twice.map(|(role, action)| format!("two statements of {role} allow {action} in a transaction")).collect()
        },
        &[(
            "/Resources/PatientsRole/Properties/Policies/0/PolicyDocument/Statement/3/Action/-",
            json!("dynamodb:PutItem"),
        )],
    );
}

#[test]
fn a_single_update_of_a_record_names_its_own_attributes_only() {
    rule(
        |template| {
            let statements = template.statements();
            let updates = statements.iter().filter(|statement| allows(statement, "dynamodb:UpdateItem", PATIENT));
            let mut complaints = Vec::new();
            for statement in updates {
                let wanted = match statement.role {
                    "SenderRole" => attributes::named_by_sender(),
                    "SweepRole" => attributes::named_by_sweep(),
                    "TrackLoginRole" => attributes::named_by_track_login(),
                    _ => BTreeSet::new(),
                };
                let actual = &statement.condition("ForAllValues:StringEquals")["dynamodb:Attributes"];
                let actual = listed(actual).into_iter().map(|name| name.as_str().unwrap().to_owned());
                let actual: BTreeSet<_> = actual.collect();
                if actual != wanted {
                    complaints.push(format!("{} may update {actual:?} and names {wanted:?}", statement.role));
                }
                if who_may(template, "dynamodb:GetItem", PATIENT).contains(statement.role) {
                    continue;
                }
                // A role that may not read a record gets none back, either.
                let returned = &statement.condition("StringEquals")["dynamodb:ReturnValues"];
                complaints.extend(expect(statement.role, returned, &json!(["NONE"])));
            }
            complaints
        },
        &[
            (
                "/Resources/TrackLoginRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition\
                 /ForAllValues:StringEquals/dynamodb:Attributes/-",
                json!("invitation_email"),
            ),
            (
                "/Resources/TrackLoginRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition/StringEquals",
                Value::Null,
            ),
            (
                "/Resources/SenderRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition\
                 /ForAllValues:StringEquals",
                Value::Null,
            ),
            (
                "/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/4/Condition\
                 /ForAllValues:StringEquals/dynamodb:Attributes/6",
                json!("reason"),
            ),
            (
                "/Resources/InviteRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
                json!("dynamodb:UpdateItem"),
            ),
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
