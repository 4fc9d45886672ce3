//! Bulk jobs with the in-memory store, their messages in a model of SQS, and everything that can go wrong on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::future::BoxFuture;

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    bulk::{Audience, BulkJob, BulkOutcome, JobState},
    idempotency::KeyedRequest,
    ids::{JobId, JobKey, PatientId},
    operations::{
        Precondition,
        bulk::{BeginError, BulkRequest, RequestedAudience, begin, cancel, job, results},
        bulk_run::{self, RunOutcome, RunQueues, SliceOutcome},
        choice::opt_out,
    },
    policy::{BULK_LEASE, BULK_PACE},
    ports::{Clock as _, Hint, PortError, Queue, QueueError},
    profile::Profile,
    redacted::Redacted,
    testing::{Contents, Fault, MemoryJobQueue, MemoryStore, samples},
    timeline::EventKind,
};

use crate::world::World;

/// When SQS gives a message again that was not done with.
const VISIBILITY: TimeDelta = TimeDelta::minutes(3);

/// A practice's patients, and the queue that jobs go on by.
struct Bulk {
    world: World,
    jobs: MemoryJobQueue,
    /// The messages under way: when each is to be received.
    messages: Mutex<Vec<(DateTime<Utc>, JobKey)>>,
    /// Numbers the runs.
    runs: AtomicU32,
}

impl Bulk {
    fn over(world: World) -> Self {
        Self { world, jobs: MemoryJobQueue::default(), messages: Mutex::default(), runs: AtomicU32::default() }
    }

    /// Patients `p-00` and so on of the practice `north`, each with an address, a day of birth of their own in
    /// falling order, and nothing against inviting them.
    async fn with_patients(count: u32) -> Self {
        let bulk = Self::over(World::with_patients(&[]).await);
        for number in 0..count {
            bulk.save(number, Some(&format!("p{number}@example.com"))).await;
        }
        bulk
    }

    async fn save(&self, number: u32, address: Option<&str>) {
        let born = samples::date_of_birth() - TimeDelta::days(number.into());
        let profile = Profile { date_of_birth: Some(Redacted::new(born)), ..samples::profile(address) };
        self.world.save_as("north", &name(number), &profile).await;
    }

    async fn begin(&self, request: &BulkRequest) -> Result<BulkJob, BeginError> {
        let begun =
            begin(&self.world.ports(), &self.jobs, &self.world.entropy, &samples::scope("north"), request).await;
        self.collect();
        begun
    }

    /// Moves what was sent under way.
    fn collect(&self) {
        let now = self.world.clock.now();
        self.messages.lock().unwrap().extend(self.jobs.take().into_iter().map(|(job, wait)| (now + wait, job)));
    }

    /// The messages, which are not under way any more.
    fn under_way(&self) -> Vec<(DateTime<Utc>, JobKey)> {
        mem::take(&mut self.messages.lock().unwrap())
    }

