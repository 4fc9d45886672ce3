//! *The email must be unique: not associated to another patient's record, in this practice or any other.*

use chrono::TimeDelta;
use portal::{
    ports::{ChangeStore as _, CommitOutcome, LoginOutcome, LoginStore as _, StoreError},
    record::PortalRecord,
    testing::samples,
    timeline::Role,
};
use tokio::task::JoinSet;

use crate::{backend::Backend, story::Story};

const EMAIL: &str = "jose@example.com";

async fn save_email(story: &mut Story<'_, impl Backend>, address: Option<&str>) {
    story
        .change(|record, context| {
            PortalRecord::save_profile(Some(record), record.key.clone(), samples::profile(address), context).unwrap()
        })
        .await;
}

pub(crate) async fn an_address_has_one_owner(backend: &impl Backend) {
    let mut owner = Story::begin(backend, "lake", "p-1", None).await;
    let mut other = Story::begin(backend, "lake", "p-2", None).await;
    owner.invite(Some(EMAIL)).await;
    for twin in [EMAIL, "JOSE@Example.COM"] {
        let change = other.inviting(Some(twin));
        other.is_in_use(&change, Some("p-1")).await;
    }
    other.invite(Some("jose+2@example.com")).await;
}

pub(crate) async fn another_practice_is_never_named(backend: &impl Backend) {
    let mut owner = Story::begin(backend, "hill", "p-1", None).await;
    let mut other = Story::begin(backend, "lake", "p-1", None).await;
    owner.invite(Some(EMAIL)).await;
    let change = other.inviting(Some(EMAIL));
    other.is_in_use(&change, None).await;
}

pub(crate) async fn a_profile_keeps_its_address_from_others(backend: &impl Backend) {
    let mut carrier = Story::begin(backend, "lake", "p-1", Some(EMAIL)).await;
    let mut other = Story::begin(backend, "lake", "p-2", None).await;
    let mut stranger = Story::begin(backend, "hill", "p-2", None).await;
    let change = other.inviting(Some(EMAIL));
    other.is_in_use(&change, Some("p-1")).await;
    let change = stranger.inviting(Some(EMAIL));
    stranger.is_in_use(&change, None).await;
    save_email(&mut carrier, None).await;
    stranger.invite(Some(EMAIL)).await;
}

pub(crate) async fn ones_own_profile_does_not_matter(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some(EMAIL)).await;
    story.invite(None).await;
    let mut twin = Story::begin(backend, "lake", "p-2", Some("twin@example.com")).await;
    let mut second = Story::begin(backend, "lake", "p-3", Some("twin@example.com")).await;
    let change = twin.inviting(None);
    twin.is_in_use(&change, Some("p-3")).await;
    let change = second.inviting(None);
    second.is_in_use(&change, Some("p-2")).await;
}

pub(crate) async fn more_than_fifty_profiles_are_everybodys(backend: &impl Backend) {
    let mut stories = Vec::new();
    for number in 0..=portal::ledger::MAX_LISTED_PROFILES {
        stories.push(Story::begin(backend, "lake", &format!("p-{number}"), Some(EMAIL)).await);
    }
    for story in &mut stories {
        save_email(story, None).await;
    }
    // The list is empty, but it once was not complete.
    let change = stories[0].inviting(Some(EMAIL));
    stories[0].is_in_use(&change, None).await;
}

pub(crate) async fn a_full_list_can_be_left(backend: &impl Backend) {
    let mut stories = Vec::new();
    for number in 0..portal::ledger::MAX_LISTED_PROFILES {
        stories.push(Story::begin(backend, "lake", &format!("p-{number}"), Some(EMAIL)).await);
    }
    for story in &mut stories {
        save_email(story, None).await;
    }
    stories[0].invite(Some(EMAIL)).await;
}

pub(crate) async fn revoking_frees_the_address(backend: &impl Backend) {
    let mut first = Story::begin(backend, "lake", "p-1", None).await;
    let mut second = Story::begin(backend, "hill", "p-1", None).await;
    for _ in 0..2 {
        first.invite(Some(EMAIL)).await;
        first.revoke().await;
        second.invite(Some(EMAIL)).await;
        let change = first.inviting(Some(EMAIL));
        first.is_in_use(&change, None).await;
        second.revoke().await;
    }
}

pub(crate) async fn another_address_swaps_the_claim(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", None).await;
    story.invite(Some(EMAIL)).await;
    story.send().await;
    story.reinvite(Some("new@example.com")).await;
    let mut other = Story::begin(backend, "hill", "p-1", None).await;
    let change = other.inviting(Some("new@example.com"));
    other.is_in_use(&change, None).await;
    other.invite(Some(EMAIL)).await;
}

