//! What remains when the stack is deleted, and how a stack adopts it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    documents::read,
    template::{Template, expect, rule},
};

/// What cannot be made again, and the parameter that adopts each.
const KEPT: [(&str, &str, &str); 4] = [
    ("Table", "CreatesTable", "ExistingTableName"),
    ("TableKey", "CreatesTableKey", "ExistingTableKeyArn"),
    ("FingerprintPepper", "CreatesPepper", "ExistingPepperArn"),
    ("MailIdentity", "CreatesMailIdentity", "ExistingMailIdentity"),
];

#[test]
fn what_cannot_be_made_again_is_kept_unless_the_first_deployment_fails() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for (resource, _, _) in KEPT {
                for (policy, wanted) in [("DeletionPolicy", "RetainExceptOnCreate"), ("UpdateReplacePolicy", "Retain")]
                {
                    let actual = template.at(&format!("/Resources/{resource}/{policy}"));
                    complaints.extend(expect(format!("the {policy} of {resource}"), actual, &json!(wanted)));
                }
            }
            // Any other resource that is kept would block the next deployment, or cost money unnoticed.
            let all = template.at("/Resources").as_object().unwrap();
            let kept: BTreeSet<_> = KEPT.iter().map(|(resource, _, _)| *resource).collect();
            for (name, resource) in all {
                let policy = resource["DeletionPolicy"].as_str().unwrap_or("Delete");
                if policy != "Delete" && !kept.contains(name.as_str()) {
                    complaints.push(format!("{name} is kept"));
                }
            }
            complaints
        },
        &[
            ("/Resources/Table/DeletionPolicy", json!("Retain")),
            ("/Resources/Table/UpdateReplacePolicy", Value::Null),
            ("/Resources/TableKey/DeletionPolicy", Value::Null),
            ("/Resources/FingerprintPepper/DeletionPolicy", json!("Delete")),
            ("/Resources/MailIdentity/UpdateReplacePolicy", json!("Delete")),
            ("/Resources/SweepLogs/DeletionPolicy", json!("Retain")),
        ],
    );
}

/// Whether a part of the template refers to a resource.
fn refers_to(part: &Value, resource: &str) -> bool {
    match part {
        Value::Object(members) => members.iter().any(|(name, value)| match (name.as_str(), value) {
            ("Ref", Value::String(target)) => target == resource,
            ("Fn::GetAtt", Value::Array(path)) => path.first().is_some_and(|first| first == resource),
            (_, value) => refers_to(value, resource),
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, resource)),
        Value::String(text) => {
            let names = text.split("${").skip(1).filter_map(|rest| rest.split(['.', '}']).next());
            names.into_iter().any(|name| name == resource)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[test]
fn what_is_created_or_adopted_is_referred_to_in_one_place() {
    // Everything else refers to the place.
    let places = [
        ("Table", vec!["TableArn", "TableName"]),
        ("ExistingTableName", vec!["TableArn", "TableName"]),
        ("TableKey", vec!["Table", "UseTableKey"]),
        ("ExistingTableKeyArn", vec!["Table", "UseTableKey"]),
        ("FingerprintPepper", vec!["PepperArn"]),
        ("ExistingPepperArn", vec!["PepperArn"]),
        ("MailIdentity", vec!["SenderRole"]),
        ("ExistingMailIdentity", vec!["SenderRole"]),
    ];
    rule(
        |template| {
            let resources = template.at("/Resources").as_object().unwrap();
            let mut complaints = Vec::new();
            for (target, wanted) in &places {
                let users = resources.iter().filter(|(_, resource)| refers_to(resource, target));
                let users: BTreeSet<_> = users.map(|(name, _)| name.as_str()).collect();
                if !users.iter().eq(wanted) {
                    complaints.push(format!("{users:?} refer to {target}, {wanted:?} should"));
                }
            }
            complaints
        },
        &[
            ("/Resources/InviteFunction/Properties/Environment/Variables/TABLE_NAME", json!({ "Ref": "Table" })),
            (
                "/Resources/StatusRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource",
                json!({ "Fn::Sub": "${Table.Arn}" }),
            ),
            (
                "/Resources/InviteFunction/Properties/Environment/Variables/FINGERPRINT_PEPPER",
                json!({ "Fn::Sub": "{{resolve:secretsmanager:${FingerprintPepper}:SecretString}}" }),
            ),
            ("/Resources/Table/Properties/SSESpecification", Value::Null),
        ],
    );
}

#[test]
fn what_is_adopted_is_not_created() {
    let empty = |parameter: &str| json!({ "Fn::Equals": [{ "Ref": parameter }, ""] });
    let conditions = [
        ("CreatesTable", empty("ExistingTableName")),
        ("HasExistingTableKey", json!({ "Fn::Not": [empty("ExistingTableKeyArn")] })),
        (
            "CreatesTableKey",
            json!({ "Fn::And": [{ "Condition": "CreatesTable" }, { "Fn::Not": [{ "Condition": "HasExistingTableKey" }] }] }),
        ),
        // A table may have no key of its own.
        ("HasTableKey", json!({ "Fn::Or": [{ "Condition": "CreatesTable" }, { "Condition": "HasExistingTableKey" }] })),
        ("CreatesPepper", empty("ExistingPepperArn")),
        ("CreatesMailIdentity", empty("ExistingMailIdentity")),
    ];
    rule(
        |template| {
            let condition = |name: &str| template.at(&format!("/Resources/{name}/Condition"));
            let mut complaints: Vec<_> =
                expect("the key's policy", condition("UseTableKey"), &json!("HasTableKey")).into_iter().collect();
            for (resource, wanted, parameter) in KEPT {
                complaints.extend(expect(resource, condition(resource), &json!(wanted)));
                let default = template.at(&format!("/Parameters/{parameter}/Default"));
                complaints.extend(expect(parameter, default, &json!("")));
            }
            for (name, wanted) in &conditions {
                complaints.extend(expect(*name, template.at(&format!("/Conditions/{name}")), wanted));
            }
            complaints
        },
        &[
            ("/Resources/Table/Condition", Value::Null),
            ("/Resources/UseTableKey/Condition", Value::Null),
            ("/Conditions/CreatesTableKey", empty("ExistingTableKeyArn")),
            ("/Parameters/ExistingPepperArn/Default", Value::Null),
        ],
    );
}

#[test]
fn the_stack_policy_protects_what_is_kept() {
    let policy: Value = serde_json::from_str(&read("infra/stack-policy.json")).unwrap();
    let protected = KEPT.map(|(resource, _, _)| format!("LogicalResourceId/{resource}"));
    let wanted = json!({
        "Statement": [
            { "Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*" },
            {
                "Effect": "Deny", "Principal": "*", "Action": ["Update:Delete", "Update:Replace"],
                "Resource": protected,
            },
        ],
    });
    assert_eq!(policy, wanted);
    // The policy names resources of the template.
    let template = Template::load();
    assert!(KEPT.iter().all(|(resource, _, _)| !template.at(&format!("/Resources/{resource}")).is_null()));
}
