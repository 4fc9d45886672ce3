//! The local AWS refuses each function's role what its policies do not allow. So the whole suite, which the functions get
//! through, is also proof that the policies are enough.
//!
//! The local IAM evaluates actions, resources and the conditions of the template, with the request's keys as AWS documents them
//! (`infra/local/dynamodb_conditions.py`).

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
    aws::{query, text_of},
    client::{Answer, exchange},
};

/// A partition of each kind, with nothing in it.
const PARTITIONS: [(&str, &str); 5] = [
    ("address", "EMAIL#nothing"),
    ("directory", "PRACTICE#nowhere#DIRECTORY"),
    ("job", "PRACTICE#nowhere#JOB#nothing"),
    ("patient", "PRACTICE#nowhere#PATIENT#nobody"),
    ("practice", "PRACTICE#nowhere"),
];
/// An attribute of each single update of a record, and two that no function updates: one of a record, one of an event.
const ATTRIBUTES: [&str; 5] = ["guesses", "reschedules", "login_at", "invitation_email", "by"];

/// A request for the table that changes nothing where it is allowed.
struct Asked {
    name: String,
    operation: &'static str,
    input: Value,
}

/// Everything that can be asked of the table.
fn asked(table: &str) -> Vec<Asked> {
    let mut all = Vec::new();
    let mut ask = |name: String, operation, input| all.push(Asked { name, operation, input });
    for (kind, partition) in PARTITIONS {
        let key = json!({ "PK": { "S": partition }, "SK": { "S": "nothing" } });
        let there = "attribute_exists(PK)";
        let put = json!({ "TableName": table, "Item": key, "ConditionExpression": there });
        let delete = json!({ "TableName": table, "Key": key, "ConditionExpression": there });
        let update = |attribute: &str| {
            let change = format!("SET {attribute} = PK");
            json!({ "TableName": table, "Key": key, "UpdateExpression": change, "ConditionExpression": there })
        };
        let in_transaction = |write: &str, input: &Value| json!({ "TransactItems": [{ write: input }] });
        ask(format!("get {kind}"), "GetItem", json!({ "TableName": table, "Key": key }));
        ask(format!("get some {kind}"), "BatchGetItem", json!({ "RequestItems": { table: { "Keys": [key] } } }));
        let list = json!({
            "TableName": table, "KeyConditionExpression": "PK = :partition", "Limit": 1,
            "ExpressionAttributeValues": { ":partition": { "S": partition } },
        });
        ask(format!("list {kind}"), "Query", list);
        ask(format!("put {kind} alone"), "PutItem", put.clone());
        ask(format!("put {kind}"), "TransactWriteItems", in_transaction("Put", &put));
        ask(format!("delete {kind} alone"), "DeleteItem", delete.clone());
        ask(format!("delete {kind}"), "TransactWriteItems", in_transaction("Delete", &delete));
        ask(format!("update {kind}"), "TransactWriteItems", in_transaction("Update", &update("owner")));
        for attribute in ATTRIBUTES {
            ask(format!("update {attribute} of {kind}"), "UpdateItem", update(attribute));
        }
        let mut returned = update("login_at");
        returned["ReturnValues"] = "ALL_NEW".into();
        ask(format!("update and read {kind}"), "UpdateItem", returned);
    }
    for index in ["due", "link"] {
        let hash = if index == "due" { "due_shard" } else { "link_id" };
        let list = json!({
            "TableName": table, "IndexName": index, "Limit": 1, "KeyConditionExpression": format!("{hash} = :hash"),
            "ExpressionAttributeValues": { ":hash": { "S": "nothing" } },
        });
        ask(format!("list index {index}"), "Query", list);
    }
    ask("scan".to_owned(), "Scan", json!({ "TableName": table, "Limit": 1 }));
    ask("delete the table".to_owned(), "DeleteTable", json!({ "TableName": table }));
    all
}

/// What a function that carries out commands on one patient does with the table.
const COMMANDS: [&str; 4] = ["get some patient", "get some practice", "put patient", "update address"];
/// What a function does that reads a record and its practice separately, and writes the record.
const BY_ITSELF: [&str; 4] = ["get patient", "get practice", "put patient", "update address"];

/// What each role may do with the table.
fn allowed(function: &str) -> BTreeSet<&'static str> {
    let (common, own): (&[_], &[_]) = match function {
        "bulk" => (&[], &["get job", "list job", "put job", "put job alone"]),
        "bulk-runner" => (&COMMANDS, &["get job", "get some address", "list directory", "put job", "put job alone"]),
        "change-email" | "invite" | "opt-out" | "reinvite" => (&COMMANDS, &[]),
        "mail-events" => (&BY_ITSELF, &[]),
        "patients" => (&COMMANDS, &["delete directory", "list directory", "put directory"]),
        "practice" => (&[], &["get practice", "put practice", "put practice alone"]),
        "register" => (&COMMANDS, &["get patient", "get practice", "list index link"]),
        "sender" => (&BY_ITSELF, &["update guesses of patient", "update reschedules of patient"]),
        "status" => (&[], &["get some patient", "get some practice", "list patient"]),
        "sweep" => (&BY_ITSELF, &["list index due", "update reschedules of patient"]),
        "track-login" => (&[], &["get address", "update login_at of patient"]),
        "unrouted" => (&[], &[]),
        _ => unreachable!("say here what {function} may do"),
    };
    common.iter().chain(own).copied().collect()
}

#[test]
fn a_role_is_refused_what_its_policy_does_not_allow() {
    let Some(stack) = system_tests::stack() else { return };
    let mut refusals = 0;
    for function in stack.functions.keys() {
        let session = assume(stack, &role(stack, function));
        let mut actual = BTreeSet::new();
        let all = asked(&stack.table);
        for Asked { name, operation, input } in &all {
            let answer = ask(stack, &session, operation, input);
            let refused = answer.body.contains("AccessDenied");
            // What is allowed gets as far as the table, where nothing is stored under these keys.
            let reached = answer.status == 200 || answer.body.contains("ConditionalCheckFailed");
            assert_ne!(refused, reached, "{function}: {name}: {answer:?}");
            refusals += u32::from(refused);
            actual.extend(reached.then_some(name.as_str()));
        }
        assert_eq!(actual, allowed(function), "{function}");
    }
    eprintln!("permissions: {refusals} refusals of {} roles", stack.functions.len());
}

/// Asks something of the table under a role.
#[expect(clippy::disallowed_methods, reason = "a signature is good for minutes")]
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

/// The name of the resource that is a function's role.
fn role(stack: &StackFile, function: &str) -> String {
    let url = format!("{}/2015-03-31/functions/{}", stack.aws_endpoint, stack.functions[function]);
    let request = http::Request::get(url).header("authorization", authorization(stack, "lambda"));
    let found = exchange(request.body(Vec::new()).unwrap()).json();
    found["Configuration"]["Role"].as_str().unwrap().to_owned()
}

/// Begins a session of a role. Lambda alone may do so; here the account may from now on as well, which changes nothing of what
/// the role may do.
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
    query(stack, "iam", "UpdateAssumeRolePolicy", &trust);
    let begun = query(stack, "sts", "AssumeRole", &[("RoleArn", role), ("RoleSessionName", "refusals")]);
    let text = |tag: &str| text_of(&begun, tag).to_owned();
    let (key, secret, token) = (text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken"));
    Credentials::new(key, secret, Some(token), None, "the stack")
}
