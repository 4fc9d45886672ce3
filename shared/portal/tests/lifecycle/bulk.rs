//! Bulk jobs with the in-memory store, a model of SQS, and injected faults.

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
    policy::{BULK_LEASE, BULK_PAUSE},
    ports::{Clock as _, Hint, PortError, Queue, QueueError},
    profile::Profile,
    redacted::Redacted,
    testing::{Contents, Fault, MemoryJobQueue, MemoryStore, samples},
    timeline::EventKind,
};

use crate::world::World;

/// After this time SQS delivers a message again that was not deleted.
const VISIBILITY: TimeDelta = TimeDelta::minutes(3);

/// A practice's patients, and the queue of job runs.
struct Bulk {
    world: World,
    jobs: MemoryJobQueue,
    /// The messages in the queue, each with the time when it is received.
    messages: Mutex<Vec<(DateTime<Utc>, JobKey)>>,
    /// The number of runs so far.
    runs: AtomicU32,
}

impl Bulk {
    fn new(world: World) -> Self {
        Self { world, jobs: MemoryJobQueue::default(), messages: Mutex::default(), runs: AtomicU32::default() }
    }

    /// With patients `p-00` and so on of the practice `north`, who can all be invited. Each has an address and a different
    /// date of birth, in descending order.
    async fn with_patients(count: u32) -> Self {
        let bulk = Self::new(World::with_patients(&[]).await);
        for number in 0..count {
            bulk.save(number, Some(&format!("p{number}@example.com"))).await;
        }
        bulk
    }

    async fn save(&self, number: u32, address: Option<&str>) {
        let date_of_birth = samples::date_of_birth() - TimeDelta::days(number.into());
        let profile = Profile { date_of_birth: Some(Redacted::new(date_of_birth)), ..samples::profile(address) };
        self.world.save_as("north", &name(number), &profile).await;
    }

    async fn begin(&self, request: &BulkRequest) -> Result<BulkJob, BeginError> {
        let new_job =
            begin(&self.world.ports(), &self.jobs, &self.world.entropy, &samples::scope("north"), request).await;
        self.collect();
        new_job
    }

    /// Moves the sent messages into the model of SQS.
    fn collect(&self) {
        let now = self.world.clock.now();
        self.messages.lock().unwrap().extend(self.jobs.take().into_iter().map(|(job, wait)| (now + wait, job)));
    }

    /// Removes all messages from the model of SQS, and returns them.
    fn take_messages(&self) -> Vec<(DateTime<Utc>, JobKey)> {
        mem::take(&mut self.messages.lock().unwrap())
    }

    /// Makes one run for a message, with this much time.
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

    /// Receives the next message at its time, and processes it. `false` if there is none.
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

    /// Processes messages until none is left.
    async fn finish(&self) {
        for _ in 0..1_000 {
            if !self.receive().await {
                return;
            }
        }
        panic!("the job does not end");
    }

    async fn job(&self, id: &JobId) -> BulkJob {
        job(&self.world.ports(), &samples::scope("north"), id).await.unwrap().unwrap()
    }

    /// All results of a job, read page by page.
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

    /// The patients with an invitation event in their timeline, one entry per event.
    fn invited(&self) -> Vec<PatientId> {
        let Contents { timeline, .. } = self.world.store.contents();
        let invited = timeline.into_iter().filter(|(_, event)| matches!(event.kind, EventKind::Invited { .. }));
        invited.map(|((key, _), _)| key.patient).collect()
    }

