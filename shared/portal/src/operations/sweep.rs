//! The scheduled run over everything that is due.
//!
//! An invitation or a notice whose queue message was lost, or whose sender died, is queued again; a reminder that is due
//! is sent by the reinvite command. Rows of the calendar are candidates only; the conditional write decides, so that two
//! sweeps at once, a killed one and a late one all do no harm. What is seen to leaves what is due, so the calendar
//! itself is where the next run goes on.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use crate::{
    ids::RequestId,
    policy::{HINT_WAIT, in_daytime, nudge_wait},
    ports::{
        Clock, CommitOutcome, DeliveryStore, DueEntry, DueShard, Entropy, Hint, InvitationMessage, PortError, Queue,
        StoreError,
    },
    record::{NextActionKind, invitation::Unremindable},
    refusal::Refusal,
    timeline::{Act, Actor, Role},
};

/// Rows read at a time from one shard.
const PAGE: u16 = 100;

/// Rows seen to before their hints are sent: as many as one call of the queue takes. So a run that is killed has
/// left little half-done.
const BATCH: usize = 10;

/// How long a reminder waits that a rule refuses for now, before it is looked at again.
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
    /// Reminders given up, because a rule refuses them for good.
    pub struck: u32,
    /// Rows that somebody else had seen to.
    pub outlived: u32,
    /// How long the oldest invitation has been waiting that it queued again; zero if it queued none.
    pub oldest_unsent: TimeDelta,
    /// Whether it stopped before it had seen everything, for want of time.
    pub stopped_early: bool,
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

/// A shard's part of a run, so far.
#[derive(Debug, Default)]
struct Run {
    swept: Swept,
    /// The first thing that went wrong.
    failure: Option<PortError>,
}

impl Run {
    fn fail(&mut self, error: impl Into<PortError>) {
        self.failure.get_or_insert_with(|| error.into());
    }

    fn join(&mut self, other: Self) {
        let Swept { queued, reminded, postponed, struck, outlived, oldest_unsent, stopped_early } = other.swept;
        self.swept.queued += queued;
        self.swept.reminded += reminded;
        self.swept.postponed += postponed;
        self.swept.struck += struck;
        self.swept.outlived += outlived;
        self.swept.oldest_unsent = self.swept.oldest_unsent.max(oldest_unsent);
        self.swept.stopped_early |= stopped_early;
        if let Some(error) = other.failure {
            self.fail(error);
        }
    }
}

/// What became of one row.
enum Seen {
    Queued(Hint),
    Reminded(Hint),
    Postponed,
    Struck,
    Outlived,
    Unreadable(StoreError),
}

impl<S: DeliveryStore, Q: Queue, C: Clock, E: Entropy> Sweep<'_, S, Q, C, E> {
    /// Works off what is due now, and begins nothing more from `deadline` on. `request` names this run in timelines.
    ///
    /// All shards at once and each row by row: no shard waits for another, and each part of the index is written to by
    /// one row at a time, which is what it bears best.
    ///
    /// # Errors
    /// [`PortError`], the first of them, by which the run broke off. What it had done by then is done, the next run goes
    /// on, and every other shard has been seen to all the same.
    pub async fn run(&self, deadline: DateTime<Utc>, request: &RequestId) -> Result<Swept, PortError> {
        let shards = DueShard::all_from(DueShard::of(0)).map(|shard| self.work_off(shard, deadline, request));
        let mut whole = Run::default();
        for part in join_all(shards).await {
            whole.join(part);
        }
        whole.failure.map_or(Ok(whole.swept), Err)
    }

    async fn work_off(&self, shard: DueShard, deadline: DateTime<Utc>, request: &RequestId) -> Run {
        let mut run = Run::default();
        // What is due is what was due at the beginning: whatever is seen to moves out of this run.
        let until = self.clock.now();
        // The index lags behind the records by moments. From the beginning again it would show what was just seen to.
        let mut last = None;
        loop {
            if self.clock.now() >= deadline {
                run.swept.stopped_early = true;
                return run;
            }
            let mut page = match self.store.due(shard, last.as_ref(), until, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    run.fail(error);
                    return run;
                }
            };
            let full = page.len() >= usize::from(PAGE);
            for batch in page.chunks(BATCH) {
                if let Err(error) = self.see_to(batch, request, &mut run).await {
                    run.fail(error);
                    return run;
                }
            }
            last = page.pop();
            if !full {
                return run;
            }
        }
    }

    /// Sees to some rows, and hints at what is to be sent.
    async fn see_to(&self, rows: &[DueEntry], request: &RequestId, run: &mut Run) -> Result<(), PortError> {
        let mut broken_off = None;
        let mut hints = Vec::with_capacity(rows.len());
        for entry in rows {
            match self.see_or_set_aside(entry, request).await {
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
                Ok(Seen::Struck) => run.swept.struck += 1,
                Ok(Seen::Outlived) => run.swept.outlived += 1,
                // Everything else is seen to, but somebody must look at what cannot be read.
                Ok(Seen::Unreadable(error)) => run.fail(error),
                Err(error) => {
                    broken_off = Some(error);
                    break;
                }
            }
        }
        // Nudged first: a run that dies here loses hints, and the next nudge comes minutes later. The other way
        // round, two sweeps at once would queue everything twice.
        if !hints.is_empty() {
            self.queue.send(&hints).await?;
        }
        broken_off.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Sees to a row, or puts it out of the way if its record cannot be read, so that it holds nothing up.
    async fn see_or_set_aside(&self, entry: &DueEntry, request: &RequestId) -> Result<Seen, StoreError> {
        match self.see(entry, request).await {
            Err(error @ StoreError::Corrupt(_)) => {
                self.postpone(entry, self.clock.now() + UNREADABLE_WAIT).await?;
                Ok(Seen::Unreadable(error))
            }
            seen => seen,
        }
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
        let change = match record.remind(&practice, id.clone(), act) {
            Ok(change) => change,
            Err(why) => return self.refuse(entry, why).await,
        };
        match self.store.commit_delivery(&change).await? {
            CommitOutcome::Committed => {
                let message = InvitationMessage { key: change.after.key, invitation: id };
                Ok(Seen::Reminded(Hint::Invitation(message)))
            }
            CommitOutcome::Stale => Ok(Seen::Outlived),
            CommitOutcome::EmailInUse { holder } => {
                self.refuse(entry, record.unremindable(&practice, &Refusal::EmailInUse { holder }, now)).await
            }
        }
    }

    async fn refuse(&self, entry: &DueEntry, why: Unremindable) -> Result<Seen, StoreError> {
        match why {
            Unremindable::ForNow => self.postpone(entry, self.clock.now() + REFUSED_REMINDER_WAIT).await,
            Unremindable::ForGood => Ok(if self.store.strike(entry).await? { Seen::Struck } else { Seen::Outlived }),
        }
    }

    async fn postpone(&self, entry: &DueEntry, until: DateTime<Utc>) -> Result<Seen, StoreError> {
        Ok(if self.store.nudge(entry, until).await? { Seen::Postponed } else { Seen::Outlived })
    }
}
