//! The stack refuses each function's role what its policy does not name. So the other tests, which pass, also show that the
//! policies permit enough.
//!
//! The local IAM also checks the conditions on partitions, attributes and senders of mail, with keys that `infra/local` adds
//! as AWS documents them. What only AWS can show is in ADR 16.

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

/// A partition of each kind, with nothing in it.
const PARTITIONS: [(&str, &str); 9] = [
    ("access", "PRACTICE#nowhere#ACCESS#nothing"),
    ("address", "EMAIL#nothing"),
    ("profiles", "PRACTICE#nowhere#EMAIL#nothing"),
    ("refusals", "PRACTICE#nowhere#REFUSALS"),
    ("directory", "PRACTICE#nowhere#DIRECTORY"),
    ("history", "PRACTICE#nowhere#HISTORY"),
    ("job", "PRACTICE#nowhere#JOB#nothing"),
    ("patient", "PRACTICE#nowhere#PATIENT#unknown"),
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
const COMMANDS: [&str; 8] = [
    "delete address",
    "get some address",
    "get some patient",
    "get some practice",
    "get some profiles",
    "get some refusals",
    "put address",
    "put patient",
];
/// What a function does that reads a record and its practice separately, and writes the record.
const BY_ITSELF: [&str; 11] = [
    "delete address",
    "get patient",
    "get practice",
    "get profiles",
    "get refusals",
    "get some address",
    "get some patient",
    "get some profiles",
    "get some refusals",
    "put address",
    "put patient",
];
/// What a function does that counts refusals of addresses.
const REFUSALS: [&str; 1] = ["put refusals"];

/// What each role may do with the table.
fn allowed(function: &str) -> BTreeSet<&'static str> {
    let (common, own): (&[_], &[_]) = match function {
        "bulk" => (&[], &["get job", "list job", "put job", "put job alone", "put history"]),
        "bulk-runner" => (&COMMANDS, &["get job", "list directory", "put job", "put job alone", "put refusals"]),
        "change-email" | "opt-out" => (&COMMANDS, &[]),
        "invite" | "reinvite" => (&COMMANDS, &REFUSALS),
        "mail-events" => (&BY_ITSELF, &[]),
        "patients" => (
            &[],
            &[
                "delete directory",
                "delete profiles",
                "get some patient",
                "get some practice",
                "get some profiles",
                "get some refusals",
                "list directory",
                "put directory",
                "put patient",
                "put profiles",
            ],
        ),
        "practice" => (&[], &["get practice", "put practice", "put history", "list history"]),
        "register" => (&COMMANDS, &["get patient", "get practice", "get profiles", "get refusals", "list index link"]),
        "sender" => (&BY_ITSELF, &["update guesses of patient", "update reschedules of patient"]),
        "status" => (
            &[],
            &[
                "get some patient",
                "get some practice",
                "get some profiles",
                "get some refusals",
                "list access",
                "list patient",
            ],
        ),
        "support" => (
            &[],
            &[
                "get some patient",
                "get some practice",
                "get some profiles",
                "get some refusals",
                "list patient",
                "get address",
                "put access",
                "put access alone",
            ],
        ),
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
    query(stack, "iam", "UpdateAssumeRolePolicy", &trust);
    let begun = query(stack, "sts", "AssumeRole", &[("RoleArn", role), ("RoleSessionName", "refusals")]);
    let [key, secret, token] = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(|name| element(&begun, name));
    Credentials::new(key, secret, Some(token), None, "the stack")
}
