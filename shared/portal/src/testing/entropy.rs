//! A counter in place of randomness.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};

use crate::{
    ids::{AccountId, InvitationId, JobId, LinkId},
    link::LinkSecret,
    ports::Entropy,
};

/// A counter in place of randomness: all ids and secrets differ, and are the same in every run.
#[derive(Debug, Default)]
pub struct TestEntropy(AtomicU32);

impl TestEntropy {
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Entropy for TestEntropy {
    fn invitation_id(&self, _: DateTime<Utc>) -> InvitationId {
        InvitationId::parse(&format!("invitation-{:04}", self.next())).unwrap()
    }

    fn job_id(&self, _: DateTime<Utc>) -> JobId {
        JobId::parse(&format!("job-{:04}", self.next())).unwrap()
    }

    fn account_id(&self) -> AccountId {
        AccountId::parse(&format!("account-{:04}", self.next())).unwrap()
    }

    fn link_id(&self) -> LinkId {
        LinkId::parse(&format!("link-{:04}", self.next())).unwrap()
    }

    fn link_secret(&self) -> LinkSecret {
        let mut bytes = [0; 32];
        *bytes.first_chunk_mut().unwrap() = self.next().to_be_bytes();
        LinkSecret::new(bytes)
    }

    fn jitter(&self) -> u32 {
        self.next()
    }
}
