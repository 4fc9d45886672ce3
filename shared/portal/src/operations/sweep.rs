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
    policy::{HINT_WAIT, in_daytime, reschedule_wait},
    ports::{
        CommitOutcome, DeliveryStore, DueEntry, DueShard, Entropy, Hint, InvitationMessage, PortError, Ports, Queue,
        StoreError,
    },
    record::{NextActionKind, invitation::Unremindable},
    refusal::ReinviteRefusal,
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
pub struct SweepReport {
    /// Invitations, and records with notices, queued again.
    pub queued: u32,
    /// Reminders queued.
    pub reminded: u32,
    /// Reminders moved to a later time.
    pub rescheduled: u32,
    /// Reminders given up, because a rule refuses them for good.
    pub unscheduled: u32,
    /// Rows that another run or a command had processed.
    pub stale: u32,
    /// How long the oldest invitation has been waiting that it queued again; zero if it queued none.
    pub oldest_unsent: TimeDelta,
    /// Whether it stopped before it had seen everything, for want of time.
    pub stopped_early: bool,
}

/// Processes what is due now, and starts nothing more from `deadline` on. `request` names this run in timelines.
///
/// All shards run at once, and each processes its rows one by one: no shard waits for another, and each part of the
/// index is written to by one row at a time, which is what it bears best.
///
/// # Errors
/// [`PortError`], the first that stopped a shard. What was done by then is done, the next run continues, and every other
/// shard has been processed all the same.
pub async fn sweep(
    ports: &Ports<'_, impl DeliveryStore>,
    queue: &impl Queue,
    entropy: &dyn Entropy,
    deadline: DateTime<Utc>,
    request: &RequestId,
) -> Result<SweepReport, PortError> {
    let run = SweepRun { ports, queue, entropy, deadline, request };
    let mut whole = ShardRun::default();
    for shard in join_all(DueShard::all_from(DueShard::from_hash(0)).map(|shard| run.process_shard(shard))).await {
        whole.join(shard);
    }
    whole.failure.map_or(Ok(whole.report), Err)
}

/// One run of [`sweep`].
struct SweepRun<'run, S, Q> {
    ports: &'run Ports<'run, S>,
    queue: &'run Q,
    entropy: &'run dyn Entropy,
    deadline: DateTime<Utc>,
    request: &'run RequestId,
}

/// A shard's part of a run, so far.
#[derive(Debug, Default)]
struct ShardRun {
    report: SweepReport,
    /// The first thing that went wrong.
    failure: Option<PortError>,
}

impl ShardRun {
    fn fail(&mut self, error: impl Into<PortError>) {
        self.failure.get_or_insert_with(|| error.into());
    }

    fn join(&mut self, other: Self) {
        let SweepReport { queued, reminded, rescheduled, unscheduled, stale, oldest_unsent, stopped_early } =
            other.report;
        self.report.queued += queued;
        self.report.reminded += reminded;
        self.report.rescheduled += rescheduled;
        self.report.unscheduled += unscheduled;
        self.report.stale += stale;
        self.report.oldest_unsent = self.report.oldest_unsent.max(oldest_unsent);
        self.report.stopped_early |= stopped_early;
        if let Some(error) = other.failure {
            self.fail(error);
        }
    }
}

/// What became of one row.
enum EntryOutcome {
    Queued(Hint),
    Reminded(Hint),
    Rescheduled,
    Unscheduled,
    Stale,
    Unreadable(StoreError),
}

