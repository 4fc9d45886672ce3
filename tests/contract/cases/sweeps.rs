//! The sweep over the calendar of a store: every due entry is acted on once, even if a run is killed or late.

use std::{collections::BTreeMap, future::Future, pin::pin, task::Poll};

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    ids::{InvitationId, PracticeId, RecordKey},
    operations::sweep::{SweepReport, sweep},
    ports::{
        ChangeStore, ClaimOutcome, CommitOutcome, DeliveryStore, DueEntry, DueShard, Hint, Ports, PracticeStore as _,
        Queue, QueueError, StoreError,
    },
    practice::Practice,
    record::guards::Recipient,
    record::{Change, InvitationState, NextActionKind, PortalRecord, account::Registration, delivery::ClaimRequest},
    testing::{MemoryQueue, TestClock, TestEntropy, samples},
    timeline::Role,
};
use tokio::task::yield_now;

use crate::backend::Backend;

/// A port whose calls yield before and after they do their work. A run can be killed at these points, and two runs can
/// interleave.
struct Slow<'a, T>(&'a T);

async fn slowly<T>(work: impl Future<Output = T> + Send) -> T {
    yield_now().await;
    let result = work.await;
    yield_now().await;
    result
}

impl<S: DeliveryStore> ChangeStore for Slow<'_, S> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        slowly(self.0.commit(change)).await
    }
}

impl<S: DeliveryStore> DeliveryStore for Slow<'_, S> {
    async fn claim(&self, key: &RecordKey, request: &ClaimRequest) -> Result<ClaimOutcome, StoreError> {
        slowly(self.0.claim(key, request)).await
    }

    async fn defer(&self, record: &PortalRecord) -> Result<bool, StoreError> {
        slowly(self.0.defer(record)).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        slowly(self.0.record(key)).await
    }

    async fn practice_by_id(&self, practice: &PracticeId) -> Result<Option<Practice>, StoreError> {
        slowly(self.0.practice_by_id(practice)).await
    }

    async fn due(
        &self,
        shard: DueShard,
        after: Option<&DueEntry>,
        until: DateTime<Utc>,
        limit: u16,
    ) -> Result<Vec<DueEntry>, StoreError> {
        slowly(self.0.due(shard, after, until, limit)).await
    }

    async fn reschedule(&self, entry: &DueEntry, next: DateTime<Utc>) -> Result<bool, StoreError> {
        slowly(self.0.reschedule(entry, next)).await
    }

    async fn unschedule(&self, entry: &DueEntry) -> Result<bool, StoreError> {
        slowly(self.0.unschedule(entry)).await
    }
}

impl Queue for Slow<'_, MemoryQueue> {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        slowly(self.0.send(hints)).await
    }
}

/// The due action of a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The first mail. Its hint was lost.
    Mail,
    /// The first reminder.
    Reminder,
    /// Notices of a changed address. Their hint was lost.
    Notices,
    /// None yet.
    Nothing,
}

const KINDS: [Due; 4] = [Due::Mail, Due::Reminder, Due::Notices, Due::Nothing];

/// A practice with patients, and the ports of a sweep.
struct Scenario<'b, B> {
    backend: &'b B,
    practice: Practice,
    clock: TestClock,
    entropy: TestEntropy,
    queue: MemoryQueue,
    patients: Vec<(RecordKey, Due)>,
}

impl<'b, B: Backend> Scenario<'b, B> {
    /// It is a Friday at half past nine in the morning in New York.
    async fn begin(backend: &'b B) -> Self {
        let practice = samples::practice("lake");
        backend.store().save_practice(&samples::scope("lake"), &practice, &[]).await.unwrap();
        let clock = TestClock::new(samples::at("2026-05-08T13:30:00Z"));
        Self {
            backend,
            practice,
            clock,
            entropy: TestEntropy::default(),
            queue: MemoryQueue::default(),
            patients: vec![],
        }
    }

    fn now(&self) -> DateTime<Utc> {
        portal::ports::Clock::now(&self.clock)
    }

    async fn commit(&self, change: Change) -> PortalRecord {
        assert_eq!(self.backend.store().commit(&change).await.unwrap(), CommitOutcome::Committed);
        change.after
    }

    /// Adds patients: this number of each kind.
    async fn add(&mut self, of_each: usize) {
        for due in (0..of_each).flat_map(|_| KINDS) {
            let number = self.patients.len();
            let key = samples::key("lake", &format!("p-{number}"));
            let since = match due {
                Due::Mail | Due::Notices => TimeDelta::hours(1),
                Due::Reminder => TimeDelta::days(3) + TimeDelta::minutes(10),
                Due::Nothing => TimeDelta::days(2),
            };
            let (at, id) = (self.now() - since, samples::invitation_id(&format!("first-{number}")));
            let context = |role, step: &str| samples::context_as(role, at, &format!("{step}-{number}"));
            let address = format!("p{number}@example.com");
            let created = PortalRecord::save_profile(
                None,
                key.clone(),
                samples::profile(Some(&address)),
                context(Role::Staff, "save"),
            );
            let record = self.commit(created.unwrap()).await;
            let record = self
                .commit(
                    record
                        .invite(&self.practice, &Recipient::default(), id.clone(), context(Role::Staff, "invite"))
                        .unwrap(),
                )
                .await;
            if due != Due::Mail {
                let record = self.send(&record.key, &id, at).await.unwrap();
                if due == Due::Notices {
                    let account = samples::account_id(&format!("account-{number}"));
                    let registered =
                        record.register(samples::date_of_birth(), account, None, context(Role::Patient, "register"));
                    let Registration::Registered(change) = registered else {
                        unreachable!("the date of birth is right")
                    };
                    let record = self.commit(*change).await;
                    let new = samples::email(&format!("new{number}@example.com"));
                    self.commit(record.change_account_email(&new, context(Role::Support, "change")).unwrap().unwrap())
                        .await;
                }
            }
            self.patients.push((key, due));
        }
    }