    /// One run, on behalf of a message, with so much time.
    async fn run_with(&self, queue: &impl Queue, key: &JobKey, time: TimeDelta) -> Result<RunOutcome, PortError> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        let run = samples::request_id(&format!("run-{run}"));
        let queues = RunQueues { mails: queue, jobs: &self.jobs };
        let deadline = self.world.clock.now() + time;
        let ran = bulk_run::run(&self.world.ports(), &queues, &self.world.entropy, key, deadline, &run).await;
        self.collect();
        ran
    }

    async fn run(&self, key: &JobKey) -> Result<RunOutcome, PortError> {
        self.run_with(&self.world.queue, key, TimeDelta::seconds(20)).await
    }

    /// Receives the next message, when it is time, and works it off; `false` if there is none.
    async fn receive(&self) -> bool {
        let next = {
            let mut messages = self.messages.lock().unwrap();
            messages.sort();
            if messages.is_empty() { None } else { Some(messages.remove(0)) }
        };
        let Some((at, key)) = next else { return false };
        self.world.clock.set(at.max(self.world.clock.now()));
        if self.run(&key).await.is_err() {
            self.messages.lock().unwrap().push((self.world.clock.now() + VISIBILITY, key));
        }
        true
    }

    /// Works off all messages.
    async fn finish(&self) {
        for _ in 0..1_000 {
            if !self.receive().await {
                return;
            }
        }
        panic!("the job goes on for ever");
    }

    async fn job(&self, id: &JobId) -> BulkJob {
        job(&self.world.ports(), &samples::scope("north"), id).await.unwrap().unwrap()
    }

    /// Every result of a job, page by page.
    async fn results(&self, id: &JobId) -> Vec<(String, BulkOutcome)> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = results(&self.world.ports(), &samples::scope("north"), id, after).await.unwrap().unwrap();
            assert!(page.slices.len() <= 5);
            let of_page = page.slices.into_iter().flat_map(|slice| slice.results);
            all.extend(of_page.map(|result| (result.patient.to_string(), result.outcome)));
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    }

    /// The patients whom a history says were invited, as often as it does.
    fn invited(&self) -> Vec<PatientId> {
        let Contents { timeline, .. } = self.world.store.contents();
        let invited = timeline.into_iter().filter(|(_, event)| matches!(event.kind, EventKind::Invited { .. }));
        invited.map(|((key, _), _)| key.patient).collect()
    }

    /// That a job is done, that each of so many patients has one result, and that the counts are the results'.
    async fn is_done(&self, id: &JobId, patients: u32) -> Vec<(String, BulkOutcome)> {
        let (job, results) = (self.job(id).await, self.results(id).await);
        assert_eq!((job.state, job.processed(), job.lease.clone()), (JobState::Done, patients, None));
        assert_eq!(job.total(), Some(patients));
        let whom: BTreeSet<_> = results.iter().map(|(patient, _)| patient).collect();
        assert_eq!((whom.len(), results.len()), (patients.try_into().unwrap(), whom.len()));
        let mut counts = BTreeMap::new();
        for (_, outcome) in &results {
            *counts.entry(outcome.code()).or_insert(0) += 1;
        }
        assert_eq!(job.counts, counts);
        results
    }
}

fn name(number: u32) -> String {
    format!("p-{number:02}")
}

fn named(numbers: impl IntoIterator<Item = u32>) -> BulkRequest {
    let patients = numbers.into_iter().map(|number| samples::patient_id(&name(number))).collect();
    BulkRequest { audience: RequestedAudience::Named(patients), dry_run: false, keyed: None }
}

fn never_invited() -> BulkRequest {
    BulkRequest { audience: RequestedAudience::NeverInvited, dry_run: false, keyed: None }
}

fn key(job: &BulkJob) -> JobKey {
    job.scope.job(&job.id)
}

fn slice(ran: Result<RunOutcome, PortError>) -> SliceOutcome {
    match ran {
        Ok(RunOutcome::Slice(slice)) => slice,
        other => panic!("no slice: {other:?}"),
    }
}

/// Forty-five patients, of whom eight cannot be invited, each for another reason.
async fn with_reasons() -> Bulk {
    let bulk = Bulk::with_patients(45).await;
    let world = &bulk.world;
    bulk.save(3, None).await;
    world.save("south", "p-99", Some("p7@example.com")).await;
    world.invite("north", &name(11)).await.unwrap();
    let (scope, opted_out) = (samples::scope("north"), samples::patient_id(&name(17)));
    opt_out(&world.ports(), &world.command(&scope, &opted_out)).await.unwrap();
    let profile = samples::profile(Some("p23@example.com"));
    world.save_as("north", &name(23), &Profile { active: false, ..profile.clone() }).await;
    let nameless = samples::profile(Some("p31@example.com"));
    world.save_as("north", &name(31), &Profile { date_of_birth: None, ..nameless }).await;
    let registered = samples::key("north", "p-44");
    let mut record = world.store.peek(&registered).unwrap();
    let account = MemoryStore::with_practices([samples::practice("north")]);
    account.open_account(&registered, "p44@example.com");
    record.account = account.peek(&registered).unwrap().account;
    world.store.put(record);
    let _earlier = world.queue.take();
    bulk
}

/// What becomes of [`with_reasons`]'s patients and one whom nobody knows.
fn reasons() -> BTreeMap<String, &'static str> {
    let mut reasons: BTreeMap<_, _> = (0..46).map(|number| (name(number), "invited")).collect();
    for (number, reason) in [
        (3, "email_required"),
        (7, "email_in_use"),
        (11, "already_invited"),
        (17, "opted_out"),
        (23, "patient_inactive"),
        (31, "date_of_birth_missing"),
        (44, "already_registered"),
        (45, "patient_not_found"),
    ] {
        reasons.insert(name(number), reason);
    }
    reasons
}

