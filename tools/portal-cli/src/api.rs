//! The API, as far as an import needs it: saving one profile.

use std::{net::IpAddr, sync::Arc, time::Duration};

use portal::{ids::PatientId, profile::Profile};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use ureq::{
    Agent,
    http::{
        HeaderMap, Uri,
        header::{AUTHORIZATION, RETRY_AFTER},
        uri::Authority,
    },
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::{fhir, stop::Stop};

/// Tries to save one profile, as long as the API asks for patience or does not answer.
const MOST_TRIES: u32 = 6;

/// Longest wait between two tries, whatever the API asks for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How long one try may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

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

/// What became of a profile.
#[derive(Debug, PartialEq, Eq)]
pub enum Saved {
    /// The patient is new.
    New,
    /// The patient was there; the profile has changed, or was the same.
    Kept,
    /// The API does not save it.
    Refused(Refused),
    /// Somebody wished to stop before the API took it.
    Abandoned,
    /// Nothing can be saved any more.
    Halted(Halt),
}

/// Why the API does not save a profile.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The problem's code, else the status.
    pub code: String,
    /// The problem's sentence, which quotes nothing of the profile, and where the mistakes are.
    pub detail: String,
}

/// Why nothing can be saved any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The token is missing, expired or another system's.
    #[error("the API does not know the token (401): get a new one, and import again")]
    Unauthenticated,
    /// The token does not permit it.
    #[error("the token does not permit to save patients (403): ask an administrator for the scope portal/patients")]
    Forbidden,
    /// Something answers that is not the API.
    #[error("the address does not answer like the API (status {0}): check --api")]
    NotTheApi(u16),
    /// Nothing answers.
    #[error("the API cannot be reached: {0}")]
    Unreachable(String),
}

/// What one try gave.
enum Try {
    Answered(Saved),
    /// Again later, after so many seconds if the API says so.
    Later(Option<u64>, Saved),
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
    #[must_use]
    pub fn save(&self, id: &PatientId, profile: &Profile, stop: &Stop) -> Saved {
        let body = fhir::body(profile);
        let mut tried = 1;
        loop {
            match self.try_to_save(id, &body) {
                Try::Answered(saved) => return saved,
                Try::Later(_, saved) if tried == MOST_TRIES => return saved,
                Try::Later(asked, _) => {
                    if stop.wait(wait(asked, tried)) {
                        return Saved::Abandoned;
                    }
                }
            }
            tried += 1;
        }
    }

    fn try_to_save(&self, id: &PatientId, body: &Value) -> Try {
        let request = self.agent.put(format!("{}/v1/patients/{id}", self.base));
        let sent = request.header(AUTHORIZATION, self.authorization.expose_secret()).send_json(body);
        let mut answer = match sent {
            Ok(answer) => answer,
            Err(error) => return Try::Later(None, Saved::Halted(Halt::Unreachable(error.to_string()))),
        };
        let status = answer.status().as_u16();
        let asked = retry_after(answer.headers());
        // What cannot be read is no problem document: the status tells enough.
        let text = answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string().unwrap_or_default();
        let problem = serde_json::from_str(&text).ok().and_then(|document| Refused::of(&document));
        match (status, problem) {
            (201, _) => Try::Answered(Saved::New),
            (200, _) => Try::Answered(Saved::Kept),
            (401, _) => Try::Answered(Saved::Halted(Halt::Unauthenticated)),
            (403, _) => Try::Answered(Saved::Halted(Halt::Forbidden)),
            (429 | 503, problem) => {
                Try::Later(asked, Saved::Refused(problem.unwrap_or_else(|| Refused::of_status(status))))
            }
            (_, Some(problem)) if problem.code != "not_found" => Try::Answered(Saved::Refused(problem)),
            // The gateway's own.
            (413 | 500..=599, _) => Try::Answered(Saved::Refused(Refused::of_status(status))),
            (_, _) => Try::Answered(Saved::Halted(Halt::NotTheApi(status))),
        }
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
            detail: "The API could not take it, and does not say why: import it again later.".to_owned(),
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

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The text without what a terminal could take for a command.
fn plain(text: &str) -> String {
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
