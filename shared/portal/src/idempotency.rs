//! Commands that a client may repeat: a key of its own choosing names each, and the patient's record remembers it.
//!
//! A repeat does nothing again and is answered with where the patient stands now. Nothing is remembered of a command
//! that was refused or had nothing to change: repeating it decides anew.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::{
    policy::{MOST_REMEMBERED, REMEMBER_FOR},
    record::{Change, PortalRecord},
};

/// Half of a SHA-256: two texts of one patient's meet in it by no accident.
pub type Digest = [u8; 16];

/// A command that carries a key, as hashes: the record keeps neither the client's key nor what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Of the command and its key: the same key on another command is another request.
    pub key: Digest,
    /// Of what was asked for.
    pub content: Digest,
}

impl KeyedRequest {
    /// Takes a command's name, its key, and the bytes that say what is asked for.
    #[must_use]
    pub fn new(command: &str, key: &str, content: &[u8]) -> Self {
        // No name of a command has a line break in it.
        Self { key: digest(&[command.as_bytes(), b"\n", key.as_bytes()]), content: digest(&[content]) }
    }
}

/// The digest of some texts, one after the other.
pub(crate) fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let (half, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
    *half
}

/// A keyed command that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedRequest {
    /// The command.
    pub request: KeyedRequest,
    /// When it was carried out.
    pub at: DateTime<Utc>,
    /// The record's version that it made.
    pub version: u64,
}

/// The key was used for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the idempotency key was used for another request")]
pub struct KeyReused;

impl PortalRecord {
    /// The earlier time that this request was carried out, within [`REMEMBER_FOR`].
    ///
    /// # Errors
    /// [`KeyReused`] if its key was used for another request.
    pub fn earlier(&self, request: &KeyedRequest, now: DateTime<Utc>) -> Result<Option<&RememberedRequest>, KeyReused> {
        let known = |past: &&RememberedRequest| past.request.key == request.key && past.at + REMEMBER_FOR > now;
        match self.recent_requests.iter().find(known) {
            Some(past) if past.request.content != request.content => Err(KeyReused),
            earlier => Ok(earlier),
        }
    }
}

impl Change {
    /// The change, remembered as what this request did. At most [`MOST_REMEMBERED`] are, the oldest forgotten first.
    #[must_use]
    pub fn remembering(mut self, request: Option<&KeyedRequest>) -> Self {
        let Some(request) = request else { return self };
        let (at, version) = (self.event.act.at, self.after.version);
        let remembered = &mut self.after.recent_requests;
        remembered.retain(|past| past.at + REMEMBER_FOR > at && past.request.key != request.key);
        remembered.drain(..(remembered.len() + 1).saturating_sub(MOST_REMEMBERED));
        remembered.push(RememberedRequest { request: *request, at, version });
        self
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::testing::samples;

    fn change_at(record: &PortalRecord, at: DateTime<Utc>) -> Change {
        let act = samples::act(at, "request");
        if record.may_opt_out().is_ok() { record.opt_out(act).unwrap() } else { record.opt_in(act).unwrap() }
    }

    fn patient() -> PortalRecord {
        samples::new_patient(&samples::key("lakeside", "p-1"), samples::profile(None)).after
    }

    #[test]
    fn a_key_belongs_to_one_command_and_one_content() {
        let request = KeyedRequest::new("opt-out", "k", b"{}");
        let record = change_at(&patient(), samples::noon()).remembering(Some(&request)).after;
        let earlier = |command, key, content| {
            let request = KeyedRequest::new(command, key, content);
            record.earlier(&request, samples::noon()).map(|past| past.map(|past| past.version))
        };
        assert_eq!(earlier("opt-out", "k", b"{}"), Ok(Some(2)));
        assert_eq!(earlier("opt-out", "k", b""), Err(KeyReused));
        assert_eq!(earlier("opt-out", "K", b"{}"), Ok(None));
        assert_eq!(earlier("opt-in", "k", b"{}"), Ok(None));
        assert_eq!(earlier("opt-out\nk", "", b"{}"), Ok(None));
    }

    #[test]
    fn a_key_is_remembered_for_a_day() {
        let request = KeyedRequest::new("opt-out", "k", b"");
        let record = change_at(&patient(), samples::noon()).remembering(Some(&request)).after;
        let last = samples::noon() + REMEMBER_FOR - TimeDelta::milliseconds(1);
        assert!(record.earlier(&request, last).unwrap().is_some());
        assert_eq!(record.earlier(&request, last + TimeDelta::milliseconds(1)), Ok(None));
        let other = KeyedRequest::new("opt-out", "k", b"other");
        let later = samples::noon() + REMEMBER_FOR;
        let again = change_at(&record, later).remembering(Some(&other)).after;
        assert_eq!(again.recent_requests, [RememberedRequest { request: other, at: later, version: 3 }]);
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let request = |number: usize| KeyedRequest::new("opt", &number.to_string(), b"");
        let record = (0..=MOST_REMEMBERED).fold(patient(), |record, number| {
            change_at(&record, samples::noon()).remembering(Some(&request(number))).after
        });
        assert_eq!(record.recent_requests.len(), MOST_REMEMBERED);
        assert_eq!(record.earlier(&request(0), samples::noon()), Ok(None));
        assert!(record.earlier(&request(1), samples::noon()).unwrap().is_some());
    }

    #[test]
    fn a_change_without_a_key_leaves_what_is_remembered() {
        let request = KeyedRequest::new("opt-out", "k", b"");
        let record = change_at(&patient(), samples::noon()).remembering(Some(&request)).after;
        assert_eq!(change_at(&record, samples::noon()).remembering(None).after.recent_requests.len(), 1);
    }
}