fn codes(results: Vec<(String, BulkOutcome)>) -> BTreeMap<String, &'static str> {
    results.into_iter().map(|(patient, outcome)| (patient, outcome.code())).collect()
}

#[tokio::test]
async fn a_dry_run_tells_what_a_real_one_then_does() {
    let bulk = with_reasons().await;
    let before = bulk.world.store.contents();
    let dry = bulk.begin(&BulkRequest { dry_run: true, ..named(0..46) }).await.unwrap();
    assert_eq!((dry.state, dry.total(), dry.processed()), (JobState::Queued, Some(46), 0));
    bulk.finish().await;
    let previewed = codes(bulk.is_done(&dry.id, 46).await);
    let Contents { jobs: _, slices: _, records, timeline, emails, practices } = bulk.world.store.contents();
    let same = (records, timeline, emails, practices);
    assert_eq!(same, (before.records, before.timeline, before.emails, before.practices), "it changes nothing");
    assert!(bulk.world.queue.take().is_empty());

    let real = bulk.begin(&named(0..46)).await.unwrap();
    bulk.finish().await;
    let done = codes(bulk.is_done(&real.id, 46).await);
    assert_eq!(done, reasons());
    let as_previewed = |code| if code == "invited" { "invitable" } else { code };
    assert_eq!(previewed, done.into_iter().map(|(patient, code)| (patient, as_previewed(code))).collect());
    assert_eq!(bulk.world.queue.take().len(), 38, "one hint for each who was invited");
}

#[tokio::test]
async fn nobody_is_invited_before_the_portal_is_activated() {
    let bulk = Bulk::with_patients(2).await;
    bulk.world.store.forget_practice(&samples::practice_id("north"));
    for dry_run in [true, false] {
        let begun = bulk.begin(&BulkRequest { dry_run, ..named(0..2) }).await.unwrap();
        bulk.finish().await;
        assert_eq!(bulk.job(&begun.id).await.counts, BTreeMap::from([("portal_not_activated", 2)]));
    }
}

#[tokio::test]
async fn an_address_of_two_patients_is_neithers() {
    let bulk = Bulk::with_patients(2).await;
    bulk.save(1, Some("P0@Example.com")).await;
    for dry_run in [true, false] {
        let begun = bulk.begin(&BulkRequest { dry_run, ..named(0..2) }).await.unwrap();
        bulk.finish().await;
        assert_eq!(bulk.job(&begun.id).await.counts, BTreeMap::from([("email_in_use", 2)]));
    }
}

#[tokio::test]
async fn those_who_were_never_invited_are_found_and_nobody_else_is_counted() {
    let bulk = with_reasons().await;
    let mut expected = reasons();
    // No address, invited, a row in the directory that is not there, nobody.
    for number in [3, 11, 31, 45] {
        expected.remove(&name(number));
    }
    for (dry_run, outcome) in [(true, "invitable"), (false, "invited")] {
        let begun = bulk.begin(&BulkRequest { dry_run, ..never_invited() }).await.unwrap();
        assert_eq!(begun.total(), None);
        bulk.finish().await;
        let results = bulk.is_done(&begun.id, 42).await;
        let found = codes(results.clone());
        let expected = expected.iter().map(|(patient, code)| (patient.clone(), *code));
        let expected = expected.map(|(patient, code)| (patient, if code == "invited" { outcome } else { code }));
        assert_eq!(found, expected.collect());
        assert_eq!(results.first().map(|(patient, _)| patient.as_str()), Some("p-44"), "by date of birth");
    }
    assert_eq!(bulk.invited().len(), 39);
    let again = bulk.begin(&never_invited()).await.unwrap();
    bulk.finish().await;
    let left = codes(bulk.is_done(&again.id, 4).await);
    assert!(left.values().all(|code| *code != "invited"), "{left:?}");
}

#[tokio::test]
async fn a_practice_without_patients_is_done_at_once() {
    let bulk = Bulk::with_patients(0).await;
    let begun = bulk.begin(&never_invited()).await.unwrap();
    bulk.finish().await;
    assert!(bulk.is_done(&begun.id, 0).await.is_empty());
    assert_eq!(bulk.runs.into_inner(), 1);
}

