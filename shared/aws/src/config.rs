//! The configuration of a function: environment variables, read once at start into types.
//!
//! An invalid variable stops the start. The error names the variable and never its value.
//!
//! A function names the values that it needs as a tuple, its `Config`. [`crate::bootstrap::start`] reads it and is the
//! only access to the environment, so the type says which variables the function reads (`variables_of`).

use std::{fmt, net::IpAddr};

use aws_credential_types::Credentials;
use http::Uri;
use portal::email::{EmailAddress, Pepper};
use secrecy::SecretString;

/// The shortest secret, in bytes: as long as the output of the hash that the pepper keys.
const SECRET_MIN_BYTES: usize = 32;
/// The longest portal URL, in characters: a mail header that contains it can have 995.
const PORTAL_URL_MAX_CHARS: usize = 500;

/// Why a variable cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not set, or empty.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// Its value is invalid. The second part describes a valid one.
    #[error("{0} must be {1}")]
    Invalid(&'static str, &'static str),
}

/// The names of the claims in a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The claim with the practice that the caller belongs to.
    pub practice: String,
    /// The claim with the scopes, separated by spaces.
    pub scope: String,
}

/// The values of the header by which the firewall identifies itself to the functions with public operations. Two are
/// valid while the secret is rotated.
#[derive(Clone, Debug)]
pub struct OriginSecrets {
    /// The value that the firewall sends.
    pub current: SecretString,
    /// The value that it sent before, and may still send while the new one spreads.
    pub previous: Option<SecretString>,
}

/// The region, credentials and endpoint for AWS calls, from the variables that Lambda sets for every function.
#[derive(Clone, Debug)]
pub struct AwsEnvironment {
    /// The region of the function and of everything that it calls.
    pub region: String,
    /// The credentials of its role. They stay valid as long as Lambda keeps the process.
    pub credentials: Credentials,
    /// Another endpoint for all services, such as the local stack.
    pub endpoint: Option<String>,
}

/// The settings for sending mail.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The sender address. Each practice adds its display name.
    pub from: EmailAddress,
    /// The SES configuration set: it publishes delivery events, requires TLS and does not rewrite links.
    pub configuration_set: String,
    /// The base of all links.
    pub portal: PortalUrl,
}

/// Defines settings that can be any text.
macro_rules! text_settings {
    ($($(#[$doc:meta])* $name:ident = $variable:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl From<$name> for String {
            fn from(setting: $name) -> Self {
                setting.0
            }
        }

        impl FromEnvironment for $name {
            fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
                environment.required($variable).map(Self)
            }
        }
    )*};
}

text_settings! {
    /// The name of the table: `TABLE_NAME`.
    TableName = "TABLE_NAME";
    /// The URL of the queue of hints for the sender: `QUEUE_URL`.
    QueueUrl = "QUEUE_URL";
    /// The URL of the queue of bulk job runs: `BULK_QUEUE_URL`.
    BulkQueueUrl = "BULK_QUEUE_URL";
    /// The name of the SES configuration set, which SES repeats in the events of a mail: `CONFIGURATION_SET`.
    ConfigurationSet = "CONFIGURATION_SET";
}

/// The base URL of the portal's pages: absolute, without query, fragment or final slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalUrl(String);

impl PortalUrl {
    /// Parses the URL. `None` unless it is https, or http on a loopback address: the page at this URL receives the
    /// secret of an activation link.
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

type Lookup = dyn Fn(&'static str) -> Option<String>;

/// The environment variables of a function.
pub struct Environment(Box<Lookup>);

impl fmt::Debug for Environment {
    /// Shows no variable, because some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl Environment {
    /// The environment of this process. Nothing else reads it.
    #[expect(clippy::disallowed_methods, reason = "all other code receives its configuration as arguments")]
    pub(crate) fn process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// The level that Lambda's setting for application logs gives the function.
    pub(crate) fn log_level(&self) -> Option<String> {
        self.optional("AWS_LAMBDA_LOG_LEVEL")
    }

    fn optional(&self, name: &'static str) -> Option<String> {
        self.0(name).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing(name))
    }

    fn secret(&self, name: &'static str) -> Result<SecretString, ConfigError> {
        let long = |text: &str| (text.len() >= SECRET_MIN_BYTES).then(|| SecretString::from(text));
        self.parsed(name, "at least 32 bytes long", long)
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        valid: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        parse(&self.required(name)?).ok_or(ConfigError::Invalid(name, valid))
    }
}

/// A value that is read from environment variables.
pub trait FromEnvironment: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// [`ConfigError`], for the first variable that is missing or invalid.
    fn from_environment(environment: &Environment) -> Result<Self, ConfigError>;
}

impl FromEnvironment for Pepper {
    /// `FINGERPRINT_PEPPER`, at least 32 bytes.
    fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        environment.secret("FINGERPRINT_PEPPER").map(Self::new)
    }
}

