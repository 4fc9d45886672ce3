//! The API client: sends a request, retries it while the API asks to wait or does not answer, and reads the answer.

use std::{net::IpAddr, sync::Arc, time::Duration};

use portal::{ids::PatientId, profile::Profile};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{
    Agent, Body, RequestBuilder,
    http::{
        HeaderMap, Response, Uri,
        header::{AUTHORIZATION, RETRY_AFTER},
        uri::Authority,
    },
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::{fhir, stop::Stop};

/// The header with the key that makes a request safe to repeat.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The maximum number of tries of one request, if the API asks to wait or does not answer.
const MAX_TRIES: u32 = 6;

/// The maximum wait between two tries, even if the API asks for more.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The timeout of one try.
const TRY_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum length of an answer, in bytes: that of a Lambda function.
const LONGEST_ANSWER: u64 = 6 * 1024 * 1024;

/// The maximum length of a text that is copied from a problem document, in characters.
const LONGEST_DETAIL: usize = 300;

/// Why the API cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum InvalidApi {
    /// The address is not a usable URL.
    #[error("the address of the API must be a URL such as https://api.example.com")]
    NoUrl,
    /// The token would be sent unencrypted.
    #[error("the address of the API must begin with https://, because it receives a token and patients' data")]
    NotSecret,
    /// The token is not usable.
    #[error("the token must be one line of visible ASCII characters")]
    NoToken,
    /// The machine has no trusted certificates.
    #[error("this machine has no trusted certificates")]
    NoCertificates,
}

/// The API, on behalf of the token's subject.
#[derive(Debug)]
pub struct Api {
    agent: Agent,
    base: String,
    authorization: SecretString,
}

/// How a profile was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The patient is new.
    New,
    /// The patient existed; the profile was changed, or was the same.
    Existing,
}

/// Why a request failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The API refused this request.
    Refused(Refused),
    /// The user stopped before it succeeded.
    Abandoned,
    /// No further request can succeed.
    Halted(Halt),
}

/// Why the API refused a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Refused {
    /// The problem's code, or one made of the status.
    pub code: String,
    /// The problem's sentence, which quotes nothing from the request, and the places of the errors.
    pub detail: String,
}

/// Why no further request can succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The token is missing, expired or of another system.
    #[error("the API does not accept the token (401): get a new one, and try again")]
    Unauthenticated,
    /// The token does not permit it.
    #[error("the token does not permit this (403): ask an administrator for the scope that --help names")]
    Forbidden,
    /// Another server than the API has answered.
    #[error("the address does not answer like the API (status {0}): check --api")]
    NotTheApi(u16),
    /// There is no answer.
    #[error("the API cannot be reached: {0}")]
    Unreachable(String),
}

/// The answer to a request that succeeded.
#[derive(Debug)]
pub(crate) struct Success {
    status: u16,
    body: String,
}

/// Why one try failed.
enum FailedTry {
    /// Another try would fail too.
    Final(Failure),
    /// Another try may succeed, after this many seconds if the API gave a number.
    Retryable(Option<u64>, Failure),
}

