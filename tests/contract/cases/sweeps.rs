//! The sweep over a real calendar: whatever happens to a run, what is due is acted on once.

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
    record::{Change, InvitationState, NextActionKind, PortalRecord, account::Registration, delivery::ClaimRequest},
    testing::{MemoryQueue, TestClock, TestEntropy, samples},
    timeline::Role,
};
use tokio::task::yield_now;

use crate::backend::Backend;

/// Something that takes its time, before and after it has done what it is asked: a run can be killed in between, and two
/// runs meet.
struct Slow<'a, T>(&'a T);

async fn slowly<T>(work: impl Future<Output = T> + Send) -> T {
    yield_now().await;
    let done = work.await;
    yield_now().await;
    done
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

/// What a patient is due for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The first mail: its hint was lost.
    Mail,
    /// The first reminder.
    Reminder,
    /// Notices of a changed address: their hint was lost.
    Notices,
    /// Nothing yet.
    Nothing,
}

const KINDS: [Due; 4] = [Due::Mail, Due::Reminder, Due::Notices, Due::Nothing];

struct Scene<'b, B> {
    backend: &'b B,
    practice: Practice,
    clock: TestClock,
    entropy: TestEntropy,
    queue: MemoryQueue,
    patients: Vec<(RecordKey, Due)>,
}

