//! What the functions are told: each has the variables that it reads, and no others.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    sources::{quoted, read, without_tests},
    template::{Template, rule},
};

/// The variables behind each method of `portal_aws::config::Environment`.
const READS: [(&str, &[&str]); 7] = [
    ("table_name", &["TABLE_NAME"]),
    ("queue_url", &["QUEUE_URL"]),
    ("bulk_queue_url", &["BULK_QUEUE_URL"]),
    ("pepper", &["FINGERPRINT_PEPPER"]),
    ("configuration_set", &["CONFIGURATION_SET"]),
    ("mail", &["CONFIGURATION_SET", "MAIL_FROM", "PORTAL_BASE_URL"]),
    ("claim_names", &["PRACTICE_CLAIM", "SCOPE_CLAIM"]),
];
/// Set by Lambda itself: the function's log level, its region and its role. The last one is set for the local stack only.
const OF_LAMBDA: [&str; 6] = [
    "AWS_LAMBDA_LOG_LEVEL",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
];

/// The variables that a function reads, as its `main` says.
fn read_by(function: &str) -> BTreeSet<&'static str> {
    let main = read(&format!("functions/{function}/src/main.rs"));
    let reads = READS.iter().filter(|(method, _)| main.contains(&format!("environment.{method}()")));
    reads.flat_map(|(_, variables)| variables.iter().copied()).collect()
}

#[test]
fn the_table_of_variables_is_complete() {
    let config = read("shared/aws/src/config.rs");
    let in_code = quoted(without_tests(&config), |c| c.is_ascii_uppercase() || c == '_');
    let mut known: Vec<_> = READS.iter().flat_map(|(_, variables)| variables.iter().copied()).collect();
    known.extend(OF_LAMBDA);
    known.sort_unstable();
    // Two methods may read the same variable.
    known.dedup();
    assert_eq!(in_code, known);
}

#[test]
fn every_function_has_what_it_reads_and_nothing_else() {
    rule(
        |template| {
            let functions = template.functions();
            let wrong = functions.iter().filter_map(|function| {
                let (given, read) = (function.variables().into_iter().collect::<BTreeSet<_>>(), read_by(function.name));
                (given != read).then(|| format!("{} reads {read:?} and is given {given:?}", function.name))
            });
            wrong.collect()
        },
        &[
            ("/Resources/InviteFunction/Properties/Environment/Variables/QUEUE_URL", Value::Null),
            ("/Resources/ChangeEmailFunction/Properties/Environment/Variables/QUEUE_URL", Value::Null),
            ("/Resources/StatusFunction/Properties/Environment/Variables/FINGERPRINT_PEPPER", json!("x")),
            ("/Resources/MailEventsFunction/Properties/Environment/Variables/CONFIGURATION_SET", Value::Null),
            ("/Resources/UnroutedFunction/Properties/Environment", json!({ "Variables": { "TABLE_NAME": "x" } })),
        ],
    );
}

/// Whether a function's role may look up or write what is known of an address.
fn finds_addresses(template: &Template, role: &str) -> bool {
    let finding = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"];
    template.statements().iter().any(|statement| {
        statement.role == role
            && statement.partitions().contains(&"EMAIL#*")
            && statement.actions().iter().any(|action| finding.contains(action))
    })
}

#[test]
fn only_who_looks_for_addresses_knows_the_secret_that_finds_them() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for function in template.functions() {
                let knows = function.variables().contains(&"FINGERPRINT_PEPPER");
                if knows != finds_addresses(template, function.role()) {
                    complaints.push(format!("{} knows the pepper: {knows}", function.name));
                }
            }
            complaints
        },
        &[
            ("/Resources/StatusFunction/Properties/Environment/Variables/FINGERPRINT_PEPPER", json!("x")),
            ("/Resources/InviteFunction/Properties/Environment/Variables/FINGERPRINT_PEPPER", Value::Null),
            ("/Resources/InviteRole/Properties/Policies", json!([])),
            ("/Resources/TrackLoginFunction/Properties/Environment/Variables/FINGERPRINT_PEPPER", Value::Null),
            ("/Resources/TrackLoginRole/Properties/Policies/0/PolicyDocument/Statement/1", json!({ "Action": [] })),
        ],
    );
}
