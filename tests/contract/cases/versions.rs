//! Every write is conditional, and a repeated write is recognised.

use portal::{
    ports::{ChangeStore as _, CommitOutcome, StoreError},
    testing::samples,
    timeline::Role,
};

use crate::{backend::Backend, test_patient::TestPatient};

pub(crate) async fn a_stale_version_writes_nothing(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    let late = patient.inviting(None);
    patient.opt_out(Role::Staff).await;
    assert_eq!(patient.try_commit(&late).await, CommitOutcome::Stale);
    patient.is_stored().await;
    // The claim of the address has not changed.
    let mut other = TestPatient::begin(backend, "lake", "p-2", None).await;
    let change = other.inviting(Some("jose@example.com"));
    other.is_in_use(&change, Some("p-1")).await;
    let change = other.inviting(Some("free@example.com"));
    other.step(change).await;
}

pub(crate) async fn a_stale_fence_writes_nothing(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    let before_the_claim = patient.record.clone();
    patient.claim().await;
    let context = patient.context(Role::Staff);
    let late = before_the_claim.revoke(context).unwrap();
    assert_eq!(patient.try_commit(&late).await, CommitOutcome::Stale);
    patient.is_stored().await;
}

pub(crate) async fn a_patient_is_created_once(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", None).await;
    let mut rival = samples::new_patient(&patient.key, samples::profile(Some("jose@example.com")));
    rival.event.context = patient.context(Role::Staff);
    assert_eq!(patient.try_commit(&rival).await, CommitOutcome::Stale);
    patient.is_stored().await;
}

pub(crate) async fn a_repeated_commit_is_recognised(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    let change = patient.inviting(None);
    patient.step(change.clone()).await;
    assert_eq!(patient.try_commit(&change).await, CommitOutcome::Committed);
    patient.is_stored().await;
    // It is also recognised after the record has changed and another patient has got the address.
    patient.revoke().await;
    let without_email = samples::profile(None);
    patient
        .change(|record, context| {
            portal::record::PortalRecord::save_profile(Some(record), record.key.clone(), without_email, context)
                .unwrap()
        })
        .await;
    let mut other = TestPatient::begin(backend, "hill", "p-1", Some("jose@example.com")).await;
    other.invite(None).await;
    assert_eq!(patient.try_commit(&change).await, CommitOutcome::Committed);
    patient.is_stored().await;
}

pub(crate) async fn a_concurrent_change_is_not_mistaken_for_a_repetition(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    let (mine, theirs) = (patient.inviting(None), patient.inviting(None));
    patient.step(theirs).await;
    assert_eq!(patient.try_commit(&mine).await, CommitOutcome::Stale);
    patient.is_stored().await;
}

pub(crate) async fn an_event_is_never_overwritten(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    patient.revoke().await;
    let history = backend.history(&patient.key).await;
    let mut forged = patient.inviting(None);
    forged.event.version = 2;
    let outcome = backend.store().commit(&forged).await;
    assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
    patient.is_stored().await;
    assert_eq!(backend.history(&patient.key).await, history);
}