#[tokio::test]
async fn a_run_sees_to_one_slice_and_sends_for_the_next() {
    let bulk = Bulk::with_patients(45).await;
    let begun = bulk.begin(&named(0..45)).await.unwrap();
    assert_eq!(bulk.under_way(), [(bulk.world.clock.now(), key(&begun))]);
    let first = slice(bulk.run(&key(&begun)).await);
    assert_eq!((first.invited, first.refused, first.previewed, first.done), (20, 0, 0, false));
    assert_eq!(bulk.under_way(), [(bulk.world.clock.now() + BULK_PACE, key(&begun))]);
    let running = bulk.job(&begun.id).await;
    assert_eq!((running.state, running.processed()), (JobState::Running, 20));
    assert_eq!(running.audience, Audience::Named { total: 45, seen: 20 });
    slice(bulk.run(&key(&begun)).await);
    let last = slice(bulk.run(&key(&begun)).await);
    assert_eq!((last.invited, last.done), (5, true));
    let _next = bulk.under_way();
    assert!(matches!(bulk.run(&key(&begun)).await, Ok(RunOutcome::Over)));
    assert!(bulk.under_way().is_empty(), "nothing follows");
    assert_eq!(bulk.results(&begun.id).await.len(), 45);
}

#[tokio::test]
async fn a_run_without_time_sees_to_one_patient() {
    for request in [named(0..3), never_invited()] {
        let bulk = Bulk::with_patients(3).await;
        bulk.save(1, None).await;
        let begun = bulk.begin(&BulkRequest { dry_run: false, ..request.clone() }).await.unwrap();
        for done in [false, false, true] {
            if !bulk.job(&begun.id).await.state.is_over() {
                let slice = slice(bulk.run_with(&bulk.world.queue, &key(&begun), TimeDelta::zero()).await);
                assert_eq!(slice.invited + slice.refused, 1);
                let passed_over = request.audience == RequestedAudience::NeverInvited;
                assert!(slice.done == done || passed_over);
            }
        }
        let patients = if request.audience == RequestedAudience::NeverInvited { 2 } else { 3 };
        bulk.is_done(&begun.id, patients).await;
        assert_eq!(bulk.invited().len(), 2);
    }
}

/// One call of the store goes wrong, whichever it is, and in whatever way.
#[tokio::test]
async fn whatever_call_goes_wrong_everybody_has_one_outcome_and_one_invitation() {
    let mut places = 0;
    for fault in [Fault::Busy, Fault::Unavailable, Fault::LostReply, Fault::Corrupt] {
        for request in [named(0..23), never_invited(), BulkRequest { dry_run: true, ..never_invited() }] {
            for place in 0.. {
                let bulk = Bulk::with_patients(23).await;
                let begun = bulk.begin(&request).await.unwrap();
                let faults = std::iter::repeat_n(None, place).chain([Some(fault)]);
                bulk.world.store.fail_next(faults);
                bulk.finish().await;
                let reached = bulk.world.store.mend() == 0;
                let results = codes(bulk.is_done(&begun.id, 23).await);
                let outcome = if request.dry_run { "invitable" } else { "invited" };
                assert!(results.values().all(|code| *code == outcome), "{fault:?} at {place}: {results:?}");
                assert_eq!(bulk.invited().len(), if request.dry_run { 0 } else { 23 }, "{fault:?} at {place}");
                if !reached {
                    // The job makes fewer calls than that.
                    break;
                }
                places += 1;
            }
        }
    }
    assert!(places > 400, "{places}");
}

#[tokio::test]
async fn a_queue_that_is_down_stops_nothing_for_good() {
    for failures in 1..5 {
        let bulk = Bulk::with_patients(23).await;
        let begun = bulk.begin(&named(0..23)).await.unwrap();
        bulk.jobs.fail_next(failures);
        bulk.finish().await;
        bulk.is_done(&begun.id, 23).await;
        assert_eq!(bulk.invited().len(), 23);
    }
    // The sender's queue, too: the sweep hints again.
    let bulk = Bulk::with_patients(23).await;
    let begun = bulk.begin(&named(0..23)).await.unwrap();
    bulk.world.queue.fail_next(1);
    let first = slice(bulk.run(&key(&begun)).await);
    assert_eq!((first.invited, first.unqueued.is_some()), (20, true));
    bulk.world.clock.advance(TimeDelta::minutes(3));
    assert_eq!(bulk.world.sweep().await.queued, 20);
}

