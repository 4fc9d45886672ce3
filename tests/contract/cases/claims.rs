//! A mail is one sender's at a time.

use chrono::TimeDelta;
use portal::{
    policy::{MAX_TRIES, SEND_GRACE, SEND_LEASE},
    ports::{ClaimOutcome, DeliveryStore as _},
    record::delivery::Unclaimable,
    testing::samples,
    timeline::Role,
};
use tokio::task::JoinSet;

use crate::{backend::Backend, story::Story};

async fn invited<B: Backend>(backend: &B) -> Story<'_, B> {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    story
}

pub(crate) async fn a_queued_mail_is_claimed_once(backend: &impl Backend) {
    let mut story = invited(backend).await;
    story.claim().await;
    story.claim_is_refused(Unclaimable::Held).await;
    story.stamp().await;
    story.claim_is_refused(Unclaimable::Done).await;
}

pub(crate) async fn a_lease_and_its_grace_must_be_over(backend: &impl Backend) {
    let mut story = invited(backend).await;
    let begun = story.now;
    story.claim().await;
    story.now = begun + SEND_LEASE + SEND_GRACE - TimeDelta::milliseconds(1);
    story.claim_is_refused(Unclaimable::Held).await;
    story.now += TimeDelta::milliseconds(1);
    story.claim().await;
    assert_eq!(story.record.fence, 2);
}

pub(crate) async fn what_is_done_is_not_claimed(backend: &impl Backend) {
    let mut story = invited(backend).await;
    let unknown = samples::claim_request(&story.invitation_id(), story.now, 1);
    let refused = backend.store().claim(&samples::key("lake", "p-unknown"), &unknown).await.unwrap();
    assert_eq!(refused, ClaimOutcome::Refused(Unclaimable::Done));
    let superseded = samples::claim_request(&samples::invitation_id("invitation-before"), story.now, 1);
    assert_eq!(story.try_claim(&superseded).await, ClaimOutcome::Refused(Unclaimable::Done));
    story.revoke().await;
    story.claim_is_refused(Unclaimable::Done).await;
    story.invite(None).await;
    story.claim().await;
    story
        .change(|record, context| {
            record.fail_sending(record.fence, portal::record::FailReason::Refused, context).unwrap()
        })
        .await;
    story.claim_is_refused(Unclaimable::Done).await;
    story.reinvite(None).await;
    story.send().await;
    story.register().await;
    story.claim_is_refused(Unclaimable::Done).await;
    // No command leads here, and still no mail may go to somebody who has an account.
    story
        .change(|record, context| {
            let mut change = record.opt_out(context).unwrap();
            change.after.choice = record.choice.clone();
            change.after.invitation.as_mut().unwrap().state = portal::record::InvitationState::Queued;
            change
        })
        .await;
    story.claim_is_refused(Unclaimable::Done).await;
}

pub(crate) async fn tries_run_out(backend: &impl Backend) {
    let mut story = invited(backend).await;
    for _ in 0..MAX_TRIES {
        story.claim().await;
        story.now += SEND_LEASE + SEND_GRACE;
    }
    story.claim_is_refused(Unclaimable::Exhausted).await;
}

pub(crate) async fn an_opted_out_mail_is_abandoned(backend: &impl Backend) {
    let mut story = invited(backend).await;
    story.claim().await;
    story.opt_out(Role::Staff).await;
    story.now += SEND_LEASE + SEND_GRACE;
    story.claim_is_refused(Unclaimable::Abandoned).await;
}

pub(crate) async fn a_repeated_claim_recognises_itself(backend: &impl Backend) {
    let mut story = invited(backend).await;
    let request = story.claim().await;
    let again = story.try_claim(&request).await;
    assert_eq!(again, ClaimOutcome::Claimed(Box::new(story.record.clone())));
    story.is_stored().await;
}

pub(crate) async fn a_claim_is_given_back(backend: &impl Backend) {
    let mut story = invited(backend).await;
    for tries in 0..3 {
        story.claim().await;
        let waiting = story.record.defer(story.record.fence, story.now + TimeDelta::minutes(tries)).unwrap();
        assert!(backend.store().defer(&waiting).await.unwrap());
        story.record = waiting;
        story.is_stored().await;
    }
    story.send().await;
    assert_eq!(story.record.link.as_ref().unwrap().secrets.len(), 1);
}

pub(crate) async fn only_the_holder_gives_a_claim_back(backend: &impl Backend) {
    let mut story = invited(backend).await;
    story.claim().await;
    let late = story.record.defer(story.record.fence, story.now).unwrap();
    story.now += SEND_LEASE + SEND_GRACE;
    story.claim().await;
    assert!(!backend.store().defer(&late).await.unwrap());
    story.is_stored().await;
    let waiting = story.record.defer(story.record.fence, story.now).unwrap();
    // A change of the profile does not take the claim away; opting out takes the link, and the lease is left to run out.
    story
        .change(|record, context| {
            let profile = samples::profile(None);
            portal::record::PortalRecord::save_profile(Some(record), record.key.clone(), profile, context).unwrap()
        })
        .await;
    assert!(backend.store().defer(&waiting).await.unwrap());
    story.record = story.record.defer(story.record.fence, story.now - TimeDelta::hours(5)).unwrap();
    story.is_stored().await;
    story.claim().await;
    let waiting = story.record.defer(story.record.fence, story.now).unwrap();
    story.opt_out(Role::Staff).await;
    assert!(!backend.store().defer(&waiting).await.unwrap());
    story.is_stored().await;
}

pub(crate) async fn of_many_senders_one_claims(backend: &impl Backend) {
    let mut story = invited(backend).await;
    let mut senders = JoinSet::new();
    for seed in 1..=16 {
        let (shared, key) = (backend.store().clone(), story.key.clone());
        let request = samples::claim_request(&story.invitation_id(), story.now, seed);
        senders.spawn(async move { shared.claim(&key, &request).await.unwrap() });
    }
    let outcomes = senders.join_all().await;
    let claimed = outcomes.iter().filter(|outcome| matches!(outcome, ClaimOutcome::Claimed(_))).count();
    let held = outcomes.iter().filter(|outcome| **outcome == ClaimOutcome::Refused(Unclaimable::Held)).count();
    assert_eq!((claimed, held), (1, 15));
    story.record = story.stored().await;
    assert_eq!(story.record.invitation.as_ref().unwrap().attempt, 1);
}
