//! What is stored: one typed item for each kind, and its conversions from and to the domain.
//!
//! Attributes that do not apply are absent, never NULL, so that the indexes stay sparse. Instants are milliseconds
//! since 1970. An item is at most 1 KB in the ordinary case, which is one write unit.

pub(super) mod directory;
pub(super) mod email;
pub(super) mod event;
pub(super) mod job;
pub(super) mod packed;
pub(super) mod practice;
pub(super) mod record;

use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use portal::ports::StoreError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Item, errors::corrupt, keys::Key};

/// The version of the shapes in this module. Raised when an older version could not read, or would lose, what a
/// newer one writes.
pub(super) const SCHEMA: u32 = 1;

/// Why an item cannot be read. Names the attribute and never its value, which may be personal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// A newer version wrote it.
    #[error("an item has a newer schema")]
    NewerSchema,
    /// Some attribute has the wrong type, or one that is always there is not.
    #[error("an item has not the attributes that it should have")]
    WrongShape,
    /// This attribute is missing, or its value means nothing.
    #[error("an item has no usable `{0}`")]
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

/// Makes the item of a key: the attributes of `body`, the key's, and the schema.
fn encode(key: &Key, body: &impl Serialize) -> Result<Item, StoreError> {
    // Serialising our own types fails for none of their values; what is dropped here could hold one.
    let mut item: Item = serde_dynamo::to_item(body).map_err(|_| corrupt(Unreadable::WrongShape))?;
    item.retain(|_, value| !value.is_null());
    item.extend(key.to_item());
    item.insert("schema".to_owned(), AttributeValue::N(SCHEMA.to_string()));
    Ok(item)
}

/// Reads an item's attributes, if this version knows its schema.
fn decode<T: DeserializeOwned>(item: Item) -> Result<T, Unreadable> {
    let schema = item.get("schema").and_then(|schema| schema.as_n().ok()).and_then(|schema| schema.parse::<u32>().ok());
    if schema.ok_or(Unreadable::Attribute("schema"))? > SCHEMA {
        return Err(Unreadable::NewerSchema);
    }
    // The deserialiser's own words would quote the value.
    serde_dynamo::from_item(item).map_err(|_| Unreadable::WrongShape)
}

/// The value of an attribute that must be there.
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
        record::{Change, Delivery, account::Registration},
        testing::samples,
        timeline::Role,
    };

    use super::*;

    /// The size by which DynamoDB bills an item: names and values in UTF-8, numbers by their digits.
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

    /// A write unit is 1 KB. Ids are as long as the real ones: UUIDs, a practice's id like `practice-1a2b3c`, SES's ids.
    #[test]
    fn records_and_events_are_one_write_unit() {
        let key = samples::key("practice-1a2b3c", "patient-00012345");
        let practice = samples::practice("practice-1a2b3c");
        let act = |role| samples::act_of(role, samples::noon(), "1-67891233-abcdef012345678912345678");
        let id = InvitationId::parse("01931b8e-7c3a-7d2e-9f00-0123456789ab").unwrap();
        let message = MessageId::parse("0100018f3c2a1b4d-7e6f5a4b-3c2d-1e0f-9a8b-7c6d5e4f3a2b-000000").unwrap();
        let profile = samples::profile(Some("jose.nunez.martinez@mail.example.com"));
        let saved = samples::new_patient(&key, profile);
        let invited = saved.after.invite(&practice, None, id.clone(), act(Role::Staff)).unwrap();
        let claimed = invited.after.claim(&samples::claim_request(&id, samples::noon(), 1)).unwrap();
        let sent = claimed.stamp(&practice, &id, 1, message.clone(), act(Role::Sender)).unwrap();
        let delivered = sent.after.record_delivery(&id, Delivery::Delivered, act(Role::MailService)).unwrap();
        let registration = delivered.after.register(
            samples::date_of_birth(),
            samples::account_id(id.as_str()),
            None,
            act(Role::Patient),
        );
        let Registration::Registered(opened) = registration else { unreachable!("the date of birth is right") };
        let moved = samples::email("nunez.martinez.family@mail.example.com");
        let moved = opened.after.change_account_email(&moved, act(Role::Support)).unwrap().unwrap();
        let told = moved.after.notice_sent(&moved.after.notices[0], message, act(Role::Sender)).unwrap();
        let mut most_mailed = delivered.clone();
        let link = most_mailed.after.link.as_mut().unwrap();
        link.secrets = vec![link.secrets[0].clone(); portal::policy::MOST_SECRETS];
        let login = samples::login(id.as_str(), samples::noon() + chrono::TimeDelta::days(1));
        let logged_in = opened.after.track_login(&login).unwrap().unwrap();
        assert!(size(&record::encode(&logged_in).unwrap()) <= 700);
        for change in [saved, invited, sent, delivered, *opened] {
            let (record, event) = sizes(&change);
            assert!(record <= 700 && event <= 400, "{}: {record}, {event}", <&str>::from(change.event.kind.name()));
        }
        // With an account's two addresses and what is to be told of them.
        for change in [moved, told] {
            let (record, event) = sizes(&change);
            assert!(record <= 1024 && event <= 400, "{}: {record}, {event}", <&str>::from(change.event.kind.name()));
        }
        // Only a patient who has been mailed many times needs a second one.
        assert!(sizes(&most_mailed).0 <= 2 * 1024);
    }
}
