//! SES events, as the event bus of the account delivers them.
//!
//! They contain the addresses and headers of the mail. These are not read, and no error quotes an event.

use std::collections::BTreeMap;

use portal::{
    ids::{InvalidId, InvitationId, MessageId},
    record::delivery::MailEvent,
    states::Delivery,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::mail_tags;

/// The source of SES events. The event bus accepts it from SES only.
const SOURCE: &str = "aws.ses";
/// No event type has a longer name.
const KIND_MAX_CHARS: usize = 32;

/// The origin of the events about mails of this stack.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'function> {
    /// The AWS account of the function.
    pub account: &'function str,
    /// The configuration set of the mails.
    pub configuration_set: &'function str,
}

/// The content of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SesEvent {
    /// A delivery event of an invitation mail.
    Mail(MailEvent),
    /// Another event of an invitation mail.
    Other(Kind),
    /// An event of another origin, or not of an invitation mail.
    Foreign,
}

/// The name of an unknown event type. It can be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind(String);

impl Kind {
    /// Replaces a text that is not a plain name, because it could contain personal data.
    fn from_event_type(text: &str) -> Self {
        let name = text.len() <= KIND_MAX_CHARS && text.chars().all(|c| c.is_ascii_alphabetic() || c == ' ');
        Self(if name { text.to_owned() } else { "unnamed".to_owned() })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A member is missing or has the wrong type.
    #[error("the event has an invalid structure")]
    Shape(#[source] serde_json::Error),
    /// The id of the mail is invalid.
    #[error("the event contains an invalid mail id")]
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
    /// The value of a tag. SES delivers every value as a list.
    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name)?.first().map(String::as_str)
    }
}

/// Reads an event. Unknown members are ignored.
///
/// # Errors
/// [`EventError`] if the event cannot be read.
pub fn read(event: &Value, origin: Origin<'_>) -> Result<SesEvent, EventError> {
    let Envelope { source, account, detail } = parse(event)?;
    if source != SOURCE || account != origin.account {
        return Ok(SesEvent::Foreign);
    }
    let Detail { event_type, mail } = parse(&detail)?;
    if mail.tag(mail_tags::CONFIGURATION_SET) != Some(origin.configuration_set) {
        return Ok(SesEvent::Foreign);
    }
    let invitation = mail.tag(mail_tags::INVITATION).and_then(|tag| InvitationId::parse(tag).ok());
    let attempt = mail.tag(mail_tags::ATTEMPT).and_then(|tag| tag.parse().ok());
    let key = mail.tag(mail_tags::RECORD).and_then(mail_tags::parse_record);
    let Some(((invitation, attempt), key)) = invitation.zip(attempt).zip(key) else {
        return Ok(SesEvent::Foreign);
    };
    let Some(delivery) = delivery(&event_type, &detail)? else {
        return Ok(SesEvent::Other(Kind::from_event_type(&event_type)));
    };
    let message = MessageId::parse(&mail.message_id).map_err(EventError::Id)?;
    Ok(SesEvent::Mail(MailEvent { key, invitation, attempt, message, delivery }))
}

/// The delivery state that an event reports. `None` if it reports none.
fn delivery(event_type: &str, detail: &Value) -> Result<Option<Delivery>, EventError> {
    Ok(match event_type {
        "Send" => Some(Delivery::Accepted),
        "DeliveryDelay" => Some(Delivery::Delayed),
        "Delivery" => Some(Delivery::Delivered),
        "Reject" | "Rendering Failure" => Some(Delivery::Rejected),
        "Bounce" => {
            let Bounced { bounce } = parse(detail)?;
            Some(match (bounce.bounce_type.as_str(), bounce.bounce_sub_type.as_str()) {
                ("Permanent", "Suppressed" | "OnAccountSuppressionList") => Delivery::Suppressed,
                ("Permanent", _) => Delivery::Bounced,
                // An automatic reply, a full mailbox or a too large mail says nothing against the address. SES has
                // accepted the mail.
                _ => Delivery::Accepted,
            })
        }
        "Complaint" => {
            let Complained { complaint } = parse(detail)?;
            // The address was on the suppression list because of an older complaint, so SES did not send the mail.
            let suppressed = complaint.complaint_sub_type.as_deref() == Some("OnAccountSuppressionList");
            Some(if suppressed { Delivery::Suppressed } else { Delivery::Complained })
        }
        _ => None,
    })
}

fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, EventError> {
    T::deserialize(value).map_err(EventError::Shape)
}

#[cfg(test)]
#[path = "ses_events_tests.rs"]
mod tests;
