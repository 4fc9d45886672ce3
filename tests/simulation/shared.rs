//! A clock, a queue and a source of randomness that all functions share.

use std::{ops::Deref, sync::Arc};

use chrono::{DateTime, Utc};
use portal::{
    ids::{AccountId, InvitationId, JobId, LinkId},
    link::LinkSecret,
    ports::{Clock, Entropy, Hint, Queue, QueueError},
};

/// A port that several functions share.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    pub(crate) fn new(port: T) -> Self {
        Self(Arc::new(port))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clock + Send> Clock for Shared<T> {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

impl<T: Queue + Send> Queue for Shared<T> {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        self.0.send(hints).await
    }
}

impl<T: Entropy + Send> Entropy for Shared<T> {
    fn invitation_id(&self, now: DateTime<Utc>) -> InvitationId {
        self.0.invitation_id(now)
    }

    fn job_id(&self, now: DateTime<Utc>) -> JobId {
        self.0.job_id(now)
    }

    fn account_id(&self) -> AccountId {
        self.0.account_id()
    }

    fn link_id(&self) -> LinkId {
        self.0.link_id()
    }

    fn link_secret(&self) -> LinkSecret {
        self.0.link_secret()
    }

    fn jitter(&self) -> u32 {
        self.0.jitter()
    }
}
