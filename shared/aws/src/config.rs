//! What a function is told by its environment: read once, at start, into types; a mistake stops the start and names
//! the variable, never its value.

use std::{fmt, net::IpAddr};

use aws_credential_types::Credentials;
use http::Uri;
use portal::email::{EmailAddress, Pepper};
use secrecy::SecretString;

use crate::mailer::MailSettings;

/// The shortest pepper, in bytes: as long as the output of the hash that it keys.
const PEPPER_MIN_BYTES: usize = 32;
/// The longest portal address, in characters: the mail's headers, which carry it, take 995.
const PORTAL_URL_MAX_CHARS: usize = 500;

/// A variable is not what the function needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not set, or empty.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// It is set to something else.
    #[error("{0} must be {1}")]
    Invalid(&'static str, &'static str),
}

/// The names of the verified token's claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// Carries the practice that the caller belongs to.
    pub practice: String,
    /// Carries the scopes, separated by spaces.
    pub scope: String,
}

/// Where AWS is, and who the function is there, as Lambda tells every function.
#[derive(Clone, Debug)]
pub struct AwsEnvironment {
    /// The region that the function runs in, and everything it uses.
    pub region: String,
    /// Its role's, for as long as Lambda keeps the process.
    pub credentials: Credentials,
    /// Where AWS is if it is somewhere else, as on a developer's machine.
    pub endpoint: Option<String>,
}

/// Where the portal's pages are: an absolute URL without query, fragment or final slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalUrl(String);

impl PortalUrl {
    /// Parses the URL. `None` unless it is https, or http on this very machine: the secret of an activation link is
    /// read by the page that this URL names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() <= PORTAL_URL_MAX_CHARS
            && text.chars().all(|c| c.is_ascii_graphic() && !"#?@<>\"\\".contains(c))
            && !text.ends_with('/');
        let uri: Uri = text.parse().ok()?;
        let host = uri.host().filter(|host| !host.is_empty())?;
        let trusted = match uri.scheme_str()? {
            "https" => true,
            "http" => is_loopback(host),
            _ => false,
        };
        (plain && trusted).then(|| Self(text.to_owned()))
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The environment of a function. Each method reads what some functions need.
pub struct Environment(Box<Lookup>);

impl fmt::Debug for Environment {
    /// Shows nothing: there are secrets in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl Environment {
    /// The environment of this process; the only place that reads it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "everything else is handed what it needs")]
    pub fn process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    fn optional(&self, name: &str) -> Option<String> {
        self.0(name).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing(name))
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        what: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        parse(&self.required(name)?).ok_or(ConfigError::Invalid(name, what))
    }

