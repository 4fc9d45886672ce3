//! The API's description, `infra/openapi.yaml`, for checking requests and answers against it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use http::{HeaderMap, header::CONTENT_TYPE};
use jsonschema::{Registry, RegistryBuilder, Validator};
use serde_json::{Value, json};

use xtask::yaml;

/// The URI of the document in references.
const URI: &str = "urn:openapi";
/// The headers that are for a client. An answer may have one of them only if its operation documents it.
const CLIENT_HEADERS: [&str; 7] =
    ["allow", "content-disposition", "etag", "link", "location", "retry-after", "www-authenticate"];
/// The media type of a problem.
const PROBLEM: &str = "application/problem+json";
/// The members of a path item that are methods.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A description of an API.
pub struct Document {
    json: Value,
    schemas: Mutex<BTreeMap<String, Arc<Validator>>>,
}

/// One operation of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The method, in capitals.
    pub method: String,
    /// The path, with `{parameters}`.
    pub path: String,
    /// The JSON pointer to it.
    pub pointer: String,
}

/// A received answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'answer> {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: &'answer HeaderMap,
    /// The whole body. Empty if there is none.
    pub body: &'answer str,
}

/// An example.
#[derive(Debug)]
pub struct Example<'document> {
    /// The JSON pointer to its schema.
    pub schema: String,
    /// Its value.
    pub value: &'document Value,
}

