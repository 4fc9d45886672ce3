//! Randomness from the operating system.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use portal::{
    ids::{AccountId, InvitationId, JobId, LinkId},
    link::LinkSecret,
    ports::Entropy,
};

/// The random number generator of the operating system. Values are not buffered.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

/// Random bytes. Aborts the process if the generator fails.
///
/// There is no fallback, because its secrets could be guessed. A panic would be caught and the process would handle the
/// next request. After an abort, Lambda starts a new process, and the queue or the client retries.
fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the random number generator of the operating system failed");
        std::process::abort();
    }
    bytes
}

fn uuid_v7(now: DateTime<Utc>) -> String {
    // A clock before 1970 only affects the order of ids.
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random()).into_uuid().to_string()
}

impl Entropy for OsEntropy {
    /// A version 7 UUID. Its 74 random bits make it unique; it is not secret.
    fn invitation_id(&self, now: DateTime<Utc>) -> InvitationId {
        let Ok(id) = InvitationId::parse(&uuid_v7(now)) else { unreachable!("a UUID is hex digits and hyphens") };
        id
    }

    /// A version 7 UUID.
    fn job_id(&self, now: DateTime<Utc>) -> JobId {
        let Ok(id) = JobId::parse(&uuid_v7(now)) else { unreachable!("a UUID is hex digits and hyphens") };
        id
    }

    /// A version 4 UUID, a format that identity providers accept.
    fn account_id(&self) -> AccountId {
        let uuid = uuid::Builder::from_random_bytes(random()).into_uuid();
        let Ok(id) = AccountId::parse(&uuid.to_string()) else { unreachable!("a UUID is hex digits and hyphens") };
        id
    }

    fn link_id(&self) -> LinkId {
        let text = URL_SAFE_NO_PAD.encode(random::<16>());
        let Ok(id) = LinkId::parse(&text) else { unreachable!("base64url is the alphabet of link ids") };
        id
    }

    fn link_secret(&self) -> LinkSecret {
        LinkSecret::new(random())
    }

    fn jitter(&self) -> u32 {
        u32::from_ne_bytes(random())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn invitation_ids_are_version_7_uuids_that_sort_by_time() {
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let (early, late) =
            (OsEntropy.invitation_id(at(1_700_000_000_000)), OsEntropy.invitation_id(at(1_700_000_000_001)));
        assert!(early < late);
        let uuid: uuid::Uuid = early.as_str().parse().unwrap();
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(uuid.get_timestamp().unwrap().to_unix(), (1_700_000_000, 0));
    }

    #[test]
    fn a_time_before_1970_still_gives_an_id() {
        assert_eq!(OsEntropy.invitation_id(DateTime::<Utc>::MIN_UTC).as_str().len(), 36);
    }

    #[test]
    fn link_ids_have_128_bits_and_values_do_not_repeat() {
        let ids: HashSet<_> = (0..1000).map(|_| OsEntropy.link_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| URL_SAFE_NO_PAD.decode(id.as_str()).unwrap().len() == 16));
        assert_ne!(OsEntropy.link_secret(), OsEntropy.link_secret());
        assert!((0..100).map(|_| OsEntropy.jitter()).collect::<HashSet<_>>().len() > 90);
    }
}
