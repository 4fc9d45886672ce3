//! The stack refuses each function's role what its policy does not name. So the other tests, which pass, also show that the
//! policies permit enough.
//!
//! The local IAM checks actions and resources. It does not check the partitions that the policies also name
//! (`dynamodb:LeadingKeys`): `tests/infra/permissions.rs` checks those in the template.

use std::{collections::BTreeSet, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use serde_json::{Value, json};
use ureq::http::{self, header::CONTENT_TYPE};
use xtask::{StackFile, aws::authorization};

use crate::client::{Answer, exchange};

/// Every operation of the table, with inputs that change nothing if they are permitted.
fn operations(table: &str) -> [(&'static str, Value); 8] {
    let key = json!({ "PK": { "S": "PRACTICE#nowhere#PATIENT#unknown" }, "SK": { "S": "EVENT#0000000001" } });
    let exists = "attribute_exists(PK)";
    [
        ("GetItem", json!({ "TableName": table, "Key": key })),
        ("BatchGetItem", json!({ "RequestItems": { table: { "Keys": [key] } } })),
        (
            "Query",
            json!({
                "TableName": table, "KeyConditionExpression": "PK = :directory", "Limit": 1,
                "ExpressionAttributeValues": { ":directory": { "S": "PRACTICE#nowhere#DIRECTORY" } },
            }),
        ),
        ("PutItem", json!({ "TableName": table, "Item": key, "ConditionExpression": exists })),
        (
            "UpdateItem",
            json!({ "TableName": table, "Key": key, "UpdateExpression": "SET x = PK", "ConditionExpression": exists }),
        ),
        ("DeleteItem", json!({ "TableName": table, "Key": key, "ConditionExpression": exists })),
        ("Scan", json!({ "TableName": table, "Limit": 1 })),
        ("DeleteTable", json!({ "TableName": table })),
    ]
}

/// The table's operations that each role may use.
const PERMITTED: [(&str, &[&str]); 15] = [
    // A job and its results.
    ("bulk", &["GetItem", "PutItem", "Query"]),
    // And the directory, to find all patients.
    ("bulk-runner", &["BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem"]),
    ("change-email", &["BatchGetItem", "PutItem", "UpdateItem"]),
    ("invite", &["BatchGetItem", "PutItem", "UpdateItem"]),
    ("mail-events", &["GetItem", "PutItem", "UpdateItem"]),
    ("opt-out", &["BatchGetItem", "PutItem", "UpdateItem"]),
    // It reads the directory too, and is the only role that deletes, in the directory.
    ("patients", &["BatchGetItem", "DeleteItem", "PutItem", "Query", "UpdateItem"]),
    ("practice", &["GetItem", "PutItem"]),
    ("register", &["BatchGetItem", "GetItem", "PutItem", "UpdateItem"]),
    ("reinvite", &["BatchGetItem", "PutItem", "UpdateItem"]),
    ("sender", &["GetItem", "PutItem", "UpdateItem"]),
    // The timeline of a patient.
    ("status", &["BatchGetItem", "Query"]),
    ("sweep", &["GetItem", "PutItem", "UpdateItem"]),
    ("track-login", &["GetItem", "UpdateItem"]),
    ("unrouted", &[]),
];

#[test]
fn a_role_may_do_only_what_its_policy_names() {
    let Some(stack) = system_tests::stack() else { return };
    let known: BTreeSet<&str> = PERMITTED.iter().map(|(function, _)| *function).collect();
    assert_eq!(known, stack.functions.keys().map(String::as_str).collect());
    let mut refusals = 0;
    for (function, permitted) in PERMITTED {
        let session = assume(stack, &role(stack, function));
        for (operation, input) in operations(&stack.table) {
            let answer = ask(stack, &session, operation, &input);
            let refused = answer.body.contains("AccessDenied");
            assert_eq!(refused, !permitted.contains(&operation), "{function}: {operation}: {answer:?}");
            // A permitted operation reaches the table, where the record does not exist.
            let reached = answer.status == 200 || answer.body.contains("ConditionalCheckFailed");
            assert_ne!(refused, reached, "{function}: {operation}: {answer:?}");
            refusals += u32::from(refused);
        }
    }
    eprintln!("permissions: {refusals} refusals of {} roles", PERMITTED.len());
}

/// Calls an operation of the table under a role.
#[expect(clippy::disallowed_methods, reason = "a signature contains the current time")]
fn ask(stack: &StackFile, session: &Credentials, operation: &str, input: &Value) -> Answer {
    let (url, body, identity) = (&stack.aws_endpoint, input.to_string().into_bytes(), session.clone().into());
    let parameters = v4::SigningParams::builder().identity(&identity).region(&stack.region).name("dynamodb");
    let parameters = parameters.time(SystemTime::now()).settings(SigningSettings::default()).build().unwrap().into();
    let signable = SignableRequest::new("POST", url, std::iter::empty(), SignableBody::Bytes(&body)).unwrap();
    let (signature, _) = sign(signable, &parameters).unwrap().into_parts();
    let request = http::Request::post(url)
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header(CONTENT_TYPE, "application/x-amz-json-1.0");
    let mut request = request.body(body).unwrap();
    signature.apply_to_request_http1x(&mut request);
    exchange(request)
}

/// The ARN of a function's role.
fn role(stack: &StackFile, function: &str) -> String {
    let url = format!("{}/2015-03-31/functions/{}", stack.aws_endpoint, stack.functions[function]);
    let request = http::Request::get(url).header("authorization", authorization(stack, "lambda"));
    let found = exchange(request.body(Vec::new()).unwrap()).json();
    found["Configuration"]["Role"].as_str().unwrap().to_owned()
}

/// Begins a session of a role. Only Lambda may do so: this first permits it to the account as well, which does not change
/// the role's permissions.
fn assume(stack: &StackFile, role: &str) -> Credentials {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": { "Service": "lambda.amazonaws.com", "AWS": "*" },
        }],
    });
    let name = role.rsplit('/').next().unwrap();
    let trust = [("RoleName", name), ("PolicyDocument", &trust.to_string())];
    query(stack, "iam", "2010-05-08", "UpdateAssumeRolePolicy", trust);
    let begun = query(stack, "sts", "2011-06-15", "AssumeRole", [("RoleArn", role), ("RoleSessionName", "refusals")]);
    let text = |tag: &str| {
        let value = begun.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once("</"));
        value.unwrap_or_else(|| unreachable!("no {tag}: {begun}")).0.to_owned()
    };
    let (key, secret, token) = (text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken"));
    Credentials::new(key, secret, Some(token), None, "the stack")
}

/// Calls an operation of a service with forms and XML.
fn query(stack: &StackFile, service: &str, version: &str, action: &str, parameters: [(&str, &str); 2]) -> String {
    let form = [("Action", action), ("Version", version)].into_iter().chain(parameters);
    let request = ureq::post(&stack.aws_endpoint).header("authorization", authorization(stack, service));
    request.send_form(form).unwrap().body_mut().read_to_string().unwrap()
}