    /// `TABLE_NAME`: the table.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn table_name(&self) -> Result<String, ConfigError> {
        self.required("TABLE_NAME")
    }

    /// `QUEUE_URL`: the queue of invitations to mail.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn queue_url(&self) -> Result<String, ConfigError> {
        self.required("QUEUE_URL")
    }

    /// `BULK_QUEUE_URL`: the queue that bulk jobs go on by.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn bulk_queue_url(&self) -> Result<String, ConfigError> {
        self.required("BULK_QUEUE_URL")
    }

    /// `FINGERPRINT_PEPPER`: the secret that keys the fingerprints of addresses.
    ///
    /// # Errors
    /// [`ConfigError`], also if it is shorter than 32 bytes.
    pub fn pepper(&self) -> Result<Pepper, ConfigError> {
        let secret = |text: &str| (text.len() >= PEPPER_MIN_BYTES).then(|| Pepper::new(SecretString::from(text)));
        self.parsed("FINGERPRINT_PEPPER", "at least 32 bytes long", secret)
    }

    /// `CONFIGURATION_SET`: what mails are sent with, and what their events name.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn configuration_set(&self) -> Result<String, ConfigError> {
        self.required("CONFIGURATION_SET")
    }

    /// `MAIL_FROM`, `CONFIGURATION_SET` and `PORTAL_BASE_URL`: how mails go out.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn mail(&self) -> Result<MailSettings, ConfigError> {
        Ok(MailSettings {
            // SES takes no address that is not ASCII.
            from: self.parsed("MAIL_FROM", "one bare ASCII email address", |text| {
                EmailAddress::parse(text).ok().filter(|_| text.is_ascii())
            })?,
            configuration_set: self.configuration_set()?,
            portal: self.parsed(
                "PORTAL_BASE_URL",
                "an https URL without query, fragment or final slash",
                PortalUrl::parse,
            )?,
        })
    }

    /// `PRACTICE_CLAIM` and `SCOPE_CLAIM`: by default `practice_id` and `scope`.
    #[must_use]
    pub fn claim_names(&self) -> ClaimNames {
        let named = |variable, default: &str| self.optional(variable).unwrap_or_else(|| default.to_owned());
        ClaimNames { practice: named("PRACTICE_CLAIM", "practice_id"), scope: named("SCOPE_CLAIM", "scope") }
    }

    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_ENDPOINT_URL`: how AWS is
    /// reached. The last two may be missing.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn aws(&self) -> Result<AwsEnvironment, ConfigError> {
        let (key, secret) = (self.required("AWS_ACCESS_KEY_ID")?, self.required("AWS_SECRET_ACCESS_KEY")?);
        let token = self.optional("AWS_SESSION_TOKEN");
        Ok(AwsEnvironment {
            region: self.required("AWS_REGION")?,
            credentials: Credentials::new(key, secret, token, None, "Lambda"),
            endpoint: self.optional("AWS_ENDPOINT_URL"),
        })
    }

    /// `AWS_LAMBDA_LOG_LEVEL`: what Lambda's setting for application logs comes to a function as.
    #[must_use]
    pub fn log_level(&self) -> Option<String> {
        self.optional("AWS_LAMBDA_LOG_LEVEL")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &'static [(&'static str, &'static str)]) -> Environment {
        Environment(Box::new(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        }))
    }

    #[test]
    fn an_error_names_the_variable_and_not_its_value() {
        let error = environment(&[]).table_name().unwrap_err();
        assert_eq!(error.to_string(), "TABLE_NAME is not set");
        let error = environment(&[("QUEUE_URL", "")]).queue_url().unwrap_err();
        assert_eq!(error.to_string(), "QUEUE_URL is not set");
        let error = environment(&[("FINGERPRINT_PEPPER", "hunter2")]).pepper().unwrap_err();
        assert_eq!(error.to_string(), "FINGERPRINT_PEPPER must be at least 32 bytes long");
    }

    #[test]
    fn mail_settings_are_complete_or_refused() {
        let good = environment(&[
            ("MAIL_FROM", "portal@mail.example.com"),
            ("CONFIGURATION_SET", "invitations"),
            ("PORTAL_BASE_URL", "https://portal.example.com"),
        ]);
        let mail = good.mail().unwrap();
        assert_eq!(mail.from.canonical(), "portal@mail.example.com");
        assert_eq!(mail.configuration_set, "invitations");
        assert_eq!(mail.portal.as_str(), "https://portal.example.com");

        let named = environment(&[("MAIL_FROM", "Portal <portal@example.com>")]).mail().unwrap_err();
        assert_eq!(named, ConfigError::Invalid("MAIL_FROM", "one bare ASCII email address"));
        let unicode = environment(&[("MAIL_FROM", "jos\u{e9}@example.com")]).mail().unwrap_err();
        assert_eq!(unicode, named);
        let bare = environment(&[("MAIL_FROM", "portal@example.com")]).mail().unwrap_err();
        assert_eq!(bare, ConfigError::Missing("CONFIGURATION_SET"));
    }

    #[test]
    fn claim_names_have_defaults() {
        let names = environment(&[]).claim_names();
        assert_eq!((names.practice.as_str(), names.scope.as_str()), ("practice_id", "scope"));
        let names = environment(&[("PRACTICE_CLAIM", "custom:practice"), ("SCOPE_CLAIM", "scp")]).claim_names();
        assert_eq!((names.practice.as_str(), names.scope.as_str()), ("custom:practice", "scp"));
    }

    #[test]
    fn the_portal_is_at_an_https_url_or_on_this_machine() {
        for good in [
            "https://portal.example.com",
            "https://example.com:8443/portal",
            "http://localhost:3000",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
        ] {
            assert_eq!(PortalUrl::parse(good).as_ref().map(PortalUrl::as_str), Some(good));
        }
        let long = format!("https://example.com/{}", "a".repeat(500));
        for bad in [
            "",
            "portal.example.com",
            "/portal",
            "http://portal.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com",
            "ftp://localhost",
            "https://",
            "https://example.com/",
            "https://example.com?a=b",
            "https://example.com#a",
            "https://user@example.com",
            "https://example.com\r\nBcc: x",
            "https://example.com/ a",
            "https://example.com/\">",
            "https://ex\u{e4}mple.com",
            &long,
        ] {
            assert_eq!(PortalUrl::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn aws_is_reached_as_lambda_says() {
        let local = environment(&[
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "hunter3"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4580"),
        ]);
        let aws = local.aws().unwrap();
        assert_eq!((aws.region.as_str(), aws.endpoint.as_deref()), ("eu-west-1", Some("http://127.0.0.1:4580")));
        assert_eq!(aws.credentials.access_key_id(), "key");
        assert_eq!(aws.credentials.session_token(), Some("hunter3"));
        assert!(!format!("{aws:?}").contains("hunter"), "{aws:?}");

        let no_region = environment(&[("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "hunter2")]);
        assert_eq!(no_region.aws().unwrap_err(), ConfigError::Missing("AWS_REGION"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let variables = environment(&[("FINGERPRINT_PEPPER", "0123456789abcdef0123456789abcdef")]);
        assert_eq!(format!("{variables:?}"), "Environment");
        assert!(!format!("{:?}", variables.pepper().unwrap()).contains("0123"));
    }
}