/// A queue to the sender which lets something happen in the middle of a run: after its invitations, before it writes down
/// what it has seen to.
struct Meanwhile<'a>(Box<dyn Fn() -> BoxFuture<'a, ()> + Sync + 'a>);

impl Queue for Meanwhile<'_> {
    async fn send(&self, _: &[Hint]) -> Result<(), QueueError> {
        (self.0)().await;
        Ok(())
    }
}

#[tokio::test]
async fn a_job_that_is_taken_over_in_the_middle_of_a_run_is_the_other_runs() {
    let bulk = Bulk::with_patients(23).await;
    let begun = bulk.begin(&named(0..23)).await.unwrap();
    let taken_over = Meanwhile(Box::new(|| {
        Box::pin(async {
            bulk.world.clock.advance(BULK_LEASE);
            let slice = slice(bulk.run(&key(&begun)).await);
            assert_eq!(slice.invited, 20, "who was invited by the first run counts as invited by the job");
        })
    }));
    let first = bulk.run_with(&taken_over, &key(&begun), TimeDelta::seconds(20)).await;
    assert!(matches!(first, Ok(RunOutcome::Held)), "{first:?}");
    bulk.finish().await;
    bulk.is_done(&begun.id, 23).await;
    assert_eq!(bulk.invited().len(), 23);
}

#[tokio::test]
async fn a_job_that_is_cancelled_in_the_middle_of_a_run_keeps_what_the_run_did() {
    let bulk = Bulk::with_patients(45).await;
    let begun = bulk.begin(&named(0..45)).await.unwrap();
    let cancelled = Meanwhile(Box::new(|| {
        Box::pin(async {
            let cancelled = cancel(&bulk.world.ports(), &samples::scope("north"), &begun.id).await.unwrap().unwrap();
            assert_eq!((cancelled.state, cancelled.processed()), (JobState::Cancelled, 0));
        })
    }));
    let ran = slice(bulk.run_with(&cancelled, &key(&begun), TimeDelta::seconds(20)).await);
    assert_eq!((ran.invited, ran.done), (20, false));
    bulk.finish().await;
    let cancelled = bulk.job(&begun.id).await;
    assert_eq!((cancelled.state, cancelled.processed(), cancelled.total()), (JobState::Cancelled, 20, Some(45)));
    assert_eq!((bulk.results(&begun.id).await.len(), bulk.invited().len()), (20, 20));
    assert!(bulk.under_way().is_empty());
    // It is what it was, also if it is asked for or cancelled again.
    let World { store, .. } = &bulk.world;
    let before = store.contents();
    assert_eq!(cancel(&bulk.world.ports(), &samples::scope("north"), &begun.id).await.unwrap(), Some(cancelled));
    assert!(matches!(bulk.run(&key(&begun)).await, Ok(RunOutcome::Over)));
    assert_eq!(store.contents(), before);
}

#[tokio::test]
async fn a_message_that_finds_the_job_held_is_replaced_by_one_for_later() {
    let bulk = Bulk::with_patients(3).await;
    let begun = bulk.begin(&named(0..3)).await.unwrap();
    let _first = bulk.under_way();
    // The run claims the job and dies.
    bulk.world.store.fail_next([None, None, Some(Fault::Unavailable)]);
    assert!(bulk.run(&key(&begun)).await.is_err());
    let claimed_at = bulk.world.clock.now();
    bulk.world.clock.advance(TimeDelta::seconds(5));
    assert!(matches!(bulk.run(&key(&begun)).await, Ok(RunOutcome::Held)));
    let later = bulk.under_way();
    assert_eq!(later, [(claimed_at + BULK_LEASE + BULK_PACE, key(&begun))]);
    bulk.messages.lock().unwrap().extend(later);
    bulk.finish().await;
    bulk.is_done(&begun.id, 3).await;
}

