//! The stack refuses each function's role what its policy does not name. So the other tests, which pass, also show that the
//! policies permit enough.
//!
//! The local IAM checks actions and resources, and `ses:FromAddress`. It does not check the partitions that the policies also
//! name (`dynamodb:LeadingKeys`): `tests/infra/permissions.rs` checks those in the template.

use std::{collections::BTreeSet, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use serde_json::{Value, json};
use ureq::http::{self, header::CONTENT_TYPE};
use xtask::{StackFile, aws::authorization};

use crate::{
    aws::{element, query},
    client::{Answer, exchange},
};

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

/// A mail of a template that does not exist. Where it is permitted, nothing is sent.
fn mail(sender: &str, configuration_set: &str) -> Value {
    json!({
        "FromEmailAddress": format!("\"Oak Medicine\" <{sender}>"), "ConfigurationSetName": configuration_set,
        "Content": { "Template": { "TemplateName": "none" } },
    })
}

#[test]
fn mail_leaves_from_one_address_through_one_configuration_set() {
    let Some(stack) = system_tests::stack() else { return };
    let url = format!("{}/v2/email/outbound-emails", stack.aws_endpoint);
    let send = |function: &str, mail: &Value| {
        let request = http::Request::post(&url).header(CONTENT_TYPE, "application/json");
        let request = request.body(mail.to_string().into_bytes()).unwrap();
        send_signed(stack, &assume(stack, &role(stack, function)), "ses", request)
    };
    let (address, set) = ("no-reply@example.com", "portal-invitations");
    let permitted = send("sender", &mail(address, set));
    assert_eq!((permitted.status, &permitted.json()["name"]), (404, &json!("NotFoundException")), "{permitted:?}");
    let refused = [
        ("sender", mail("other@example.com", set)),
        ("sender", mail("no-reply@other.example.com", set)),
        ("sender", mail(address, "other")),
        ("invite", mail(address, set)),
    ];
    for (function, mail) in refused {
        let answer = send(function, &mail);
        assert_eq!(answer.status, 403, "{function}: {mail}: {answer:?}");
        assert!(answer.body.contains("not authorized to perform"), "{function}: {mail}: {answer:?}");
    }
}

/// Calls an operation of the table under a role.
fn ask(stack: &StackFile, session: &Credentials, operation: &str, input: &Value) -> Answer {
    let request = http::Request::post(&stack.aws_endpoint)
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header(CONTENT_TYPE, "application/x-amz-json-1.0");
    send_signed(stack, session, "dynamodb", request.body(input.to_string().into_bytes()).unwrap())
}

/// Sends a request to a service under a role.
#[expect(clippy::disallowed_methods, reason = "a signature is good for minutes")]
fn send_signed(stack: &StackFile, session: &Credentials, service: &str, mut request: http::Request<Vec<u8>>) -> Answer {
    let identity = session.clone().into();
    let parameters = v4::SigningParams::builder().identity(&identity).region(&stack.region).name(service);
    let parameters = parameters.time(SystemTime::now()).settings(SigningSettings::default()).build().unwrap().into();
    let (url, body) = (request.uri().to_string(), SignableBody::Bytes(request.body()));
    let signable = SignableRequest::new("POST", &url, std::iter::empty(), body).unwrap();
    let (signature, _) = sign(signable, &parameters).unwrap().into_parts();
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
    let [key, secret, token] = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(|name| element(&begun, name));
    Credentials::new(key, secret, Some(token), None, "the stack")
}