impl<'b, B: Backend> Scene<'b, B> {
    /// On a Friday at half past nine in the morning in New York.
    async fn begin(backend: &'b B) -> Self {
        let practice = samples::practice("lake");
        backend.store().save_practice(&samples::scope("lake"), &practice).await.unwrap();
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

    /// So many more patients of each kind.
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
                .commit(record.invite(&self.practice, None, id.clone(), context(Role::Staff, "invite")).unwrap())
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

    /// What a sender does, with a mail service that accepts everything: the record afterwards, if the mail was its.
    async fn send(&self, key: &RecordKey, invitation: &InvitationId, at: DateTime<Utc>) -> Option<PortalRecord> {
        let request = samples::claim_request(invitation, at, 1);
        // As many links as mails: the seed of a claim is of no matter here.
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
        self.patients.iter().filter(|(_, its)| *its == due).count()
    }

    /// Takes every hint to a sender, and finds that each patient got what they were due, and once.
    async fn ends_well(&self) {
        let (mut mails, mut told) = (BTreeMap::<RecordKey, u32>::new(), BTreeMap::<RecordKey, u32>::new());
        for hint in self.queue.take() {
            match hint {
                Hint::Invitation(message) => {
                    let sent = self.send(&message.key, &message.invitation, self.now()).await;
                    *mails.entry(message.key).or_default() += u32::from(sent.is_some());
                }
                Hint::Notices(key) => *told.entry(key).or_default() += 1,
            }
        }
        for (key, due) in &self.patients {
            let record = self.backend.store().record(key).await.unwrap().unwrap();
            let invitation = record.invitation.as_ref().unwrap();
            // Created, invited and sent; the reminder is a fourth change and its mail the fifth, and so on.
            let (mail, hinted, version, kind) = match due {
                Due::Mail => (Some(&1), false, 3, NextActionKind::Remind),
                Due::Reminder => (Some(&1), false, 5, NextActionKind::Remind),
                Due::Notices => (None, true, 5, NextActionKind::Notify),
                Due::Nothing => (None, false, 3, NextActionKind::Remind),
            };
            assert_eq!(mails.get(key), mail, "{due:?} {key:?}");
            assert_eq!(told.contains_key(key), hinted, "{due:?} {key:?}");
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

/// Gives a future so many turns, and then drops it wherever it is. Whether it came to its end before.
async fn dies_after(turns: u32, run: impl Future) -> bool {
    let mut run = pin!(run);
    let mut left = turns;
    std::future::poll_fn(|context| {
        if run.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        left -= 1;
        if left == 0 { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}

pub(crate) async fn of_two_sweeps_at_once_each_row_is_ones(backend: &impl Backend) {
    let mut scene = Scene::begin(backend).await;
    scene.add(12).await;
    let (one, other) = tokio::join!(scene.sweep(), scene.sweep());
    let sum = |count: fn(&SweepReport) -> u32| usize::try_from(count(&one) + count(&other)).unwrap();
    assert_eq!(sum(|swept| swept.queued), scene.count(Due::Mail) + scene.count(Due::Notices));
    assert_eq!(sum(|swept| swept.reminded), scene.count(Due::Reminder));
    assert!(sum(|swept| swept.stale) > 0, "they met");
    assert_eq!(scene.queue.messages().len(), 36, "one hint each");
    scene.ends_well().await;
    assert_eq!(scene.sweep().await, SweepReport::default());
}

pub(crate) async fn a_killed_sweep_loses_nothing_and_doubles_nothing(backend: &impl Backend) {
    let mut scene = Scene::begin(backend).await;
    let (mut killed, mut point) = (0, 0);
    while killed < 50 {
        scene.add(1).await;
        // Anywhere from the first await on: the numbers up to 30 in no order. A run that ends before it is none of the 50.
        killed += u32::from(!dies_after(1 + point * 7 % 30, scene.sweep()).await);
        point += 1;
        scene.clock.advance(TimeDelta::minutes(1));
    }
    // What a killed run had moved comes again after minutes.
    scene.clock.advance(TimeDelta::minutes(16));
    assert!(!scene.sweep().await.stopped_early);
    scene.ends_well().await;
}

pub(crate) async fn a_sweep_that_is_hours_late_keeps_to_the_daytime(backend: &impl Backend) {
    let mut scene = Scene::begin(backend).await;
    scene.add(5).await;
    scene.clock.advance(TimeDelta::hours(12));
    let late = scene.sweep().await;
    let waited = TimeDelta::hours(13);
    let expected = SweepReport { queued: 10, rescheduled: 5, oldest_unsent: waited, ..SweepReport::default() };
    assert_eq!(late, expected, "half past nine in the evening");
    assert_eq!(scene.sweep().await, SweepReport::default());
    let evening = scene.now();
    scene.clock.set(samples::at("2026-05-09T12:59:00Z"));
    assert_eq!(scene.sweep().await.reminded, 0);
    scene.clock.set(samples::at("2026-05-09T13:00:00Z"));
    assert_eq!(scene.sweep().await.reminded, 5, "on Saturday at nine");
    assert_eq!(scene.now() - evening, TimeDelta::minutes(11 * 60 + 30));
    scene.ends_well().await;
}

pub(crate) async fn a_sweep_that_is_stopped_goes_on_in_the_next_run(backend: &impl Backend) {
    let mut scene = Scene::begin(backend).await;
    scene.add(3).await;
    assert_eq!(scene.sweep_for(TimeDelta::zero()).await, SweepReport { stopped_early: true, ..SweepReport::default() });
    let waited = TimeDelta::hours(1);
    assert_eq!(
        scene.sweep().await,
        SweepReport { queued: 6, reminded: 3, oldest_unsent: waited, ..SweepReport::default() }
    );
    scene.ends_well().await;
}

pub(crate) async fn a_struck_row_is_gone_and_an_outlived_one_is_not_struck(backend: &impl Backend) {
    let mut scene = Scene::begin(backend).await;
    scene.add(1).await;
    let store = backend.store();
    for (key, _) in &scene.patients {
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
    scene.clock.advance(TimeDelta::days(30));
    assert_eq!(scene.sweep().await, SweepReport::default());
}

pub(crate) async fn pages_go_on_after_a_row_that_is_gone(backend: &impl Backend) {
    let mut scene = Scene::begin(backend).await;
    scene.add(16).await;
    let store = backend.store();
    let until = scene.now();
    let mut seen = 0;
    for shard in DueShard::all_from(DueShard::from_hash(0)) {
        let all = store.due(shard, None, until, 100).await.unwrap();
        let (mut paged, mut last) = (Vec::new(), None);
        loop {
            let page = store.due(shard, last.as_ref(), until, 2).await.unwrap();
            for entry in &page {
                // What is seen to is no longer where the next page begins.
                assert!(store.reschedule(entry, until + TimeDelta::days(1)).await.unwrap());
            }
            let Some(entry) = page.last() else { break };
            last = Some(entry.clone());
            paged.extend(page);
        }
        assert_eq!(paged, all);
        seen += all.len();
    }
    assert_eq!(seen, 48);
}
