//! The items of the table: one type per kind of item, with the conversions to and from the domain.
//!
//! Attributes that do not apply are absent and never NULL, which keeps the indexes sparse. Instants are milliseconds since
//! 1970. A typical item has at most 1 KB, which is one write unit.

pub(super) mod access;
mod change_context;
pub(super) mod directory;
pub(super) mod email;
pub(super) mod event;
pub(super) mod job;
pub(super) mod packed;
pub(super) mod practice;
pub(super) mod practice_event;
pub(super) mod record;

use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use portal::ports::StoreError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Item, errors::corrupt, keys::Key};

/// The schema version of the items. It is raised when an older version of the code could not read, or would lose, what a
/// newer one writes.
pub(super) const SCHEMA: u32 = 1;

/// Why an item cannot be read. Names the attribute but not its value, which can be personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// A newer version of the code wrote it.
    #[error("an item has a newer schema")]
    NewerSchema,
    /// A required attribute is missing, or an attribute has the wrong type.
    #[error("an item has an invalid structure")]
    WrongShape,
    /// This attribute is missing or invalid.
    #[error("an item has no valid `{0}`")]
    Attribute(&'static str),
}

/// An instant as it is stored.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Millis(#[serde(with = "chrono::serde::ts_milliseconds")] DateTime<Utc>);

impl From<DateTime<Utc>> for Millis {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at)
    }
}

impl From<Millis> for DateTime<Utc> {
    fn from(at: Millis) -> Self {
        at.0
    }
}

/// Encodes an item: the attributes of `body`, the key and the schema version.
fn encode(key: &Key, body: &impl Serialize) -> Result<Item, StoreError> {
    // Serialization does not fail for these types. The error is dropped because it could quote a value.
    let mut item: Item = serde_dynamo::to_item(body).map_err(|_| corrupt(Unreadable::WrongShape))?;
    item.retain(|_, value| !value.is_null());
    item.extend(key.to_item());
    item.insert("schema".to_owned(), AttributeValue::N(SCHEMA.to_string()));
    Ok(item)
}

/// Decodes an item if its schema version is known.
fn decode<T: DeserializeOwned>(item: Item) -> Result<T, Unreadable> {
    let schema = item.get("schema").and_then(|schema| schema.as_n().ok()).and_then(|schema| schema.parse::<u32>().ok());
    if schema.ok_or(Unreadable::Attribute("schema"))? > SCHEMA {
        return Err(Unreadable::NewerSchema);
    }
    // The error of the deserializer could quote a value.
    serde_dynamo::from_item(item).map_err(|_| Unreadable::WrongShape)
}

/// The value of a required attribute.
fn need<T>(value: Option<T>, name: &'static str) -> Result<T, Unreadable> {
    value.ok_or(Unreadable::Attribute(name))
}

/// Parses an attribute.
fn parsed<T, E>(result: Result<T, E>, name: &'static str) -> Result<T, Unreadable> {
    result.map_err(|_| Unreadable::Attribute(name))
}

/// The value that has this name.
pub(in crate::store) fn named<T: FromStr>(name: &str, attribute: &'static str) -> Result<T, Unreadable> {
    need(name.parse().ok(), attribute)
}

#[cfg(test)]
mod tests {
    use portal::{
        ids::{InvitationId, MessageId},
        record::guards::Recipient,
        record::{Change, account::Registration},
        states::Delivery,
        testing::samples,
        timeline::Role,
    };

    use super::*;

    /// The billed size of an item: names and values in UTF-8, numbers by their digits.
    fn size(item: &Item) -> usize {
        item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
    }

    fn value_size(value: &AttributeValue) -> usize {
        let text = value.as_s().map(String::len).ok();
        let digits = value.as_n().map(|digits| digits.len().div_ceil(2) + 1).ok();
        let bytes = value.as_b().map(|bytes| bytes.as_ref().len()).ok();
        let list = value.as_l().map(|list| 3 + list.iter().map(|value| 1 + value_size(value)).sum::<usize>()).ok();
        let map = value.as_m().map(|map| 3 + map.len() + size(map)).ok();
        text.or(digits).or(bytes).or(list).or(map).unwrap_or(1)
    }

    fn sizes(change: &Change) -> (usize, usize) {
        let record = record::encode(&change.after).unwrap();
        (size(&record), size(&event::encode(&change.after.key, &change.event).unwrap()))
    }

    /// A write unit is 1 KB. The ids are as long as real ones.
    #[test]
    fn records_and_events_are_one_write_unit() {
        let key = samples::key("practice-1a2b3c", "patient-00012345");
        let practice = samples::practice("practice-1a2b3c");
        let context = |role| samples::context_as(role, samples::noon(), "1-67891233-abcdef012345678912345678");
        let id = InvitationId::parse("01931b8e-7c3a-7d2e-9f00-0123456789ab").unwrap();
        let message = MessageId::parse("0100018f3c2a1b4d-7e6f5a4b-3c2d-1e0f-9a8b-7c6d5e4f3a2b-000000").unwrap();
        let profile = samples::profile(Some("jose.nunez.martinez@mail.example.com"));
        let saved = samples::new_patient(&key, profile);
        let invited = saved.after.invite(&practice, &Recipient::default(), id.clone(), context(Role::Staff)).unwrap();
        let claimed = invited.after.claim(&samples::claim_request(&id, samples::noon(), 1)).unwrap();
        let sent = claimed.stamp(&practice, &id, 1, message.clone(), context(Role::Sender)).unwrap();
        let delivered = sent.after.record_delivery(&id, Delivery::Delivered, context(Role::MailService)).unwrap();
        let registration = delivered.after.register(
            samples::date_of_birth(),
            samples::account_id(id.as_str()),
            None,
            context(Role::Patient),
        );
        let Registration::Registered(opened) = registration else { unreachable!("the date of birth is right") };
        let moved = samples::email("nunez.martinez.family@mail.example.com");
        let moved = opened.after.change_account_email(&moved, context(Role::Support)).unwrap().unwrap();
        let notified = moved.after.notice_sent(&moved.after.notices[0], message, context(Role::Sender)).unwrap();
        let mut most_mailed = delivered.clone();
        let link = most_mailed.after.link.as_mut().unwrap();
        link.secrets = vec![link.secrets[0].clone(); portal::policy::MAX_SECRETS];
        let login = samples::login(id.as_str(), samples::noon() + chrono::TimeDelta::days(1));
        let logged_in = opened.after.track_login(&login).unwrap().unwrap();
        assert!(size(&record::encode(&logged_in).unwrap()) <= 800);
        for change in [saved, invited, sent, delivered, *opened] {
            let (record, event) = sizes(&change);
            assert!(record <= 800 && event <= 400, "{}: {record}, {event}", <&str>::from(change.event.kind.name()));
        }
        // With the two addresses of an account and the notices to them.
        for change in [moved, notified] {
            let (record, event) = sizes(&change);
            assert!(record <= 1024 && event <= 400, "{}: {record}, {event}", <&str>::from(change.event.kind.name()));
        }
        // Only a patient who has been mailed many times needs a second one.
        assert!(sizes(&most_mailed).0 <= 2 * 1024);
    }
}
