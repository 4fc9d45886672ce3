//! Bulk jobs, and the reads of their runs.

use std::{collections::BTreeSet, sync::Arc};

use portal::{
    bulk::{Audience, BulkJob, BulkOutcome, BulkResult, JobState, Slice, SlicePlace, SliceProgress},
    email::EmailAddress,
    ids::{JobId, PatientId},
    operations::{
        bulk::results,
        bulk_run::{self, RunOutcome, RunQueues},
    },
    policy::{BULK_LEASE, MAX_BULK_PATIENTS},
    ports::{
        BulkRunStore as _, BulkStore, ChangeStore as _, Clock as _, CommitOutcome, Consistency, DirectoryStore as _,
        JobPart, PortalReader as _, Ports, PracticeStore as _, StoreError,
    },
    profile::Profile,
    redacted::Redacted,
    search::DirectoryQuery,
    testing::{MemoryJobQueue, MemoryQueue, TestClock, TestEntropy, samples},
};
use tokio::task::JoinSet;

use crate::backend::Backend;

fn patients(count: usize) -> Vec<PatientId> {
    (0..count).map(|number| samples::patient_id(&format!("p-{number:02}"))).collect()
}

/// Saves patients, each with their own address and date of birth.
async fn admit(backend: &impl Backend, practice: &str, patients: &[PatientId]) {
    for (number, patient) in patients.iter().enumerate() {
        let born = samples::date_of_birth() + chrono::TimeDelta::days(number.try_into().unwrap());
        let address = format!("{number}@{}.example.com", practice.replace(':', "-"));
        let profile = Profile { date_of_birth: Some(Redacted::new(born)), ..samples::profile(Some(&address)) };
        save(backend, practice, patient, profile).await;
    }
}

async fn save(backend: &impl Backend, practice: &str, patient: &PatientId, profile: Profile) {
    let scope = samples::scope(practice);
    let change = samples::new_patient(&scope.record(patient), profile);
    assert_eq!(backend.store().commit(&change).await.unwrap(), CommitOutcome::Committed);
}

async fn begin(backend: &impl Backend, job: &BulkJob, patients: &[PatientId]) -> Option<BulkJob> {
    backend.store().begin_job(&job.scope, job, patients, &samples::job_begun(job)).await.unwrap()
}

pub(crate) async fn a_job_is_begun_once(backend: &impl Backend) {
    let (store, scope) = (backend.store(), samples::scope("lake"));
    let most: Vec<_> = (0..MAX_BULK_PATIENTS).map(|number| samples::patient_id(&format!("{number:064}"))).collect();
    let job = samples::bulk_job("lake", "job-1", 500);
    assert_eq!(begin(backend, &job, &most).await, None);
    assert_eq!(begin(backend, &job, &most).await, None, "a repeated request finds its own job");
    let other = BulkJob { dry_run: true, content: Some([7; 16]), ..samples::bulk_job("lake", "job-1", 1) };
    assert_eq!(begin(backend, &other, &most[..1]).await, Some(job.clone()));
    assert_eq!(store.job(&scope, &job.id).await.unwrap(), Some(job.clone()));
    assert_eq!(store.job_by_key(&scope.job(&job.id)).await.unwrap(), Some(job.clone()));
    assert_eq!(store.named_patients(&scope, &job.id).await.unwrap(), most);

    let never_invited =
        BulkJob { audience: Audience::NeverInvited { after: None }, ..samples::bulk_job("lake", "job-2", 0) };
    assert_eq!(begin(backend, &never_invited, &[]).await, None);
    assert_eq!(store.job(&scope, &never_invited.id).await.unwrap(), Some(never_invited.clone()));
    assert!(store.named_patients(&scope, &never_invited.id).await.unwrap().is_empty());

    let south = samples::scope("south");
    assert_eq!(store.job(&south, &job.id).await.unwrap(), None);
    assert!(store.named_patients(&south, &job.id).await.unwrap().is_empty());
    let unwanted = samples::bulk_job("lake", "job-3", 1);
    let foreign = store.begin_job(&south, &unwanted, &most[..1], &samples::job_begun(&unwanted)).await;
    assert!(matches!(foreign, Err(StoreError::Corrupt(_))), "{foreign:?}");
    assert_eq!(store.job(&scope, &samples::job_id("job-3")).await.unwrap(), None);
}

fn progress(count: u32, patients: &[PatientId]) -> SliceProgress {
    let result = |patient: &PatientId| BulkResult { patient: patient.clone(), outcome: BulkOutcome::Invited };
    SliceProgress {
        audience: Audience::Named { total: 50, processed: count },
        complete: false,
        results: patients.iter().map(result).collect(),
    }
}

