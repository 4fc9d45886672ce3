//! The API: one request, repeated while it asks for patience or does not answer, and what becomes of it.

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

/// The header by which a request may be repeated.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Tries of one request, as long as the API asks for patience or does not answer.
const MOST_TRIES: u32 = 6;

/// Longest wait between two tries, whatever the API asks for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How long one try may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest answer that is read, in bytes: a Lambda function gives none that is longer.
const LONGEST_ANSWER: u64 = 6 * 1024 * 1024;

/// Longest text that is taken over from a problem, in characters.
const LONGEST_DETAIL: usize = 300;

/// Why there is no API to talk to.
#[derive(Debug, thiserror::Error)]
pub enum InvalidApi {
    /// The address is none.
    #[error("the address of the API must be a URL such as https://api.example.com")]
    NoUrl,
    /// The token would travel in clear.
    #[error("the address of the API must begin with https://, because a token and patients' data go there")]
    NotSecret,
    /// The token is none.
    #[error("the token must be one line of visible ASCII characters")]
    NoToken,
    /// The machine trusts nobody.
    #[error("this machine has no certificates of authorities to trust")]
    NoCertificates,
}

/// The API, on behalf of whoever the token is of.
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
    /// The patient was there; the profile has changed, or was the same.
    Kept,
}

/// Why the API has not done what it was asked to.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// It does not do this.
    Refused(Refused),
    /// Somebody wished to stop before it did.
    Abandoned,
    /// Nothing can be asked of it any more.
    Halted(Halt),
}

/// Why the API does not do something.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Refused {
    /// The problem's code, else the status.
    pub code: String,
    /// The problem's sentence, which quotes nothing of what was sent, and where the mistakes are.
    pub detail: String,
}

/// Why nothing can be asked of the API any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The token is missing, expired or another system's.
    #[error("the API does not know the token (401): get a new one, and try again")]
    Unauthenticated,
    /// The token does not permit it.
    #[error("the token does not permit this (403): ask an administrator for the scope that --help names")]
    Forbidden,
    /// Something answers that is not the API.
    #[error("the address does not answer like the API (status {0}): check --api")]
    NotTheApi(u16),
    /// Nothing answers.
    #[error("the API cannot be reached: {0}")]
    Unreachable(String),
}

/// What the API answers when it has done what it was asked to.
#[derive(Debug)]
pub(crate) struct Done {
    status: u16,
    body: String,
}

/// Why one try gave nothing.
enum Vain {
    /// The next one would not either.
    ForGood(Failure),
    /// Again later, after so many seconds if the API says so.
    ForNow(Option<u64>, Failure),
}

impl Api {
    /// At this address, with this token.
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
            Some("https") => config.https_only(true).tls_config(trust()?),
            // To this machine itself, and past any proxy.
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

