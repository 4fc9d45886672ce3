//! A client of the API for one practice.

use std::{sync::LazyLock, thread, time::Duration};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use system_tests::openapi::{self, Document};
use ureq::{
    Agent,
    http::{
        self, HeaderMap, Method,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
};
use xtask::{
    StackFile, canaries,
    mailbox::{self, Mail},
    token::{self, Role},
};

use crate::wait::eventually;

/// A practice that no other test uses.
pub(crate) struct Practice {
    pub(crate) stack: &'static StackFile,
    pub(crate) id: String,
    staff: String,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The request's method and address.
    request: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What the API shows of one patient and of the practice. Equal before and after a request that changes nothing.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot([(u16, Value); 3]);

impl Practice {
    /// Opens a practice and activates its portal. `None` if there is no stack: see [`system_tests::stack`].
    pub(crate) fn open(name: &str) -> Option<Self> {
        let practice = Self::without_settings(name)?;
        let saved = practice.put_as(Role::Admin, "/v1/practice", &settings());
        assert_eq!(saved.status, 200, "{saved:?}");
        Some(practice)
    }

    /// A practice without saved settings.
    pub(crate) fn without_settings(name: &str) -> Option<Self> {
        let stack = system_tests::stack()?;
        let id = format!("{name}-{:016x}", random());
        let staff = token::mint(&stack.issuer, Role::Staff, &id).unwrap();
        Some(Self { stack, id, staff })
    }

    /// An address that no other practice uses.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("{name}@{}.{}.example.com", self.id, canaries::WORD)
    }

    pub(crate) fn token(&self, role: Role) -> String {
        token::mint(&self.stack.issuer, role, &self.id).unwrap()
    }

    /// A request without a token.
    pub(crate) fn anonymous(&self, method: &str, path: &str) -> http::request::Builder {
        http::Request::builder().method(method).uri(format!("{}{path}", self.stack.api_url))
    }

    /// A request with a token.
    pub(crate) fn request_by(&self, token: &str, method: &str, path: &str) -> http::request::Builder {
        self.anonymous(method, path).header("authorization", format!("Bearer {token}"))
    }

    /// A request by the practice's staff.
    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        self.request_by(&self.staff, method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        send(self.request("GET", path).body(Vec::new()).unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request("POST", path).header(CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap())
    }

    pub(crate) fn post_as(&self, role: Role, path: &str, body: &Value) -> Answer {
        let request = self.request_by(&self.token(role), "POST", path).header(CONTENT_TYPE, "application/json");
        send(request.body(body.to_string().into()).unwrap())
    }

    pub(crate) fn put_as(&self, role: Role, path: &str, body: &Value) -> Answer {
        let request = self.request_by(&self.token(role), "PUT", path).header(CONTENT_TYPE, "application/json");
        send(request.body(body.to_string().into()).unwrap())
    }

    /// Saves a new patient, with this address or with none.
    pub(crate) fn save_patient(&self, patient: &str, email: Option<&str>) {
        let saved = self.put_as(Role::Staff, &format!("/v1/patients/{patient}"), &profile(email));
        assert_eq!(saved.status, 201, "{saved:?}");
    }

    pub(crate) fn invite(&self, patient: &str, body: &Value) -> Answer {
        self.post(&format!("/v1/patients/{patient}/portal/invite"), body)
    }

    /// Saves a new patient, invites them, and waits until the mail has been sent. Returns the mail.
    pub(crate) fn save_and_invite(&self, patient: &str) -> Mail {
        let email = self.address(patient);
        self.save_patient(patient, Some(&email));
        let invited = self.invite(patient, &json!({}));
        assert_eq!(invited.status, 202, "{invited:?}");
        self.await_sent(patient);
        let mut mails = self.mails(&email);
        assert_eq!(mails.len(), 1, "{mails:?}");
        mails.remove(0)
    }

    /// Like [`Self::save_and_invite`], but returns the token of the mailed link.
    pub(crate) fn invite_and_read_token(&self, patient: &str) -> String {
        token_of(&self.save_and_invite(patient))
    }

    /// A command with an empty body.
    pub(crate) fn command(&self, patient: &str, command: &str) -> Answer {
        self.post(&format!("/v1/patients/{patient}/portal/{command}"), &json!({}))
    }

    /// A request of the holder of a link, who has no token.
    pub(crate) fn with_link(&self, path: &str, body: &Value) -> Answer {
        let request = self.anonymous("POST", path).header(CONTENT_TYPE, "application/json");
        send(request.body(body.to_string().into()).unwrap())
    }

    /// Reports a login, as the portal does, a second after the last one or after the registration. Returns its time.
    pub(crate) fn log_in(&self, patient: &str, email: &str) -> String {
        let panel = self.status(patient)["panel"].clone();
        let known = panel["lastLoginOn"]["at"].as_str().or_else(|| panel["registeredOn"]["at"].as_str());
        let known: DateTime<Utc> = known.unwrap().parse().unwrap();
        let at = (known + TimeDelta::seconds(1)).to_rfc3339_opts(SecondsFormat::Millis, true);
        let body = json!({ "email": email, "at": at, "eventId": format!("login-{:016x}", random()) });
        let request = self.request_by(&self.token(Role::Portal), "POST", "/v1/logins");
        let answer = send(request.header(CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap());
        assert_eq!(answer.status, 204, "{answer:?}");
        at
    }

    /// The answer to a check of a link.
    pub(crate) fn check(&self, token: &str) -> Value {
        let answer = self.with_link("/v1/activation/check", &json!({ "token": token }));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) fn register(&self, token: &str, born: &str) -> Answer {
        self.with_link("/v1/activation", &json!({ "token": token, "dateOfBirth": born }))
    }

    /// Saves, invites and registers a new patient.
    pub(crate) fn save_and_register(&self, patient: &str) {
        let token = self.invite_and_read_token(patient);
        let answer = self.register(&token, BORN);
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// The answer of a read of the status.
    pub(crate) fn status(&self, patient: &str) -> Value {
        let answer = self.get(&format!("/v1/patients/{patient}/portal"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Waits until the current invitation has been sent, and returns the status that says so.
    pub(crate) fn await_sent(&self, patient: &str) -> Value {
        eventually("the invitation is sent", || {
            Some(self.status(patient)).filter(|status| status["invitation"]["state"] == "sent")
        })
    }

    /// Every mail to an address so far.
    pub(crate) fn mails(&self, address: &str) -> Vec<Mail> {
        mailbox::read_to(&self.stack.mailbox_url, address).unwrap()
    }

    pub(crate) fn snapshot(&self, patient: &str) -> Snapshot {
        let paths =
            [format!("/v1/patients/{patient}"), format!("/v1/patients/{patient}/portal"), "/v1/practice".into()];
        Snapshot(paths.map(|path| {
            let answer = self.get(&path);
            let mut body = answer.without_instance();
            // The seconds until a reinvite is allowed change with time.
            if let Some(Value::Object(reinvite)) = body.pointer_mut("/actions/reinvite") {
                reinvite.remove("retryAfter");
            }
            (answer.status, body)
        }))
    }
}

impl Answer {
    fn without_failure(self) -> Self {
        assert!(self.status < 500, "{}: {self:?}", self.request);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| unreachable!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body without the one member that differs between two equal problems.
    pub(crate) fn without_instance(&self) -> Value {
        let mut body = self.json();
        body.as_object_mut().unwrap().remove("instance");
        body
    }

    /// Asserts that the answer is this problem, in the form of all problems.
    pub(crate) fn assert_problem(&self, status: u16, code: &str, case: &str) {
        assert_eq!(self.status, status, "{case}: {self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{case}: {self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{case}: {self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{case}: {body}");
        assert_eq!(body["type"], format!("/problems/{code}"), "{case}");
        assert_eq!(body["status"], status, "{case}");
        for text in ["title", "detail", "instance"] {
            assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{case}: {text} of {body}");
        }
    }
}

/// A number that differs in each call and each run.
#[expect(clippy::disallowed_methods, reason = "the same tests may run many times on one stack")]
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap()
}

/// The token of the link in a mail.
pub(crate) fn token_of(mail: &Mail) -> String {
    let link = mail.activation_link().unwrap();
    link.split_once("/activate#").unwrap().1.to_owned()
}

/// Sends a request to the API and checks the answer: it is documented and no failure of the system. An error contains no
/// personal data and no token.
pub(crate) fn send(request: http::Request<Vec<u8>>) -> Answer {
    let stack = system_tests::stack().unwrap();
    let secrets = secrets(&request);
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let path = uri.strip_prefix(&stack.api_url).unwrap_or_else(|| unreachable!("{uri} is not the API's"));
    let answer = exchange_with_retries(request);
    let Answer { request: _, status, headers, body } = &answer;
    let documented = openapi::Answer { status: *status, headers, body };
    let checked = Document::load().check_answer(&method, path, documented);
    checked.unwrap_or_else(|error| unreachable!("{method} {path}: {error}: {answer:?}"));
    if *status >= 400 {
        let text = format!("{headers:?} {body}");
        assert_eq!(canaries::find(&text), None, "{method} {path}: {answer:?}");
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{method} {path}: {answer:?}");
    }
    answer
}

/// The tokens in a request: the caller's, and that of a link.
fn secrets(request: &http::Request<Vec<u8>>) -> Vec<String> {
    let caller = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let tokens = [caller, body["token"].as_str()].into_iter().flatten();
    tokens.filter(|token| !token.is_empty()).map(str::to_owned).collect()
}

/// Sends a request until the answer is not "try again later", as the API's description asks of every client. On a busy
/// machine the functions' own time limits for the table can be reached.
fn exchange_with_retries(request: http::Request<Vec<u8>>) -> Answer {
    eventually("the API accepts the request", move || {
        let answer = answer_of(request.clone());
        if answer.status == 503 && answer.header("content-type") == Some("application/problem+json") {
            let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            thread::sleep(Duration::from_secs(seconds));
            return None;
        }
        Some(answer.without_failure())
    })
}

/// Sends a request to any service.
pub(crate) fn exchange(request: http::Request<Vec<u8>>) -> Answer {
    answer_of(request).without_failure()
}

fn answer_of(request: http::Request<Vec<u8>>) -> Answer {
    static AGENT: LazyLock<Agent> = LazyLock::new(|| {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_mins(1)));
        config.build().into()
    });
    let described = format!("{} {}", request.method(), request.uri());
    let without_body = [Method::GET, Method::DELETE].contains(request.method());
    let answered = if without_body { AGENT.run(request.map(|_| ())) } else { AGENT.run(request) };
    let (head, mut body) = answered.unwrap_or_else(|error| unreachable!("{described}: {error}")).into_parts();
    Answer {
        request: described,
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.read_to_string().unwrap(),
    }
}

/// The settings of a practice in a time zone 14 hours ahead of UTC. A date that is shown in the wrong zone is wrong at most
/// hours of the day.
pub(crate) fn settings() -> Value {
    json!({
        "name": "Atoll Family Medicine", "senderName": "Atoll Family Medicine", "supportPhone": "+1 555 0100",
        "timeZone": "Pacific/Kiritimati", "portal": { "termsAccepted": true },
    })
}

/// The given name in [`profile`].
pub(crate) const GIVEN: &str = "Canary";
/// The date of birth in [`profile`], and another one.
pub(crate) const BORN: &str = canaries::BORN;
pub(crate) const NOT_BORN: &str = "1980-02-28";

pub(crate) fn profile(email: Option<&str>) -> Value {
    let mut profile = json!({ "givenName": GIVEN, "familyName": "Canaryson", "dateOfBirth": BORN });
    if let Some(email) = email {
        profile["email"] = email.into();
    }
    profile
}
