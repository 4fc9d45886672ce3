//! The sample events, invalid variants of them, and answers in the form that tests compare.
#![expect(clippy::unwrap_used, reason = "only tests compile this module, and there a panic is the failure")]
#![expect(clippy::missing_panics_doc, reason = "every function here panics if a sample is invalid")]

use std::{collections::BTreeMap, fmt::Debug, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lambda_http::{Context, LambdaEvent};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Edge, Handler, HttpAnswer, HttpEvent};
use crate::config::ClaimNames;

/// The claim names in the samples.
#[must_use]
pub fn claim_names() -> ClaimNames {
    ClaimNames { practice: "practice_id".to_owned(), scope: "scope".to_owned() }
}

/// A handler behind the edge, as in the function's `main`.
#[must_use]
pub fn edge<H: Handler>(handler: H) -> Edge<H> {
    Edge::new(claim_names(), handler)
}

/// A sample event of any kind: `events/<name>.json`.
#[must_use]
pub fn sample<E: DeserializeOwned>(name: &str) -> E {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    serde_json::from_slice(&std::fs::read(events.join(name).with_extension("json")).unwrap()).unwrap()
}

/// A sample HTTP request, which can be changed.
#[derive(Clone, Debug)]
pub struct Sample(Value);

impl Sample {
    /// Reads the sample with this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(sample(name))
    }

    fn set(mut self, parent: &str, member: &str, value: Value) -> Self {
        self.0.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(member.to_owned(), value);
        self
    }

    fn remove(mut self, parent: &str, member: &str) -> Self {
        self.0.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member).unwrap();
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(self, text: impl Into<String>) -> Self {
        self.set("", "body", json!(text.into())).header("content-type", "application/json")
    }

    /// With this body, which the gateway encodes in base64.
    #[must_use]
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        self.body(STANDARD.encode(bytes)).set("", "isBase64Encoded", json!(true))
    }

    /// With this JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// With a member of the JSON body replaced, or added.
    #[must_use]
    pub fn member(self, name: &str, value: Value) -> Self {
        let mut body: Value = serde_json::from_str(self.0.get("body").unwrap().as_str().unwrap()).unwrap();
        body.as_object_mut().unwrap().insert(name.to_owned(), value);
        self.json(&body)
    }

    /// With this header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.set("/headers", name, json!(value))
    }

    /// Without this header.
    #[must_use]
    pub fn without_header(self, name: &str) -> Self {
        self.remove("/headers", name)
    }

    /// With this claim in the verified token.
    #[must_use]
    pub fn claim(self, name: &str, value: &str) -> Self {
        self.set("/requestContext/authorizer/jwt/claims", name, json!(value))
    }

    /// Without this claim in the verified token.
    #[must_use]
    pub fn without_claim(self, name: &str) -> Self {
        self.remove("/requestContext/authorizer/jwt/claims", name)
    }

    /// With this authorizer context, in which the gateway puts the verified token.
    #[must_use]
    pub fn authorizer(self, authorizer: &Value) -> Self {
        self.set("/requestContext", "authorizer", authorizer.clone())
    }

    /// Without a verified token.
    #[must_use]
    pub fn anonymous(self) -> Self {
        self.remove("/requestContext", "authorizer")
    }

    /// With this patient in the path.
    #[must_use]
    pub fn patient(self, id: &str) -> Self {
        self.set("/pathParameters", "patientId", json!(id))
    }

    /// With this bulk job in the path.
    #[must_use]
    pub fn job(self, id: &str) -> Self {
        self.set("/pathParameters", "jobId", json!(id))
    }

    /// With this practice in the path.
    #[must_use]
    pub fn practice(self, id: &str) -> Self {
        self.set("/pathParameters", "practiceId", json!(id))
    }

    /// With this parameter in the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let members = self.0.as_object_mut().unwrap();
        // The gateway leaves the parameters out where there are none.
        members.entry("queryStringParameters").or_insert_with(|| json!({}));
        self.set("/queryStringParameters", name, json!(value))
    }

    /// With this route key.
    #[must_use]
    pub fn route(self, key: &str) -> Self {
        self.set("", "routeKey", json!(key))
    }

    /// With this request id.
    #[must_use]
    pub fn request(self, id: &str) -> Self {
        self.set("/requestContext", "requestId", json!(id))
    }

    /// The event, as the runtime gives it to the function.
    #[must_use]
    pub fn event(&self) -> LambdaEvent<HttpEvent> {
        let mut context = Context::default();
        "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
        LambdaEvent::new(serde_json::from_value(self.0.clone()).unwrap(), context)
    }

    /// Sends the request to a function and returns its answer.
    pub async fn ask<H: Handler>(&self, edge: &Edge<H>) -> Shown {
        edge.answer(self.event()).await.into()
    }
}

