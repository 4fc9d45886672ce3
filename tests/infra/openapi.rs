//! The API's description, `infra/openapi.yaml`: it says what the code does, all of it, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use portal::bulk::{BulkOutcome, JobState};
use portal_aws::http::{
    routes::{ALL, Operation},
    scope::Permission,
};
use serde_json::{Value, json};
use system_tests::openapi::{Answer, Document, child};
use xtask::workspace::Workspace;

use crate::{
    sources::{quoted, read, read_all, without_tests},
    template::rule_of,
};

/// What the test of the problems keeps: each with its status, its headers and its words.
const PROBLEMS: &str = "shared/aws/src/http/snapshots/\
                        portal_aws__http__problem__tests__each_problem_has_its_status_its_headers_and_its_words.snap";

/// The rule holds for the description, and each of these changes breaks it.
fn rule(complaints: impl Fn(&Document) -> Vec<String>, changes: &[(&str, Value)]) {
    rule_of(Document::load().json(), |json| complaints(&Document::new(json.clone())), changes);
}

/// A complaint about everything that is in one of the two and not in the other.
fn differences(what: &str, documented: &BTreeSet<String>, real: &BTreeSet<String>) -> Vec<String> {
    let undocumented = real.difference(documented).map(|it| format!("{what}: {it:?} is not documented"));
    let unreal = documented.difference(real).map(|it| format!("{what}: there is no {it:?}"));
    undocumented.chain(unreal).collect()
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
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

/// The routes of the template are the operations too: see `api`.
#[test]
fn the_operations_are_those_of_the_code_and_want_its_scopes() {
    let asked = |method: &str, path: &str, scope: Option<&str>| {
        format!("{method} {path} by {}", scope.map_or("anybody".to_owned(), |scope| format!("who has {scope}")))
    };
    let scope_of = |operation: &Operation| operation.access.permission().map(Permission::scope);
    let real: BTreeSet<String> = ALL.iter().map(|it| asked(it.method, it.path, scope_of(it))).collect();
    rule(
        |document| {
            let documented = document.operations().into_iter().map(|it| {
                let security = document.at(&child(&it.pointer, "security"));
                let scope = &security[0]["accessToken"][0];
                let wanted = if scope.is_null() { json!([]) } else { json!([{ "accessToken": [scope] }]) };
                let scope = if *security == wanted { scope.as_str() } else { Some("something else") };
                asked(&it.method, &it.path, scope)
            });
            differences("operations", &documented.collect(), &real)
        },
        &[
            ("/paths/~1v1~1practice", Value::Null),
            ("/paths/~1v1~1practice/put", Value::Null),
            ("/paths/~1v1~1practices", json!({ "get": { "security": [{ "accessToken": ["portal/read"] }] } })),
            ("/paths/~1v1~1practice/put/security", Value::Null),
            ("/paths/~1v1~1practice/put/security", json!([])),
            ("/paths/~1v1~1practice/put/security", json!([{ "accessToken": ["portal/admin"] }, {}])),
            ("/paths/~1v1~1practice/put/security/0/accessToken/0", json!("portal/read")),
            ("/paths/~1v1~1activation/post/security", json!([{ "accessToken": ["portal/read"] }])),
        ],
    );
}

#[test]
fn every_scope_that_is_wanted_is_described() {
    let real: BTreeSet<String> =
        ALL.iter().filter_map(|it| it.access.permission()).map(|it| it.scope().to_owned()).collect();
    rule(
        |document| {
            let scopes = document.members("/components/securitySchemes/accessToken/x-scopes");
            differences("scopes", &scopes.map(|(scope, _)| scope.clone()).collect(), &real)
        },
        &[
            ("/components/securitySchemes/accessToken/x-scopes/portal~1admin", Value::Null),
            ("/components/securitySchemes/accessToken/x-scopes/portal~1everything", json!("")),
        ],
    );
}

#[test]
fn every_schema_has_an_example_that_fits_it() {
    rule(
        |document| {
            let examples = document.examples();
            let mut complaints: Vec<String> = examples
                .iter()
                .filter_map(|example| document.check_value(&example.schema, example.value).err())
                .collect();
            let shown: BTreeSet<&str> = examples.iter().map(|example| example.schema.as_str()).collect();
            for (pointer, _) in document.objects().iter().filter(|(_, object)| object.get("schema").is_some()) {
                if !shown.contains(child(pointer, "schema").as_str()) {
                    complaints.push(format!("{pointer} has no example"));
                }
            }
            complaints
        },
        &[
            ("/components/examples/status_sent/value/version", json!("3")),
            ("/components/examples/status_sent/value/invitation/delivery", Value::Null),
            ("/components/examples/status_queued/value/invitation/reason", json!("undone")),
            ("/components/examples/status_not_invited/value/panel/activatedOn/status", json!("never")),
            ("/components/examples/profile_to_save/value/patientId", json!("p-1001")),
            ("/components/examples/profile/value/dateOfBirth", json!("1981-02-29")),
            ("/components/examples/too_soon/value/retryAfter", Value::Null),
            ("/components/examples/opted_out/value/code", json!("opted_in")),
            ("/components/examples/link_usable/value/maskedEmail", json!("jose@example.com")),
            ("/components/examples/profile/value", Value::Null),
            ("/components/headers/ETag/example", json!("3")),
            ("/components/schemas/Phone/examples/0", json!("call me")),
            ("/components/parameters/PatientId/example", Value::Null),
            ("/components/responses/Forbidden/content/application~1problem+json/examples", Value::Null),
        ],
    );
}

#[test]
fn every_object_is_closed_and_needs_only_members_that_it_has() {
    rule(
        |document| {
            let mut complaints = Vec::new();
            for (pointer, schema) in document.objects() {
                let kind = &schema["type"];
                let is_schema = pointer.starts_with("/components/schemas/");
                if !is_schema || !(kind == "object" || texts(kind).contains("object")) {
                    continue;
                }
                if schema["additionalProperties"] != json!(false) {
                    complaints.push(format!("{pointer} may have any member"));
                }
                let has = |name: &String| schema["properties"].get(name).is_some();
                complaints.extend(
                    texts(&schema["required"]).iter().filter(|name| !has(name)).map(|it| format!("{pointer}: {it}")),
                );
            }
            complaints
        },
        &[
            ("/components/schemas/Status/additionalProperties", Value::Null),
            ("/components/schemas/Problem/additionalProperties", json!(true)),
            ("/components/schemas/SettingsToSave/properties/portal/additionalProperties", Value::Null),
            ("/components/schemas/Status/required/-", json!("sentences")),
        ],
    );
}

#[test]
fn bodies_are_described_in_one_place() {
    rule(
        |document| {
            let bodies = document.objects().into_iter().filter(|(pointer, _)| pointer.contains("/content/"));
            let schemas = bodies.filter(|(pointer, _)| pointer.ends_with("/schema"));
            let named =
                |schema: &Value| schema["$ref"].as_str().is_some_and(|it| it.starts_with("#/components/schemas/"));
            schemas.filter(|(_, schema)| !named(schema)).map(|(pointer, _)| format!("{pointer} has no name")).collect()
        },
        &[("/components/requestBodies/Token/content/application~1json/schema", json!({ "type": "object" }))],
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
    rule(
        |document| {
            let references = document.objects().into_iter().filter_map(|(_, object)| object.get("$ref")?.as_str());
            let targets: BTreeSet<String> = references.map(|it| it.trim_start_matches('#').to_owned()).collect();
            let lost = targets.iter().filter(|target| document.at(target).is_null());
            let mut complaints: Vec<String> = lost.map(|target| format!("there is no {target}")).collect();
            for kind in ["parameters", "headers", "requestBodies", "responses", "schemas", "examples"] {
                let kind = child("/components", kind);
                let unused = document.members(&kind).map(|(name, _)| child(&kind, name));
                complaints
                    .extend(unused.filter(|it| !targets.contains(it)).map(|it| format!("nothing refers to {it}")));
            }
            complaints
        },
        &[
            ("/components/schemas/Nobody", json!({ "type": "string" })),
            ("/components/examples/nobody", json!({ "value": 1 })),
            ("/components/responses/Forbidden", Value::Null),
            ("/components/parameters/Cursor/schema/$ref", json!("#/components/schemas/Courser")),
        ],
    );
}

#[test]
fn every_operation_has_a_name_of_its_own_and_the_parameters_of_its_path() {
    rule(
        |document| {
            let (mut complaints, mut names) = (Vec::new(), BTreeSet::new());
            for operation in document.operations() {
                let key = format!("{} {}", operation.method, operation.path);
                let name = document.at(&child(&operation.pointer, "operationId")).as_str();
                if name.is_none_or(|name| !names.insert(name)) {
                    complaints.push(format!("{key} has no name of its own"));
                }
                let item = child("/paths", &operation.path);
                let lists = [child(&item, "parameters"), child(&operation.pointer, "parameters")];
                let parameters = lists.iter().flat_map(|list| {
                    let places = 0..document.at(list).as_array().map_or(0, Vec::len);
                    places.map(|place| document.at(&document.follow(child(list, &place.to_string()))))
                });
                let of_path = parameters.filter(|it| it["in"] == "path" && it["required"] == json!(true));
                let documented = of_path.map(|it| it["name"].as_str().unwrap().to_owned()).collect();
                let parts = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
                complaints.extend(differences(&key, &documented, &parts.map(str::to_owned).collect()));
            }
            complaints
        },
        &[
            ("/paths/~1v1~1practice/get/operationId", Value::Null),
            ("/paths/~1v1~1practice/get/operationId", json!("savePractice")),
            ("/paths/~1v1~1patients~1{patientId}/parameters", Value::Null),
            ("/paths/~1v1~1practice/parameters", json!([{ "$ref": "#/components/parameters/PatientId" }])),
            ("/components/parameters/PatientId/name", json!("id")),
        ],
    );
}

/// What a problem document says, without what differs from one request to the next.
fn words(problem: &Value) -> Value {
    let said = ["type", "title", "status", "detail", "code"].map(|name| (name.to_owned(), problem[name].clone()));
    Value::Object(said.into_iter().collect())
}

fn with_detail(problem: &Value, detail: &Value) -> Value {
    let mut problem = problem.clone();
    problem["detail"] = detail.clone();
    problem
}

/// The words of every problem, by its code; a code with several has several sentences.
fn problems() -> BTreeMap<String, Vec<Value>> {
    let mut problems: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for problem in snapshot(&Workspace::locate().unwrap().path(PROBLEMS)).as_array().unwrap() {
        let code = problem["body"]["code"].as_str().unwrap().to_owned();
        problems.entry(code).or_default().push(words(&problem["body"]));
    }
    problems
}

/// The codes in the code: those of the refusals, and those of the problems that are none.
fn codes() -> BTreeSet<String> {
    let refusals = read("shared/portal/src/refusal.rs");
    let problems = read("shared/aws/src/http/problem.rs");
    let (_, decided) = problems.split_once("fn status_code_and_sentence").unwrap();
    let (decided, _) = decided.split_once("\n    }\n").unwrap();
    let is_code = |c: char| c.is_ascii_lowercase() || c == '_';
    [without_tests(&refusals), decided].into_iter().flat_map(|code| quoted(code, is_code)).collect()
}

#[test]
fn the_codes_are_those_of_the_code() {
    let real = codes();
    assert_eq!(problems().into_keys().collect::<BTreeSet<_>>(), real, "the snapshot has all of them");
    rule(
        |document| differences("codes", &texts(document.at("/components/schemas/ProblemCode/enum")), &real),
        &[
            ("/components/schemas/ProblemCode/enum/-", json!("too_late")),
            ("/components/schemas/ProblemCode/enum/0", json!("not_found")),
        ],
    );
}

/// The codes of a problem's schema.
fn codes_of(schema: &Value) -> BTreeSet<String> {
    let code = &schema["properties"]["code"];
    code["const"].as_str().map_or_else(|| texts(&code["enum"]), |code| BTreeSet::from([code.to_owned()]))
}

#[test]
fn every_code_is_documented_with_its_status_and_shown_wherever_it_can_come() {
    let problems = problems();
    rule(
        |document| {
            let (mut complaints, mut documented) = (Vec::new(), BTreeSet::new());
            let operations = document.operations().into_iter().map(|operation| child(&operation.pointer, "responses"));
            for responses in operations.chain(["/x-unrouted".to_owned()]) {
                for (status, _) in document.members(&responses) {
                    let response = document.follow(child(&responses, status));
                    let content = child(&child(&response, "content"), "application/problem+json");
                    if document.at(&content).is_null() {
                        continue;
                    }
                    let codes = codes_of(&document.at(&content)["schema"]);
                    let examples = child(&content, "examples");
                    let shown = document.members(&examples).map(|(name, _)| {
                        let example = document.at(&document.follow(child(&examples, name)));
                        example["value"]["code"].as_str().unwrap_or_default().to_owned()
                    });
                    complaints.extend(differences(&content, &codes, &shown.collect()));
                    for code in &codes {
                        let real = problems.get(code).map_or(&Value::Null, |problems| &problems[0]["status"]);
                        if real.as_u64() != status.parse().ok() {
                            complaints.push(format!("{content}: {code} is {real}, not {status}"));
                        }
                    }
                    documented.extend(codes);
                }
            }
            complaints.extend(differences("documented codes", &documented, &problems.keys().cloned().collect()));
            complaints
        },
        &[
            ("/components/responses/Forbidden/content/application~1problem+json/schema/properties", Value::Null),
            (
                "/components/responses/Forbidden/content/application~1problem+json/schema/properties/code/const",
                json!("opted_out"),
            ),
            (
                "/components/responses/InvalidCommand/content/application~1problem+json/schema/properties/code/enum/-",
                json!("email_invalid"),
            ),
            (
                "/components/responses/InvalidCommand/content/application~1problem+json/examples/invalid_fields",
                Value::Null,
            ),
            ("/paths/~1v1~1practice/get/responses/404", Value::Null),
            ("/paths/~1v1~1practice/get/responses/409", json!({ "$ref": "#/components/responses/PatientNotFound" })),
            ("/x-unrouted/405", Value::Null),
        ],
    );
}

#[test]
fn every_refusal_is_shown_in_its_own_words() {
    let problems = problems();
    // What is wrong with a query is for each operation to say.
    let functions: BTreeSet<&str> = ALL.iter().map(|operation| operation.function).collect();
    let folders = functions.into_iter().map(|function| format!("functions/{function}/src"));
    let sources: String = folders.chain(["shared/aws/src/http".to_owned()]).map(|folder| read_all(&folder)).collect();
    rule(
        |document| {
            let mut complaints = Vec::new();
            for (pointer, object) in document.objects() {
                let Some(code) = object.get("code").and_then(Value::as_str) else { continue };
                let real = problems.get(code).map_or(&[][..], Vec::as_slice);
                let fits = match (object.get("detail"), object.get("sentence")) {
                    (Some(detail), _) if code == "malformed" && sources.contains(&detail.to_string()) => {
                        real.iter().any(|problem| words(object) == with_detail(problem, detail))
                    }
                    (Some(_), _) => real.contains(&words(object)),
                    (None, Some(sentence)) => real.iter().any(|problem| problem["detail"] == *sentence),
                    // Of a single member: no refusal.
                    (None, None) => true,
                };
                if !fits {
                    complaints.push(format!("{pointer} is not as {real:?}"));
                }
            }
            complaints
        },
        &[
            ("/components/examples/opted_out/value/detail", json!("The patient has opted out.")),
            ("/components/examples/malformed_query/value/detail", json!("The parameter q is no good.")),
            ("/components/examples/malformed_query/value/title", json!("No good")),
            ("/components/examples/opted_out/value/title", json!("Out")),
            ("/components/examples/opted_out/value/status", json!(403)),
            ("/components/examples/opted_out/value/type", json!("/problems/opted_in")),
            ("/components/examples/status_queued/value/actions/invite/sentence", json!("Not now.")),
            ("/components/examples/status_queued/value/actions/invite/code", json!("opted_out")),
        ],
    );
}

/// The names that a type of the domain has for its values.
fn names(file: &str, kind: &str) -> BTreeSet<String> {
    let code = read(&format!("shared/portal/src/{file}"));
    let (_, rest) = code.split_once(&format!("\nimpl {kind} {{\n")).unwrap();
    let (implementation, _) = rest.split_once("\n}\n").unwrap();
    quoted(implementation, |c| c.is_ascii_lowercase() || "_-".contains(c)).into_iter().collect()
}

#[test]
fn the_names_of_states_are_those_of_the_code() {
    let states = [names("record/mod.rs", "InvitationState"), ["none", "expired"].map(str::to_owned).into()];
    let reasons = [names("record/mod.rs", "FailReason"), names("record/mod.rs", "RevokeReason")];
    let real: [(&str, BTreeSet<String>); 5] = [
        ("Invitation/properties/state", states.into_iter().flatten().collect()),
        ("Invitation/properties/delivery", names("record/mod.rs", "Delivery")),
        ("Invitation/properties/reason", reasons.into_iter().flatten().collect()),
        ("TimelineEvent/properties/kind", names("timeline.rs", "EventKind")),
        ("Actor/properties/role", names("timeline.rs", "Role")),
    ];
    rule(
        |document| {
            let documented = |place: &str| texts(document.at(&format!("/components/schemas/{place}/enum")));
            real.iter().flat_map(|(place, real)| differences(place, &documented(place), real)).collect()
        },
        &[
            ("/components/schemas/Invitation/properties/state/enum/0", json!("new")),
            ("/components/schemas/Invitation/properties/delivery/enum/-", json!("read")),
            ("/components/schemas/Invitation/properties/reason/enum", json!([])),
            ("/components/schemas/TimelineEvent/properties/kind/enum/0", json!("profile-deleted")),
            ("/components/schemas/Actor/properties/role/enum/-", json!("stranger")),
        ],
    );
}

#[test]
fn the_outcomes_of_a_bulk_job_are_those_of_the_code() {
    let outcomes: BTreeSet<String> = BulkOutcome::all().map(|outcome| outcome.code().to_owned()).collect();
    let states: BTreeSet<String> = JobState::ALL.map(|state| state.name().to_owned()).into();
    rule(
        |document| {
            let texts_at = |place: &str| texts(document.at(&format!("/components/schemas/{place}/enum")));
            let counts = document.members("/components/schemas/BulkJob/properties/counts/properties");
            [
                differences("outcomes", &texts_at("BulkResult/properties/outcome"), &outcomes),
                differences("counts", &counts.map(|(code, _)| code.clone()).collect(), &outcomes),
                differences("states", &texts_at("BulkJob/properties/state"), &states),
            ]
            .concat()
        },
        &[
            ("/components/schemas/BulkResult/properties/outcome/enum/0", json!("done")),
            ("/components/schemas/BulkJob/properties/counts/properties/opted_out", Value::Null),
            ("/components/schemas/BulkJob/properties/state/enum/-", json!("paused")),
        ],
    );
}

/// Examples that were once answers, and the snapshots that keep those.
const ANSWERED: [(&str, &str); 16] = [
    ("status_not_invited", "status/tests/snapshots/status__not_invited"),
    ("status_queued", "status/tests/snapshots/status__queued"),
    ("status_sent", "status/tests/snapshots/status__sent"),
    ("status_opted_out", "opt-out/tests/snapshots/opt_out__opted_out"),
    ("status_registered", "change-email/tests/snapshots/change_email__changed"),
    ("timeline", "status/tests/snapshots/timeline__history"),
    ("profile", "patients/tests/snapshots/patients__read"),
    ("patients_found", "patients/tests/snapshots/search__found"),
    ("practice", "practice/tests/snapshots/practice__saved"),
    ("bulk_accepted", "bulk/tests/snapshots/bulk__accepted"),
    ("bulk_never_invited", "bulk/tests/snapshots/bulk__never_invited"),
    ("bulk_running", "bulk/tests/snapshots/bulk__running"),
    ("bulk_cancelled", "bulk/tests/snapshots/bulk__cancelled"),
    ("bulk_results", "bulk/tests/snapshots/bulk__last_results"),
    ("link_usable", "register/tests/snapshots/register__usable"),
    ("registered", "register/tests/snapshots/register__registered"),
];

#[test]
fn the_examples_are_what_the_handlers_answer() {
    let workspace = Workspace::locate().unwrap();
    let real = ANSWERED.map(|(name, path)| (name, snapshot(&workspace.path(&format!("functions/{path}.snap")))));
    rule(
        |document| {
            let shown = |name: &str| document.at(&format!("/components/examples/{name}/value"));
            let wrong = real.iter().filter(|(name, answer)| *shown(name) != answer["body"]);
            wrong.map(|(name, answer)| format!("{name} is not {}", answer["body"])).collect()
        },
        &[
            ("/components/examples/status_sent/value/sentence", json!("The invitation was sent.")),
            ("/components/examples/practice/value/linkDays", json!(8)),
        ],
    );
}

#[test]
fn what_the_handlers_answer_is_documented() {
    let mut functions: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for operation in ALL {
        functions.entry(operation.function).or_default().push((operation.method, operation.path));
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
                // What is no JSON stands in a snapshot as text.
                let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
                let body = if body.is_null() { "" } else { text.as_str() };
                let answer = Answer { status, headers: &(&headers).try_into().unwrap(), body };
                // A snapshot does not say of which of the function's operations it is: it must be of one.
                let checks = operations.iter().map(|(method, path)| document.check_answer(method, path, answer));
                let errors: Vec<String> = checks.filter_map(Result::err).collect();
                if errors.len() == operations.len() {
                    complaints.push(format!("{}: {errors:?}", file.display()));
                }
            }
            complaints
        },
        &[
            ("/components/schemas/Status/properties/sentence", Value::Null),
            ("/components/schemas/Status/required/-", json!("more")),
            ("/components/schemas/Registered/properties/email", json!({ "type": "number" })),
            ("/components/responses/Profile/headers", Value::Null),
            ("/components/responses/Unavailable/content/application~1problem+json", Value::Null),
            ("/paths/~1v1~1practice/get/responses/404", Value::Null),
            ("/x-unrouted/404", Value::Null),
            ("/components/headers/Allow/schema/pattern", json!("^$")),
        ],
    );
}

#[test]
fn the_sample_events_are_requests_that_are_documented() {
    let folders = files("events").into_iter().filter(|path| path.is_dir());
    let events: Vec<(PathBuf, Value)> = folders
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()))
        // Those of other senders than the gateway have no route, and the gateway's own is none of the API's.
        .filter(|(_, event): &(_, Value)| event["routeKey"].as_str().is_some_and(|route| route != "$default"))
        .collect();
    for operation in ALL {
        let key = format!("{} {}", operation.method, operation.path);
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
            ("/components/schemas/AnotherEmail/properties/email", Value::Null),
            ("/components/schemas/ProfileToSave/required/-", json!("middleName")),
            ("/components/schemas/OneClick/properties/List-Unsubscribe", Value::Null),
            ("/components/requestBodies/Nothing/required", json!(true)),
            ("/paths/~1v1~1unsubscribe/post/requestBody", Value::Null),
            ("/paths/~1v1~1practice/put", Value::Null),
        ],
    );
}