    /// Asserts that a job is done, that each of this many patients has one result, and that the counts match the results.
    /// Returns the results.
    async fn assert_done(&self, id: &JobId, patients: u32) -> Vec<(String, BulkOutcome)> {
        let (job, results) = (self.job(id).await, self.results(id).await);
        assert_eq!((job.state, job.processed(), job.lease.clone()), (JobState::Done, patients, None));
        assert_eq!(job.total(), Some(patients));
        let patients_with_result: BTreeSet<_> = results.iter().map(|(patient, _)| patient).collect();
        let distinct = patients_with_result.len();
        assert_eq!((distinct, results.len()), (patients.try_into().unwrap(), distinct));
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
    BulkRequest {
        audience: RequestedAudience::Named(patients),
        dry_run: false,
        keyed: None,
        request: samples::request_id("begin"),
    }
}

fn never_invited() -> BulkRequest {
    BulkRequest {
        audience: RequestedAudience::NeverInvited,
        dry_run: false,
        keyed: None,
        request: samples::request_id("begin"),
    }
}

fn key(job: &BulkJob) -> JobKey {
    job.scope.job(&job.id)
}

fn slice(ran: Result<RunOutcome, PortError>) -> SliceOutcome {
    match ran {
        Ok(RunOutcome::Slice(slice)) => slice,
        other => panic!("not a slice: {other:?}"),
    }
}

/// Forty-five patients, of whom seven cannot be invited, each for another reason.
async fn with_uninvitable_patients() -> Bulk {
    let bulk = Bulk::with_patients(45).await;
    let world = &bulk.world;
    bulk.save(3, None).await;
    world.invite("north", &name(11)).await.unwrap();
    let (scope, opted_out) = (samples::scope("north"), samples::patient_id(&name(17)));
    opt_out(&world.ports(), &world.command(&scope, &opted_out)).await.unwrap();
    let profile = samples::profile(Some("p23@example.com"));
    world.save_as("north", &name(23), &Profile { active: false, ..profile.clone() }).await;
    let without_birth_date = samples::profile(Some("p7@example.com"));
    world.save_as("north", &name(31), &Profile { date_of_birth: None, ..without_birth_date }).await;
    let registered = samples::key("north", "p-44");
    let mut record = world.store.stored_record(&registered).unwrap();
    let account = MemoryStore::with_practices([samples::practice("north")]);
    account.open_account(&registered, "p44@example.com");
    record.account = account.stored_record(&registered).unwrap().account;
    world.store.put(record);
    let _earlier_hints = world.queue.take();
    bulk
}

/// The expected outcomes of the patients of [`with_uninvitable_patients`], and of one patient who does not exist.
fn expected_outcomes() -> BTreeMap<String, &'static str> {
    let mut outcomes: BTreeMap<_, _> = (0..46).map(|number| (name(number), "invited")).collect();
    for (number, outcome) in [
        (3, "email_required"),
        (7, "email_in_use"),
        (11, "already_invited"),
        (17, "opted_out"),
        (23, "patient_inactive"),
        (31, "date_of_birth_missing"),
        (44, "already_registered"),
        (45, "patient_not_found"),
    ] {
        outcomes.insert(name(number), outcome);
    }
    outcomes
}

fn codes(results: Vec<(String, BulkOutcome)>) -> BTreeMap<String, &'static str> {
    results.into_iter().map(|(patient, outcome)| (patient, outcome.code())).collect()
}

#[tokio::test]
async fn a_dry_run_previews_the_outcomes_of_the_real_run() {
    let bulk = with_uninvitable_patients().await;
    let before = bulk.world.store.contents();
    let dry = bulk.begin(&BulkRequest { dry_run: true, ..named(0..46) }).await.unwrap();
    assert_eq!((dry.state, dry.total(), dry.processed()), (JobState::Queued, Some(46), 0));
    bulk.finish().await;
    let previewed = codes(bulk.assert_done(&dry.id, 46).await);
    let after = bulk.world.store.contents();
    let unchanged = Contents {
        jobs: after.jobs.clone(),
        slices: after.slices.clone(),
        practice_events: after.practice_events.clone(),
        ..before
    };
    assert_eq!(after, unchanged, "a dry run changes nothing");
    let begun: Vec<_> = after.practice_events.into_values().map(|event| event.sentence()).collect();
    assert_eq!(begun, ["Practice staff began to preview the invitation of 46 patients."]);
    assert!(bulk.world.queue.take().is_empty());

    let real = bulk.begin(&named(0..46)).await.unwrap();
    bulk.finish().await;
    let done = codes(bulk.assert_done(&real.id, 46).await);
    assert_eq!(done, expected_outcomes());
    let as_previewed = |code| if code == "invited" { "invitable" } else { code };
    assert_eq!(previewed, done.into_iter().map(|(patient, code)| (patient, as_previewed(code))).collect());
    assert_eq!(bulk.world.queue.take().len(), 38, "one hint for each invited patient");
}

