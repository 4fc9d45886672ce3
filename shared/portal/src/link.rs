//! Activation links: a public id that finds the record, and a secret that proves the mail was received.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{ids::LinkId, redacted::Redacted};

/// 256 random bits. They are only in the mail and never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSecret(Redacted<[u8; 32]>);

impl LinkSecret {
    /// Wraps new random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(Redacted::new(bytes))
    }

    /// The hash that is stored instead of the secret. A plain hash is enough, because 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0.expose()).into())
    }
}

/// SHA-256 of a [`LinkSecret`]. Hashes are compared in constant time.
#[derive(Clone, Copy, Debug)]
pub struct SecretHash([u8; 32]);

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

impl SecretHash {
    /// The 32 bytes, for storage.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The inverse of [`SecretHash::as_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A secret that was mailed and is valid until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSecret {
    /// The hash of the secret.
    pub hash: SecretHash,
    /// From this instant on the secret is not valid.
    pub expires_at: DateTime<Utc>,
}

/// The activation link of one patient at one address.
///
/// A reinvite to the same address keeps the link, because patients may open the older mail. Another address replaces it.
/// The link is removed when the invitation is revoked, locked or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The public id, by which the record is found.
    pub id: LinkId,
    /// The secrets mailed so far that may still be valid, oldest first.
    pub secrets: Vec<LiveSecret>,
    /// Number of dates of birth compared so far for this address. Each is counted before it is compared.
    pub birth_date_attempts: u8,
}

impl Link {
    /// Whether this secret was mailed for this link and has not expired.
    #[must_use]
    pub fn opens_with(&self, secret: &LinkSecret, now: DateTime<Utc>) -> bool {
        let hash = secret.hash();
        // Every entry is compared, so that the time taken does not reveal which one matched.
        self.secrets.iter().fold(false, |open, live| (live.hash == hash && now < live.expires_at) | open)
    }

    /// Whether this secret was mailed for this link, expired or not. A person who has it has read the patient's mail.
    #[must_use]
    pub fn was_mailed_with(&self, secret: &LinkSecret) -> bool {
        let hash = secret.hash();
        self.secrets.iter().fold(false, |mailed, live| (live.hash == hash) | mailed)
    }
}

/// The token in a mail: the link's id and one secret, as `<id>.<secret>`, the secret in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The public half.
    pub link: LinkId,
    /// The secret half.
    pub secret: LinkSecret,
}

impl Token {
    /// The text for the link in the mail.
    #[must_use]
    pub fn to_text(&self) -> Redacted<String> {
        Redacted::new(format!("{}.{}", self.link, URL_SAFE_NO_PAD.encode(self.secret.0.expose())))
    }

    /// Parses a token from a request; `None` if the text cannot be a token of this system.
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
    fn a_token_parses_and_a_slightly_different_text_does_not() {
        let text = token(7).to_text().expose().clone();
        assert_eq!(Token::parse(&text), Some(token(7)));
        for changed in [&text[1..text.len() - 2], &text.replace('.', ""), &format!("{text}A"), "", ".", "a.b"] {
            assert_ne!(Token::parse(changed), Some(token(7)), "{changed}");
        }
    }

    #[test]
    fn a_secret_opens_its_own_link_until_it_expires() {
        let expires_at = DateTime::from_timestamp(1_000, 0).unwrap();
        let live = |seed| LiveSecret { hash: LinkSecret::new([seed; 32]).hash(), expires_at };
        let link = Link { id: LinkId::parse("x").unwrap(), secrets: vec![live(1), live(2)], birth_date_attempts: 0 };
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
