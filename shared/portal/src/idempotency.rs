//! Idempotent commands: the client names a command by a key that it chooses, and the patient's record remembers the key.
//!
//! A repeated command changes nothing and is answered with the patient's current status. A command that was refused or
//! changed nothing is not remembered: a repeat of it is decided again.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

/// The first half of a SHA-256 hash. That is enough to avoid accidental collisions within one patient's record.
pub type Digest = [u8; 16];

/// A command with an idempotency key, as hashes. The record stores neither the client's key nor the request's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The digest of the command's name and key. The same key with another command is another request.
    pub key: Digest,
    /// The digest of the request's content.
    pub content: Digest,
}

impl KeyedRequest {
    /// Hashes a command's name, its key and the request's content.
    #[must_use]
    pub fn new(command: &str, key: &str, content: &[u8]) -> Self {
        // The separator is unambiguous, because no command's name contains a line break.
        Self { key: digest(&[command.as_bytes(), b"\n", key.as_bytes()]), content: digest(&[content]) }
    }
}

/// The digest of the parts in sequence.
pub(crate) fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let (half, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
    *half
}

/// A keyed command that was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedRequest {
    /// The command.
    pub request: KeyedRequest,
    /// When it was executed.
    pub at: DateTime<Utc>,
    /// The record's version that the command made.
    pub version: u64,
}

/// The key was used for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the idempotency key was used for another request")]
pub struct KeyReused;