impl<S: DeliveryStore, Q: Queue> SweepRun<'_, S, Q> {
    async fn process_shard(&self, shard: DueShard) -> ShardRun {
        let mut run = ShardRun::default();
        // What is due is what was due at the beginning: whatever is seen to moves out of this run.
        let until = self.ports.clock.now();
        // The index lags behind the records by moments. From the beginning again it would show what was just seen to.
        let mut last = None;
        loop {
            if self.ports.clock.now() >= self.deadline {
                run.report.stopped_early = true;
                return run;
            }
            let mut page = match self.ports.store.due(shard, last.as_ref(), until, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    run.fail(error);
                    return run;
                }
            };
            let full = page.len() >= usize::from(PAGE);
            for batch in page.chunks(BATCH) {
                if let Err(error) = self.process_batch(batch, &mut run).await {
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
    async fn process_batch(&self, rows: &[DueEntry], run: &mut ShardRun) -> Result<(), PortError> {
        let mut stopped_by = None;
        let mut hints = Vec::with_capacity(rows.len());
        for entry in rows {
            match self.process_or_quarantine(entry).await {
                Ok(EntryOutcome::Queued(hint)) => {
                    run.report.queued += 1;
                    if entry.kind == NextActionKind::Deliver {
                        let age = self.ports.clock.now() - entry.queued_at;
                        run.report.oldest_unsent = run.report.oldest_unsent.max(age);
                    }
                    hints.push(hint);
                }
                Ok(EntryOutcome::Reminded(hint)) => {
                    run.report.reminded += 1;
                    hints.push(hint);
                }
                Ok(EntryOutcome::Rescheduled) => run.report.rescheduled += 1,
                Ok(EntryOutcome::Unscheduled) => run.report.unscheduled += 1,
                Ok(EntryOutcome::Stale) => run.report.stale += 1,
                // Everything else is seen to, but somebody must look at what cannot be read.
                Ok(EntryOutcome::Unreadable(error)) => run.fail(error),
                Err(error) => {
                    stopped_by = Some(error);
                    break;
                }
            }
        }
        // Nudged first: a run that dies here loses hints, and the next reschedule comes minutes later. The other way
        // round, two sweeps at once would queue everything twice.
        if !hints.is_empty() {
            self.queue.send(&hints).await?;
        }
        stopped_by.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Sees to a row, or puts it out of the way if its record cannot be read, so that it holds nothing up.
    async fn process_or_quarantine(&self, entry: &DueEntry) -> Result<EntryOutcome, StoreError> {
        match self.process_entry(entry).await {
            Err(error @ StoreError::Corrupt(_)) => {
                self.reschedule(entry, self.ports.clock.now() + UNREADABLE_WAIT).await?;
                Ok(EntryOutcome::Unreadable(error))
            }
            seen => seen,
        }
    }

    async fn process_entry(&self, entry: &DueEntry) -> Result<EntryOutcome, StoreError> {
        match entry.kind {
            NextActionKind::Deliver => {
                let message = InvitationMessage { key: entry.key.clone(), invitation: entry.invitation.clone() };
                self.queue_again(entry, reschedule_wait(entry.reschedules), Hint::Invitation(message)).await
            }
            NextActionKind::Remind => self.remind(entry).await,
            // Moved by less than a claim does, so that the sender it hints may claim it; but moved, so that it comes
            // neither again in this run nor always before what else is due.
            NextActionKind::Notify => self.queue_again(entry, HINT_WAIT, Hint::Notices(entry.key.clone())).await,
        }
    }

    async fn queue_again(&self, entry: &DueEntry, wait: TimeDelta, hint: Hint) -> Result<EntryOutcome, StoreError> {
        let mine = self.ports.store.reschedule(entry, self.ports.clock.now() + wait).await?;
        Ok(if mine { EntryOutcome::Queued(hint) } else { EntryOutcome::Stale })
    }

    /// Sends a reminder by the reinvite command, if the rules and the hour still allow it.
    async fn remind(&self, entry: &DueEntry) -> Result<EntryOutcome, StoreError> {
        let Some(practice) = self.ports.store.practice_of(&entry.key.practice).await? else {
            return self.reschedule(entry, self.ports.clock.now() + REFUSED_REMINDER_WAIT).await;
        };
        let now = self.ports.clock.now();
        let open = in_daytime(&practice.settings.reminders, practice.settings.time_zone, now);
        if open > now {
            return self.reschedule(entry, open).await;
        }
        let Some(record) = self.ports.store.record(&entry.key).await? else {
            return Ok(EntryOutcome::Stale);
        };
        if record.next_action.is_none_or(|next| next.kind != NextActionKind::Remind || next.at != entry.at) {
            return Ok(EntryOutcome::Stale);
        }
        let id = self.entropy.invitation_id(now);
        let act = Act { at: now, actor: Actor::unnamed(Role::Sweep), request: self.request.clone() };
        let change = match record.remind(&practice, id.clone(), act) {
            Ok(change) => change,
            Err(why) => return self.refuse(entry, why).await,
        };
        match self.ports.store.commit(&change).await? {
            CommitOutcome::Committed => {
                let message = InvitationMessage { key: change.after.key, invitation: id };
                Ok(EntryOutcome::Reminded(Hint::Invitation(message)))
            }
            CommitOutcome::Stale => Ok(EntryOutcome::Stale),
            CommitOutcome::EmailInUse { holder } => {
                self.refuse(entry, record.unremindable(&practice, &ReinviteRefusal::EmailInUse { holder }, now)).await
            }
        }
    }

    async fn refuse(&self, entry: &DueEntry, why: Unremindable) -> Result<EntryOutcome, StoreError> {
        match why {
            Unremindable::ForNow => self.reschedule(entry, self.ports.clock.now() + REFUSED_REMINDER_WAIT).await,
            Unremindable::Never => Ok(if self.ports.store.unschedule(entry).await? {
                EntryOutcome::Unscheduled
            } else {
                EntryOutcome::Stale
            }),
        }
    }

    async fn reschedule(&self, entry: &DueEntry, until: DateTime<Utc>) -> Result<EntryOutcome, StoreError> {
        Ok(if self.ports.store.reschedule(entry, until).await? {
            EntryOutcome::Rescheduled
        } else {
            EntryOutcome::Stale
        })
    }
}
