//! The error answers: the codes of each status, with the sentence and an example of each.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use portal::{
    idempotency::KeyReused,
    ids::{PatientId, RequestId},
    operations::Precondition,
    ports::StoreError,
    refusal::{RefusalCode, RefusalDetail},
};
use portal_aws::http::{
    Problem,
    field_error::{FieldCode, FieldError},
    problem::{Malformed, ProblemCode, ProblemDetails},
    words::EdgeCode,
};
use serde_json::{Map, Value, json};

use crate::{parameters::Header, schemas::Schemas};

/// The schema of all problems, and of the gateway's own answers.
pub const PROBLEM_DETAILS: &str = "ProblemDetails";

/// The media type of a problem.
const PROBLEM: &str = "application/problem+json";
/// The statuses with which the gateway may answer before our code runs, and its messages.
const GATEWAY: [(u16, &str); 5] = [
    (401, "Unauthorized"),
    (413, "Request Entity Too Large"),
    (429, "Too Many Requests"),
    (500, "Internal Server Error"),
    (503, "Service Unavailable"),
];

/// Why an operation answers with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The cause is the one of this code.
    Code(ProblemCode),
    /// A part of the request is malformed. The name is that of the example.
    Malformed(&'static str, Malformed),
}

impl Cause {
    fn code(&self) -> ProblemCode {
        match self {
            Self::Code(code) => *code,
            Self::Malformed(..) => ProblemCode::Edge(EdgeCode::Malformed),
        }
    }

    /// The examples, by name.
    fn problems(&self) -> Result<Vec<(String, Problem)>> {
        let code = match self {
            Self::Malformed(name, part) => return Ok(vec![(format!("malformed_{name}"), (*part).into())]),
            Self::Code(code) => *code,
        };
        let name = code.name().to_owned();
        Ok(match code {
            ProblemCode::Rule(code @ RefusalCode::EmailInUse) => {
                let holder = PatientId::parse("p-2")?;
                vec![
                    (name.clone(), Problem::Refused { code, detail: RefusalDetail::Holder(holder) }),
                    (format!("{name}_elsewhere"), Problem::Refused { code, detail: RefusalDetail::None }),
                ]
            }
            ProblemCode::Rule(code) => vec![(name, Problem::Refused { code, detail: detail_of(code) })],
            ProblemCode::Edge(code) => vec![(name, edge_problem(code))],
        })
    }
}

const fn detail_of(code: RefusalCode) -> RefusalDetail {
    if matches!(code, RefusalCode::TooSoon) { RefusalDetail::RetryAfterSecs(37) } else { RefusalDetail::None }
}

/// A problem of this code.
fn edge_problem(code: EdgeCode) -> Problem {
    let mistake = |pointer: &str, code| FieldError { pointer: pointer.to_owned(), code };
    match code {
        EdgeCode::Malformed => Malformed::Body.into(),
        EdgeCode::InvalidFields => Problem::Invalid(vec![
            mistake("/dateOfBirth", FieldCode::Required),
            mistake("/email", FieldCode::EmailInvalid),
        ]),
        EdgeCode::EmailInvalid => Problem::Invalid(vec![mistake("/email", FieldCode::EmailInvalid)]),
        EdgeCode::Unauthenticated => Problem::Unauthenticated,
        EdgeCode::NotAnAccessToken => Problem::NoAccessToken,
        EdgeCode::Forbidden => Problem::Forbidden,
        EdgeCode::WrongHost => Problem::WrongHost,
        EdgeCode::NotFound => Problem::NotFound,
        EdgeCode::PracticeNotSetUp => Problem::PracticeNotSetUp,
        EdgeCode::JobNotFound => Problem::JobNotFound,
        EdgeCode::MethodNotAllowed => Problem::MethodNotAllowed { allowed: Vec::new() },
        EdgeCode::VersionConflict => Problem::Precondition(Precondition::VersionConflict),
        EdgeCode::IdempotencyKeyReused => Problem::Precondition(Precondition::KeyReused(KeyReused)),
        EdgeCode::TooLarge => Problem::TooLarge,
        EdgeCode::UnsupportedMediaType => Problem::UnsupportedMediaType,
        EdgeCode::Unavailable => StoreError::Busy.into(),
        EdgeCode::Internal => Problem::Internal("an example".into()),
    }
}

/// Collects the error answers and their examples.
#[derive(Default)]
pub struct Errors {
    examples: BTreeMap<String, Value>,
    /// Answers that operations share. Each is named by its examples.
    responses: BTreeMap<String, Value>,
}

/// The maximum number of examples of a shared answer. An answer with more is written in its operation.
const MAX_SHARED: usize = 4;

impl Errors {
    /// The error answers of an operation, by status. The gateway can answer every operation with a 429, but requires a
    /// token only if the operation needs one.
    pub fn responses(&mut self, causes: &[Cause]) -> Result<BTreeMap<u16, Value>> {
        let mut by_status: BTreeMap<u16, Vec<&Cause>> = BTreeMap::from([(429, Vec::new())]);
        for cause in causes {
            by_status.entry(cause.code().status().as_u16()).or_default().push(cause);
        }
        by_status.into_iter().map(|(status, causes)| Ok((status, self.shared(status, &causes)?))).collect()
    }

