//! A queue that remembers.

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use crate::ports::{Hint, Queue, QueueError};

/// Keeps every message that it took, in order.
#[derive(Debug, Default)]
pub struct MemoryQueue {
    messages: Mutex<Vec<Hint>>,
    failures: AtomicU32,
}

impl MemoryQueue {
    /// The next calls fail, and take nothing.
    pub fn fail_next(&self, calls: u32) {
        self.failures.store(calls, Ordering::SeqCst);
    }

    /// The messages that it holds.
    #[must_use]
    pub fn messages(&self) -> Vec<Hint> {
        self.messages.lock().unwrap().clone()
    }

    /// Receives the messages: it holds none of them any more.
    #[must_use]
    pub fn take(&self) -> Vec<Hint> {
        std::mem::take(&mut self.messages.lock().unwrap())
    }
}

impl Queue for MemoryQueue {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        let failing = self.failures.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if failing {
            return Err(QueueError("the test says so".into()));
        }
        self.messages.lock().unwrap().extend_from_slice(hints);
        Ok(())
    }
}
