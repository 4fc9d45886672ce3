//! Finding the record of a mailed link.

use portal::{
    idempotency::KeyedRequest,
    ids::LinkId,
    ports::{ChangeStore as _, CommitOutcome, LinkStore as _, Loaded, PracticeStore as _},
    testing::samples,
    timeline::Role,
};

use crate::{backend::Backend, test_patient::TestPatient};

const NOTHING: Loaded = Loaded { practice: None, record: None };

async fn mailed<'b, B: Backend>(
    backend: &'b B,
    practice: &str,
    patient: &str,
    address: &str,
) -> (TestPatient<'b, B>, LinkId) {
    let mut patient = TestPatient::begin(backend, practice, patient, Some(address)).await;
    patient.invite(None).await;
    patient.send().await;
    let link = patient.record.link.as_ref().unwrap().id.clone();
    (patient, link)
}

pub(crate) async fn a_link_finds_only_its_record(backend: &impl Backend) {
    let practice = samples::practice("lake");
    backend.store().save_practice(&samples::scope("lake"), &practice, &[]).await.unwrap();
    let (mut patient, link) = mailed(backend, "lake", "p-1", "jose@example.com").await;
    let found = Loaded { practice: Some(practice), record: Some(patient.record.clone()) };
    assert_eq!(backend.store().load_linked(&link).await.unwrap(), found);
    let unknown = LinkId::parse("unknown").unwrap();
    assert_eq!(backend.store().load_linked(&unknown).await.unwrap(), NOTHING);

    let context = patient.context(Role::Patient);
    let change = patient.record.stop_reminders(context).unwrap();
    assert_eq!(backend.store().commit(&change).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(backend.store().load_linked(&link).await.unwrap().record, Some(change.after));
}

pub(crate) async fn a_revoked_link_finds_no_record(backend: &impl Backend) {
    let (mut patient, link) = mailed(backend, "lake", "p-1", "jose@example.com").await;
    patient.revoke().await;
    assert_eq!(backend.store().load_linked(&link).await.unwrap(), NOTHING);
}

pub(crate) async fn a_used_link_of_a_keyed_registration_finds_its_record(backend: &impl Backend) {
    let (mut patient, link) = mailed(backend, "lake", "p-1", "jose@example.com").await;
    patient.register().await;
    assert_eq!(backend.store().load_linked(&link).await.unwrap(), NOTHING);
    let (mut patient, link) = mailed(backend, "lake", "p-2", "ana@example.com").await;
    patient.register_with(Some(&KeyedRequest::new("register", "key-1", b"body"))).await;
    assert_eq!(backend.store().load_linked(&link).await.unwrap().record, Some(patient.record.clone()));
}