pub(crate) async fn a_swap_that_is_refused_changes_nothing(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", None).await;
    let mut other = Story::begin(backend, "lake", "p-2", None).await;
    story.invite(Some(EMAIL)).await;
    story.send().await;
    other.invite(Some("other@example.com")).await;
    let change = story.reinviting(Some("other@example.com"), Role::Staff);
    story.is_in_use(&change, Some("p-2")).await;
    other.send().await;
    let change = other.reinviting(Some(EMAIL), Role::Staff);
    other.is_in_use(&change, Some("p-1")).await;
}

pub(crate) async fn the_account_keeps_and_swaps_its_address(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some(EMAIL)).await;
    let mut other = Story::begin(backend, "lake", "p-2", None).await;
    story.invite(None).await;
    story.send().await;
    story.register().await;
    save_email(&mut story, None).await;
    story.opt_out(Role::Staff).await;
    let change = other.inviting(Some(EMAIL));
    other.is_in_use(&change, Some("p-1")).await;
    story.change_email("new@example.com").await;
    other.invite(Some(EMAIL)).await;
    let change = story.changing_email(EMAIL);
    story.is_in_use(&change, Some("p-2")).await;
    // Who logs in is known by the new address, and by that one only.
    let login = samples::login("event-1", story.now + TimeDelta::hours(1));
    let by = async |address| backend.store().record_login(&samples::email(address), &login).await.unwrap();
    assert_eq!(by(EMAIL).await, LoginOutcome::NoAccount);
    assert_eq!(by("new@example.com").await, LoginOutcome::Recorded);
}

pub(crate) async fn a_new_address_that_is_taken_leaves_the_account_its_own(backend: &impl Backend) {
    let mut story = Story::with_account(backend, "lake", "p-1", EMAIL).await;
    Story::begin(backend, "lake", "p-2", None).await.invite(Some("two@example.com")).await;
    Story::with_account(backend, "hill", "p-3", "three@example.com").await;
    Story::begin(backend, "hill", "p-4", Some("four@example.com")).await;
    for (address, holder) in [("two@example.com", Some("p-2")), ("three@example.com", None), ("four@example.com", None)]
    {
        let change = story.changing_email(address);
        story.is_in_use(&change, holder).await;
    }
    let mut other = Story::begin(backend, "hill", "p-5", None).await;
    let change = other.inviting(Some(EMAIL));
    other.is_in_use(&change, None).await;
    story.change_email("free@example.com").await;
}

pub(crate) async fn of_many_accounts_that_want_one_address_one_gets_it(backend: &impl Backend) {
    const RIVALS: u8 = 8;
    let mut stories = Vec::new();
    for number in 0..RIVALS {
        let practice = if number % 2 == 0 { "lake" } else { "hill" };
        let address = format!("own-{number}@example.com");
        stories.push(Story::with_account(backend, practice, &format!("p-{number}"), &address).await);
    }
    let mut rivals = JoinSet::new();
    for story in &mut stories {
        let (store, change) = (backend.store().clone(), story.changing_email(EMAIL));
        // Under contention a store may ask to come again.
        rivals.spawn(async move {
            loop {
                match store.commit(&change).await {
                    Err(StoreError::Busy) => {}
                    outcome => return (change, outcome.unwrap()),
                }
            }
        });
    }
    let mut winners = 0;
    for (change, outcome) in rivals.join_all().await {
        let story = stories.iter_mut().find(|story| story.key == change.after.key).unwrap();
        match outcome {
            CommitOutcome::Committed => {
                winners += 1;
                story.record = change.after;
            }
            CommitOutcome::EmailInUse { holder } => {
                // Named to nobody in the other practice.
                assert!(holder.is_none_or(|holder| holder != story.key.patient));
            }
            CommitOutcome::Stale => unreachable!("each has a record of their own"),
        }
        // The losers keep what they had, and are told of nothing.
        story.is_stored().await;
    }
    assert_eq!(winners, 1);
    for story in stories.iter().filter(|story| story.record.notices.is_empty()) {
        let own = story.record.claimed_email().unwrap();
        let outcome = backend
            .store()
            .record_login(own, &samples::login("event-1", story.now + TimeDelta::days(1)))
            .await
            .unwrap();
        assert_eq!(outcome, LoginOutcome::Recorded, "and keep the claim of it");
    }
}

pub(crate) async fn a_reinvite_looks_at_the_address_again(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", None).await;
    story.invite(Some(EMAIL)).await;
    story.send().await;
    // Saving a profile is never refused, whoever holds the address.
    let mut late = Story::begin(backend, "lake", "p-2", Some(EMAIL)).await;
    let change = story.reinviting(None, Role::Staff);
    story.is_in_use(&change, Some("p-2")).await;
    let change = late.inviting(None);
    late.is_in_use(&change, Some("p-1")).await;
    save_email(&mut late, None).await;
    story.reinvite(None).await;
}
