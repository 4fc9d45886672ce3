//! The calls and units of a sweep do not grow with the number of due entries.
//!
//! `PORTAL_SWEEP_DUE=100000 cargo test -p system-tests --test contract scale -- --nocapture` takes minutes. By default there
//! are two thousand due entries, which is enough to find a cost that grows.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    ids::{PatientId, PracticeId, RecordKey},
    operations::sweep::{SweepReport, sweep},
    ports::{
        ChangeStore, ClaimOutcome, CommitOutcome, DeliveryStore, DueEntry, DueShard, Hint, Ports, PracticeStore as _,
        Queue, QueueError, StoreError,
    },
    practice::Practice,
    record::guards::Recipient,
    record::{Change, PortalRecord, delivery::ClaimRequest},
    testing::{MemoryQueue, MemoryStore, TestClock, TestEntropy, samples},
    timeline::Role,
};
use portal_aws::{aws_sdk_dynamodb::types::AttributeValue, store::keys};
use xtask::clock;

use crate::{
    backend::Backend as _,
    counts::{Counted, Counts},
    dynamo::counted,
    table::Table,
};

/// A Friday at half past nine in the morning in New York.
fn now() -> DateTime<Utc> {
    samples::at("2026-05-08T13:30:00Z")
}

fn patient(number: usize) -> RecordKey {
    RecordKey {
        practice: PracticeId::parse("lake").unwrap(),
        patient: PatientId::parse(&format!("p-{number}")).unwrap(),
    }
}

/// A record that was invited an hour ago. Its hint was lost.
fn invited(key: &RecordKey, address: &str) -> [Change; 2] {
    let context = |step: &str| samples::staff_context(now() - TimeDelta::hours(1), &format!("{step}-{}", key.patient));
    let created =
        PortalRecord::save_profile(None, key.clone(), samples::profile(Some(address)), context("save")).unwrap();
    let id = samples::invitation_id(&format!("first-{}", key.patient));
    let invited =
        created.after.invite(&samples::practice("lake"), &Recipient::default(), id, context("invite")).unwrap();
    [created, invited]
}

async fn table(case: &str) -> (Table, Counts) {
    let (table, counts) = counted(case).await;
    table.store().save_practice(&samples::scope("lake"), &samples::practice("lake"), &[]).await.unwrap();
    (table, counts)
}

async fn commit(table: &Table, change: &Change) {
    assert_eq!(table.store().commit(change).await.unwrap(), CommitOutcome::Committed);
}

/// The number of additional records, which are due tomorrow.
const NOT_DUE: usize = 1_000;

/// Puts records that are due for their first mail, and some that are not due yet. All are copies of one record.
async fn put_invited(table: &Table, due: usize) {
    let [created, invited] = invited(&patient(0), "p0@example.com");
    commit(table, &created).await;
    commit(table, &invited).await;
    let one = table.item(&patient(0)).await;
    let copy = |number: usize| {
        let (key, mut item) = (patient(number), one.clone());
        item.insert(keys::PARTITION.to_owned(), AttributeValue::S(keys::record_partition(&key)));
        item.insert("due_shard".to_owned(), AttributeValue::S(keys::due_shard(keys::shard_of(&key))));
        if number >= due {
            let tomorrow = (now() + TimeDelta::days(1)).timestamp_millis();
            item.insert("due_at".to_owned(), AttributeValue::N(tomorrow.to_string()));
        }
        item
    };
    table.put((1..due + NOT_DUE).map(copy).collect()).await;
}

/// A queue that counts the calls that SQS would get: one for ten messages.
#[derive(Default)]
struct CountedQueue {
    queue: MemoryQueue,
    calls: AtomicUsize,
}

impl Queue for CountedQueue {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        self.calls.fetch_add(hints.len().div_ceil(10), Ordering::SeqCst);
        self.queue.send(hints).await
    }
}

/// The cost of a sweep, for each record that was due.
struct Cost {
    swept: SweepReport,
    counted: Counted,
    calls: f64,
    units: f64,
}