pub(crate) async fn a_job_is_saved_by_version_and_with_its_slice(backend: &impl Backend) {
    let (store, scope, run) = (backend.store(), samples::scope("lake"), samples::request_id("run-1"));
    let begun = samples::bulk_job("lake", "job-1", 50);
    assert_eq!(
        store.save_job(&scope, &begun.cancel(samples::noon()).unwrap(), None).await.unwrap(),
        CommitOutcome::Stale
    );
    assert_eq!(begin(backend, &begun, &patients(50)).await, None);
    let claimed = begun.claim(&run, samples::noon()).unwrap();
    let rival = begun.claim(&samples::request_id("run-2"), samples::noon()).unwrap();
    let (after, slice) = claimed.advance(&run, progress(20, &patients(20)), samples::noon()).unwrap();
    let (other, another) = claimed.advance(&run, progress(1, &patients(1)), samples::noon()).unwrap();
    for (job, slice, outcome) in [
        (&after, slice.as_ref(), CommitOutcome::Stale),
        (&claimed, None, CommitOutcome::Committed),
        (&claimed, None, CommitOutcome::Committed),
        (&rival, None, CommitOutcome::Stale),
        (&after, slice.as_ref(), CommitOutcome::Committed),
        (&after, slice.as_ref(), CommitOutcome::Committed),
        (&other, another.as_ref(), CommitOutcome::Stale),
    ] {
        assert_eq!(store.save_job(&scope, job, slice.map(JobPart::Slice)).await.unwrap(), outcome);
    }
    assert_eq!(store.job(&scope, &begun.id).await.unwrap(), Some(after.clone()));
    assert_eq!(store.slices(&scope, &begun.id, None, 10).await.unwrap(), [slice.unwrap()]);
    let foreign = store.save_job(&samples::scope("south"), &after, None).await;
    assert!(matches!(foreign, Err(StoreError::Corrupt(_))), "{foreign:?}");
}

async fn fill(store: &impl BulkStore, id: &str, slices: u32) -> JobId {
    let (run, mut job) = (samples::request_id("run"), samples::bulk_job("lake", id, 50));
    assert_eq!(store.begin_job(&job.scope, &job, &patients(50), &samples::job_begun(&job)).await.unwrap(), None);
    for _ in 0..slices {
        let claimed = job.claim(&run, samples::noon()).unwrap();
        store.save_job(&job.scope, &claimed, None).await.unwrap();
        let (after, slice) = claimed.advance(&run, progress(0, &patients(2)), samples::noon()).unwrap();
        store.save_job(&job.scope, &after, slice.as_ref().map(JobPart::Slice)).await.unwrap();
        job = after;
    }
    job.id
}

