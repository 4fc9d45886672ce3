//! A model of SQS, as far as it is documented: a message that is received is hidden for a while and comes again unless it
//! is deleted; one that has been received often enough is put aside; now and then one is lost or comes twice.

use std::sync::{Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    ports::{Clock as _, Hint, Queue, QueueError},
    testing::TestClock,
};
use portal_aws::queue::to_body;

use crate::{chance::Seed, shared::Shared};

/// As the template has it.
const VISIBILITY: TimeDelta = TimeDelta::seconds(180);
const MAX_RECEIVES: u32 = 5;
const BATCH: usize = 10;

/// What goes wrong with messages on their way, of a hundred.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    pub(crate) lost_percent: u64,
    pub(crate) doubled_percent: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    visible_at: DateTime<Utc>,
    receives: u32,
}

#[derive(Debug, Default)]
struct Held {
    sent: u64,
    lost: usize,
    doubled: usize,
    waiting: Vec<Message>,
    dead: usize,
    most_receives: u32,
}

/// The queue and its dead-letter queue.
#[derive(Debug)]
pub(crate) struct Sqs {
    clock: Shared<TestClock>,
    seed: Seed,
    losses: Losses,
    held: Mutex<Held>,
}

/// What the queue has done so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueAccount {
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) dead: usize,
    pub(crate) most_receives: u32,
}

impl Sqs {
    pub(crate) fn new(clock: Shared<TestClock>, seed: Seed, losses: Losses) -> Self {
        Self { clock, seed, losses, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    pub(crate) fn account(&self) -> QueueAccount {
        let held = self.held();
        let Held { lost, doubled, dead, most_receives, .. } = *held;
        QueueAccount { lost, doubled, dead, most_receives }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held().waiting.is_empty()
    }

    /// When the next message can be received.
    pub(crate) fn next_visible(&self) -> Option<DateTime<Utc>> {
        self.held().waiting.iter().map(|message| message.visible_at).min()
    }

    /// A batch, as the poller takes it.
    pub(crate) fn receive(&self) -> Vec<Message> {
        let (now, mut held) = (self.clock.now(), self.held());
        let before = held.waiting.len();
        held.waiting.retain(|message| message.visible_at > now || message.receives < MAX_RECEIVES);
        held.dead += before - held.waiting.len();
        let mut batch = Vec::new();
        for message in held.waiting.iter_mut().filter(|message| message.visible_at <= now).take(BATCH) {
            message.receives += 1;
            message.visible_at = now + VISIBILITY;
            batch.push(message.clone());
        }
        let most = batch.iter().map(|message| message.receives).max().unwrap_or_default();
        held.most_receives = held.most_receives.max(most);
        batch
    }

    /// Deletes what was worked off: what the answer does not name.
    pub(crate) fn finish(&self, batch: &[Message], again: &[String]) {
        let done = |message: &Message| batch.iter().any(|it| it.id == message.id) && !again.contains(&message.id);
        self.held().waiting.retain(|message| !done(message));
    }
}

impl Queue for Sqs {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        let (now, mut held) = (self.clock.now(), self.held());
        for hint in hints {
            held.sent += 1;
            let number = held.sent;
            if self.seed.hits(self.losses.lost_percent, &format!("lost-{number}")) {
                held.lost += 1;
                continue;
            }
            let message = |copy| Message {
                id: format!("{number}-{copy}"),
                body: to_body(hint).unwrap(),
                visible_at: now,
                receives: 0,
            };
            held.waiting.push(message(1));
            if self.seed.hits(self.losses.doubled_percent, &format!("doubled-{number}")) {
                held.doubled += 1;
                held.waiting.push(message(2));
            }
        }
        Ok(())
    }
}