async fn cost(table: &Table, counts: &Counts, due: usize) -> Cost {
    let (queue, clock, entropy) = (CountedQueue::default(), TestClock::new(now()), TestEntropy::default());
    counts.take();
    let started = clock::now();
    let ports = Ports { store: &**table.store(), clock: &clock };
    let request = samples::request_id("sweep");
    let deadline = now() + TimeDelta::minutes(1);
    let swept = Box::pin(sweep(&ports, &queue, &entropy, deadline, &request)).await.unwrap();
    let (took, counted) = (started.elapsed().as_millis(), counts.take());
    let batches = queue.calls.into_inner();
    let per_record = |count: f64| count / f64::from(u32::try_from(due.max(1)).unwrap());
    let calls = per_record(f64::from(counted.all() + u32::try_from(batches).unwrap()));
    let units = per_record(counted.write_units);
    eprintln!(
        "{due} due: {calls:.3} calls and {units:.2} write units each; {:?}, {batches} SQS, in {took} ms",
        counted.calls
    );
    assert_eq!(queue.queue.messages().len(), due, "one hint each");
    Cost { swept, counted, calls, units }
}

fn assert_same_cost(one: &Cost, other: &Cost) {
    assert!((one.calls / other.calls - 1.0).abs() < 0.1, "{} and {} calls", one.calls, other.calls);
    assert!((one.units / other.units - 1.0).abs() < 0.1, "{} and {} units", one.units, other.units);
}

/// The cost of a sweep of this number of lost mails.
async fn lost_mails(due: usize) -> Cost {
    let (table, counts) = table(&format!("lost-{due}")).await;
    put_invited(&table, due).await;
    let cost = cost(&table, &counts, due).await;
    let (queued, oldest_unsent) = (u32::try_from(due).unwrap(), cost.swept.oldest_unsent);
    assert_eq!(cost.swept, SweepReport { queued, oldest_unsent, ..SweepReport::default() });
    assert_eq!(cost.counted.calls.get("UpdateItem"), Some(&cost.swept.queued), "one conditional write each");
    table.end().await;
    cost
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the tests' configuration is the environment")]
async fn the_cost_of_a_lost_mail_does_not_grow_with_their_number() {
    let many = std::env::var("PORTAL_SWEEP_DUE").map_or(2_000, |due| due.parse().unwrap());
    let (few, many) = (lost_mails(500).await, lost_mails(many).await);
    assert_same_cost(&few, &many);
    assert!(many.calls <= 1.15, "{}", many.calls);
    assert_eq!(many.counted.calls.keys().copied().collect::<Vec<_>>(), ["Query", "UpdateItem"]);
}

/// The cost of a sweep of this number of reminders.
async fn reminders(due: usize) -> Cost {
    let (table, counts) = table(&format!("reminders-{due}")).await;
    let practice = samples::practice("lake");
    let at = now() - TimeDelta::days(3) - TimeDelta::minutes(10);
    for number in 0..due {
        let changes = invited(&patient(number), &format!("p{number}@example.com"));
        for change in &changes {
            commit(&table, change).await;
        }
        let [_, invited] = changes;
        let id = invited.after.invitation.as_ref().unwrap().id.clone();
        let sending = invited.after.claim(&samples::claim_request(&id, at, 1)).unwrap();
        let context = samples::context_as(Role::Sender, at, &format!("send-{number}"));
        let sent = sending.stamp(&practice, &id, sending.fence, samples::message_id(1), context).unwrap();
        // The sweep does not depend on the claim, so the stamp is written without one.
        let stamped = Change { before: Some(invited.after), ..sent };
        commit(&table, &stamped).await;
    }
    let cost = cost(&table, &counts, due).await;
    assert_eq!(cost.swept, SweepReport { reminded: u32::try_from(due).unwrap(), ..SweepReport::default() });
    assert_eq!(cost.counted.calls.get("TransactWriteItems"), Some(&cost.swept.reminded), "one transaction each");
    table.end().await;
    cost
}

#[tokio::test]
async fn the_cost_of_a_reminder_does_not_grow_with_their_number() {
    let (few, many) = (reminders(150).await, reminders(450).await);
    assert_same_cost(&few, &many);
}

#[tokio::test]
async fn entries_that_are_not_due_cost_nothing() {
    let (table, counts) = table("not-due").await;
    let calls = |counted: &Counted| (counted.calls.clone(), counted.all());
    let queries = ([("Query", u32::from(DueShard::COUNT))].into(), u32::from(DueShard::COUNT));
    let empty = cost(&table, &counts, 0).await;
    assert_eq!(calls(&empty.counted), queries, "an empty calendar takes one query for each shard");
    put_invited(&table, 500).await;
    assert_eq!(cost(&table, &counts, 500).await.swept.queued, 500);
    let rest = cost(&table, &counts, 0).await;
    assert_eq!(calls(&rest.counted), queries, "a calendar in which nothing is due takes the same");
    table.end().await;
}

/// The rows of shards at earlier times.
type Index = HashMap<(u8, DateTime<Utc>), Vec<DueEntry>>;

/// A store in which each reschedule takes two milliseconds of the run's time. Its index lags by a whole run: it has the rows
/// that a shard had when the run began with it.
struct LaggingStore<'a> {
    store: &'a MemoryStore,
    clock: &'a TestClock,
    index: Mutex<Index>,
}

