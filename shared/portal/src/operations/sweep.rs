//! The scheduled run that processes everything that is due.
//!
//! An invitation or a notice whose queue message was lost, or whose sender died, is queued again. A due reminder is sent by
//! the reinvite command. Rows of the calendar are only candidates, and a conditional write decides. So two sweeps at the
//! same time, a killed sweep and a late sweep do no harm. A processed row is no longer due, so the next run finds in the
//! calendar what is left.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::unexpected_address_refusal;
use crate::{
    ids::RequestId,
    policy::{HINT_WAIT, in_daytime, reschedule_wait},
    ports::{
        CommitOutcome, DeliveryStore, DueEntry, DueShard, Entropy, Hint, InvitationMessage, PortError, Ports, Queue,
        StoreError,
    },
    record::{NextActionKind, invitation::ReminderBlock},
    refusal::{PatientCommandRefusal as _, ReinviteRefusal},
    timeline::{Actor, ChangeContext, Role},
};

/// Number of rows read from a shard at a time.
const PAGE: u16 = 100;

/// Number of rows processed before their hints are sent: as many as one call of the queue takes. So a run that is killed
/// loses few hints.
const BATCH: usize = 10;

/// How long a reminder waits that a rule refuses temporarily, before it is tried again.
const REFUSED_REMINDER_WAIT: TimeDelta = TimeDelta::days(1);

/// How long a row waits whose record cannot be read. A newer version of this program may have written the record.
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
    /// Reminders removed, because a rule refuses them permanently.
    pub unscheduled: u32,
    /// Rows that another run or a command had processed.
    pub stale: u32,
    /// The waiting time of the oldest invitation that was queued again; zero if there was none.
    pub oldest_unsent: TimeDelta,
    /// Whether time ran out before all due rows were processed.
    pub stopped_early: bool,
}

/// Processes everything that is due now. From `deadline` on it starts nothing new. `request` is this run's id in timelines.
///
/// All shards are processed concurrently, and each shard processes its rows one by one. So no shard waits for another, and
/// each partition of the index gets only one write at a time.
///
/// # Errors
/// The first [`PortError`] that stopped a shard. The other shards are still processed, and the next run continues.
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
        whole.merge(shard);
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

/// The result of a run for one shard.
#[derive(Debug, Default)]
struct ShardRun {
    report: SweepReport,
    /// The first fault.
    failure: Option<PortError>,
}

impl ShardRun {
    fn fail(&mut self, error: impl Into<PortError>) {
        self.failure.get_or_insert_with(|| error.into());
    }

    fn merge(&mut self, other: Self) {
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

/// The outcome of one row.
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
        // Rows that become due during the run, such as rescheduled ones, are left to the next run.
        let until = self.ports.clock.now();
        // Continue after the last row. The index lags behind the records, so from the beginning it could return rows that
        // were just processed.
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

    /// Processes some rows, and sends the hints.
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
                // The other rows are processed, but operators must learn of the unreadable record.
                Ok(EntryOutcome::Unreadable(error)) => run.fail(error),
                Err(error) => {
                    stopped_by = Some(error);
                    break;
                }
            }
        }
        // Reschedule first, then send the hints. A run that dies in between loses hints for some minutes. In the opposite
        // order, two sweeps at the same time would queue everything twice.
        if !hints.is_empty() {
            self.queue.send(&hints).await?;
        }
        stopped_by.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Processes a row, or quarantines it if its record cannot be read, so that it does not block other rows.
    async fn process_or_quarantine(&self, entry: &DueEntry) -> Result<EntryOutcome, StoreError> {
        match self.process_entry(entry).await {
            Err(error @ StoreError::Corrupt(_)) => {
                self.reschedule(entry, self.ports.clock.now() + UNREADABLE_WAIT).await?;
                Ok(EntryOutcome::Unreadable(error))
            }
            processed => processed,
        }
    }

    async fn process_entry(&self, entry: &DueEntry) -> Result<EntryOutcome, StoreError> {
        match entry.kind {
            NextActionKind::Deliver => {
                let message = InvitationMessage { key: entry.key.clone(), invitation: entry.invitation.clone() };
                self.queue_again(entry, reschedule_wait(entry.reschedules), Hint::Invitation(message)).await
            }
            NextActionKind::Remind => self.remind(entry).await,
            // A shorter wait than that of a claim, so that the sender can still claim the notices. But some wait, so that the
            // row is not processed again in this run and does not always come before other due rows.
            NextActionKind::Notify => self.queue_again(entry, HINT_WAIT, Hint::Notices(entry.key.clone())).await,
        }
    }

    async fn queue_again(&self, entry: &DueEntry, wait: TimeDelta, hint: Hint) -> Result<EntryOutcome, StoreError> {
        let rescheduled = self.ports.store.reschedule(entry, self.ports.clock.now() + wait).await?;
        Ok(if rescheduled { EntryOutcome::Queued(hint) } else { EntryOutcome::Stale })
    }

    /// Sends a reminder by the reinvite command, if the rules and the time of day still allow it.
    async fn remind(&self, entry: &DueEntry) -> Result<EntryOutcome, StoreError> {
        let Some(practice) = self.ports.store.practice_by_id(&entry.key.practice).await? else {
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
        let context = ChangeContext { at: now, actor: Actor::from_role(Role::Sweep), request: self.request.clone() };
        let change = match record.remind(&practice, id.clone(), context) {
            Ok(change) => change,
            Err(block) => return self.postpone_or_remove(entry, block).await,
        };
        match self.ports.store.commit(&change).await? {
            CommitOutcome::Committed => {
                let message = InvitationMessage { key: change.after.key, invitation: id };
                Ok(EntryOutcome::Reminded(Hint::Invitation(message)))
            }
            CommitOutcome::Stale => Ok(EntryOutcome::Stale),
            CommitOutcome::AddressRefused(refusal) => {
                let refusal = ReinviteRefusal::from_address(refusal).ok_or_else(unexpected_address_refusal)?;
                self.postpone_or_remove(entry, record.reminder_block(&practice, &refusal, now)).await
            }
        }
    }

    async fn postpone_or_remove(&self, entry: &DueEntry, block: ReminderBlock) -> Result<EntryOutcome, StoreError> {
        match block {
            ReminderBlock::Temporary => self.reschedule(entry, self.ports.clock.now() + REFUSED_REMINDER_WAIT).await,
            ReminderBlock::Permanent => Ok(if self.ports.store.unschedule(entry).await? {
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
