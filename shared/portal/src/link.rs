//! Activation links: a public id that finds the record, and a secret that proves the mail was received.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{ids::LinkId, redacted::Redacted};

/// 256 bits of randomness; only ever in a mail, never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSecret(Redacted<[u8; 32]>);

impl LinkSecret {
    /// Takes fresh randomness.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(Redacted::new(bytes))
    }

    /// What is stored in place of the secret. A plain hash is enough: 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0.expose()).into())
    }
}

/// SHA-256 of a [`LinkSecret`]. Equality takes the same time wherever the two differ.
#[derive(Clone, Copy, Debug)]
pub struct SecretHash([u8; 32]);

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

impl SecretHash {
    /// The 32 bytes, for storing.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads back what [`SecretHash::as_bytes`] gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A secret that was mailed and is good until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSecret {
    /// What the secret must hash to.
    pub hash: SecretHash,
    /// From this instant on it opens nothing.
    pub expires_at: DateTime<Utc>,
}

/// The links that work for one patient at one address.
///
/// A reinvite to the same address keeps it (patients open the older mail), another address replaces it, and it
/// is gone once the invitation is revoked, locked or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Finds the record.
    pub id: LinkId,
    /// Every secret mailed so far that may still be good, oldest first.
    pub secrets: Vec<LiveSecret>,
    /// Dates of birth compared so far for this address, counted before each comparison.
    pub guesses: u8,
}

impl Link {
    /// Whether this secret was mailed and has not expired.
    #[must_use]
    pub fn opens_with(&self, secret: &LinkSecret, now: DateTime<Utc>) -> bool {
        let hash = secret.hash();
        // Every entry is compared, so that the time taken does not tell which one matched.
        self.secrets.iter().fold(false, |open, live| (live.hash == hash && now < live.expires_at) | open)
    }

    /// Whether this secret was mailed for this link, expired or not: whoever has it has read the patient's mail.
    #[must_use]
    pub fn was_mailed_with(&self, secret: &LinkSecret) -> bool {
        let hash = secret.hash();
        self.secrets.iter().fold(false, |mailed, live| (live.hash == hash) | mailed)
    }
}

/// What the mail carries: the link's id and one secret, as `<id>.<secret>` in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The public half.
    pub link: LinkId,
    /// The secret half.
    pub secret: LinkSecret,
}

impl Token {
    /// The text that goes into the mail's link.
    #[must_use]
    pub fn to_text(&self) -> Redacted<String> {
        Redacted::new(format!("{}.{}", self.link, URL_SAFE_NO_PAD.encode(self.secret.0.expose())))
    }

    /// Reads a token that somebody presents; `None` if it cannot be one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (link, secret) = text.split_once('.')?;
        let mut bytes = [0; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes).ok()?;
        (length == bytes.len()).then_some(())?;
        Some(Self { link: LinkId::parse(link).ok()?, secret: LinkSecret::new(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(seed: u8) -> Token {
        Token { link: LinkId::parse("abcDEF_-123").unwrap(), secret: LinkSecret::new([seed; 32]) }
    }

    #[test]
    fn a_token_reads_back_and_nothing_near_it_does() {
        let text = token(7).to_text().expose().clone();
        assert_eq!(Token::parse(&text), Some(token(7)));
        for near in [&text[1..text.len() - 2], &text.replace('.', ""), &format!("{text}A"), "", ".", "a.b"] {
            assert_ne!(Token::parse(near), Some(token(7)), "{near}");
        }
    }

    #[test]
    fn a_secret_opens_its_own_link_until_it_expires() {
        let expires_at = DateTime::from_timestamp(1_000, 0).unwrap();
        let live = |seed| LiveSecret { hash: LinkSecret::new([seed; 32]).hash(), expires_at };
        let link = Link { id: LinkId::parse("x").unwrap(), secrets: vec![live(1), live(2)], guesses: 0 };
        let before = DateTime::from_timestamp(999, 0).unwrap();
        assert!(link.opens_with(&LinkSecret::new([1; 32]), before));
        assert!(link.opens_with(&LinkSecret::new([2; 32]), before));
        assert!(!link.opens_with(&LinkSecret::new([3; 32]), before));
        assert!(!link.opens_with(&LinkSecret::new([1; 32]), expires_at));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,120}") {
            let _token = Token::parse(&text);
        }
    }
}