impl ChangeStore for LaggingStore<'_> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        self.store.commit(change).await
    }
}

impl DeliveryStore for LaggingStore<'_> {
    async fn claim(&self, key: &RecordKey, request: &ClaimRequest) -> Result<ClaimOutcome, StoreError> {
        self.store.claim(key, request).await
    }

    async fn defer(&self, record: &PortalRecord) -> Result<bool, StoreError> {
        self.store.defer(record).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        self.store.record(key).await
    }

    async fn practice_by_id(&self, practice: &PracticeId) -> Result<Option<Practice>, StoreError> {
        self.store.practice_by_id(practice).await
    }

    async fn due(
        &self,
        shard: DueShard,
        after: Option<&DueEntry>,
        until: DateTime<Utc>,
        limit: u16,
    ) -> Result<Vec<DueEntry>, StoreError> {
        let place = (shard.number(), until);
        if !self.index.lock().unwrap().contains_key(&place) {
            let all = self.store.due(shard, None, until, u16::MAX).await?;
            self.index.lock().unwrap().insert(place, all);
        }
        let index = self.index.lock().unwrap();
        let rows = &index[&place];
        let before = |row: &DueEntry| after.is_some_and(|after| (row.at, &row.key) <= (after.at, &after.key));
        Ok(rows.iter().skip(rows.partition_point(before)).take(limit.into()).cloned().collect())
    }

    async fn reschedule(&self, entry: &DueEntry, next: DateTime<Utc>) -> Result<bool, StoreError> {
        self.clock.advance(TimeDelta::milliseconds(2));
        self.store.reschedule(entry, next).await
    }

    async fn unschedule(&self, entry: &DueEntry) -> Result<bool, StoreError> {
        self.store.unschedule(entry).await
    }
}

/// Each run processes what it can in a minute. The next one continues. No state is stored besides the calendar.
#[tokio::test]
async fn a_hundred_thousand_due_entries_are_processed_in_four_runs() {
    const DUE: usize = 100_000;
    let store = MemoryStore::with_practices([samples::practice("lake")]);
    let [_, invited] = invited(&patient(0), "p0@example.com");
    for number in 0..DUE {
        store.put(PortalRecord { key: patient(number), ..invited.after.clone() });
    }
    let (queue, clock, entropy) = (MemoryQueue::default(), TestClock::new(now()), TestEntropy::default());
    let store = LaggingStore { store: &store, clock: &clock, index: Mutex::default() };
    let (mut runs, mut hinted) = (Vec::new(), BTreeSet::new());
    loop {
        let minute = now() + TimeDelta::minutes(i64::try_from(runs.len()).unwrap());
        clock.set(minute);
        let ports = Ports { store: &store, clock: &clock };
        let (deadline, run) = (minute + TimeDelta::minutes(1), samples::request_id("sweep"));
        let swept = sweep(&ports, &queue, &entropy, deadline, &run).await.unwrap();
        runs.push(swept.queued);
        for hint in queue.take() {
            let Hint::Invitation(message) = hint else { unreachable!("there are no notices") };
            let claimed = store.claim(&message.key, &samples::claim_request(&message.invitation, minute, 1)).await;
            assert!(matches!(claimed, Ok(ClaimOutcome::Claimed(_))));
            assert!(hinted.insert(message.key), "each is hinted once");
        }
        if !swept.stopped_early {
            break;
        }
    }
    eprintln!("{DUE} due, 2 ms each, runs of a minute: {runs:?}");
    assert_eq!(hinted.len(), DUE);
    // A minute has thirty thousand times two milliseconds. Batches that have begun are finished.
    assert_eq!(runs.len(), 4);
    assert!(runs[..3].iter().all(|queued| (30_000..30_000 + 100 * 16).contains(queued)), "{runs:?}");
}
