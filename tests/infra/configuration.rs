//! The environment of the functions: each function has the variables that it reads, and no others.

use std::collections::BTreeSet;

use portal_aws::config::variables_of;
use serde_json::{Value, json};

use crate::template::{Template, rule};

/// The variables that a function reads and Lambda does not set.
fn read_by(function: &str) -> BTreeSet<&'static str> {
    let variables = match function {
        "bulk" => variables_of::<bulk::Config>(),
        "bulk-runner" => variables_of::<bulk_runner::Config>(),
        "change-email" => variables_of::<change_email::Config>(),
        "invite" => variables_of::<invite::Config>(),
        "mail-events" => variables_of::<mail_events::Config>(),
        "opt-out" => variables_of::<opt_out::Config>(),
        "patients" => variables_of::<patients::Config>(),
        "practice" => variables_of::<practice::Config>(),
        "register" => variables_of::<register::Config>(),
        "reinvite" => variables_of::<reinvite::Config>(),
        "sender" => variables_of::<sender::Config>(),
        "status" => variables_of::<status::Config>(),
        "support" => variables_of::<support::Config>(),
        "sweep" => variables_of::<sweep::Config>(),
        "track-login" => variables_of::<track_login::Config>(),
        "unrouted" => variables_of::<unrouted::Config>(),
        _ => unreachable!("add the configuration of {function} here"),
    };
    // The template cannot set what begins with `AWS_`.
    variables.unwrap().into_iter().filter(|name| !name.starts_with("AWS_")).collect()
}

#[test]
fn every_function_has_exactly_the_variables_that_it_reads() {
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

/// Whether the role of a function may read or write address items.
fn uses_addresses(template: &Template, role: &str) -> bool {
    let finding = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"];
    template.statements().iter().any(|statement| {
        statement.role == role
            && statement.partitions().iter().any(|partition| ["EMAIL#*", "PRACTICE#*#EMAIL#*"].contains(partition))
            && statement.actions().iter().any(|action| finding.contains(action))
    })
}

#[test]
fn a_function_has_the_pepper_exactly_if_it_uses_addresses() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for function in template.functions() {
                let has_pepper = function.variables().contains(&"FINGERPRINT_PEPPER");
                if has_pepper != uses_addresses(template, function.role()) {
                    complaints.push(format!("{} has the pepper: {has_pepper}", function.name));
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
