//! The local mailbox: every mail that the stack's SES accepted.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::{Context as _, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Distinguishes an activation link from the other links of a mail.
const ACTIVATION: &str = "/activate#";

/// A mail as SES accepted it. The local stack keeps neither its headers nor its tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
pub struct Mail {
    /// SES's id of the mail.
    pub message_id: String,
    /// The sender, with the display name.
    #[serde(rename(deserialize = "Source"))]
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// Its text body.
    #[serde(rename(deserialize = "BodyText"))]
    pub text: String,
    /// Its HTML body.
    #[serde(rename(deserialize = "BodyHtml"))]
    pub html: Option<String>,
    /// When it was accepted.
    #[serde(rename(deserialize = "Timestamp"), deserialize_with = "seconds_since_1970")]
    pub at: DateTime<Utc>,
}

impl Mail {
    /// The link in the text body that opens an account.
    #[must_use]
    pub fn activation_link(&self) -> Option<&str> {
        self.text.split_whitespace().find(|word| word.starts_with("http") && word.contains(ACTIVATION))
    }
}

impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "From:    {}", self.from)?;
        writeln!(f, "To:      {}", self.to.join(", "))?;
        writeln!(f, "Subject: {}", self.subject)?;
        writeln!(f, "Date:    {}", self.at.to_rfc3339_opts(SecondsFormat::Millis, true))?;
        writeln!(f, "\n{}", self.text.trim_end())?;
        if let Some(link) = self.activation_link() {
            writeln!(f, "\nActivation link: {link}")?;
        }
        Ok(())
    }
}

/// The mailbox's own answer: the mails of each AWS account.
#[derive(Deserialize)]
struct Accounts {
    messages: BTreeMap<String, Vec<Mail>>,
}

fn seconds_since_1970<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let since_1970 = Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)?;
    let millis = i64::try_from(since_1970.as_millis()).map_err(D::Error::custom)?;
    DateTime::from_timestamp_millis(millis).ok_or_else(|| D::Error::custom("a date out of range"))
}

/// Reads every mail in a mailbox, oldest first.
///
/// # Errors
///
/// If the stack does not answer.
pub fn read(mailbox_url: &str) -> Result<Vec<Mail>> {
    let mut answer = ureq::get(mailbox_url)
        .call()
        .context("the mailbox does not answer: `cargo xtask up` starts the local stack")?;
    let accounts: Accounts = answer.body_mut().read_json().context("the mailbox's answer cannot be read")?;
    Ok(accounts.messages.into_values().flatten().collect())
}

/// Reads the mails to one address, oldest first. Letter case does not matter.
///
/// # Errors
///
/// If the stack does not answer.
pub fn read_to(mailbox_url: &str, address: &str) -> Result<Vec<Mail>> {
    let mut mails = read(mailbox_url)?;
    mails.retain(|mail| mail.to.iter().any(|to| to.eq_ignore_ascii_case(address)));
    Ok(mails)
}

#[cfg(test)]
mod tests {
    use super::{Accounts, Mail};

    fn sample() -> Mail {
        let text = r#"{"messages":{"000000000000":[{"MessageId":"m-1","Source":"Northside <no-reply@example.com>",
            "To":["ana@example.org"],"CC":[],"BCC":[],"Subject":"Your account","BodyText":"Open it:\nhttps://portal.example.com/activate#abc\nUntil May 9.",
            "BodyHtml":null,"Timestamp":1777730591.25,"Type":"SendEmail"}]}}"#;
        let accounts: Accounts = serde_json::from_str(text).unwrap();
        accounts.messages.into_values().flatten().next().unwrap()
    }

    #[test]
    fn the_activation_link_is_found_in_the_text() {
        assert_eq!(sample().activation_link(), Some("https://portal.example.com/activate#abc"));
    }

    #[test]
    fn a_mail_without_a_link_shows_none() {
        let mail = Mail { text: "Good day".to_owned(), ..sample() };
        assert_eq!(mail.activation_link(), None);
        assert!(!mail.to_string().contains("Activation link"));
    }

    #[test]
    fn json_names_are_plain() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["from"], "Northside <no-reply@example.com>");
        assert_eq!(json["messageId"], "m-1");
        assert_eq!(json["at"], "2026-05-02T14:03:11.250Z");
    }
}
