//! A model of the documented behaviour of SQS. A received message is hidden for a time and delivered again unless it is
//! deleted. After a number of receives it is moved to the dead-letter queue. Some messages are lost or duplicated.

use std::sync::{Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    ports::{Clock as _, Hint, Queue, QueueError},
    testing::TestClock,
};
use portal_aws::queue::to_body;

use crate::{chance::Seed, shared::Shared};

/// As in the template.
const VISIBILITY: TimeDelta = TimeDelta::seconds(180);
const MAX_RECEIVES: u32 = 5;
const BATCH: usize = 10;

/// What goes wrong with messages, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueueFaults {
    pub(crate) lost_percent: u64,
    pub(crate) duplicated_percent: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    visible_at: DateTime<Utc>,
    receives: u32,
}

#[derive(Debug, Default)]
struct QueueState {
    sent: u64,
    lost: usize,
    duplicated: usize,
    waiting: Vec<Message>,
    dead: usize,
    most_receives: u32,
}

/// The queue and its dead-letter queue.
#[derive(Debug)]
pub(crate) struct Sqs {
    clock: Shared<TestClock>,
    seed: Seed,
    faults: QueueFaults,
    state: Mutex<QueueState>,
}

/// What the queue has counted so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueCounts {
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
    pub(crate) dead: usize,
    pub(crate) most_receives: u32,
}

impl Sqs {
    pub(crate) fn new(clock: Shared<TestClock>, seed: Seed, faults: QueueFaults) -> Self {
        Self { clock, seed, faults, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap()
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        let state = self.state();
        let QueueState { lost, duplicated, dead, most_receives, .. } = *state;
        QueueCounts { lost, duplicated, dead, most_receives }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    /// When the next message can be received.
    pub(crate) fn next_visible(&self) -> Option<DateTime<Utc>> {
        self.state().waiting.iter().map(|message| message.visible_at).min()
    }

    /// A batch, as Lambda's poller receives it.
    pub(crate) fn receive(&self) -> Vec<Message> {
        let (now, mut state) = (self.clock.now(), self.state());
        let before = state.waiting.len();
        state.waiting.retain(|message| message.visible_at > now || message.receives < MAX_RECEIVES);
        state.dead += before - state.waiting.len();
        let mut batch = Vec::new();
        for message in state.waiting.iter_mut().filter(|message| message.visible_at <= now).take(BATCH) {
            message.receives += 1;
            message.visible_at = now + VISIBILITY;
            batch.push(message.clone());
        }
        let most = batch.iter().map(|message| message.receives).max().unwrap_or_default();
        state.most_receives = state.most_receives.max(most);
        batch
    }

    /// Deletes the messages of the batch that did not fail.
    pub(crate) fn finish(&self, batch: &[Message], failed: &[String]) {
        let done = |message: &Message| batch.iter().any(|it| it.id == message.id) && !failed.contains(&message.id);
        self.state().waiting.retain(|message| !done(message));
    }
}

impl Queue for Sqs {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        let (now, mut state) = (self.clock.now(), self.state());
        for hint in hints {
            state.sent += 1;
            let number = state.sent;
            if self.seed.hits(self.faults.lost_percent, &format!("lost-{number}")) {
                state.lost += 1;
                continue;
            }
            let message = |copy| Message {
                id: format!("{number}-{copy}"),
                body: to_body(hint).unwrap(),
                visible_at: now,
                receives: 0,
            };
            state.waiting.push(message(1));
            if self.seed.hits(self.faults.duplicated_percent, &format!("doubled-{number}")) {
                state.duplicated += 1;
                state.waiting.push(message(2));
            }
        }
        Ok(())
    }
}
