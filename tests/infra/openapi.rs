//! The API's description, `infra/openapi.yaml`: it is up to date, its examples are valid, and generators of clients can use
//! it. The types themselves define its operations, codes and schemas.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use portal::refusal::RefusalCode;
use portal_aws::http::{problem::ProblemCode, routes::Operation, words::EdgeCode};
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use system_tests::openapi::{Answer, Document, child};
use xtask::{workspace::Workspace, yaml};

use crate::template::rule_of;

/// The description as it is committed.
fn committed() -> Value {
    yaml::read(api_description::FILE, |_, _| None).unwrap()
}

/// The rule holds for the description, and each of these changes breaks it.
fn rule(complaints: impl Fn(&Document) -> Vec<String>, changes: &[(&str, Value)]) {
    rule_of(&committed(), |json| complaints(&Document::new(json.clone())), changes);
}

/// A snapshot's value.
fn snapshot(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()));
    serde_json::from_str(text.splitn(3, "---\n").nth(2).unwrap()).unwrap()
}

/// The files of a folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Workspace::locate().unwrap().path(folder);
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_description_is_up_to_date() {
    let root = Workspace::locate().unwrap().path("");
    let committed = fs::read_to_string(root.join(api_description::FILE)).unwrap();
    let is_same = committed == api_description::text(&root).unwrap();
    assert!(is_same, "{} is stale: run `cargo xtask openapi`", api_description::FILE);
}

#[test]
fn every_example_fits_its_schema() {
    rule(
        |document| {
            let examples = document.examples();
            let wrong = examples.iter().filter_map(|it| document.check_value(&it.schema, it.value).err());
            wrong.collect()
        },
        &[
            ("/components/examples/too_soon/value/retryAfter", json!("soon")),
            ("/components/examples/opted_out/value/secret", json!(1)),
            ("/components/schemas/PatientProfile/properties/email", Value::Null),
            ("/components/schemas/ProfileToSave/required/-", json!("middleName")),
        ],
    );
}

#[test]
fn every_code_belongs_to_an_answer() {
    let rules = RefusalCode::iter().map(ProblemCode::Rule);
    let real: BTreeSet<&str> = rules.chain(EdgeCode::iter().map(ProblemCode::Edge)).map(ProblemCode::name).collect();
    rule(
        |document| {
            let objects = document.objects();
            let codes = objects.iter().filter_map(|(_, object)| object.get("x-codes")?.as_array()).flatten();
            let shown: BTreeSet<&str> = codes.filter_map(Value::as_str).collect();
            real.symmetric_difference(&shown).map(|code| format!("{code} is in no answer, or is not a code")).collect()
        },
        &[("/x-unrouted/404/x-codes", Value::Null), ("/x-unrouted/404/x-codes/-", json!("lost"))],
    );
}