pub(crate) async fn slices_are_paged_in_order(backend: &impl Backend) {
    let (store, scope) = (&**backend.store(), samples::scope("lake"));
    let (first, _other) = (fill(store, "job-1", 12).await, fill(store, "job-10", 3).await);
    let numbers = |slices: Vec<Slice>| slices.iter().map(|slice| slice.number).collect::<Vec<_>>();
    let page = |after, limit| store.slices(&scope, &first, after, limit);
    assert_eq!(numbers(page(None, 5).await.unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(numbers(page(SlicePlace::parse("5"), 100).await.unwrap()), [6, 7, 8, 9, 10, 11, 12]);
    assert!(page(SlicePlace::parse("12"), 5).await.unwrap().is_empty());
    assert!(page(SlicePlace::parse("4294967295"), 5).await.unwrap().is_empty());
    assert!(store.slices(&samples::scope("south"), &first, None, 5).await.unwrap().is_empty());
    let ports = Ports { store, clock: &TestClock::default() };
    let page = results(&ports, &scope, &first, None).await.unwrap().unwrap();
    assert_eq!((page.slices.len(), page.next), (5, SlicePlace::parse("5")));
}

pub(crate) async fn each_patient_with_a_date_of_birth_is_listed_once(backend: &impl Backend) {
    let (store, scope, all) = (backend.store(), samples::scope("lake"), patients(7));
    admit(backend, "lake", &all).await;
    admit(backend, "lake:1", &patients(2)).await;
    let without_date = Profile { date_of_birth: None, ..samples::profile(None) };
    save(backend, "lake", &samples::patient_id("x"), without_date).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let places = store.list_by_birth_date(&scope, after.as_ref(), 3).await.unwrap();
        found.extend(places.iter().map(|place| place.patient().clone()));
        after = places.last().cloned();
        if places.len() < 3 {
            break;
        }
    }
    assert_eq!(found, all);
    // The place is the same as in a search.
    let query = DirectoryQuery::parse("02/29/1980").unwrap();
    let row = store.search(&scope, &query, None, 1).await.unwrap().remove(0);
    assert_eq!(store.list_by_birth_date(&scope, None, 1).await.unwrap(), [row.place]);
    assert!(store.list_by_birth_date(&samples::scope("sea"), None, 3).await.unwrap().is_empty());
}

pub(crate) async fn many_records_and_addresses_are_read_in_one_call(backend: &impl Backend) {
    let (store, scope, all) = (backend.store(), samples::scope("lake"), patients(20));
    let empty = store.load_all(&scope, &all).await.unwrap();
    assert!(empty.practice.is_none() && empty.records.is_empty());
    store.save_practice(&scope, &samples::practice("lake"), &[]).await.unwrap();
    admit(backend, "lake", &all[..15]).await;
    admit(backend, "hill", &all).await;
    let loaded = store.load_all(&scope, &all).await.unwrap();
    assert_eq!(loaded.practice, Some(samples::practice("lake")));
    assert!(loaded.records.keys().eq(&all[..15]));
    for (patient, record) in loaded.records {
        assert_eq!(store.load(&scope, &patient, Consistency::Strong).await.unwrap().record, Some(record));
    }

    let emails: Vec<EmailAddress> =
        (0..20).map(|number| samples::email(&format!("{number}@lake.example.com"))).collect();
    let entries = store.profile_entries(&scope, &emails).await.unwrap();
    assert!(
        entries
            .keys()
            .map(EmailAddress::canonical)
            .eq(emails[..15].iter().map(EmailAddress::canonical).collect::<BTreeSet<_>>())
    );
    let entry = &entries[&emails[3]];
    assert_eq!(entry.listed, BTreeSet::from([samples::patient_id("p-03")]));
    assert_eq!(entry.free_for(&samples::patient_id("p-03"), true), Ok(()));
    assert_eq!(entry.free_for(&samples::patient_id("p-04"), false), Err(Some(samples::patient_id("p-03"))));
}

/// Two jobs with the same patients and three runners for each job, all at the same time.
pub(crate) async fn only_one_of_many_runs_invites_a_patient(backend: &impl Backend) {
    let (store, scope, all) = (backend.store(), samples::scope("lake"), patients(45));
    store.save_practice(&scope, &samples::practice("lake"), &[]).await.unwrap();
    admit(backend, "lake", &all).await;
    let (queue, clock) = (Arc::new(MemoryQueue::default()), Arc::new(TestClock::default()));
    let (jobs, entropy) = (Arc::new(MemoryJobQueue::default()), Arc::new(TestEntropy::default()));
    let begun = [samples::bulk_job("lake", "job-1", 45), samples::bulk_job("lake", "job-2", 45)];
    let mut runners = JoinSet::new();
    for (number, job) in begun.iter().chain(&begun).chain(&begun).enumerate() {
        begin(backend, job, &all).await;
        let key = scope.job(&job.id);
        let (store, queue, jobs) = (store.clone(), queue.clone(), jobs.clone());
        let (clock, entropy) = (clock.clone(), entropy.clone());
        runners.spawn(async move {
            for round in 0.. {
                let run = samples::request_id(&format!("run-{number}-{round}"));
                let ports = Ports { store: &*store, clock: &*clock };
                let queues = RunQueues { mails: &*queue, jobs: &*jobs };
                let deadline = clock.now() + BULK_LEASE;
                match Box::pin(bulk_run::run(&ports, &queues, &*entropy, &key, deadline, &run)).await {
                    Ok(RunOutcome::Over) => return,
                    Ok(RunOutcome::Slice(_)) => {}
                    Ok(RunOutcome::Held) => tokio::task::yield_now().await,
                    Ok(RunOutcome::Missing) => unreachable!("the job is begun"),
                    // The other runners wait until its lease has expired.
                    Err(_) => clock.advance(BULK_LEASE),
                }
            }
        });
    }
    runners.join_all().await;
    let mut invited = 0;
    for job in &begun {
        let job = store.job(&scope, &job.id).await.unwrap().unwrap();
        assert_eq!((job.state, job.processed()), (JobState::Done, 45));
        invited += job.counts.get("invited").copied().unwrap_or_default();
        let slices = store.slices(&scope, &job.id, None, 100).await.unwrap();
        let results: Vec<_> = slices.into_iter().flat_map(|slice| slice.results).collect();
        assert!(results.iter().map(|result| &result.patient).eq(&all));
    }
    assert_eq!(invited, 45);
    for patient in &all {
        let record = store.load(&scope, patient, Consistency::Strong).await.unwrap().record.unwrap();
        assert_eq!(record.version, 2, "saved once and invited once");
    }
}