    /// A reference to an answer that other operations can have too.
    fn shared(&mut self, status: u16, causes: &[&Cause]) -> Result<Value> {
        let response = self.response(status, causes)?;
        let examples = response["content"][PROBLEM]["examples"].as_object();
        let names: Vec<&str> = examples.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let name = match names.as_slice() {
            [] => "TooManyRequests".to_owned(),
            names if names.len() > MAX_SHARED => return Ok(response),
            names => names.iter().flat_map(|name| name.split('_')).map(capitalized).collect(),
        };
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        self.responses.insert(name, response);
        Ok(reference)
    }

    /// The answers that [`Self::responses`] refers to.
    pub fn shared_responses(&self) -> Value {
        self.responses.iter().map(|(name, response)| (name.clone(), response.clone())).collect()
    }

    /// The answers to requests that match no operation. The examples are inline, because linters do not follow references
    /// there.
    pub fn unrouted() -> Result<Value> {
        let answer = |code: ProblemCode| {
            let (mut errors, status) = (Self::default(), code.status().as_u16());
            let mut answer = errors.response(status, &[&Cause::Code(code)])?;
            answer["content"][PROBLEM]["examples"] = errors.examples();
            Ok((status.to_string(), answer))
        };
        [EdgeCode::NotFound, EdgeCode::MethodNotAllowed].map(ProblemCode::Edge).into_iter().map(answer).collect()
    }

    /// The examples that [`Self::responses`] refers to.
    pub fn examples(&self) -> Value {
        self.examples.iter().map(|(name, example)| (name.clone(), example.clone())).collect()
    }

    fn response(&mut self, status: u16, causes: &[&Cause]) -> Result<Value> {
        let (mut shown, mut codes): (Map<String, Value>, Vec<&'static str>) = (Map::new(), Vec::new());
        let mut meanings = Vec::new();
        for cause in causes {
            for (name, problem) in cause.problems()? {
                let request = RequestId::parse("JKJaXmPLvHcESHA=")?;
                let value: Value = serde_json::from_str(problem.answer(Some(&request)).body())?;
                ensure!(value["status"] == status, "{name} has another status");
                let detail = value["detail"].as_str().context("a problem has a detail")?.to_owned();
                shown.insert(name.clone(), json!({ "$ref": format!("#/components/examples/{name}") }));
                self.examples.insert(name, json!({ "summary": detail, "value": value }));
                if meanings.last() != Some(&(cause.code().name(), detail.clone())) {
                    meanings.push((cause.code().name(), detail));
                }
            }
            if !codes.contains(&cause.code().name()) {
                codes.push(cause.code().name());
            }
        }
        let schema = json!({ "$ref": format!("#/components/schemas/{PROBLEM_DETAILS}") });
        let mut content = Map::new();
        if !shown.is_empty() {
            content.insert(PROBLEM.to_owned(), json!({ "schema": schema, "examples": shown }));
        }
        let gateway = GATEWAY.iter().find(|(gateway_status, _)| *gateway_status == status);
        if let Some((_, message)) = gateway {
            let examples = json!({ "gateway": { "value": { "message": message } } });
            content.insert("application/json".to_owned(), json!({ "schema": schema, "examples": examples }));
        }
        let mut lines: Vec<String> = meanings.iter().map(|(code, detail)| format!("* `{code}`: {detail}")).collect();
        if let Some((_, message)) = gateway {
            lines.push(format!("* From the gateway, without a code: {message}."));
        }
        let mut response = json!({ "description": lines.join("\n") });
        let headers = Header::references(headers_of(status));
        if !headers.is_empty() && !codes.is_empty() {
            response["headers"] = headers.into();
        }
        response["content"] = content.into();
        if !codes.is_empty() {
            response["x-codes"] = json!(codes);
        }
        Ok(response)
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

const fn headers_of(status: u16) -> &'static [Header] {
    match status {
        401 => &[Header::WwwAuthenticate],
        405 => &[Header::Allow],
        429 | 503 => &[Header::RetryAfter],
        _ => &[],
    }
}

/// The schema of problems. The gateway's own answers have the same schema, because generated clients have one type for each
/// status. Therefore no member is required.
pub fn problem_details(schemas: &mut Schemas) -> Result<Value> {
    let mut schema = schemas.definition::<ProblemDetails<'_>>(PROBLEM_DETAILS)?;
    let members = schema.as_object_mut().context("a schema is an object")?;
    members.remove("required");
    let properties = members.get_mut("properties").and_then(Value::as_object_mut).context("a problem has members")?;
    let message =
        json!({ "description": "The message of the gateway. All other members are then absent.", "type": "string" });
    properties.insert("message".to_owned(), message);
    Ok(schema)
}