impl Document {
    /// The API's document. It is read once.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    #[expect(clippy::expect_used, reason = "without the document there is nothing to test")]
    pub fn load() -> &'static Self {
        static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
            Document::new(yaml::read("infra/openapi.yaml", |_, _| None).expect("the document is read"))
        });
        &DOCUMENT
    }

    /// A document that is stricter than the one for clients: its objects have no other members and its enums no other
    /// values, so that the tests find everything that is not described.
    #[must_use]
    pub fn new(mut json: Value) -> Self {
        close(&mut json);
        Self { json, schemas: Mutex::default() }
    }

    /// The whole document.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The value at a JSON pointer. Null if there is none.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Every operation, in order of path.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.members("/paths") {
            for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
                let pointer = child(&child("/paths", path), method);
                operations.push(Operation { method: method.to_uppercase(), path: path.clone(), pointer });
            }
        }
        operations
    }

    /// Checks that the document describes this answer to this request. `path` may have a query.
    ///
    /// A request that matches no operation must get one of the answers under `x-unrouted`.
    ///
    /// # Errors
    /// The reason why the answer is not described.
    pub fn check_answer(&self, method: &str, path: &str, answer: Answer<'_>) -> Result<(), String> {
        let path = path.split('?').next().unwrap_or_default();
        let at_path: Vec<Operation> =
            self.operations().into_iter().filter(|operation| operation.matches(path)).collect();
        let operation = at_path.iter().find(|operation| operation.method == method);
        let responses = operation.map_or("/x-unrouted".to_owned(), |operation| child(&operation.pointer, "responses"));
        let response = self.follow(child(&responses, &answer.status.to_string()));
        if self.at(&response).is_null() {
            return Err(format!("{} is not documented at {responses}", answer.status));
        }
        if operation.is_none() {
            check_unrouted(&at_path, answer)?;
        }
        // The answer to HEAD is the one to GET without its body.
        self.check_response(&response, answer, method != "HEAD").map_err(|error| format!("{response}: {error}"))
    }

    /// Checks that the document describes a request with this body, of this media type.
    ///
    /// # Errors
    /// As for [`Self::check_answer`].
    pub fn check_request(&self, method: &str, path: &str, media_type: &str, body: &str) -> Result<(), String> {
        let operations = self.operations();
        let operation = operations.iter().find(|operation| operation.method == method && operation.matches(path));
        let operation = operation.ok_or_else(|| format!("there is no {method} {path}"))?;
        let pointer = self.follow(child(&operation.pointer, "requestBody"));
        match (self.at(&pointer), body) {
            (Value::Null, "") => return Ok(()),
            (Value::Null, _) => return Err(format!("{pointer}: there is a body")),
            (documented, "") if documented.get("required") == Some(&Value::Bool(true)) => {
                return Err(format!("{pointer}: there is no body"));
            }
            (_, "") => return Ok(()),
            _ => {}
        }
        let content = child(&child(&pointer, "content"), media_type);
        if self.at(&content).is_null() {
            return Err(format!("{pointer}: {media_type} is not documented"));
        }
        let body = if media_type == "application/json" {
            serde_json::from_str(body).map_err(|error| format!("{pointer}: {error}"))?
        } else {
            body.split('&').filter_map(|member| member.split_once('=')).collect()
        };
        self.check_value(&child(&content, "schema"), &body)
    }

    /// Checks a value against the schema at a JSON pointer.
    ///
    /// # Errors
    /// The places where the value is invalid, or that there is no such schema.
    pub fn check_value(&self, schema: &str, value: &Value) -> Result<(), String> {
        let errors: Vec<String> = self
            .schema(schema)?
            .iter_errors(value)
            .map(|error| format!("{error} at {:?} of {value}", error.instance_path().to_string()))
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(format!("{schema}: {}", errors.join("; "))) }
    }

    /// Every object of the document, with its JSON pointer.
    #[must_use]
    pub fn objects(&self) -> Vec<(String, &Value)> {
        let (mut found, mut rest) = (Vec::new(), vec![(String::new(), &self.json)]);
        while let Some((pointer, node)) = rest.pop() {
            match node {
                Value::Object(members) => {
                    rest.extend(members.iter().map(|(name, inner)| (child(&pointer, name), inner)));
                    found.push((pointer, node));
                }
                Value::Array(items) => {
                    rest.extend(items.iter().enumerate().map(|(at, item)| (child(&pointer, &at.to_string()), item)));
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        found
    }

    /// Every example: those of bodies, parameters and headers, and those in schemas.
    #[must_use]
    pub fn examples(&self) -> Vec<Example<'_>> {
        let mut found = Vec::new();
        for (pointer, object) in self.objects() {
            if object.get("schema").is_some() {
                let schema = child(&pointer, "schema");
                let named = child(&pointer, "examples");
                let named = self.members(&named).map(|(name, _)| child(&self.follow(child(&named, name)), "value"));
                let values = object.get("example").into_iter().chain(named.map(|place| self.at(&place)));
                found.extend(values.map(|value| Example { schema: schema.clone(), value }));
            } else if let Some(Value::Array(values)) = object.get("examples") {
                found.extend(values.iter().map(|value| Example { schema: pointer.clone(), value }));
            }
        }
        found
    }

    /// Follows the references at a JSON pointer to their target.
    #[must_use]
    pub fn follow(&self, pointer: String) -> String {
        match self.at(&pointer).get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#')) {
            Some(target) => self.follow(target.to_owned()),
            None => pointer,
        }
    }

    /// The members of the object at a JSON pointer. None if there is no object.
    pub fn members(&self, pointer: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.at(pointer).as_object().into_iter().flatten()
    }

    fn check_response(&self, response: &str, answer: Answer<'_>, has_body: bool) -> Result<(), String> {
        let headers = child(response, "headers");
        for name in self.members(&headers).map(|(name, _)| name) {
            let header = self.follow(child(&headers, name));
            match answer.header(name) {
                Some(value) => self.check_value(&child(&header, "schema"), &value.into())?,
                None if self.at(&child(&header, "required")) == &Value::Bool(true) => {
                    return Err(format!("there is no {name}"));
                }
                None => {}
            }
        }
        let documented = |name: &str| self.members(&headers).any(|(header, _)| header.eq_ignore_ascii_case(name));
        if let Some(name) = CLIENT_HEADERS.iter().find(|name| answer.header(name).is_some() && !documented(name)) {
            return Err(format!("{name} is not documented"));
        }
        let content = child(response, "content");
        if !has_body || self.at(&content).is_null() {
            return if answer.body.is_empty() { Ok(()) } else { Err("there is a body".to_owned()) };
        }
        let media_type = answer.header(CONTENT_TYPE.as_str()).ok_or("the body has no content type")?;
        // The charset is not a part of the media type.
        let media_type = media_type.split_once(';').map_or(media_type, |(media_type, _)| media_type);
        let content = child(&content, media_type);
        if self.at(&content).is_null() {
            return Err(format!("{media_type} is not documented"));
        }
        let body = if media_type.contains("json") {
            serde_json::from_str(answer.body).map_err(|error| format!("the body is not JSON: {error}"))?
        } else {
            Value::from(answer.body)
        };
        self.check_value(&child(&content, "schema"), &body)?;
        self.check_problem(response, media_type, &body)?;
        check_agreement(&body, answer)
    }

    /// Checks that a problem has all required members and a code of its response, and that an answer of the gateway has only
    /// a message.
    fn check_problem(&self, response: &str, media_type: &str, body: &Value) -> Result<(), String> {
        let members: BTreeSet<&str> = body.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        if media_type != PROBLEM {
            let from_gateway = self.at(&child(response, "content")).get(media_type).is_some_and(|content| {
                content
                    .pointer("/schema/$ref")
                    .is_some_and(|reference| reference == "#/components/schemas/ProblemDetails")
            });
            let is_message = members == BTreeSet::from(["message"]);
            let is_wrong = from_gateway && !is_message;
            return if is_wrong { Err(format!("the gateway does not answer {body}")) } else { Ok(()) };
        }
        let required = BTreeSet::from(["type", "title", "status", "detail", "instance", "code"]);
        if let Some(missing) = required.difference(&members).next() {
            return Err(format!("the problem has no {missing}"));
        }
        if members.contains("message") {
            return Err("a problem has no message".to_owned());
        }
        let codes = self.at(&child(response, "x-codes")).as_array();
        let is_documented = codes.is_some_and(|codes| codes.iter().any(|code| *code == body["code"]));
        if is_documented { Ok(()) } else { Err(format!("the code {} is not documented", body["code"])) }
    }

    fn schema(&self, pointer: &str) -> Result<Arc<Validator>, String> {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = schemas.get(pointer) {
            return Ok(Arc::clone(schema));
        }
        let registry = Registry::new().add(URI, &self.json).and_then(RegistryBuilder::prepare);
        let registry = registry.map_err(|error| error.to_string())?;
        // A reference must not contain the braces of path parameters.
        let reference = format!("{URI}#{}", pointer.replace('{', "%7B").replace('}', "%7D"));
        let options = jsonschema::options().with_registry(&registry).should_validate_formats(true);
        let schema = options.build(&json!({ "$ref": reference })).map_err(|error| format!("{pointer}: {error}"))?;
        let schema = Arc::new(schema);
        schemas.insert(pointer.to_owned(), Arc::clone(&schema));
        Ok(schema)
    }
}

