//! Addresses to which a patient is not invited again, because of what mailboxes or their readers have answered.

use sha2::{Digest as _, Sha256};

use super::PortalRecord;
use crate::{email::EmailAddress, ids::RecordKey, policy::MAX_SUPPRESSED_ADDRESSES, states::SuppressionReason};

/// An address that a patient is not invited to. It is kept as a fingerprint, because it may be a stranger's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressedAddress {
    /// The first 128 bits of SHA-256 over the record's key and the canonical address.
    pub fingerprint: [u8; 16],
    /// The reason.
    pub reason: SuppressionReason,
}

impl PortalRecord {
    /// Why this patient is not invited to an address, if so.
    #[must_use]
    pub fn suppression(&self, email: &EmailAddress) -> Option<SuppressionReason> {
        let fingerprint = fingerprint(&self.key, email);
        self.suppressed.iter().find(|known| known.fingerprint == fingerprint).map(|known| known.reason)
    }

    /// Remembers that the patient is not to be invited to an address. The oldest of too many is removed.
    pub(super) fn suppress(&mut self, email: &EmailAddress, reason: SuppressionReason) {
        let fingerprint = fingerprint(&self.key, email);
        self.suppressed.retain(|known| known.fingerprint != fingerprint);
        self.suppressed.drain(..(self.suppressed.len() + 1).saturating_sub(MAX_SUPPRESSED_ADDRESSES));
        self.suppressed.push(SuppressedAddress { fingerprint, reason });
    }
}

fn fingerprint(key: &RecordKey, email: &EmailAddress) -> [u8; 16] {
    let text = format!("{}#{}#{}", key.practice, key.patient, email.canonical());
    let [low, _] = *Sha256::digest(text).as_chunks::<16>().0 else { return [0; 16] };
    low
}
