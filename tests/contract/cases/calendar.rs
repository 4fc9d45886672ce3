//! The calendar: due entries in order, and conditional writes on them.

use chrono::TimeDelta;
use portal::{
    policy::FIRST_RESCHEDULE,
    ports::{DeliveryStore as _, DueEntry, DueShard},
    record::NextActionKind,
    testing::samples,
};
use tokio::task::JoinSet;

use crate::{backend::Backend, test_patient::TestPatient};

pub(crate) async fn due(backend: &impl Backend, patient: &TestPatient<'_, impl Backend>) -> Vec<DueEntry> {
    let mut due = Vec::new();
    for shard in DueShard::all_from(DueShard::from_hash(0)) {
        due.extend(backend.store().due(shard, None, patient.now, 100).await.unwrap());
    }
    due
}

pub(crate) async fn due_entries_are_in_order_and_limited(backend: &impl Backend) {
    let mut patients = Vec::new();
    for number in 0..24_u8 {
        let mut patient =
            TestPatient::begin(backend, "lake", &format!("p-{number}"), Some(&format!("p{number}@example.com"))).await;
        // Not in the order of the keys.
        patient.now += TimeDelta::minutes(i64::from(number * 7 % 24));
        patient.invite(None).await;
        patients.push(patient);
    }
    let last = patients.iter().map(|patient| patient.now).max().unwrap() + FIRST_RESCHEDULE;
    let mut count = 0;
    for shard in DueShard::all_from(DueShard::from_hash(0)) {
        let all = backend.store().due(shard, None, last, 100).await.unwrap();
        assert!(all.is_sorted_by_key(|entry| entry.at));
        count += all.len();
        if let Some(entry) = all.last() {
            assert_eq!(backend.store().due(shard, None, entry.at, 100).await.unwrap(), all, "the limit is inclusive");
            let earlier = entry.at - TimeDelta::milliseconds(1);
            assert_eq!(backend.store().due(shard, None, earlier, 100).await.unwrap(), all[..all.len() - 1]);
            assert_eq!(backend.store().due(shard, None, last, 1).await.unwrap(), all[..1]);
        }
    }
    assert_eq!(count, patients.len());
}

pub(crate) async fn a_calendar_row_agrees_with_its_record(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    assert_eq!(due(backend, &patient).await, []);
    patient.invite(None).await;
    patient.now += FIRST_RESCHEDULE;
    let entry = |patient: &TestPatient<'_, _>| DueEntry::from_record(&patient.record).unwrap();
    assert_eq!(due(backend, &patient).await, [entry(&patient)]);
    patient.send().await;
    assert_eq!(due(backend, &patient).await, [], "the reminder is not due yet");
    patient.now += TimeDelta::days(5);
    assert_eq!(due(backend, &patient).await, [entry(&patient)]);
    assert_eq!(entry(&patient).kind, NextActionKind::Remind);
    patient.revoke().await;
    assert_eq!(due(backend, &patient).await, []);
}

pub(crate) async fn only_one_of_many_reschedules_succeeds(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    patient.now += FIRST_RESCHEDULE;
    let entries = due(backend, &patient).await;
    let next = patient.now + TimeDelta::minutes(2);
    let mut sweeps = JoinSet::new();
    for _ in 0..16 {
        let (shared, entry) = (backend.store().clone(), entries[0].clone());
        sweeps.spawn(async move { shared.reschedule(&entry, next).await.unwrap() });
    }
    assert_eq!(sweeps.join_all().await.into_iter().filter(|won| *won).count(), 1);
    patient.record = patient.record.rescheduled(next).unwrap();
    patient.is_stored().await;
    assert_eq!(due(backend, &patient).await, []);
    patient.now = next;
    assert_eq!(due(backend, &patient).await, [DueEntry { at: next, reschedules: 1, ..entries[0].clone() }]);
}

pub(crate) async fn a_stale_entry_is_not_rescheduled(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    patient.now += FIRST_RESCHEDULE;
    let entry = due(backend, &patient).await.remove(0);
    let next = patient.now + TimeDelta::minutes(2);
    for wrong in [
        DueEntry { kind: NextActionKind::Remind, ..entry.clone() },
        DueEntry { at: entry.at - TimeDelta::milliseconds(1), ..entry.clone() },
        DueEntry { invitation: samples::invitation_id("another"), ..entry.clone() },
        DueEntry { key: samples::key("lake", "p-unknown"), ..entry.clone() },
    ] {
        assert!(!backend.store().reschedule(&wrong, next).await.unwrap());
    }
    patient.send().await;
    assert!(!backend.store().reschedule(&entry, next).await.unwrap());
    patient.revoke().await;
    assert!(!backend.store().reschedule(&entry, next).await.unwrap());
    patient.is_stored().await;
}