impl FromEnvironment for Option<OriginSecrets> {
    /// `ORIGIN_SECRET` and `PREVIOUS_ORIGIN_SECRET`, at least 32 bytes each. Without the first there is no firewall.
    fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let secret = |name| environment.optional(name).map(|_| environment.secret(name)).transpose();
        match (secret("ORIGIN_SECRET")?, secret("PREVIOUS_ORIGIN_SECRET")?) {
            (Some(current), previous) => Ok(Some(OriginSecrets { current, previous })),
            (None, Some(_)) => Err(ConfigError::Missing("ORIGIN_SECRET")),
            (None, None) => Ok(None),
        }
    }
}

impl FromEnvironment for MailSettings {
    /// `MAIL_FROM`, `CONFIGURATION_SET` and `PORTAL_BASE_URL`.
    fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            // SES accepts ASCII addresses only.
            from: environment.parsed("MAIL_FROM", "one bare ASCII email address", |text| {
                EmailAddress::parse(text).ok().filter(|_| text.is_ascii())
            })?,
            configuration_set: ConfigurationSet::from_environment(environment)?.into(),
            portal: environment.parsed(
                "PORTAL_BASE_URL",
                "an https URL without query, fragment or final slash",
                PortalUrl::parse,
            )?,
        })
    }
}

impl FromEnvironment for ClaimNames {
    /// `PRACTICE_CLAIM` and `SCOPE_CLAIM`, by default `practice_id` and `scope`.
    fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let named = |variable, default: &str| environment.optional(variable).unwrap_or_else(|| default.to_owned());
        Ok(Self { practice: named("PRACTICE_CLAIM", "practice_id"), scope: named("SCOPE_CLAIM", "scope") })
    }
}

impl FromEnvironment for AwsEnvironment {
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and optionally `AWS_SESSION_TOKEN` and
    /// `AWS_ENDPOINT_URL`.
    fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let key = environment.required("AWS_ACCESS_KEY_ID")?;
        let secret = environment.required("AWS_SECRET_ACCESS_KEY")?;
        let token = environment.optional("AWS_SESSION_TOKEN");
        Ok(Self {
            region: environment.required("AWS_REGION")?,
            credentials: Credentials::new(key, secret, token, None, "Lambda"),
            endpoint: environment.optional("AWS_ENDPOINT_URL"),
        })
    }
}

/// Reads tuples member by member.
macro_rules! tuples {
    ($(($($member:ident)*))*) => {$(
        impl<$($member: FromEnvironment),*> FromEnvironment for ($($member,)*) {
            fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
                Ok(($($member::from_environment(environment)?,)*))
            }
        }
    )*};
}

tuples! { (A B C) (A B C D) (A B C D E) }

impl FromEnvironment for () {
    fn from_environment(_: &Environment) -> Result<Self, ConfigError> {
        Ok(())
    }
}