#[tokio::test]
async fn copies_of_a_message_do_no_harm() {
    let bulk = Bulk::with_patients(45).await;
    let request = BulkRequest { keyed: Some(KeyedRequest::new("bulk", "key-1", b"")), ..named(0..45) };
    let begun = bulk.begin(&request).await.unwrap();
    for _ in 0..4 {
        bulk.begin(&request).await.unwrap();
    }
    bulk.finish().await;
    bulk.is_done(&begun.id, 45).await;
    assert_eq!(bulk.invited().len(), 45);
    assert_eq!(bulk.begin(&request).await.unwrap().state, JobState::Done);
    assert!(bulk.under_way().is_empty(), "there is nothing to go on with");
}

#[tokio::test]
async fn of_two_jobs_with_the_same_patients_each_invites_some() {
    let bulk = Bulk::with_patients(45).await;
    let one = bulk.begin(&named(0..45)).await.unwrap();
    let other = bulk.begin(&never_invited()).await.unwrap();
    bulk.finish().await;
    let by_one = codes(bulk.is_done(&one.id, 45).await);
    let by_other = codes(bulk.results(&other.id).await);
    for (patient, code) in &by_one {
        let other = by_other.get(patient).copied();
        assert!(matches!((*code, other), ("invited", None) | ("already_invited", Some("invited"))), "{patient}");
    }
    assert!(by_one.values().any(|code| *code == "invited") && by_other.values().all(|code| *code == "invited"));
    assert_eq!(bulk.invited().len(), 45);
}

#[tokio::test]
async fn a_job_that_nobody_has_heard_of_is_left_alone() {
    let bulk = Bulk::with_patients(1).await;
    let begun = bulk.begin(&named(0..1)).await.unwrap();
    let foreign = JobKey { practice: samples::practice_id("south"), ..key(&begun) };
    assert!(matches!(bulk.run(&foreign).await, Ok(RunOutcome::Missing)));
    let (ports, south) = (bulk.world.ports(), samples::scope("south"));
    assert_eq!(job(&ports, &south, &begun.id).await.unwrap(), None);
    assert_eq!(results(&ports, &south, &begun.id, None).await.unwrap(), None);
    assert_eq!(cancel(&ports, &south, &begun.id).await.unwrap(), None);
    assert_eq!(bulk.job(&begun.id).await, begun);
}

#[tokio::test]
async fn a_key_means_one_job() {
    let bulk = Bulk::with_patients(3).await;
    let keyed = |content: &[u8]| Some(KeyedRequest::new("bulk", "key-1", content));
    let request = BulkRequest { keyed: keyed(b"3"), ..named(0..3) };
    // Nobody hears that it was begun.
    bulk.world.store.fail_next([Some(Fault::LostReply)]);
    assert!(matches!(bulk.begin(&request).await, Err(BeginError::Store(_))));
    bulk.jobs.fail_next(1);
    assert!(matches!(bulk.begin(&request).await, Err(BeginError::Queue(_))));
    let begun = bulk.begin(&request).await.unwrap();
    assert_eq!(bulk.begin(&request).await.unwrap(), begun);
    assert_eq!(bulk.under_way().len(), 2, "each time it is asked for it goes on");
    let other = BulkRequest { keyed: keyed(b"2"), ..named(0..2) };
    let reused = bulk.begin(&other).await;
    assert!(matches!(reused, Err(BeginError::Precondition(Precondition::KeyReused(_)))), "{reused:?}");
    assert!(bulk.under_way().is_empty());
    let unkeyed = [bulk.begin(&named(0..3)).await.unwrap(), bulk.begin(&named(0..3)).await.unwrap()];
    assert_eq!(BTreeSet::from([&begun.id, &unkeyed[0].id, &unkeyed[1].id]).len(), 3);
}

#[tokio::test]
async fn results_come_in_pages() {
    let bulk = Bulk::with_patients(0).await;
    let begun = bulk.begin(&named(0..250)).await.unwrap();
    let (ports, scope) = (bulk.world.ports(), samples::scope("north"));
    let page = async |after| results(&ports, &scope, &begun.id, after).await.unwrap().unwrap();
    let first = page(None).await;
    assert!(first.slices.is_empty() && first.next.is_none(), "nobody has been seen to");
    bulk.finish().await;
    let in_order: Vec<_> = bulk.is_done(&begun.id, 250).await.into_iter().map(|(patient, _)| patient).collect();
    assert_eq!(in_order, (0..250).map(name).collect::<Vec<_>>());
    let second = page(page(None).await.next).await;
    assert_eq!(second.slices.first().map(|slice| slice.number), Some(6));
}
