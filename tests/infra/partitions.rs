//! Which role may use which partition of the table, how, and whether in a transaction only.

use std::collections::BTreeSet;

use portal_aws::store::attributes;
use serde_json::{Value, json};

use crate::template::{Statement, Template, expect, listed, rule};

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