impl Operation {
    /// Whether the path of a request matches this operation.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let (own, given): (Vec<&str>, Vec<&str>) = (self.path.split('/').collect(), path.split('/').collect());
        let fits = |(own, given): (&&str, &&str)| own == given || (own.starts_with('{') && !given.is_empty());
        own.len() == given.len() && own.iter().zip(&given).all(fits)
    }
}

impl<'answer> Answer<'answer> {
    fn header(&self, name: &str) -> Option<&'answer str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The JSON pointer to a member of the object at a JSON pointer.
#[must_use]
pub fn child(pointer: &str, name: &str) -> String {
    let name =
        if name.contains(['~', '/']) { name.replace('~', "~0").replace('/', "~1").into() } else { Cow::from(name) };
    format!("{pointer}/{name}")
}

/// Allows no other members and values in the objects and enums of every schema in a node.
fn close(node: &mut Value) {
    if let Value::Array(items) = node {
        items.iter_mut().for_each(close);
    }
    let Value::Object(members) = node else { return };
    members.values_mut().for_each(close);
    if members.get("type").is_some_and(|kind| kind == "object") && members.contains_key("properties") {
        members.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    if let Some(names) = members.get("x-extensible-enum").cloned() {
        members.entry("enum").or_insert(names);
    }
}

/// Checks the answer to a request that matches no operation: 405 with the methods of the path, or 404 if it has none.
fn check_unrouted(at_path: &[Operation], answer: Answer<'_>) -> Result<(), String> {
    let expected: BTreeSet<&str> = at_path.iter().map(|operation| operation.method.as_str()).collect();
    let allowed: BTreeSet<&str> = answer.header("allow").into_iter().flat_map(|value| value.split(", ")).collect();
    let status = if expected.is_empty() { 404 } else { 405 };
    if (answer.status, &allowed) == (status, &expected) {
        Ok(())
    } else {
        Err(format!("it must be {status} and allow {expected:?}, and is {} and allows {allowed:?}", answer.status))
    }
}

/// Checks that a header and a member with the same meaning have the same value.
fn check_agreement(body: &Value, answer: Answer<'_>) -> Result<(), String> {
    let member = |name: &str| body.get(name).map(Value::to_string);
    let etag = answer.header("etag").map(|tag| tag.trim_matches('"').to_owned());
    let code = body.get("code").and_then(Value::as_str);
    let pairs = [
        ("the version and the ETag", etag.is_some() && member("version") != etag),
        ("the seconds to wait", member("retryAfter") != answer.header("retry-after").map(str::to_owned)),
        ("the statuses", code.is_some() && member("status") != Some(answer.status.to_string())),
        ("the code and the type", code.is_some_and(|code| body["type"] != format!("/problems/{code}"))),
    ];
    let differing = pairs.iter().find(|(_, differ)| *differ);
    differing.map_or(Ok(()), |(what, _)| Err(format!("{what} differ: {answer:?}")))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A status panel, as the API answers it.
    fn status() -> Value {
        let examples = "/responses/200/content/application~1json/examples";
        Document::load().at(&format!("/paths/~1v1~1patients~1{{patientId}}~1portal/get{examples}/sent/value")).clone()
    }

    fn problem(code: &str) -> Value {
        let objects = Document::load().objects();
        let found = objects.into_iter().find(|(_, object)| object["value"]["code"] == code);
        found.map(|(_, object)| object["value"].clone()).unwrap()
    }

    fn check(request: &str, status: u16, headers: &[(&str, &str)], body: &str) -> Result<(), String> {
        let (method, path) = request.split_once(' ').unwrap();
        let headers: HashMap<_, _> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let headers = HeaderMap::try_from(&headers).unwrap();
        Document::load().check_answer(method, path, Answer { status, headers: &headers, body })
    }

    /// The reason why an answer to a read of the status is not described.
    fn reason(status: u16, headers: &[(&str, &str)], body: &Value) -> String {
        check("GET /v1/patients/p-1001/portal", status, headers, &body.to_string()).unwrap_err()
    }

    const JSON: (&str, &str) = ("content-type", "application/json");
    const PROBLEM: (&str, &str) = ("content-type", super::PROBLEM);
    const ETAG: (&str, &str) = ("etag", "\"3\"");

    #[test]
    fn a_documented_answer_passes() {
        let (read, command) = ("GET /v1/patients/p-1001/portal", "POST /v1/patients/p-1001/portal/reinvite?x=1");
        let gateway = json!({ "message": "Unauthorized" }).to_string();
        assert_eq!(check(read, 200, &[JSON, ETAG], &status().to_string()), Ok(()));
        assert_eq!(check(read, 404, &[PROBLEM], &problem("patient_not_found").to_string()), Ok(()));
        assert_eq!(check(read, 401, &[JSON], &gateway), Ok(()));
        let wait = ("retry-after", "37");
        assert_eq!(check(command, 429, &[PROBLEM, wait], &problem("too_soon").to_string()), Ok(()));
        assert_eq!(check("POST /v1/activation/decline", 204, &[], ""), Ok(()));
    }

    #[test]
    fn a_request_that_matches_no_operation_has_its_own_answers() {
        let (path, method) = (problem("not_found").to_string(), problem("method_not_allowed").to_string());
        let (both, one) = (("allow", "GET, PUT"), ("allow", "GET"));
        for request in ["GET /", "POST /v1/patients/p-1/nothing", "GET /v1/patients//portal", "PUT /V1/practice"] {
            assert_eq!(check(request, 404, &[PROBLEM], &path), Ok(()), "{request}");
            assert!(check(request, 405, &[PROBLEM, both], &method).is_err(), "{request}");
        }
        assert_eq!(check("DELETE /v1/practice", 405, &[PROBLEM, both], &method), Ok(()));
        assert_eq!(check("HEAD /v1/practice", 405, &[PROBLEM, both], ""), Ok(()));
        assert!(check("HEAD /v1/practice", 405, &[PROBLEM, both], &method).is_err(), "HEAD has no body");
        assert!(check("DELETE /v1/practice", 405, &[PROBLEM, one], &method).is_err(), "PUT is missing");
        assert!(check("DELETE /v1/practice", 404, &[PROBLEM], &path).is_err(), "the path exists");
        assert!(check("OPTIONS /v1/practice", 204, &[], "").is_err(), "OPTIONS is not documented");
        assert!(check("GET /v1/practice", 405, &[PROBLEM, both], &method).is_err(), "it is an operation");
    }

    #[test]
    fn an_answer_that_is_not_documented_is_an_error() {
        let with = |mut body: Value, name: &str, value: Value| {
            body[name] = value;
            body
        };
        for (what, answered, headers, body) in [
            ("is not documented at", 202, &[JSON, ETAG][..], status()),
            ("there is no ETag", 200, &[JSON], status()),
            ("not match", 200, &[JSON, ("etag", "3")], status()),
            ("the version and the ETag differ", 200, &[JSON, ("etag", "\"4\"")], status()),
            ("the body has no content type", 200, &[ETAG], status()),
            ("text/json is not documented", 200, &[("content-type", "text/json"), ETAG], status()),
            ("retry-after is not documented", 200, &[JSON, ETAG, ("retry-after", "1")], status()),
            ("'secret' was unexpected", 200, &[JSON, ETAG], with(status(), "secret", json!(1))),
            ("is not of type", 200, &[JSON, ETAG], with(status(), "version", json!("3"))),
            ("\"panel\" is a required property", 200, &[JSON, ETAG], json!({})),
            ("is not documented", 404, &[PROBLEM], problem("practice_not_set_up")),
            (
                "the problem has no code",
                404,
                &[PROBLEM],
                json!({ "type": "/problems/patient_not_found", "title": "", "status": 404 }),
            ),
            ("a problem has no message", 404, &[PROBLEM], with(problem("patient_not_found"), "message", json!(""))),
            ("the gateway does not answer", 503, &[JSON], problem("unavailable")),
            ("is not one of", 200, &[JSON, ETAG], with(status(), "invitation", json!({ "state": "lost" }))),
            (
                "the code and the type differ",
                404,
                &[PROBLEM],
                with(problem("patient_not_found"), "type", json!("/problems/x")),
            ),
            ("the statuses differ", 404, &[PROBLEM], with(problem("patient_not_found"), "status", json!(400))),
            ("the seconds to wait differ", 503, &[PROBLEM, ("retry-after", "2")], problem("unavailable")),
            ("the seconds to wait differ", 503, &[PROBLEM], problem("unavailable")),
        ] {
            let reason = reason(answered, headers, &body);
            assert!(reason.contains(what), "{what}: {reason}");
        }
        assert!(check("POST /v1/activation/decline", 204, &[JSON], "{}").unwrap_err().contains("there is a body"));
        assert!(check("GET /v1/practice", 200, &[JSON, ETAG], "nonsense").unwrap_err().contains("not JSON"));
    }

    #[test]
    fn a_request_that_is_not_documented_is_an_error() {
        let check = |request: &str, media_type: &str, body: &str| {
            let (method, path) = request.split_once(' ').unwrap();
            Document::load().check_request(method, path, media_type, body)
        };
        let (invite, read, save) = ("POST /v1/patients/p-1/portal/invite", "GET /v1/practice", "PUT /v1/practice");
        assert_eq!(check(invite, "", ""), Ok(()));
        assert_eq!(check(invite, "application/json", r#"{"email":"jose@example.com"}"#), Ok(()));
        assert_eq!(check(read, "", ""), Ok(()));
        for (request, media_type, body) in [
            ("GET /v1/nothing", "", ""),
            (read, "application/json", "{}"),
            (save, "application/json", ""),
            (save, "application/json", "{}"),
            (save, "application/json", "nonsense"),
            (invite, "text/plain", "{}"),
            (invite, "application/json", r#"{"practiceId":"hillside"}"#),
            (invite, "application/json", r#"{"email":"No Mailbox <jose@example.com>"}"#),
        ] {
            assert!(check(request, media_type, body).is_err(), "{request} {media_type} {body}");
        }
    }

    #[test]
    fn a_name_of_a_pointer_is_escaped() {
        assert_eq!(child("/paths", "/v1/a~b"), "/paths/~1v1~1a~0b");
    }
}