/// The names of the variables that a configuration is read from: those that are looked up when it is read.
///
/// # Errors
/// [`ConfigError`] if a variable has a new rule that its example here does not follow.
#[cfg(any(test, feature = "testing"))]
pub fn variables_of<C: FromEnvironment>() -> Result<std::collections::BTreeSet<&'static str>, ConfigError> {
    let (sender, names) = std::sync::mpsc::channel();
    let examples = Environment(Box::new(move |name| {
        sender.send(name).ok()?;
        Some(match name {
            "MAIL_FROM" => "portal@example.com".to_owned(),
            "PORTAL_BASE_URL" => "https://portal.example.com".to_owned(),
            _ => "x".repeat(SECRET_MIN_BYTES),
        })
    }));
    C::from_environment(&examples)?;
    drop(examples);
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &'static [(&'static str, &'static str)]) -> Environment {
        Environment(Box::new(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        }))
    }

    fn read<C: FromEnvironment>(variables: &'static [(&'static str, &'static str)]) -> Result<C, ConfigError> {
        C::from_environment(&environment(variables))
    }

    #[test]
    fn an_error_names_the_variable_but_not_its_value() {
        let error = read::<TableName>(&[]).unwrap_err();
        assert_eq!(error.to_string(), "TABLE_NAME is not set");
        let error = read::<QueueUrl>(&[("QUEUE_URL", "")]).unwrap_err();
        assert_eq!(error.to_string(), "QUEUE_URL is not set");
        let error = read::<Pepper>(&[("FINGERPRINT_PEPPER", "hunter2")]).unwrap_err();
        assert_eq!(error.to_string(), "FINGERPRINT_PEPPER must be at least 32 bytes long");
    }

    #[test]
    fn mail_settings_are_complete_or_rejected() {
        let mail = read::<MailSettings>(&[
            ("MAIL_FROM", "portal@mail.example.com"),
            ("CONFIGURATION_SET", "invitations"),
            ("PORTAL_BASE_URL", "https://portal.example.com"),
        ]);
        let mail = mail.unwrap();
        assert_eq!(mail.from.canonical(), "portal@mail.example.com");
        assert_eq!(mail.configuration_set, "invitations");
        assert_eq!(mail.portal.as_str(), "https://portal.example.com");

        let named = read::<MailSettings>(&[("MAIL_FROM", "Portal <portal@example.com>")]).unwrap_err();
        assert_eq!(named, ConfigError::Invalid("MAIL_FROM", "one bare ASCII email address"));
        let unicode = read::<MailSettings>(&[("MAIL_FROM", "jos\u{e9}@example.com")]).unwrap_err();
        assert_eq!(unicode, named);
        let bare = read::<MailSettings>(&[("MAIL_FROM", "portal@example.com")]).unwrap_err();
        assert_eq!(bare, ConfigError::Missing("CONFIGURATION_SET"));
    }

    #[test]
    fn one_or_two_origin_secrets_are_valid_and_none_means_no_firewall() {
        use secrecy::ExposeSecret as _;

        const CURRENT: &str = "current-0123456789abcdef01234567";
        const PREVIOUS: &str = "previous-123456789abcdef01234567";
        let secrets = |variables| {
            read::<Option<OriginSecrets>>(variables).map(|secrets| {
                secrets.map(|OriginSecrets { current, previous }| {
                    let shown = |secret: SecretString| secret.expose_secret().to_owned();
                    (shown(current), previous.map(shown))
                })
            })
        };
        assert_eq!(secrets(&[]), Ok(None));
        assert_eq!(secrets(&[("ORIGIN_SECRET", ""), ("PREVIOUS_ORIGIN_SECRET", "")]), Ok(None));
        assert_eq!(
            secrets(&[("ORIGIN_SECRET", CURRENT), ("PREVIOUS_ORIGIN_SECRET", "")]),
            Ok(Some((CURRENT.to_owned(), None)))
        );
        assert_eq!(
            secrets(&[("ORIGIN_SECRET", CURRENT), ("PREVIOUS_ORIGIN_SECRET", PREVIOUS)]),
            Ok(Some((CURRENT.to_owned(), Some(PREVIOUS.to_owned()))))
        );
        assert_eq!(secrets(&[("PREVIOUS_ORIGIN_SECRET", PREVIOUS)]), Err(ConfigError::Missing("ORIGIN_SECRET")));
        let short = |name| Err(ConfigError::Invalid(name, "at least 32 bytes long"));
        assert_eq!(secrets(&[("ORIGIN_SECRET", "hunter2")]), short("ORIGIN_SECRET"));
        assert_eq!(
            secrets(&[("ORIGIN_SECRET", CURRENT), ("PREVIOUS_ORIGIN_SECRET", "hunter2")]),
            short("PREVIOUS_ORIGIN_SECRET")
        );
    }

    #[test]
    fn claim_names_have_defaults() {
        let names = read::<ClaimNames>(&[]).unwrap();
        assert_eq!((names.practice.as_str(), names.scope.as_str()), ("practice_id", "scope"));
        let names = read::<ClaimNames>(&[("PRACTICE_CLAIM", "custom:practice"), ("SCOPE_CLAIM", "scp")]).unwrap();
        assert_eq!((names.practice.as_str(), names.scope.as_str()), ("custom:practice", "scp"));
    }

    #[test]
    fn a_portal_url_is_https_or_on_a_loopback_address() {
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
    fn region_and_credentials_come_from_the_variables_that_lambda_sets() {
        let aws = read::<AwsEnvironment>(&[
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "hunter3"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4580"),
        ]);
        let aws = aws.unwrap();
        assert_eq!((aws.region.as_str(), aws.endpoint.as_deref()), ("eu-west-1", Some("http://127.0.0.1:4580")));
        assert_eq!(aws.credentials.access_key_id(), "key");
        assert_eq!(aws.credentials.session_token(), Some("hunter3"));
        assert!(!format!("{aws:?}").contains("hunter"), "{aws:?}");

        let no_region = read::<AwsEnvironment>(&[("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "hunter2")]);
        assert_eq!(no_region.unwrap_err(), ConfigError::Missing("AWS_REGION"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let variables = environment(&[
            ("FINGERPRINT_PEPPER", "0123456789abcdef0123456789abcdef"),
            ("ORIGIN_SECRET", "0123456789abcdef0123456789abcdef"),
            ("PREVIOUS_ORIGIN_SECRET", "0123456789abcdef0123456789abcdef"),
        ]);
        assert_eq!(format!("{variables:?}"), "Environment");
        assert!(!format!("{:?}", Pepper::from_environment(&variables).unwrap()).contains("0123"));
        let secrets = Option::<OriginSecrets>::from_environment(&variables).unwrap();
        assert!(secrets.is_some() && !format!("{secrets:?}").contains("0123"), "{secrets:?}");
    }

    #[test]
    fn the_variables_of_a_configuration_are_those_that_it_looks_up() {
        let variables = variables_of::<(TableName, MailSettings, Pepper)>().unwrap();
        let expected = ["CONFIGURATION_SET", "FINGERPRINT_PEPPER", "MAIL_FROM", "PORTAL_BASE_URL", "TABLE_NAME"];
        assert_eq!(variables.into_iter().collect::<Vec<_>>(), expected);
        assert!(variables_of::<()>().unwrap().is_empty());
    }
}
