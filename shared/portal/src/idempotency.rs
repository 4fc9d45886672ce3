//! Idempotent commands: the client names a command by a key that it chooses, and the patient's record remembers the key.
//!
//! A repeated command changes nothing and is answered with the patient's current status. A command that was refused or
//! changed nothing is not remembered: a repeat of it is decided again.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::{
    policy::{IDEMPOTENCY_WINDOW, MAX_REMEMBERED_REQUESTS},
    record::{Change, PortalRecord},
};

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

impl PortalRecord {
    /// Finds the earlier execution of this request within [`IDEMPOTENCY_WINDOW`].
    ///
    /// # Errors
    /// [`KeyReused`] if its key was used for another request.
    pub fn find_request(
        &self,
        request: &KeyedRequest,
        now: DateTime<Utc>,
    ) -> Result<Option<&RememberedRequest>, KeyReused> {
        let known = |past: &&RememberedRequest| past.request.key == request.key && past.at + IDEMPOTENCY_WINDOW > now;
        match self.recent_requests.iter().find(known) {
            Some(past) if past.request.content != request.content => Err(KeyReused),
            found => Ok(found),
        }
    }
}

impl Change {
    /// The change, with this request remembered in the record. At most [`MAX_REMEMBERED_REQUESTS`] are kept; the oldest is
    /// removed first.
    #[must_use]
    pub fn with_remembered_request(mut self, request: Option<&KeyedRequest>) -> Self {
        let Some(request) = request else { return self };
        let (at, version) = (self.event.context.at, self.after.version);
        let remembered = &mut self.after.recent_requests;
        remembered.retain(|past| past.at + IDEMPOTENCY_WINDOW > at && past.request.key != request.key);
        remembered.drain(..(remembered.len() + 1).saturating_sub(MAX_REMEMBERED_REQUESTS));
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
        let context = samples::staff_context(at, "request");
        if record.may_opt_out().is_ok() { record.opt_out(context).unwrap() } else { record.opt_in(context).unwrap() }
    }

    fn patient() -> PortalRecord {
        samples::new_patient(&samples::key("lakeside", "p-1"), samples::profile(None)).after
    }

    #[test]
    fn a_key_belongs_to_one_command_and_one_content() {
        let request = KeyedRequest::new("opt-out", "k", b"{}");
        let record = change_at(&patient(), samples::noon()).with_remembered_request(Some(&request)).after;
        let find = |command, key, content| {
            let request = KeyedRequest::new(command, key, content);
            record.find_request(&request, samples::noon()).map(|past| past.map(|past| past.version))
        };
        assert_eq!(find("opt-out", "k", b"{}"), Ok(Some(2)));
        assert_eq!(find("opt-out", "k", b""), Err(KeyReused));
        assert_eq!(find("opt-out", "K", b"{}"), Ok(None));
        assert_eq!(find("opt-in", "k", b"{}"), Ok(None));
        assert_eq!(find("opt-out\nk", "", b"{}"), Ok(None));
    }

    #[test]
    fn a_key_is_remembered_for_a_day() {
        let request = KeyedRequest::new("opt-out", "k", b"");
        let record = change_at(&patient(), samples::noon()).with_remembered_request(Some(&request)).after;
        let last = samples::noon() + IDEMPOTENCY_WINDOW - TimeDelta::milliseconds(1);
        assert!(record.find_request(&request, last).unwrap().is_some());
        assert_eq!(record.find_request(&request, last + TimeDelta::milliseconds(1)), Ok(None));
        let other = KeyedRequest::new("opt-out", "k", b"other");
        let later = samples::noon() + IDEMPOTENCY_WINDOW;
        let again = change_at(&record, later).with_remembered_request(Some(&other)).after;
        assert_eq!(again.recent_requests, [RememberedRequest { request: other, at: later, version: 3 }]);
    }

    #[test]
    fn the_oldest_remembered_request_is_removed_first() {
        let request = |number: usize| KeyedRequest::new("opt", &number.to_string(), b"");
        let record = (0..=MAX_REMEMBERED_REQUESTS).fold(patient(), |record, number| {
            change_at(&record, samples::noon()).with_remembered_request(Some(&request(number))).after
        });
        assert_eq!(record.recent_requests.len(), MAX_REMEMBERED_REQUESTS);
        assert_eq!(record.find_request(&request(0), samples::noon()), Ok(None));
        assert!(record.find_request(&request(1), samples::noon()).unwrap().is_some());
    }

    #[test]
    fn a_change_without_a_key_keeps_the_remembered_requests() {
        let request = KeyedRequest::new("opt-out", "k", b"");
        let record = change_at(&patient(), samples::noon()).with_remembered_request(Some(&request)).after;
        assert_eq!(change_at(&record, samples::noon()).with_remembered_request(None).after.recent_requests.len(), 1);
    }
}
