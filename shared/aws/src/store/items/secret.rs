//! A live secret in one binary value: its hash, then its expiry. A link may have many, and a record should stay small.

use std::fmt;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use chrono::DateTime;
use portal::link::{LiveSecret, SecretHash};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Unreadable;

/// 32 bytes of SHA-256, and the milliseconds of the expiry in 8 bytes, most significant first.
pub(super) struct PackedSecret([u8; 40]);

impl From<&LiveSecret> for PackedSecret {
    fn from(secret: &LiveSecret) -> Self {
        let LiveSecret { hash, expires_at } = secret;
        let mut bytes = [0; 40];
        let (hash_bytes, expiry_bytes) = bytes.split_at_mut(32);
        hash_bytes.copy_from_slice(hash.as_bytes());
        expiry_bytes.copy_from_slice(&expires_at.timestamp_millis().to_be_bytes());
        Self(bytes)
    }
}

impl TryFrom<&PackedSecret> for LiveSecret {
    type Error = Unreadable;

    fn try_from(packed: &PackedSecret) -> Result<Self, Unreadable> {
        let unreadable = Unreadable::Attribute("link_secrets");
        let (hash, expiry) = packed.0.split_first_chunk::<32>().ok_or(unreadable)?;
        let millis = i64::from_be_bytes(*expiry.first_chunk().ok_or(unreadable)?);
        let expires_at = DateTime::from_timestamp_millis(millis).ok_or(unreadable)?;
        Ok(Self { hash: SecretHash::from_bytes(*hash), expires_at })
    }
}

/// The value that a claim appends to a link's list.
pub(in crate::store) fn attribute(secret: &LiveSecret) -> AttributeValue {
    AttributeValue::B(Blob::new(PackedSecret::from(secret).0))
}

impl Serialize for PackedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for PackedSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}

struct Bytes;

impl de::Visitor<'_> for Bytes {
    type Value = PackedSecret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("40 bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<PackedSecret, E> {
        bytes.try_into().map(PackedSecret).map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<PackedSecret, E> {
        self.visit_bytes(&bytes)
    }
}
