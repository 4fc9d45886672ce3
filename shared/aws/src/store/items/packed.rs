//! Binary encodings of small values of which a record can have many. Numbers are 8 bytes in big-endian order.

use std::fmt;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use chrono::{DateTime, Utc};
use portal::{
    idempotency::{Digest, KeyedRequest, RememberedRequest},
    link::{LiveSecret, SecretHash},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Unreadable;

/// A value of `N` bytes.
pub(super) struct Packed<const N: usize>([u8; N]);

/// 32 bytes of SHA-256, then the expiry in milliseconds.
pub(super) type PackedSecret = Packed<40>;
/// The digests of key and content of 16 bytes each, then the time in milliseconds and the version.
pub(super) type PackedRequest = Packed<48>;

/// Half of a SHA-256.
pub(super) type PackedDigest = Packed<16>;

impl<const N: usize> Packed<N> {
    /// The bytes.
    pub(super) const fn bytes(&self) -> [u8; N] {
        self.0
    }

    /// Concatenates parts with a total of `N` bytes.
    fn from_parts(parts: &[&[u8]]) -> Self {
        let mut bytes = [0; N];
        for (place, byte) in bytes.iter_mut().zip(parts.iter().copied().flatten()) {
            *place = *byte;
        }
        Self(bytes)
    }
}

/// Removes the first bytes.
fn take<'bytes, const N: usize>(bytes: &mut &'bytes [u8], name: &'static str) -> Result<&'bytes [u8; N], Unreadable> {
    let (first, rest) = bytes.split_first_chunk().ok_or(Unreadable::Attribute(name))?;
    *bytes = rest;
    Ok(first)
}

fn take_instant(bytes: &mut &[u8], name: &'static str) -> Result<DateTime<Utc>, Unreadable> {
    let millis = i64::from_be_bytes(*take(bytes, name)?);
    DateTime::from_timestamp_millis(millis).ok_or(Unreadable::Attribute(name))
}

impl From<&LiveSecret> for PackedSecret {
    fn from(secret: &LiveSecret) -> Self {
        let LiveSecret { hash, expires_at } = secret;
        Self::from_parts(&[hash.as_bytes(), &expires_at.timestamp_millis().to_be_bytes()])
    }
}

impl TryFrom<&PackedSecret> for LiveSecret {
    type Error = Unreadable;

    fn try_from(packed: &PackedSecret) -> Result<Self, Unreadable> {
        let (mut bytes, name) = (packed.0.as_slice(), "link_secrets");
        let hash = SecretHash::from_bytes(*take(&mut bytes, name)?);
        Ok(Self { hash, expires_at: take_instant(&mut bytes, name)? })
    }
}

impl From<Digest> for PackedDigest {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl From<PackedDigest> for Digest {
    fn from(packed: PackedDigest) -> Self {
        packed.0
    }
}

impl From<&RememberedRequest> for PackedRequest {
    fn from(past: &RememberedRequest) -> Self {
        let RememberedRequest { request: KeyedRequest { key, content }, at, version } = past;
        Self::from_parts(&[key, content, &at.timestamp_millis().to_be_bytes(), &version.to_be_bytes()])
    }
}

impl TryFrom<&PackedRequest> for RememberedRequest {
    type Error = Unreadable;

    fn try_from(packed: &PackedRequest) -> Result<Self, Unreadable> {
        let (mut bytes, name) = (packed.0.as_slice(), "requests");
        let request = KeyedRequest { key: *take(&mut bytes, name)?, content: *take(&mut bytes, name)? };
        let at = take_instant(&mut bytes, name)?;
        Ok(Self { request, at, version: u64::from_be_bytes(*take(&mut bytes, name)?) })
    }
}

/// The value that a claim appends to the secrets of a link.
pub(in crate::store) fn secret_attribute(secret: &LiveSecret) -> AttributeValue {
    AttributeValue::B(Blob::new(PackedSecret::from(secret).0))
}

impl<const N: usize> Serialize for Packed<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Packed<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}

struct Bytes<const N: usize>;

impl<const N: usize> de::Visitor<'_> for Bytes<N> {
    type Value = Packed<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Packed<N>, E> {
        bytes.try_into().map(Packed).map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Packed<N>, E> {
        self.visit_bytes(&bytes)
    }
}