    /// Sends a mail like a sender, with a mail service that accepts everything. Returns the record if the mail was claimed.
    async fn send(&self, key: &RecordKey, invitation: &InvitationId, at: DateTime<Utc>) -> Option<PortalRecord> {
        let request = samples::claim_request(invitation, at, 1);
        // Each mail needs its own link, so the one of the sample is replaced.
        let fresh_link = portal::ports::Entropy::link_id(&self.entropy);
        let secret = portal::ports::Entropy::link_secret(&self.entropy).hash();
        let request = ClaimRequest { fresh_link, secret, ..request };
        let ClaimOutcome::Claimed(record) = self.backend.store().claim(key, &request).await.unwrap() else {
            return None;
        };
        let context = samples::context_as(Role::Sender, at, &format!("send-{invitation}"));
        let sent = record.stamp(&self.practice, invitation, record.fence, samples::message_id(1), context).unwrap();
        Some(self.commit(sent).await)
    }

    async fn sweep(&self) -> SweepReport {
        self.sweep_for(TimeDelta::minutes(1)).await
    }

    async fn sweep_for(&self, time: TimeDelta) -> SweepReport {
        let (store, queue) = (Slow(&**self.backend.store()), Slow(&self.queue));
        let ports = Ports { store: &store, clock: &self.clock };
        let (deadline, run) = (self.now() + time, samples::request_id("sweep"));
        Box::pin(sweep(&ports, &queue, &self.entropy, deadline, &run)).await.unwrap()
    }

    fn count(&self, due: Due) -> usize {
        self.patients.iter().filter(|(_, other)| *other == due).count()
    }

    /// Gives every hint to a sender, and asserts that each due action was done once.
    async fn assert_all_done_once(&self) {
        let (mut mails, mut notified) = (BTreeMap::<RecordKey, u32>::new(), BTreeMap::<RecordKey, u32>::new());
        for hint in self.queue.take() {
            match hint {
                Hint::Invitation(message) => {
                    let sent = self.send(&message.key, &message.invitation, self.now()).await;
                    *mails.entry(message.key).or_default() += u32::from(sent.is_some());
                }
                Hint::Notices(key) => *notified.entry(key).or_default() += 1,
            }
        }
        for (key, due) in &self.patients {
            let record = self.backend.store().record(key).await.unwrap().unwrap();
            let invitation = record.invitation.as_ref().unwrap();
            // The changes are: created, invited, sent. A reminder is the fourth and its mail the fifth.
            let (mail, hinted, version, kind) = match due {
                Due::Mail => (Some(&1), false, 3, NextActionKind::Remind),
                Due::Reminder => (Some(&1), false, 5, NextActionKind::Remind),
                Due::Notices => (None, true, 5, NextActionKind::Notify),
                Due::Nothing => (None, false, 3, NextActionKind::Remind),
            };
            assert_eq!(mails.get(key), mail, "{due:?} {key:?}");
            assert_eq!(notified.contains_key(key), hinted, "{due:?} {key:?}");
            assert_eq!(record.version, version, "{due:?} {key:?}");
            assert_eq!(u64::try_from(self.backend.history(key).await.len()).unwrap(), version, "{due:?} {key:?}");
            assert_eq!(invitation.reminders_sent, u8::from(*due == Due::Reminder), "{due:?} {key:?}");
            assert_eq!(record.next_action.unwrap().kind, kind, "{due:?} {key:?}");
            if *due != Due::Notices {
                assert!(matches!(invitation.state, InvitationState::Sent { .. }), "{due:?} {key:?}");
            }
        }
    }
}

