//! Every write is conditional, and recognises itself when it is repeated.

use portal::{
    ports::{ChangeStore as _, CommitOutcome, StoreError},
    testing::samples,
    timeline::Role,
};

use crate::{backend::Backend, story::Story};

pub(crate) async fn a_stale_version_writes_nothing(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    let late = story.inviting(None);
    story.opt_out(Role::Staff).await;
    assert_eq!(story.try_commit(&late).await, CommitOutcome::Stale);
    story.is_stored().await;
    // The address is as free as before.
    let mut other = Story::begin(backend, "lake", "p-2", None).await;
    let change = other.inviting(Some("jose@example.com"));
    other.is_in_use(&change, Some("p-1")).await;
    let change = other.inviting(Some("free@example.com"));
    other.step(change).await;
}

pub(crate) async fn a_stale_fence_writes_nothing(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    let before_the_claim = story.record.clone();
    story.claim().await;
    let context = story.context(Role::Staff);
    let late = before_the_claim.revoke(context).unwrap();
    assert_eq!(story.try_commit(&late).await, CommitOutcome::Stale);
    story.is_stored().await;
}

pub(crate) async fn a_patient_is_begun_once(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", None).await;
    let mut rival = samples::new_patient(&story.key, samples::profile(Some("jose@example.com")));
    rival.event.context = story.context(Role::Staff);
    assert_eq!(story.try_commit(&rival).await, CommitOutcome::Stale);
    story.is_stored().await;
}

pub(crate) async fn a_repeated_commit_recognises_itself(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    let change = story.inviting(None);
    story.step(change.clone()).await;
    assert_eq!(story.try_commit(&change).await, CommitOutcome::Committed);
    story.is_stored().await;
    // Also when the record has moved on since, and the address is another's by now.
    story.revoke().await;
    let without_email = samples::profile(None);
    story
        .change(|record, context| {
            portal::record::PortalRecord::save_profile(Some(record), record.key.clone(), without_email, context)
                .unwrap()
        })
        .await;
    let mut other = Story::begin(backend, "hill", "p-1", Some("jose@example.com")).await;
    other.invite(None).await;
    assert_eq!(story.try_commit(&change).await, CommitOutcome::Committed);
    story.is_stored().await;
}

pub(crate) async fn a_rival_is_not_taken_for_a_repetition(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    let (mine, theirs) = (story.inviting(None), story.inviting(None));
    story.step(theirs).await;
    assert_eq!(story.try_commit(&mine).await, CommitOutcome::Stale);
    story.is_stored().await;
}

pub(crate) async fn history_is_never_rewritten(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    story.revoke().await;
    let history = backend.history(&story.key).await;
    let mut forged = story.inviting(None);
    forged.event.version = 2;
    let outcome = backend.store().commit(&forged).await;
    assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
    story.is_stored().await;
    assert_eq!(backend.history(&story.key).await, history);
}
