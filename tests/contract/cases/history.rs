//! The history of a practice, and the accesses of Customer Care to a patient.

use chrono::TimeDelta;
use portal::{
    access::AccessKind,
    bulk::BulkJob,
    history::HistoryPlace,
    ports::{
        AccessLog as _, AccessLogReader as _, BulkStore as _, CommitOutcome, JobPart, PracticeHistory as _, StoreError,
        SupportStore as _,
    },
    practice_history::PracticeEvent,
    testing::samples,
};

use crate::{backend::Backend, test_patient::TestPatient};

/// A job of a practice that began this many seconds after noon.
fn job(practice: &str, seconds: i64) -> BulkJob {
    let created_at = samples::noon() + TimeDelta::seconds(seconds);
    BulkJob { created_at, ..samples::bulk_job(practice, &format!("job-{seconds}"), 3) }
}

pub(crate) async fn a_practices_history_is_paged_with_the_newest_event_first(backend: &impl Backend) {
    let (store, scope) = (backend.store(), samples::scope("lake"));
    for seconds in [2, 0, 1] {
        for practice in ["lake", "lake:p"] {
            let job = job(practice, seconds);
            store.begin_job(&job.scope, &job, &[], &samples::job_begun(&job)).await.unwrap();
        }
    }
    let expected = [2, 1, 0].map(|seconds| samples::job_begun(&job("lake", seconds)));
    assert_eq!(store.practice_events(&scope, None, 10).await.unwrap(), expected);
    assert_eq!(store.practice_events(&scope, None, 2).await.unwrap(), expected[..2]);
    assert_eq!(store.practice_events(&scope, Some(&expected[1].place()), 10).await.unwrap(), expected[2..]);
    assert_eq!(store.practice_events(&scope, Some(&expected[2].place()), 10).await.unwrap(), []);
    assert_eq!(store.practice_events(&samples::scope("sea"), None, 10).await.unwrap(), []);
}

pub(crate) async fn a_jobs_events_are_written_with_it_or_not_at_all(backend: &impl Backend) {
    let (store, scope, begun) = (backend.store(), samples::scope("lake"), job("lake", 0));
    let event = samples::job_begun(&begun);
    assert_eq!(store.begin_job(&scope, &begun, &[], &event).await.unwrap(), None);
    let repeated = PracticeEvent { context: samples::staff_context(samples::noon(), "again"), ..event.clone() };
    assert_eq!(store.begin_job(&scope, &begun, &[], &repeated).await.unwrap(), None);
    let cancelled = begun.cancel(samples::noon()).unwrap();
    let context = |request| samples::staff_context(samples::noon() + TimeDelta::seconds(1), request);
    let ended = PracticeEvent::from_cancelled_job(&cancelled, context("cancel"));
    let part = Some(JobPart::Event(&ended));
    assert_eq!(store.save_job(&scope, &cancelled, part).await.unwrap(), CommitOutcome::Committed);
    let stale = BulkJob { created_at: begun.created_at + TimeDelta::seconds(9), ..cancelled.clone() };
    let late = PracticeEvent::from_cancelled_job(&stale, context("late"));
    assert_eq!(store.save_job(&scope, &stale, Some(JobPart::Event(&late))).await.unwrap(), CommitOutcome::Stale);
    let foreign = PracticeEvent { practice: samples::practice_id("hill"), ..late };
    assert!(store.save_job(&scope, &cancelled, Some(JobPart::Event(&foreign))).await.is_err());
    assert_eq!(store.practice_events(&scope, None, 10).await.unwrap(), [ended, event]);
}

pub(crate) async fn accesses_are_kept_by_patient_and_paged(backend: &impl Backend) {
    let (store, scope, patient) = (backend.store(), samples::scope("lake"), samples::patient_id("p-1"));
    let at = |seconds| samples::noon() + TimeDelta::seconds(seconds);
    let entries = [
        samples::access(AccessKind::Timeline, at(2), "request-3"),
        samples::access(AccessKind::Status, at(1), "request-2"),
        samples::access(AccessKind::Lookup, at(0), "request-1"),
    ];
    for entry in entries.iter().chain(&entries) {
        store.record_access(&samples::key("lake", "p-1"), entry).await.unwrap();
    }
    for (practice, patient) in [("hill", "p-1"), ("lake", "p-10")] {
        store.record_access(&samples::key(practice, patient), &entries[0]).await.unwrap();
    }
    assert_eq!(store.accesses(&scope, &patient, None, 10).await.unwrap(), entries);
    assert_eq!(store.accesses(&scope, &patient, None, 1).await.unwrap(), entries[..1]);
    let place = HistoryPlace::from_context(&entries[1].context, 0);
    assert_eq!(store.accesses(&scope, &patient, Some(&place), 10).await.unwrap(), entries[2..]);
    assert_eq!(store.accesses(&samples::scope("sea"), &patient, None, 10).await.unwrap(), []);
    // An entry is never altered.
    let other = samples::access(AccessKind::Lookup, at(2), "request-3");
    let refused = store.record_access(&samples::key("lake", "p-1"), &other).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    assert_eq!(store.accesses(&scope, &patient, None, 10).await.unwrap(), entries);
}

pub(crate) async fn only_the_claim_of_an_address_leads_to_its_owner(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    let (store, email) = (backend.store(), samples::email("JOSE@example.com"));
    assert_eq!(store.find_owner(&email).await.unwrap(), None, "a profile is no claim");
    patient.invite(None).await;
    assert_eq!(store.find_owner(&email).await.unwrap(), Some(patient.key.clone()));
    assert_eq!(store.find_owner(&samples::email("other@example.com")).await.unwrap(), None);
    assert_eq!(store.load_by_key(&patient.key).await.unwrap().record, Some(patient.record.clone()));
    assert_eq!(store.load_by_key(&samples::key("hill", "p-1")).await.unwrap().record, None);
}
