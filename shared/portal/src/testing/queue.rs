//! In-memory queues.

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use chrono::TimeDelta;

use crate::{
    ids::JobKey,
    ports::{Hint, JobQueue, Queue, QueueError},
};

/// Stores every accepted message, in order.
#[derive(Debug, Default)]
pub struct MemoryQueue {
    messages: Mutex<Vec<Hint>>,
    failures: Failures,
}

/// Stores every accepted message, in order, with its wait.
#[derive(Debug, Default)]
pub struct MemoryJobQueue {
    messages: Mutex<Vec<(JobKey, TimeDelta)>>,
    failures: Failures,
}

/// The number of next calls that fail.
#[derive(Debug, Default)]
struct Failures(AtomicU32);

impl Failures {
    fn fail_next(&self, calls: u32) {
        self.0.store(calls, Ordering::SeqCst);
    }

    fn next(&self) -> Result<(), QueueError> {
        let failing = self.0.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if failing { Err(QueueError("injected by the test".into())) } else { Ok(()) }
    }
}

impl MemoryQueue {
    /// Makes the next calls fail. They accept no message.
    pub fn fail_next(&self, calls: u32) {
        self.failures.fail_next(calls);
    }

    /// The messages in the queue.
    #[must_use]
    pub fn messages(&self) -> Vec<Hint> {
        self.messages.lock().unwrap().clone()
    }

    /// Removes all messages from the queue, and returns them.
    #[must_use]
    pub fn take(&self) -> Vec<Hint> {
        std::mem::take(&mut self.messages.lock().unwrap())
    }
}

impl MemoryJobQueue {
    /// Makes the next calls fail. They accept no message.
    pub fn fail_next(&self, calls: u32) {
        self.failures.fail_next(calls);
    }

    /// Removes all messages from the queue, and returns them.
    #[must_use]
    pub fn take(&self) -> Vec<(JobKey, TimeDelta)> {
        std::mem::take(&mut self.messages.lock().unwrap())
    }
}

impl Queue for MemoryQueue {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        self.failures.next()?;
        self.messages.lock().unwrap().extend_from_slice(hints);
        Ok(())
    }
}

impl JobQueue for MemoryJobQueue {
    async fn enqueue_run(&self, job: &JobKey, wait: TimeDelta) -> Result<(), QueueError> {
        self.failures.next()?;
        self.messages.lock().unwrap().push((job.clone(), wait));
        Ok(())
    }
}
