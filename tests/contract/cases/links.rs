//! From a mailed link to its record.

use portal::{
    idempotency::KeyedRequest,
    ids::LinkId,
    ports::{ChangeStore as _, CommitOutcome, LinkStore as _, Loaded, PracticeStore as _},
    testing::samples,
    timeline::Role,
};

use crate::{backend::Backend, story::Story};

const NOTHING: Loaded = Loaded { practice: None, record: None };

async fn mailed<'b, B: Backend>(
    backend: &'b B,
    practice: &str,
    patient: &str,
    address: &str,
) -> (Story<'b, B>, LinkId) {
    let mut story = Story::begin(backend, practice, patient, Some(address)).await;
    story.invite(None).await;
    story.send().await;
    let link = story.record.link.as_ref().unwrap().id.clone();
    (story, link)
}

pub(crate) async fn a_link_leads_to_its_record_and_no_further(backend: &impl Backend) {
    let practice = samples::practice("lake");
    backend.store().save_practice(&samples::scope("lake"), &practice).await.unwrap();
    let (mut story, link) = mailed(backend, "lake", "p-1", "jose@example.com").await;
    let found = Loaded { practice: Some(practice), record: Some(story.record.clone()) };
    assert_eq!(backend.store().load_linked(&link).await.unwrap(), found);
    let unknown = LinkId::parse("unknown").unwrap();
    assert_eq!(backend.store().load_linked(&unknown).await.unwrap(), NOTHING);

    let context = story.context(Role::Patient);
    let change = story.record.stop_reminders(context).unwrap();
    assert_eq!(backend.store().commit(&change).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(backend.store().load_linked(&link).await.unwrap().record, Some(change.after));
}

pub(crate) async fn a_dead_link_leads_nowhere(backend: &impl Backend) {
    let (mut story, link) = mailed(backend, "lake", "p-1", "jose@example.com").await;
    story.revoke().await;
    assert_eq!(backend.store().load_linked(&link).await.unwrap(), NOTHING);
}

pub(crate) async fn a_used_link_of_a_keyed_registration_still_leads_there(backend: &impl Backend) {
    let (mut story, link) = mailed(backend, "lake", "p-1", "jose@example.com").await;
    story.register().await;
    assert_eq!(backend.store().load_linked(&link).await.unwrap(), NOTHING);
    let (mut story, link) = mailed(backend, "lake", "p-2", "ana@example.com").await;
    story.register_with(Some(&KeyedRequest::new("register", "key-1", b"body"))).await;
    assert_eq!(backend.store().load_linked(&link).await.unwrap().record, Some(story.record.clone()));
}
