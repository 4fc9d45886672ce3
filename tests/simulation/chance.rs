//! Chance that can be had again: every draw follows from a seed and from what it is about, not from the order of draws.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use portal::{
    ids::{AccountId, InvitationId, JobId, LinkId},
    link::LinkSecret,
    ports::Entropy,
};

/// What all draws follow from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// The seed that the environment names, to see a failure again or to look for others, or else this one.
    #[expect(clippy::disallowed_methods, reason = "the tests' configuration is the environment")]
    pub(crate) fn or(default: u64) -> Self {
        Self(std::env::var("PORTAL_SIMULATION_SEED").map_or(default, |seed| seed.parse().unwrap()))
    }

    /// A number for this matter: FNV-1a, and the finish of `SplitMix64` to spread it.
    pub(crate) fn draw(self, matter: &str) -> u64 {
        let hash = matter
            .bytes()
            .fold(self.0 ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    /// Whether this matter is one of so many in a hundred.
    pub(crate) fn hits(self, percent: u64, matter: &str) -> bool {
        self.draw(matter) % 100 < percent
    }
}

/// Ids, secrets and jitter from a seed.
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