impl Api {
    /// Makes a client for this address and token.
    ///
    /// # Errors
    /// [`InvalidApi`]
    pub fn new(address: &str, token: &SecretString) -> Result<Self, InvalidApi> {
        let uri: Uri = address.parse().map_err(|_| InvalidApi::NoUrl)?;
        let authority = uri.authority().map(Authority::as_str).ok_or(InvalidApi::NoUrl)?;
        if uri.query().is_some() || authority.contains('@') {
            return Err(InvalidApi::NoUrl);
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TRY_TIMEOUT))
            .user_agent(concat!("portal/", env!("CARGO_PKG_VERSION")));
        let config = match uri.scheme_str() {
            Some("https") => config.https_only(true).tls_config(tls_config()?),
            // A loopback address is called without a proxy.
            Some("http") if uri.host().is_some_and(is_loopback) => config.proxy(None),
            Some("http") => return Err(InvalidApi::NotSecret),
            Some(_) | None => return Err(InvalidApi::NoUrl),
        };
        let token = token.expose_secret().trim();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(InvalidApi::NoToken);
        }
        let base = address.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.build().into(), base, authorization: format!("Bearer {token}").into() })
    }

    /// Saves a profile, and retries while the API asks to wait.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn save(&self, id: &PatientId, profile: &Profile, stop: &Stop) -> Result<Saved, Failure> {
        let (url, body) = (self.url(&format!("/v1/patients/{id}")), fhir::body(profile));
        let done = send_with_retries(stop, || self.authorized(self.agent.put(&url)).send_json(&body))?;
        match done.status {
            201 => Ok(Saved::New),
            200 => Ok(Saved::Existing),
            status => Err(Halt::NotTheApi(status).into()),
        }
    }

    /// Reads a resource, or the page of it that a cursor names.
    pub(crate) fn get(&self, path: &str, cursor: Option<&str>, stop: &Stop) -> Result<Success, Failure> {
        send_with_retries(stop, || {
            let request = self.authorized(self.agent.get(self.url(path)));
            cursor.into_iter().fold(request, |request, cursor| request.query("cursor", cursor)).call()
        })
    }

    /// Sends a command. With a key it is carried out once, even if it is sent several times.
    pub(crate) fn post(&self, path: &str, key: Option<&str>, body: &Value, stop: &Stop) -> Result<Success, Failure> {
        send_with_retries(stop, || {
            let request = self.authorized(self.agent.post(self.url(path)));
            key.into_iter().fold(request, |request, key| request.header(IDEMPOTENCY_KEY, key)).send_json(body)
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request.header(AUTHORIZATION, self.authorization.expose_secret())
    }
}

/// Sends a request, and retries while the API asks to wait or does not answer.
fn send_with_retries(stop: &Stop, send: impl Fn() -> Result<Response<Body>, ureq::Error>) -> Result<Success, Failure> {
    let mut tries = 1;
    loop {
        match send().map_err(FailedTry::from).and_then(classify) {
            Ok(done) => return Ok(done),
            Err(FailedTry::Final(failure)) => return Err(failure),
            Err(FailedTry::Retryable(_, failure)) if tries == MAX_TRIES => return Err(failure),
            Err(FailedTry::Retryable(requested, _)) => {
                if stop.wait(wait(requested, tries)) {
                    return Err(Failure::Abandoned);
                }
            }
        }
        tries += 1;
    }
}

/// Decides what an answer means.
fn classify(mut answer: Response<Body>) -> Result<Success, FailedTry> {
    let status = answer.status().as_u16();
    let requested = retry_after(answer.headers());
    let text = answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string();
    if answer.status().is_success() {
        // An answer that is cut off counts as lost.
        return Ok(Success { status, body: text? });
    }
    // An unreadable body is not a problem document: the status is enough.
    let document = serde_json::from_str(&text.unwrap_or_default()).ok();
    let problem = document.and_then(|document| Refused::from_problem(&document));
    let refused = |problem: Option<Refused>| Failure::Refused(problem.unwrap_or_else(|| Refused::from_status(status)));
    match (status, problem) {
        (401, _) => Err(FailedTry::Final(Halt::Unauthenticated.into())),
        (403, _) => Err(FailedTry::Final(Halt::Forbidden.into())),
        (429 | 503, problem) => Err(FailedTry::Retryable(requested, refused(problem))),
        (_, Some(problem)) if problem.code != "not_found" => Err(FailedTry::Final(refused(Some(problem)))),
        // The gateway's own answers.
        (413 | 500..=599, _) => Err(FailedTry::Final(refused(None))),
        (_, _) => Err(FailedTry::Final(Halt::NotTheApi(status).into())),
    }
}

impl From<ureq::Error> for FailedTry {
    /// There was no answer, or it was cut off.
    fn from(error: ureq::Error) -> Self {
        Self::Retryable(None, Halt::Unreachable(error.to_string()).into())
    }
}

impl From<Halt> for Failure {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl Success {
    /// Reads the body. If the status or the body is another, the answer is not the API's.
    pub(crate) fn read<T: DeserializeOwned>(&self, status: u16) -> Result<T, Failure> {
        let read = if self.status == status { serde_json::from_str(&self.body).ok() } else { None };
        read.ok_or_else(|| Halt::NotTheApi(self.status).into())
    }
}

impl Refused {
    /// Reads a problem document (RFC 9457), if it is one of the API's.
    fn from_problem(document: &Value) -> Option<Self> {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(plain);
        let code = text(document, "code").filter(|code| is_code(code))?;
        let errors = document.get("errors").and_then(Value::as_array).into_iter().flatten();
        let places: Vec<String> =
            errors.filter_map(|error| Some(format!("{} {}", text(error, "pointer")?, text(error, "code")?))).collect();
        let mut detail = text(document, "detail").unwrap_or_default();
        if !places.is_empty() {
            detail = plain(&format!("{detail} ({})", places.join(", ")));
        }
        Some(Self { code, detail })
    }

    fn from_status(status: u16) -> Self {
        Self {
            code: format!("http_{status}"),
            detail: "The API could not process it, and gives no reason: try again later.".to_owned(),
        }
    }
}

/// The machine's trusted certificates, with the TLS library that the SDK uses.
fn tls_config() -> Result<TlsConfig, InvalidApi> {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<_> = found.certs.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    if roots.is_empty() {
        return Err(InvalidApi::NoCertificates);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(&roots))
        .build())
}

fn is_loopback(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    plain == "localhost" || plain.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The requested wait in seconds. The API never gives a date.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// The wait that the API asks for, or else one second, doubled after each try.
fn wait(requested: Option<u64>, tries: u32) -> Duration {
    let wait = requested.map_or_else(|| Duration::from_secs(1) * 2_u32.saturating_pow(tries - 1), Duration::from_secs);
    wait.min(LONGEST_WAIT)
}

/// Whether the text has the form of a stable code, such as a refusal's.
pub(crate) fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The text without control characters, which a terminal could interpret as commands.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Api, InvalidApi, Refused, wait};

    #[test]
    fn a_token_is_never_sent_unencrypted() {
        for good in [
            "https://api.example.com",
            "https://api.example.com/prod/",
            "http://127.0.0.1:4580/x",
            "http://[::1]:1",
            "http://localhost:1",
        ] {
            assert!(Api::new(good, &"token".into()).is_ok(), "{good}");
        }
        for (bad, expected) in [
            ("http://api.example.com", InvalidApi::NotSecret),
            ("http://127.0.0.1.example.com", InvalidApi::NotSecret),
            ("http://192.0.2.1", InvalidApi::NotSecret),
            ("ftp://api.example.com", InvalidApi::NoUrl),
            ("api.example.com", InvalidApi::NoUrl),
            ("/v1", InvalidApi::NoUrl),
            ("", InvalidApi::NoUrl),
            ("https://user:secret@api.example.com", InvalidApi::NoUrl),
            ("https://api.example.com?x=1", InvalidApi::NoUrl),
        ] {
            let error = Api::new(bad, &"token".into()).map(drop).unwrap_err();
            assert_eq!(error.to_string(), expected.to_string(), "{bad}");
        }
        for bad in ["", " ", "a b", "a\nb", "é"] {
            let error = Api::new("https://api.example.com", &bad.into()).map(drop).unwrap_err();
            assert_eq!(error.to_string(), InvalidApi::NoToken.to_string(), "{bad:?}");
        }
        assert!(!format!("{:?}", Api::new("https://api.example.com", &"hush".into()).unwrap()).contains("hush"));
    }

    #[test]
    fn the_client_waits_as_the_api_asks_up_to_a_maximum() {
        for (requested, tries, secs) in [
            (None, 1, 1),
            (None, 2, 2),
            (None, 5, 16),
            (None, 40, 60),
            (Some(0), 3, 0),
            (Some(7), 1, 7),
            (Some(u64::MAX), 1, 60),
        ] {
            assert_eq!(wait(requested, tries), Duration::from_secs(secs), "{requested:?} {tries}");
        }
    }

    #[test]
    fn a_problem_has_its_code_its_sentence_and_the_places_of_the_errors() {
        let document = json!({
            "code": "invalid_fields", "detail": "Some\u{1b} are wrong.",
            "errors": [{ "pointer": "/givenName", "code": "invalid" }, { "pointer": "/email", "code": "email_invalid" }, 7],
        });
        let refused = Refused::from_problem(&document).unwrap();
        let detail = "Some are wrong. (/givenName invalid, /email email_invalid)";
        assert_eq!((refused.code.as_str(), refused.detail.as_str()), ("invalid_fields", detail));
        for no_problem in
            [json!({ "message": "Not Found" }), json!({ "code": 7 }), json!({ "code": "No code" }), json!([])]
        {
            assert_eq!(Refused::from_problem(&no_problem), None);
        }
    }
}
