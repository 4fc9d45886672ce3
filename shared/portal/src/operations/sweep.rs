//! The scheduled run over everything that is due.
//!
//! An invitation or a notice whose queue message was lost, or whose sender died, is queued again; a reminder that is due
//! is sent by the reinvite command. Rows of the calendar are candidates only; the conditional write decides, so that two
//! sweeps at once, a killed one and a late one all do no harm.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ids::RequestId,
    policy::{HINT_WAIT, in_daytime, nudge_wait},
    ports::{
        Clock, CommitOutcome, DeliveryStore, DueEntry, DueShard, Entropy, Hint, InvitationMessage, Queue, QueueError,
        StoreError,
    },
    record::NextActionKind,
    timeline::{Act, Actor, Role},
};

/// Rows read at a time from one shard. Small enough that a killed run has left little half-done.
const PAGE: u16 = 100;

/// How long a reminder that a rule refuses waits before it is looked at again: the rule may have changed by then.
const REFUSED_REMINDER_WAIT: TimeDelta = TimeDelta::days(1);

/// How long a row waits whose record cannot be read: a newer version of this program may have written it.
const UNREADABLE_WAIT: TimeDelta = TimeDelta::minutes(15);

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Invitations, and records with notices, queued again.
    pub queued: u32,
    /// Reminders queued.
    pub reminded: u32,
    /// Reminders moved to a later time.
    pub postponed: u32,
    /// Rows that somebody else had seen to.
    pub outlived: u32,
    /// How long the oldest invitation has been waiting that it queued again; zero if it queued none.
    pub oldest_unsent: TimeDelta,
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

/// A run so far.
#[derive(Debug, Default)]
struct Run {
    swept: Swept,
    /// The first row that could not be read.
    unreadable: Option<StoreError>,
}

impl Run {
    /// What to report: everything else was seen to, but somebody must look at what could not be read.
    fn end(self) -> Result<Swept, SweepError> {
        self.unreadable.map_or(Ok(self.swept), |error| Err(error.into()))
    }
}

/// What became of one row.
enum Seen {
    Queued(Hint),
    Reminded(Hint),
    Postponed,
    Outlived,
}

impl<S: DeliveryStore, Q: Queue, C: Clock, E: Entropy> Sweep<'_, S, Q, C, E> {
    /// Works off what is due now, shard by shard, and stops at `deadline`. `request` names this run in timelines.
    ///
    /// # Errors
    /// [`SweepError`]
    pub async fn run(&self, deadline: DateTime<Utc>, request: &RequestId) -> Result<Swept, SweepError> {
        let mut run = Run::default();
        for shard in self.shards() {
            // What is due is what was due when the shard was begun: whatever is seen to moves out of this run.
            let until = self.clock.now();
            loop {
                if self.clock.now() >= deadline {
                    run.swept.stopped_early = true;
                    return run.end();
                }
                let page = self.store.due(shard, until, PAGE).await?;
                let full = page.len() >= usize::from(PAGE);
                // The index lags behind the records by moments: a page of outlived rows only would be read again.
                if !self.see_to(page, request, &mut run).await? || !full {
                    break;
                }
            }
        }
        run.end()
    }

    /// All shards, each minute beginning with another one: a run that ends early must not starve the same ones always.
    fn shards(&self) -> impl Iterator<Item = DueShard> {
        let minute = self.clock.now().timestamp().unsigned_abs() / 60;
        DueShard::all_from(DueShard::of(minute))
    }

    /// Sees to one page; whether anything in it still stood.
    async fn see_to(&self, page: Vec<DueEntry>, request: &RequestId, run: &mut Run) -> Result<bool, SweepError> {
        let mut stood = false;
        let mut broken_off = None;
        let mut hints = Vec::with_capacity(page.len());
        for entry in page {
            match self.see(&entry, request).await {
                Ok(Seen::Queued(hint)) => {
                    run.swept.queued += 1;
                    if entry.kind == NextActionKind::Deliver {
                        let age = self.clock.now() - entry.queued_at;
                        run.swept.oldest_unsent = run.swept.oldest_unsent.max(age);
                    }
                    hints.push(hint);
                }
                Ok(Seen::Reminded(hint)) => {
                    run.swept.reminded += 1;
                    hints.push(hint);
                }
                Ok(Seen::Postponed) => run.swept.postponed += 1,
                Ok(Seen::Outlived) => {
                    run.swept.outlived += 1;
                    continue;
                }
                Err(StoreError::Corrupt(error)) => {
                    // Out of the way, so that it holds nothing up; the run tells of it at its end.
                    self.postpone(&entry, self.clock.now() + UNREADABLE_WAIT).await?;
                    run.unreadable.get_or_insert(StoreError::Corrupt(error));
                }
                Err(error @ (StoreError::Busy | StoreError::Unavailable(_))) => {
                    broken_off = Some(error);
                    break;
                }
            }
            stood = true;
        }
        // Nudged first: a run that dies here loses hints, and the next nudge comes minutes later. The other way
        // round, two sweeps at once would queue everything twice.
        if !hints.is_empty() {
            self.queue.send(&hints).await?;
        }
        broken_off.map_or(Ok(stood), |error| Err(error.into()))
    }

    async fn see(&self, entry: &DueEntry, request: &RequestId) -> Result<Seen, StoreError> {
        match entry.kind {
            NextActionKind::Deliver => {
                let message = InvitationMessage { key: entry.key.clone(), invitation: entry.invitation.clone() };
                self.queue_again(entry, nudge_wait(entry.nudges), Hint::Invitation(message)).await
            }
            NextActionKind::Remind => self.remind(entry, request).await,
            // Moved by less than a claim does, so that the sender it hints may claim it; but moved, so that it comes
            // neither again in this run nor always before what else is due.
            NextActionKind::Notify => self.queue_again(entry, HINT_WAIT, Hint::Notices(entry.key.clone())).await,
        }
    }

    async fn queue_again(&self, entry: &DueEntry, wait: TimeDelta, hint: Hint) -> Result<Seen, StoreError> {
        let mine = self.store.nudge(entry, self.clock.now() + wait).await?;
        Ok(if mine { Seen::Queued(hint) } else { Seen::Outlived })
    }

    /// Sends a reminder by the reinvite command, if the rules and the hour still allow it.
    async fn remind(&self, entry: &DueEntry, request: &RequestId) -> Result<Seen, StoreError> {
        let Some(practice) = self.store.practice_of(&entry.key.practice).await? else {
            return self.postpone(entry, self.clock.now() + REFUSED_REMINDER_WAIT).await;
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
            CommitOutcome::Committed => {
                let message = InvitationMessage { key: change.after.key, invitation: id };
                Ok(Seen::Reminded(Hint::Invitation(message)))
            }
            CommitOutcome::Stale => Ok(Seen::Outlived),
            CommitOutcome::EmailInUse { .. } => self.postpone(entry, now + REFUSED_REMINDER_WAIT).await,
        }
    }

    async fn postpone(&self, entry: &DueEntry, until: DateTime<Utc>) -> Result<Seen, StoreError> {
        Ok(if self.store.nudge(entry, until).await? { Seen::Postponed } else { Seen::Outlived })
    }
}
