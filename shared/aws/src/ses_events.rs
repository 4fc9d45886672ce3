//! Events of SES, as the account's event bus hands them on.
//!
//! They quote the mail's addresses and headers. Nothing of that is read here, and no error quotes an event.

use std::collections::BTreeMap;

use portal::{
    ids::{InvalidId, InvitationId, MessageId},
    record::{Delivery, delivery::MailEvent},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::mail_tags;

/// The only source that SES's events have. The bus takes none under it from anybody else.
const SOURCE: &str = "aws.ses";
/// Longer than the name of any kind of event.
const KIND_MAX_CHARS: usize = 32;

/// Which events are ours.
#[derive(Clone, Copy, Debug)]
pub struct Own<'function> {
    /// The AWS account that the function runs in.
    pub account: &'function str,
    /// The configuration set that our mails are sent with.
    pub configuration_set: &'function str,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Something of an invitation's mail.
    Mail(MailEvent),
    /// Something of an invitation's mail that has nothing to do with its delivery.
    Other(Kind),
    /// Nothing of an invitation's mail, or of none of ours.
    Foreign,
}

/// The name of a kind of event that is not known here, fit to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind(String);

impl Kind {
    /// Whoever made the event, no address can pass for a name.
    fn of(text: &str) -> Self {
        let name = text.len() <= KIND_MAX_CHARS && text.chars().all(|c| c.is_ascii_alphabetic() || c == ' ');
        Self(if name { text.to_owned() } else { "no name".to_owned() })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An event is not what this version can read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A member is missing or of another type.
    #[error("the event has another shape")]
    Shape(#[source] serde_json::Error),
    /// The mail's id is not one.
    #[error("the event names a mail by what is no id")]
    Id(#[source] InvalidId),
}

#[derive(Deserialize)]
struct Envelope {
    source: String,
    account: String,
    detail: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    event_type: String,
    mail: Mail,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: String,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Bounced {
    bounce: Bounce,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    bounce_sub_type: String,
}

#[derive(Deserialize)]
struct Complained {
    complaint: Complaint,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complaint_sub_type: Option<String>,
}

impl Mail {
    /// A tag's value. SES gives each as a list.
    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name)?.first().map(String::as_str)
    }
}

/// Reads an event. Members that are not known here are let through.
///
/// # Errors
/// [`EventError`] if it is no event, or one of our mails whose news cannot be read.
pub fn read(event: &Value, own: Own<'_>) -> Result<Told, EventError> {
    let Envelope { source, account, detail } = shaped(event)?;
    if source != SOURCE || account != own.account {
        return Ok(Told::Foreign);
    }
    let Detail { event_type, mail } = shaped(&detail)?;
    if mail.tag(mail_tags::CONFIGURATION_SET) != Some(own.configuration_set) {
        return Ok(Told::Foreign);
    }
    let invitation = mail.tag(mail_tags::INVITATION).and_then(|tag| InvitationId::parse(tag).ok());
    let attempt = mail.tag(mail_tags::ATTEMPT).and_then(|tag| tag.parse().ok());
    let key = mail.tag(mail_tags::RECORD).and_then(mail_tags::parse_record);
    let Some(((invitation, attempt), key)) = invitation.zip(attempt).zip(key) else {
        return Ok(Told::Foreign);
    };
    let Some(news) = news(&event_type, &detail)? else {
        return Ok(Told::Other(Kind::of(&event_type)));
    };
    let message = MessageId::parse(&mail.message_id).map_err(EventError::Id)?;
    Ok(Told::Mail(MailEvent { key, invitation, attempt, message, news }))
}

/// What an event of this kind says of the delivery; `None` if nothing.
fn news(event_type: &str, detail: &Value) -> Result<Option<Delivery>, EventError> {
    Ok(match event_type {
        "Send" => Some(Delivery::Accepted),
        "DeliveryDelay" => Some(Delivery::Delayed),
        "Delivery" => Some(Delivery::Delivered),
        "Reject" | "Rendering Failure" => Some(Delivery::Rejected),
        "Bounce" => {
            let Bounced { bounce } = shaped(detail)?;
            Some(match (bounce.bounce_type.as_str(), bounce.bounce_sub_type.as_str()) {
                ("Permanent", "Suppressed" | "OnAccountSuppressionList") => Delivery::Suppressed,
                ("Permanent", _) => Delivery::Bounced,
                // An answer by a machine, a full mailbox, a mail that is too large: the address is none the worse for
                // it, and all that is certain is that SES had the mail.
                _ => Delivery::Accepted,
            })
        }
        "Complaint" => {
            let Complained { complaint } = shaped(detail)?;
            // On that list, the complaint is an older one, and SES did not even try.
            let suppressed = complaint.complaint_sub_type.as_deref() == Some("OnAccountSuppressionList");
            Some(if suppressed { Delivery::Suppressed } else { Delivery::Complained })
        }
        _ => None,
    })
}

fn shaped<T: DeserializeOwned>(value: &Value) -> Result<T, EventError> {
    T::deserialize(value).map_err(EventError::Shape)
}

#[cfg(test)]
#[path = "ses_events_tests.rs"]
mod tests;