#[tokio::test]
async fn no_patient_is_invited_before_the_portal_is_activated() {
    let bulk = Bulk::with_patients(2).await;
    bulk.world.store.remove_practice(&samples::practice_id("north"));
    for dry_run in [true, false] {
        let new_job = bulk.begin(&BulkRequest { dry_run, ..named(0..2) }).await.unwrap();
        bulk.finish().await;
        assert_eq!(bulk.job(&new_job.id).await.counts, BTreeMap::from([("portal_not_activated", 2)]));
    }
}

#[tokio::test]
async fn an_address_that_two_patients_share_is_refused_to_both() {
    let bulk = Bulk::with_patients(2).await;
    bulk.save(1, Some("P0@Example.com")).await;
    for dry_run in [true, false] {
        let new_job = bulk.begin(&BulkRequest { dry_run, ..named(0..2) }).await.unwrap();
        bulk.finish().await;
        assert_eq!(bulk.job(&new_job.id).await.counts, BTreeMap::from([("email_in_use", 2)]));
    }
}

#[tokio::test]
async fn only_patients_who_were_never_invited_are_processed() {
    let bulk = with_uninvitable_patients().await;
    let mut expected = expected_outcomes();
    // Without an address, invited already, without a directory row by date of birth, and not a patient.
    for number in [3, 11, 31, 45] {
        expected.remove(&name(number));
    }
    for (dry_run, outcome) in [(true, "invitable"), (false, "invited")] {
        let new_job = bulk.begin(&BulkRequest { dry_run, ..never_invited() }).await.unwrap();
        assert_eq!(new_job.total(), None);
        bulk.finish().await;
        let results = bulk.assert_done(&new_job.id, 42).await;
        let found = codes(results.clone());
        let expected = expected.iter().map(|(patient, code)| (patient.clone(), *code));
        let expected = expected.map(|(patient, code)| (patient, if code == "invited" { outcome } else { code }));
        assert_eq!(found, expected.collect());
        assert_eq!(results.first().map(|(patient, _)| patient.as_str()), Some("p-44"), "by date of birth");
    }
    assert_eq!(bulk.invited().len(), 39);
    let again = bulk.begin(&never_invited()).await.unwrap();
    bulk.finish().await;
    let left = codes(bulk.assert_done(&again.id, 4).await);
    assert!(left.values().all(|code| *code != "invited"), "{left:?}");
}

#[tokio::test]
async fn a_job_of_a_practice_without_patients_is_done_after_one_run() {
    let bulk = Bulk::with_patients(0).await;
    let new_job = bulk.begin(&never_invited()).await.unwrap();
    bulk.finish().await;
    assert!(bulk.assert_done(&new_job.id, 0).await.is_empty());
    assert_eq!(bulk.runs.into_inner(), 1);
}

#[tokio::test]
async fn a_run_processes_one_slice_and_queues_the_next_run() {
    let bulk = Bulk::with_patients(45).await;
    let new_job = bulk.begin(&named(0..45)).await.unwrap();
    assert_eq!(bulk.take_messages(), [(bulk.world.clock.now(), key(&new_job))]);
    let first = slice(bulk.run(&key(&new_job)).await);
    assert_eq!((first.invited, first.refused, first.previewed, first.done), (20, 0, 0, false));
    assert_eq!(bulk.take_messages(), [(bulk.world.clock.now() + BULK_PAUSE, key(&new_job))]);
    let running = bulk.job(&new_job.id).await;
    assert_eq!((running.state, running.processed()), (JobState::Running, 20));
    assert_eq!(running.audience, Audience::Named { total: 45, processed: 20 });
    slice(bulk.run(&key(&new_job)).await);
    let last = slice(bulk.run(&key(&new_job)).await);
    assert_eq!((last.invited, last.done), (5, true));
    let _next = bulk.take_messages();
    assert!(matches!(bulk.run(&key(&new_job)).await, Ok(RunOutcome::Over)));
    assert!(bulk.take_messages().is_empty(), "no further run is queued");
    assert_eq!(bulk.results(&new_job.id).await.len(), 45);
}

