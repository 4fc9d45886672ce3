//! The scheduled run over everything that is due.
//!
//! An invitation whose queue message was lost, or whose sender died, is queued again; a reminder that is due is sent
//! by the reinvite command. Rows of the calendar are candidates only; the conditional write decides, so that two
//! sweeps at once, a killed one and a late one all do no harm.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ids::RequestId,
    policy::{in_daytime, nudge_wait},
    ports::{
        Clock, CommitOutcome, DeliveryStore, DueEntry, DueShard, Entropy, InvitationMessage, Queue, QueueError,
        StoreError,
    },
    record::NextActionKind,
    timeline::{Act, Actor, Role},
};

/// Rows read at a time from one shard. Small enough that a killed run has left little half-done.
const PAGE: u16 = 100;

/// How long a reminder that a rule refuses waits before it is looked at again: the rule may have changed by then.
const REFUSED_REMINDER_WAIT: TimeDelta = TimeDelta::days(1);

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Invitations queued again.
    pub queued: u32,
    /// Reminders queued.
    pub reminded: u32,
    /// Reminders moved to a later time.
    pub postponed: u32,
    /// Rows that somebody else had seen to.
    pub outlived: u32,
    /// Whether it stopped before it had seen everything, for want of time.
    pub stopped_early: bool,
}

/// Why a sweep broke off. What it had done by then is done; the next run goes on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The functions and services that a sweep needs.
#[derive(Clone, Copy, Debug)]
pub struct Sweep<'ports, S, Q, C, E> {
    /// The records.
    pub store: &'ports S,
    /// The way to the sender.
    pub queue: &'ports Q,
    /// The time.
    pub clock: &'ports C,
    /// Ids for reminders.
    pub entropy: &'ports E,
}

/// What became of one row.
enum Seen {
    Queued(InvitationMessage),
    Reminded(InvitationMessage),
    Postponed,
    Outlived,
}

impl<S: DeliveryStore, Q: Queue, C: Clock, E: Entropy> Sweep<'_, S, Q, C, E> {
    /// Works off what is due now, shard by shard, and stops at `deadline`. `request` names this run in timelines.
    ///
    /// # Errors
    /// [`SweepError`]
    pub async fn run(&self, deadline: DateTime<Utc>, request: &RequestId) -> Result<Swept, SweepError> {
        let mut swept = Swept::default();
        for shard in DueShard::all() {
            // What is due is what was due when the shard was begun: whatever is seen to moves out of this run.
            let until = self.clock.now();
            loop {
                if self.clock.now() >= deadline {
                    swept.stopped_early = true;
                    return Ok(swept);
                }
                let page = self.store.due(shard, until, PAGE).await?;
                let full = page.len() >= usize::from(PAGE);
                // The index lags behind the records by moments: a page of outlived rows only would be read again.
                if !self.see_to(page, request, &mut swept).await? || !full {
                    break;
                }
            }
        }
        Ok(swept)
    }

    /// Sees to one page; whether anything in it still stood.
    async fn see_to(&self, page: Vec<DueEntry>, request: &RequestId, swept: &mut Swept) -> Result<bool, SweepError> {
        let outlived_before = swept.outlived;
        let rows = page.len();
        let mut messages = Vec::with_capacity(rows);
        for entry in page {
            let seen = match entry.kind {
                NextActionKind::Deliver => self.queue_again(entry).await?,
                NextActionKind::Remind => self.remind(&entry, request).await?,
            };
            match seen {
                Seen::Queued(message) => {
                    swept.queued += 1;
                    messages.push(message);
                }
                Seen::Reminded(message) => {
                    swept.reminded += 1;
                    messages.push(message);
                }
                Seen::Postponed => swept.postponed += 1,
                Seen::Outlived => swept.outlived += 1,
            }
        }
        // Nudged first: a run that dies here loses hints, and the next nudge comes minutes later. The other way
        // round, two sweeps at once would queue everything twice.
        if !messages.is_empty() {
            self.queue.send(&messages).await?;
        }
        let outlived = usize::try_from(swept.outlived - outlived_before).unwrap_or(usize::MAX);
        Ok(outlived < rows)
    }

    async fn queue_again(&self, entry: DueEntry) -> Result<Seen, SweepError> {
        let next = self.clock.now() + nudge_wait(entry.nudges);
        let mine = self.store.nudge(&entry, next).await?;
        Ok(if mine {
            Seen::Queued(InvitationMessage { key: entry.key, invitation: entry.invitation })
        } else {
            Seen::Outlived
        })
    }

    /// Sends a reminder by the reinvite command, if the rules and the hour still allow it.
    async fn remind(&self, entry: &DueEntry, request: &RequestId) -> Result<Seen, SweepError> {
        let Some(practice) = self.store.practice_of(&entry.key.practice).await? else {
            return Ok(Seen::Outlived);
        };
        let now = self.clock.now();
        let open = in_daytime(&practice.settings.reminders, practice.settings.time_zone, now);
        if open > now {
            return self.postpone(entry, open).await;
        }
        let Some(record) = self.store.record(&entry.key).await? else {
            return Ok(Seen::Outlived);
        };
        if record.next_action.is_none_or(|next| next.kind != NextActionKind::Remind || next.at != entry.at) {
            return Ok(Seen::Outlived);
        }
        let id = self.entropy.invitation_id(now);
        let act = Act { at: now, actor: Actor::unnamed(Role::Sweep), request: request.clone() };
        let allowed = record.may_be_reminded(&practice.settings.reminders);
        let reminder = if allowed { record.reinvite(&practice, None, id.clone(), act).ok() } else { None };
        let Some(change) = reminder else {
            return self.postpone(entry, now + REFUSED_REMINDER_WAIT).await;
        };
        match self.store.commit_delivery(&change).await? {
            CommitOutcome::Committed => Ok(Seen::Reminded(InvitationMessage { key: change.after.key, invitation: id })),
            CommitOutcome::Stale => Ok(Seen::Outlived),
            CommitOutcome::EmailInUse { .. } => self.postpone(entry, now + REFUSED_REMINDER_WAIT).await,
        }
    }

    async fn postpone(&self, entry: &DueEntry, until: DateTime<Utc>) -> Result<Seen, SweepError> {
        Ok(if self.store.nudge(entry, until).await? { Seen::Postponed } else { Seen::Outlived })
    }
}