/// For the forbidden constructs, some generator makes no type, a wrong type, or a type that fails on later answers.
#[test]
fn generators_of_clients_can_use_every_schema() {
    const UNUSABLE: [&str; 8] = ["if", "then", "else", "oneOf", "anyOf", "allOf", "const", "not"];
    const TAKEN: [&str; 8] = ["Date", "Link", "Status", "Action", "Error", "Event", "List", "Login"];
    let complaints = |json: &Value| {
        let (mut found, mut rest) = (Vec::new(), vec![(String::new(), json)]);
        while let Some((pointer, node)) = rest.pop() {
            let is_example = pointer.ends_with("/value") || pointer.ends_with("/example");
            match node {
                Value::Object(members) if !is_example => {
                    if members.contains_key("$ref") && members.len() > 1 {
                        found.push(format!("{pointer} has members beside its reference"));
                    }
                    if members.get("type").is_some_and(Value::is_array) {
                        found.push(format!("{pointer} has several types"));
                    }
                    let unusable = UNUSABLE.into_iter().filter(|name| members.contains_key(*name));
                    found.extend(unusable.map(|name| format!("{pointer} has {name}")));
                    rest.extend(members.iter().map(|(name, inner)| (child(&pointer, name), inner)));
                }
                Value::Array(items) => {
                    rest.extend(items.iter().enumerate().map(|(at, item)| (child(&pointer, &at.to_string()), item)));
                }
                Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let taken = TAKEN.into_iter().filter(|name| json["components"]["schemas"].get(name).is_some());
        found.extend(taken.map(|name| format!("{name} is the name of another type in some language")));
        found
    };
    rule_of(
        &committed(),
        complaints,
        &[
            ("/components/schemas/Status", json!({ "type": "object" })),
            ("/components/schemas/PatientProfile/properties/email/type", json!(["string", "null"])),
            ("/components/schemas/PatientProfile/properties/active/const", json!(false)),
            ("/components/schemas/PatientStatus/properties/panel/description", json!("The panel.")),
        ],
    );
}

#[test]
fn the_handlers_answers_are_documented() {
    let mut functions: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for operation in Operation::iter() {
        functions.entry(operation.function()).or_default().push((operation.method(), operation.path()));
    }
    functions.insert("unrouted", vec![("GET", "/v1/nothing"), ("DELETE", "/v1/practice")]);
    let snapshots: Vec<_> = functions
        .into_iter()
        .flat_map(|(function, operations)| {
            let files = files(&format!("functions/{function}/tests/snapshots"));
            assert!(!files.is_empty(), "{function} has no snapshots");
            files.into_iter().map(move |file| (file.clone(), snapshot(&file), operations.clone()))
        })
        .collect();
    rule(
        |document| {
            let mut complaints = Vec::new();
            for (file, shown, operations) in &snapshots {
                let headers: HashMap<String, String> = serde_json::from_value(shown["headers"].clone()).unwrap();
                let status = shown["status"].as_u64().unwrap().try_into().unwrap();
                let body = &shown["body"];
                // A snapshot contains a body that is not JSON as text.
                let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
                let body = if body.is_null() { "" } else { text.as_str() };
                let answer = Answer { status, headers: &(&headers).try_into().unwrap(), body };
                // A snapshot does not name its operation. It must fit one of the function's.
                let checks = operations.iter().map(|(method, path)| document.check_answer(method, path, answer));
                let errors: Vec<String> = checks.filter_map(Result::err).collect();
                if errors.len() == operations.len() {
                    complaints.push(format!("{}: {errors:?}", file.display()));
                }
            }
            complaints
        },
        &[
            ("/components/schemas/PatientStatus/properties/sentence", Value::Null),
            ("/components/schemas/PatientStatus/required/-", json!("more")),
            ("/components/schemas/RegisteredAccount/properties/email", json!({ "type": "number" })),
            ("/components/headers/ETag/schema/pattern", json!("^$")),
            ("/paths/~1v1~1practice/get/responses/404", Value::Null),
            ("/paths/~1v1~1patients~1{patientId}~1portal~1invite/post/responses/409/x-codes", json!([])),
            ("/x-unrouted/404", Value::Null),
            ("/x-unrouted/405/headers/Allow/schema/pattern", json!("^$")),
        ],
    );
}

#[test]
fn the_sample_events_are_documented_requests() {
    let folders = files("events").into_iter().filter(|path| path.is_dir());
    let events: Vec<(PathBuf, Value)> = folders
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()))
        // Only the gateway's events have a route. `$default` is not an operation.
        .filter(|(_, event): &(_, Value)| event["routeKey"].as_str().is_some_and(|route| route != "$default"))
        .collect();
    for operation in Operation::iter() {
        let key = operation.route_key();
        assert!(events.iter().any(|(_, event)| event["routeKey"] == key), "there is no sample of {key}");
    }
    rule(
        |document| {
            let wrong = events.iter().filter_map(|(file, event)| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let (method, path) = (text(&event["requestContext"]["http"]["method"]), text(&event["rawPath"]));
                let media_type = text(&event["headers"]["content-type"]);
                let checked = document.check_request(&method, &path, &media_type, &text(&event["body"]));
                checked.err().map(|error| format!("{}: {error}", file.display()))
            });
            wrong.collect()
        },
        &[
            ("/components/schemas/Recipient/properties/email", Value::Null),
            ("/components/schemas/ProfileToSave/required/-", json!("middleName")),
            ("/paths/~1v1~1unsubscribe/post/requestBody", Value::Null),
            ("/paths/~1v1~1practice/put", Value::Null),
        ],
    );
}
