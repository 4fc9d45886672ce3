//! Repeatable randomness: a draw depends on a seed and on its key, not on the order of the draws.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use portal::{
    ids::{AccountId, InvitationId, JobId, LinkId},
    link::LinkSecret,
    ports::Entropy,
};

/// All draws depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// The seed that the environment sets, to repeat a failure or to search for others, or else the default.
    #[expect(clippy::disallowed_methods, reason = "the tests' configuration is the environment")]
    pub(crate) fn from_env_or(default: u64) -> Self {
        Self(std::env::var("PORTAL_SIMULATION_SEED").map_or(default, |seed| seed.parse().unwrap()))
    }

    /// A number for this key: FNV-1a, with the last steps of `SplitMix64` to spread it.
    pub(crate) fn draw(self, key: &str) -> u64 {
        let hash = key
            .bytes()
            .fold(self.0 ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    /// Whether this key is among the given percentage of all keys.
    pub(crate) fn hits(self, percent: u64, key: &str) -> bool {
        self.draw(key) % 100 < percent
    }
}

/// Ids, secrets and jitter that depend on a seed.
#[derive(Debug)]
pub(crate) struct SeededEntropy {
    seed: Seed,
    drawn: AtomicU64,
}

impl SeededEntropy {
    pub(crate) const fn new(seed: Seed) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }

    fn next(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::SeqCst)
    }
}

impl Entropy for SeededEntropy {
    fn invitation_id(&self, _: DateTime<Utc>) -> InvitationId {
        InvitationId::parse(&format!("invitation-{}", self.next())).unwrap()
    }

    fn job_id(&self, _: DateTime<Utc>) -> JobId {
        JobId::parse(&format!("job-{}", self.next())).unwrap()
    }

    fn account_id(&self) -> AccountId {
        AccountId::parse(&format!("account-{}", self.next())).unwrap()
    }

    fn link_id(&self) -> LinkId {
        LinkId::parse(&format!("link-{}", self.next())).unwrap()
    }

    fn link_secret(&self) -> LinkSecret {
        let mut bytes = [0; 32];
        *bytes.first_chunk_mut().unwrap() = self.next().to_be_bytes();
        LinkSecret::new(bytes)
    }

    fn jitter(&self) -> u32 {
        let drawn = self.seed.draw(&format!("jitter-{}", self.next()));
        u32::from_le_bytes(*drawn.to_le_bytes().first_chunk().unwrap())
    }
}