    /// Saves a profile, and waits in between as long as the API asks for patience.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn save(&self, id: &PatientId, profile: &Profile, stop: &Stop) -> Result<Saved, Failure> {
        let (url, body) = (self.url(&format!("/v1/patients/{id}")), fhir::body(profile));
        let done = ask(stop, || self.authorized(self.agent.put(&url)).send_json(&body))?;
        match done.status {
            201 => Ok(Saved::New),
            200 => Ok(Saved::Kept),
            status => Err(Halt::NotTheApi(status).into()),
        }
    }

    /// Reads what is at a path, or the part of it that a cursor names.
    pub(crate) fn get(&self, path: &str, cursor: Option<&str>, stop: &Stop) -> Result<Done, Failure> {
        ask(stop, || {
            let request = self.authorized(self.agent.get(self.url(path)));
            cursor.into_iter().fold(request, |request, cursor| request.query("cursor", cursor)).call()
        })
    }

    /// Commands something. With a key it is done once, however often it is asked for.
    pub(crate) fn post(&self, path: &str, key: Option<&str>, body: &Value, stop: &Stop) -> Result<Done, Failure> {
        ask(stop, || {
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

/// Sends a request, and again as long as the API asks for patience or does not answer.
fn ask(stop: &Stop, send: impl Fn() -> Result<Response<Body>, ureq::Error>) -> Result<Done, Failure> {
    let mut tried = 1;
    loop {
        match send().map_err(Vain::from).and_then(judge) {
            Ok(done) => return Ok(done),
            Err(Vain::ForGood(failure)) => return Err(failure),
            Err(Vain::ForNow(_, failure)) if tried == MOST_TRIES => return Err(failure),
            Err(Vain::ForNow(asked, _)) => {
                if stop.wait(wait(asked, tried)) {
                    return Err(Failure::Abandoned);
                }
            }
        }
        tried += 1;
    }
}

/// What an answer means.
fn judge(mut answer: Response<Body>) -> Result<Done, Vain> {
    let status = answer.status().as_u16();
    let asked = retry_after(answer.headers());
    let text = answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string();
    if answer.status().is_success() {
        // An answer that breaks off is a lost one.
        return Ok(Done { status, body: text? });
    }
    // What cannot be read is no problem document: the status tells enough.
    let document = serde_json::from_str(&text.unwrap_or_default()).ok();
    let problem = document.and_then(|document| Refused::of(&document));
    let refused = |problem: Option<Refused>| Failure::Refused(problem.unwrap_or_else(|| Refused::of_status(status)));
    match (status, problem) {
        (401, _) => Err(Vain::ForGood(Halt::Unauthenticated.into())),
        (403, _) => Err(Vain::ForGood(Halt::Forbidden.into())),
        (429 | 503, problem) => Err(Vain::ForNow(asked, refused(problem))),
        (_, Some(problem)) if problem.code != "not_found" => Err(Vain::ForGood(refused(Some(problem)))),
        // The gateway's own.
        (413 | 500..=599, _) => Err(Vain::ForGood(refused(None))),
        (_, _) => Err(Vain::ForGood(Halt::NotTheApi(status).into())),
    }
}

impl From<ureq::Error> for Vain {
    /// No answer, or one that broke off.
    fn from(error: ureq::Error) -> Self {
        Self::ForNow(None, Halt::Unreachable(error.to_string()).into())
    }
}

impl From<Halt> for Failure {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl Done {
    /// What it says. What does not answer with this status, or says something else, is not the API.
    pub(crate) fn read<T: DeserializeOwned>(&self, status: u16) -> Result<T, Failure> {
        let read = if self.status == status { serde_json::from_str(&self.body).ok() } else { None };
        read.ok_or_else(|| Halt::NotTheApi(self.status).into())
    }
}

impl Refused {
    /// As a problem document (RFC 9457) says, if it is one of the API's.
    fn of(document: &Value) -> Option<Self> {
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

    fn of_status(status: u16) -> Self {
        Self {
            code: format!("http_{status}"),
            detail: "The API could not take it, and does not say why: try again later.".to_owned(),
        }
    }
}

/// Whom the machine trusts, asked with the library that the SDK uses too.
fn trust() -> Result<TlsConfig, InvalidApi> {
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

/// Seconds; the API gives no dates.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// As long as the API asks for, else a second, and twice as long after each try.
fn wait(asked: Option<u64>, tried: u32) -> Duration {
    let wait = asked.map_or_else(|| Duration::from_secs(1) * 2_u32.saturating_pow(tried - 1), Duration::from_secs);
    wait.min(LONGEST_WAIT)
}

/// Whether it is a stable code, such as those of refusals.
pub(crate) fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The text without what a terminal could take for a command.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Api, InvalidApi, Refused, wait};

    #[test]
    fn a_token_goes_to_nobody_in_clear() {
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
    fn waits_are_those_that_the_api_asks_for_within_a_bound() {
        for (asked, tried, secs) in [
            (None, 1, 1),
            (None, 2, 2),
            (None, 5, 16),
            (None, 40, 60),
            (Some(0), 3, 0),
            (Some(7), 1, 7),
            (Some(u64::MAX), 1, 60),
        ] {
            assert_eq!(wait(asked, tried), Duration::from_secs(secs), "{asked:?} {tried}");
        }
    }

    #[test]
    fn a_problem_tells_its_code_its_sentence_and_its_places() {
        let document = json!({
            "code": "invalid_fields", "detail": "Some\u{1b} are wrong.",
            "errors": [{ "pointer": "/givenName", "code": "invalid" }, { "pointer": "/email", "code": "email_invalid" }, 7],
        });
        let refused = Refused::of(&document).unwrap();
        let detail = "Some are wrong. (/givenName invalid, /email email_invalid)";
        assert_eq!((refused.code.as_str(), refused.detail.as_str()), ("invalid_fields", detail));
        for no_problem in
            [json!({ "message": "Not Found" }), json!({ "code": 7 }), json!({ "code": "No code" }), json!([])]
        {
            assert_eq!(Refused::of(&no_problem), None);
        }
    }
}