/// An answer as snapshots show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// The status.
    pub status: i64,
    /// The headers, in order of name.
    pub headers: BTreeMap<String, String>,
    /// The body, as text if it is not JSON; null if there is none.
    pub body: Value,
}

impl From<HttpAnswer> for Shown {
    fn from(answer: HttpAnswer) -> Self {
        let wire = serde_json::to_value(answer).unwrap();
        let member = |name| wire.get(name).unwrap().clone();
        let headers: BTreeMap<String, String> = serde_json::from_value(member("headers")).unwrap();
        let is_json = headers.get("content-type").is_none_or(|content_type| content_type.contains("json"));
        let body = wire.get("body").and_then(Value::as_str);
        let read = |body: &str| if is_json { serde_json::from_str(body).unwrap() } else { json!(body) };
        let mut body: Value = body.map(read).unwrap_or_default();
        // Whether serde_json keeps the order depends on what else is built beside it.
        body.sort_all_objects();
        Self { status: member("statusCode").as_i64().unwrap(), headers, body }
    }
}

impl Shown {
    /// The code of the problem that it reports.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or("none")
    }
}

/// An invalid request and the answer that it must get.
#[derive(Clone, Debug)]
pub struct Bad {
    what: String,
    sample: Sample,
    status: i64,
    code: &'static str,
}

impl Bad {
    /// A request that must get this status and code. `what` describes it in a failed test.
    pub fn new(what: impl Into<String>, sample: Sample, status: i64, code: &'static str) -> Self {
        Self { what: what.into(), sample, status, code }
    }
}

/// The request with tokens that permit nothing, and with a route of another function.
fn bad_tokens(good: &Sample) -> Vec<Bad> {
    let forbidden = |what: &str, sample| Bad::new(what, sample, 403, "forbidden");
    let good = || good.clone();
    vec![
        Bad::new("no token", good().anonymous(), 401, "unauthenticated"),
        forbidden("no scope", good().without_claim("scope")),
        forbidden("a scope within another", good().claim("scope", "xportal/readx portal/invites portal/logins2")),
        forbidden("no subject", good().without_claim("sub")),
        Bad::new("a route of another function", good().route("GET /v1/elsewhere"), 404, "not_found"),
    ]
}

/// The request from callers without permission, for an operation that only the portal may ask for.
#[must_use]
pub fn bad_machines(good: &Sample) -> Vec<Bad> {
    let staff = "openid portal/read portal/patients portal/invite portal/admin";
    let others = [("staff", staff), ("Customer Care", "portal/support"), ("a scope like it", "PORTAL/LOGINS")];
    let bad = |(what, scope): (&str, &str)| {
        let sample = good.clone().claim("practice_id", "lakeside").claim("scope", scope);
        Bad::new(what, sample, 403, "forbidden")
    };
    others.map(bad).into_iter().chain(bad_tokens(good)).collect()
}

/// The request from callers without permission.
#[must_use]
pub fn bad_callers(good: &Sample) -> Vec<Bad> {
    let forbidden = |what: &str, sample| Bad::new(what, sample, 403, "forbidden");
    let sample = || good.clone();
    let mut bad = vec![
        forbidden("no practice", sample().without_claim("practice_id")),
        forbidden("an empty practice", sample().claim("practice_id", "")),
        forbidden("a list of practices", sample().claim("practice_id", "[lakeside hillside]")),
        forbidden("a list of one practice", sample().claim("practice_id", "[lakeside]")),
        forbidden("a practice with a separator", sample().claim("practice_id", "lakeside#PATIENT")),
        forbidden("other scopes", sample().claim("scope", "openid portal/logins")),
    ];
    bad.append(&mut bad_tokens(good));
    bad
}