/// Polls a future at most this number of times, and then drops it. Returns whether it completed.
async fn completes_within(polls: u32, run: impl Future) -> bool {
    let mut run = pin!(run);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if run.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        left -= 1;
        if left == 0 { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}

pub(crate) async fn only_one_of_two_sweeps_acts_on_an_entry(backend: &impl Backend) {
    let mut scenario = Scenario::begin(backend).await;
    scenario.add(12).await;
    let (one, other) = tokio::join!(scenario.sweep(), scenario.sweep());
    let sum = |count: fn(&SweepReport) -> u32| usize::try_from(count(&one) + count(&other)).unwrap();
    assert_eq!(sum(|swept| swept.queued), scenario.count(Due::Mail) + scenario.count(Due::Notices));
    assert_eq!(sum(|swept| swept.reminded), scenario.count(Due::Reminder));
    assert!(sum(|swept| swept.stale) > 0, "the two sweeps interleave");
    assert_eq!(scenario.queue.messages().len(), 36, "one hint each");
    scenario.assert_all_done_once().await;
    assert_eq!(scenario.sweep().await, SweepReport::default());
}

pub(crate) async fn a_killed_sweep_loses_and_repeats_nothing(backend: &impl Backend) {
    let mut scenario = Scenario::begin(backend).await;
    let (mut killed, mut point) = (0, 0);
    while killed < 50 {
        scenario.add(1).await;
        // The points are the numbers up to 30 in mixed order. A run that completes before does not count as killed.
        killed += u32::from(!completes_within(1 + point * 7 % 30, scenario.sweep()).await);
        point += 1;
        scenario.clock.advance(TimeDelta::minutes(1));
    }
    // The entries that a killed run has rescheduled are due again after some minutes.
    scenario.clock.advance(TimeDelta::minutes(16));
    assert!(!scenario.sweep().await.stopped_early);
    scenario.assert_all_done_once().await;
}

pub(crate) async fn a_late_sweep_sends_reminders_in_the_daytime_only(backend: &impl Backend) {
    let mut scenario = Scenario::begin(backend).await;
    scenario.add(5).await;
    scenario.clock.advance(TimeDelta::hours(12));
    let late = scenario.sweep().await;
    let waited = TimeDelta::hours(13);
    let expected = SweepReport { queued: 10, rescheduled: 5, oldest_unsent: waited, ..SweepReport::default() };
    assert_eq!(late, expected, "at half past nine in the evening");
    assert_eq!(scenario.sweep().await, SweepReport::default());
    let evening = scenario.now();
    scenario.clock.set(samples::at("2026-05-09T12:59:00Z"));
    assert_eq!(scenario.sweep().await.reminded, 0);
    scenario.clock.set(samples::at("2026-05-09T13:00:00Z"));
    assert_eq!(scenario.sweep().await.reminded, 5, "on Saturday at nine");
    assert_eq!(scenario.now() - evening, TimeDelta::minutes(11 * 60 + 30));
    scenario.assert_all_done_once().await;
}

pub(crate) async fn a_stopped_sweep_continues_in_the_next_run(backend: &impl Backend) {
    let mut scenario = Scenario::begin(backend).await;
    scenario.add(3).await;
    assert_eq!(
        scenario.sweep_for(TimeDelta::zero()).await,
        SweepReport { stopped_early: true, ..SweepReport::default() }
    );
    let waited = TimeDelta::hours(1);
    assert_eq!(
        scenario.sweep().await,
        SweepReport { queued: 6, reminded: 3, oldest_unsent: waited, ..SweepReport::default() }
    );
    scenario.assert_all_done_once().await;
}

pub(crate) async fn an_entry_is_unscheduled_unless_it_is_stale(backend: &impl Backend) {
    let mut scenario = Scenario::begin(backend).await;
    scenario.add(1).await;
    let store = backend.store();
    for (key, _) in &scenario.patients {
        let record = store.record(key).await.unwrap().unwrap();
        let entry = DueEntry::from_record(&record).unwrap();
        for wrong in [
            DueEntry { at: entry.at - TimeDelta::milliseconds(1), ..entry.clone() },
            DueEntry { invitation: samples::invitation_id("another"), ..entry.clone() },
            DueEntry { key: samples::key("lake", "p-unknown"), ..entry.clone() },
        ] {
            assert!(!store.unschedule(&wrong).await.unwrap());
        }
        assert_eq!(store.record(key).await.unwrap().as_ref(), Some(&record));
        assert!(store.unschedule(&entry).await.unwrap());
        assert!(!store.unschedule(&entry).await.unwrap());
        assert_eq!(store.record(key).await.unwrap(), Some(record.unscheduled()));
    }
    scenario.clock.advance(TimeDelta::days(30));
    assert_eq!(scenario.sweep().await, SweepReport::default());
}

pub(crate) async fn the_next_page_starts_after_a_row_that_was_rescheduled(backend: &impl Backend) {
    let mut scenario = Scenario::begin(backend).await;
    scenario.add(16).await;
    let store = backend.store();
    let until = scenario.now();
    let mut count = 0;
    for shard in DueShard::all_from(DueShard::from_hash(0)) {
        let all = store.due(shard, None, until, 100).await.unwrap();
        let (mut paged, mut last) = (Vec::new(), None);
        loop {
            let page = store.due(shard, last.as_ref(), until, 2).await.unwrap();
            for entry in &page {
                // The row at which the next page begins is moved.
                assert!(store.reschedule(entry, until + TimeDelta::days(1)).await.unwrap());
            }
            let Some(entry) = page.last() else { break };
            last = Some(entry.clone());
            paged.extend(page);
        }
        assert_eq!(paged, all);
        count += all.len();
    }
    assert_eq!(count, 48);
}