#[tokio::test]
async fn a_run_without_time_processes_one_patient() {
    for request in [named(0..3), never_invited()] {
        let bulk = Bulk::with_patients(3).await;
        bulk.save(1, None).await;
        let new_job = bulk.begin(&BulkRequest { dry_run: false, ..request.clone() }).await.unwrap();
        for done in [false, false, true] {
            if !bulk.job(&new_job.id).await.state.is_over() {
                let slice = slice(bulk.run_with(&bulk.world.queue, &key(&new_job), TimeDelta::zero()).await);
                assert_eq!(slice.invited + slice.refused, 1);
                let may_skip_patients = request.audience == RequestedAudience::NeverInvited;
                assert!(slice.done == done || may_skip_patients);
            }
        }
        let patients = if request.audience == RequestedAudience::NeverInvited { 2 } else { 3 };
        bulk.assert_done(&new_job.id, patients).await;
        assert_eq!(bulk.invited().len(), 2);
    }
}

/// Injects each fault into each call of the store.
#[tokio::test]
async fn after_a_fault_of_any_call_every_patient_has_one_outcome_and_one_invitation() {
    let mut cases = 0;
    for fault in [Fault::Busy, Fault::Unavailable, Fault::LostReply, Fault::Corrupt] {
        for request in [named(0..23), never_invited(), BulkRequest { dry_run: true, ..never_invited() }] {
            for call in 0.. {
                let bulk = Bulk::with_patients(23).await;
                let new_job = bulk.begin(&request).await.unwrap();
                let faults = std::iter::repeat_n(None, call).chain([Some(fault)]);
                bulk.world.store.fail_next(faults);
                bulk.finish().await;
                let reached = bulk.world.store.clear_faults() == 0;
                let results = codes(bulk.assert_done(&new_job.id, 23).await);
                let outcome = if request.dry_run { "invitable" } else { "invited" };
                assert!(results.values().all(|code| *code == outcome), "{fault:?} at call {call}: {results:?}");
                assert_eq!(bulk.invited().len(), if request.dry_run { 0 } else { 23 }, "{fault:?} at call {call}");
                if !reached {
                    // The job makes fewer calls.
                    break;
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 400, "{cases}");
}

#[tokio::test]
async fn a_job_continues_after_faults_of_the_queue() {
    for failures in 1..5 {
        let bulk = Bulk::with_patients(23).await;
        let new_job = bulk.begin(&named(0..23)).await.unwrap();
        bulk.jobs.fail_next(failures);
        bulk.finish().await;
        bulk.assert_done(&new_job.id, 23).await;
        assert_eq!(bulk.invited().len(), 23);
    }
    // The same for the sender's queue: the sweep sends the hints again.
    let bulk = Bulk::with_patients(23).await;
    let new_job = bulk.begin(&named(0..23)).await.unwrap();
    bulk.world.queue.fail_next(1);
    let first = slice(bulk.run(&key(&new_job)).await);
    assert_eq!((first.invited, first.unqueued.is_some()), (20, true));
    bulk.world.clock.advance(TimeDelta::minutes(3));
    assert_eq!(bulk.world.sweep().await.queued, 20);
}

/// A queue to the sender that runs some code in the middle of a run: after the run's invitations, before it records its
/// progress.
struct Meanwhile<'a>(Box<dyn Fn() -> BoxFuture<'a, ()> + Sync + 'a>);

impl Queue for Meanwhile<'_> {
    async fn send(&self, _: &[Hint]) -> Result<(), QueueError> {
        (self.0)().await;
        Ok(())
    }
}

#[tokio::test]
async fn a_job_that_is_taken_over_during_a_run_belongs_to_the_other_run() {
    let bulk = Bulk::with_patients(23).await;
    let new_job = bulk.begin(&named(0..23)).await.unwrap();
    let taken_over = Meanwhile(Box::new(|| {
        Box::pin(async {
            bulk.world.clock.advance(BULK_LEASE);
            let slice = slice(bulk.run(&key(&new_job)).await);
            assert_eq!(slice.invited, 20, "patients that the first run invited count as invited by the job");
        })
    }));
    let first = bulk.run_with(&taken_over, &key(&new_job), TimeDelta::seconds(20)).await;
    assert!(matches!(first, Ok(RunOutcome::Held)), "{first:?}");
    bulk.finish().await;
    bulk.assert_done(&new_job.id, 23).await;
    assert_eq!(bulk.invited().len(), 23);
}

#[tokio::test]
async fn a_job_that_is_cancelled_during_a_run_keeps_the_results_of_the_run() {
    let bulk = Bulk::with_patients(45).await;
    let new_job = bulk.begin(&named(0..45)).await.unwrap();
    let cancelled = Meanwhile(Box::new(|| {
        Box::pin(async {
            let cancelled =
                cancel(&bulk.world.ports(), &samples::scope("north"), &new_job.id, &samples::request_id("cancel"))
                    .await
                    .unwrap()
                    .unwrap();
            assert_eq!((cancelled.state, cancelled.processed()), (JobState::Cancelled, 0));
        })
    }));
    let ran = slice(bulk.run_with(&cancelled, &key(&new_job), TimeDelta::seconds(20)).await);
    assert_eq!((ran.invited, ran.done), (20, false));
    bulk.finish().await;
    let cancelled = bulk.job(&new_job.id).await;
    assert_eq!((cancelled.state, cancelled.processed(), cancelled.total()), (JobState::Cancelled, 20, Some(45)));
    assert_eq!((bulk.results(&new_job.id).await.len(), bulk.invited().len()), (20, 20));
    assert!(bulk.take_messages().is_empty());
    // Another cancellation or run does not change it.
    let World { store, .. } = &bulk.world;
    let before = store.contents();
    assert_eq!(
        cancel(&bulk.world.ports(), &samples::scope("north"), &new_job.id, &samples::request_id("cancel"))
            .await
            .unwrap(),
        Some(cancelled)
    );
    assert!(matches!(bulk.run(&key(&new_job)).await, Ok(RunOutcome::Over)));
    assert_eq!(store.contents(), before);
}

#[tokio::test]
async fn a_message_for_a_claimed_job_is_replaced_by_a_later_one() {
    let bulk = Bulk::with_patients(3).await;
    let new_job = bulk.begin(&named(0..3)).await.unwrap();
    let _first = bulk.take_messages();
    // The run claims the job and dies.
    bulk.world.store.fail_next([None, None, Some(Fault::Unavailable)]);
    assert!(bulk.run(&key(&new_job)).await.is_err());
    let claimed_at = bulk.world.clock.now();
    bulk.world.clock.advance(TimeDelta::seconds(5));
    assert!(matches!(bulk.run(&key(&new_job)).await, Ok(RunOutcome::Held)));
    let later = bulk.take_messages();
    assert_eq!(later, [(claimed_at + BULK_LEASE + BULK_PAUSE, key(&new_job))]);
    bulk.messages.lock().unwrap().extend(later);
    bulk.finish().await;
    bulk.assert_done(&new_job.id, 3).await;
}

#[tokio::test]
async fn duplicate_messages_do_no_harm() {
    let bulk = Bulk::with_patients(45).await;
    let request = BulkRequest { keyed: Some(KeyedRequest::new("bulk", "key-1", b"")), ..named(0..45) };
    let new_job = bulk.begin(&request).await.unwrap();
    for _ in 0..4 {
        bulk.begin(&request).await.unwrap();
    }
    bulk.finish().await;
    bulk.assert_done(&new_job.id, 45).await;
    assert_eq!(bulk.invited().len(), 45);
    assert_eq!(bulk.begin(&request).await.unwrap().state, JobState::Done);
    assert!(bulk.take_messages().is_empty(), "no run is queued");
}

#[tokio::test]
async fn two_jobs_with_the_same_patients_invite_each_patient_once() {
    let bulk = Bulk::with_patients(45).await;
    let one = bulk.begin(&named(0..45)).await.unwrap();
    let other = bulk.begin(&never_invited()).await.unwrap();
    bulk.finish().await;
    let by_one = codes(bulk.assert_done(&one.id, 45).await);
    let by_other = codes(bulk.results(&other.id).await);
    for (patient, code) in &by_one {
        let other = by_other.get(patient).copied();
        assert!(matches!((*code, other), ("invited", None) | ("already_invited", Some("invited"))), "{patient}");
    }
    assert!(by_one.values().any(|code| *code == "invited") && by_other.values().all(|code| *code == "invited"));
    assert_eq!(bulk.invited().len(), 45);
}

#[tokio::test]
async fn a_job_is_found_only_in_its_own_practice() {
    let bulk = Bulk::with_patients(1).await;
    let new_job = bulk.begin(&named(0..1)).await.unwrap();
    let foreign = JobKey { practice: samples::practice_id("south"), ..key(&new_job) };
    assert!(matches!(bulk.run(&foreign).await, Ok(RunOutcome::Missing)));
    let (ports, south) = (bulk.world.ports(), samples::scope("south"));
    assert_eq!(job(&ports, &south, &new_job.id).await.unwrap(), None);
    assert_eq!(results(&ports, &south, &new_job.id, None).await.unwrap(), None);
    assert_eq!(cancel(&ports, &south, &new_job.id, &samples::request_id("cancel")).await.unwrap(), None);
    assert_eq!(bulk.job(&new_job.id).await, new_job);
}

#[tokio::test]
async fn a_key_identifies_one_job() {
    let bulk = Bulk::with_patients(3).await;
    let keyed = |content: &[u8]| Some(KeyedRequest::new("bulk", "key-1", content));
    let request = BulkRequest { keyed: keyed(b"3"), ..named(0..3) };
    // The job is created, but the reply is lost.
    bulk.world.store.fail_next([Some(Fault::LostReply)]);
    assert!(matches!(bulk.begin(&request).await, Err(BeginError::Store(_))));
    bulk.jobs.fail_next(1);
    assert!(matches!(bulk.begin(&request).await, Err(BeginError::Queue(_))));
    let new_job = bulk.begin(&request).await.unwrap();
    assert_eq!(bulk.begin(&request).await.unwrap(), new_job);
    assert_eq!(bulk.take_messages().len(), 2, "each repeat queues a run");
    let other = BulkRequest { keyed: keyed(b"2"), ..named(0..2) };
    let reused = bulk.begin(&other).await;
    assert!(matches!(reused, Err(BeginError::Precondition(Precondition::KeyReused(_)))), "{reused:?}");
    assert!(bulk.take_messages().is_empty());
    let unkeyed = [bulk.begin(&named(0..3)).await.unwrap(), bulk.begin(&named(0..3)).await.unwrap()];
    assert_eq!(BTreeSet::from([&new_job.id, &unkeyed[0].id, &unkeyed[1].id]).len(), 3);
}

#[tokio::test]
async fn results_come_in_pages() {
    let bulk = Bulk::with_patients(0).await;
    let new_job = bulk.begin(&named(0..250)).await.unwrap();
    let (ports, scope) = (bulk.world.ports(), samples::scope("north"));
    let page = async |after| results(&ports, &scope, &new_job.id, after).await.unwrap().unwrap();
    let first = page(None).await;
    assert!(first.slices.is_empty() && first.next.is_none(), "no patient has been processed");
    bulk.finish().await;
    let in_order: Vec<_> = bulk.assert_done(&new_job.id, 250).await.into_iter().map(|(patient, _)| patient).collect();
    assert_eq!(in_order, (0..250).map(name).collect::<Vec<_>>());
    let second = page(page(None).await.next).await;
    assert_eq!(second.slices.first().map(|slice| slice.number), Some(6));
}