/// The request with invalid patient ids.
#[must_use]
pub fn bad_patients(good: &Sample) -> Vec<Bad> {
    let ids = ["", " ", "a b", "a/b", "a#b", "..%2f", "é", "p-1001\n", "\0", &"x".repeat(65), &"x".repeat(10_000)];
    let bad = |id: &str| Bad::new(format!("patient {id:?}"), good.clone().patient(id), 404, "patient_not_found");
    ids.into_iter().map(bad).collect()
}

/// The request with bodies that every operation refuses.
#[must_use]
pub fn bad_bodies(good: &Sample) -> Vec<Bad> {
    const LARGEST: usize = 64 * 1024;
    let bad = |what: &str, body: &str, status, code| Bad::new(what, good.clone().body(body), status, code);
    let bytes = |what: &str, body: &[u8], status, code| Bad::new(what, good.clone().bytes(body), status, code);
    let typed = |content_type: &str| {
        Bad::new(
            content_type,
            good.clone().body("{}").header("content-type", content_type),
            415,
            "unsupported_media_type",
        )
    };
    vec![
        bad("space only", " ", 400, "malformed"),
        bad("no JSON", "givenName=Jo", 400, "malformed"),
        bad("an open object", "{", 400, "malformed"),
        bad("something after the end", "{} {}", 400, "malformed"),
        bad("a member twice", r#"{"email":"a@example.com","email":"b@example.com"}"#, 400, "malformed"),
        bad("an unknown member twice", r#"{"x":1,"\u0078":2}"#, 400, "malformed"),
        bad("nested lists", &format!(r#"{{"email":{}"#, "[".repeat(60_000)), 400, "malformed"),
        bad("nested objects", &r#"{"a":"#.repeat(13_000), 400, "malformed"),
        bytes("bytes that are no UTF-8", b"{\"email\":\"\xff\xfe\"}", 400, "malformed"),
        bytes("a NUL", b"{\"email\":\"\0\"}", 400, "malformed"),
        bad("half a surrogate pair", r#"{"email":"\ud800"}"#, 400, "malformed"),
        Bad::new("no base64", good.clone().bytes("").body("%%%"), 400, "malformed"),
        bad("a list", "[]", 422, "invalid_fields"),
        bad("null", "null", 422, "invalid_fields"),
        bad("a text", r#""jose@example.com""#, 422, "invalid_fields"),
        bad("an unknown member", r#"{"practiceId":"hillside"}"#, 422, "invalid_fields"),
        bad("a prototype", r#"{"__proto__":{}}"#, 422, "invalid_fields"),
        bad("one byte too many", &" ".repeat(LARGEST + 1), 413, "too_large"),
        bytes("one byte too many in base64", &[b' '; LARGEST + 1], 413, "too_large"),
        bad("megabytes", &"x".repeat(5_000_000), 413, "too_large"),
        Bad::new(
            "no content type",
            good.clone().body("{}").without_header("content-type"),
            415,
            "unsupported_media_type",
        ),
        typed("text/plain"),
        typed("application/x-www-form-urlencoded"),
        typed("application/json; charset=latin1"),
        typed("application/problem+json"),
    ]
}

/// Asserts that each request gets the refusal that it must get, that the answer quotes nothing of the request, and that
/// nothing changes. `state` reads everything that could change.
pub async fn assert_refused<H, S>(edge: &Edge<H>, requests: Vec<Bad>, state: impl Fn(&H) -> S)
where
    H: Handler,
    S: Debug + PartialEq,
{
    let before = state(edge.handler());
    for Bad { what, sample, status, code } in requests {
        let answer = sample.ask(edge).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{what}: {}", answer.body);
        assert_eq!(answer.headers.get("content-type").unwrap(), "application/problem+json", "{what}");
        assert_eq!(answer.body.get("instance").unwrap(), "JKJaXmPLvHcESHA=", "{what}");
        for quoted in ["hillside", "practiceId", "__proto__", "example.com"] {
            assert!(
                !answer.body.to_string().replace("name@example.com", "").contains(quoted),
                "{what}: {}",
                answer.body
            );
        }
        assert_eq!(state(edge.handler()), before, "{what}");
    }
}
