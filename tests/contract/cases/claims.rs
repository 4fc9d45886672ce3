//! Claims of mails: one sender at a time.

use chrono::TimeDelta;
use portal::{
    policy::{MAX_TRIES, SEND_GRACE, SEND_LEASE},
    ports::{ClaimOutcome, DeliveryStore as _},
    record::delivery::Unclaimable,
    testing::samples,
    timeline::Role,
};
use tokio::task::JoinSet;

use crate::{backend::Backend, test_patient::TestPatient};

async fn invited<B: Backend>(backend: &B) -> TestPatient<'_, B> {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    patient
}

pub(crate) async fn a_queued_mail_is_claimed_once(backend: &impl Backend) {
    let mut patient = invited(backend).await;
    patient.claim().await;
    patient.claim_is_refused(Unclaimable::Held).await;
    patient.stamp().await;
    patient.claim_is_refused(Unclaimable::Done).await;
}

pub(crate) async fn a_mail_is_claimed_again_only_after_lease_and_grace(backend: &impl Backend) {
    let mut patient = invited(backend).await;
    let begun = patient.now;
    patient.claim().await;
    patient.now = begun + SEND_LEASE + SEND_GRACE - TimeDelta::milliseconds(1);
    patient.claim_is_refused(Unclaimable::Held).await;
    patient.now += TimeDelta::milliseconds(1);
    patient.claim().await;
    assert_eq!(patient.record.fence, 2);
}

pub(crate) async fn a_finished_mail_is_not_claimed(backend: &impl Backend) {
    let mut patient = invited(backend).await;
    let unknown = samples::claim_request(&patient.invitation_id(), patient.now, 1);
    let refused = backend.store().claim(&samples::key("lake", "p-unknown"), &unknown).await.unwrap();
    assert_eq!(refused, ClaimOutcome::Refused(Unclaimable::Done));
    let superseded = samples::claim_request(&samples::invitation_id("invitation-before"), patient.now, 1);
    assert_eq!(patient.try_claim(&superseded).await, ClaimOutcome::Refused(Unclaimable::Done));
    patient.revoke().await;
    patient.claim_is_refused(Unclaimable::Done).await;
    patient.invite(None).await;
    patient.claim().await;
    patient
        .change(|record, context| {
            record.fail_sending(record.fence, portal::states::FailReason::Refused, context).unwrap()
        })
        .await;
    patient.claim_is_refused(Unclaimable::Done).await;
    patient.reinvite(None).await;
    patient.send().await;
    patient.register().await;
    patient.claim_is_refused(Unclaimable::Done).await;
    // No command leads to this state. Still, no mail may be sent to a patient who has an account.
    patient
        .change(|record, context| {
            let mut change = record.opt_out(context).unwrap();
            change.after.choice = record.choice.clone();
            change.after.invitation.as_mut().unwrap().state = portal::record::InvitationState::Queued;
            change
        })
        .await;
    patient.claim_is_refused(Unclaimable::Done).await;
}

pub(crate) async fn a_mail_without_tries_left_is_not_claimed(backend: &impl Backend) {
    let mut patient = invited(backend).await;
    for _ in 0..MAX_TRIES {
        patient.claim().await;
        patient.now += SEND_LEASE + SEND_GRACE;
    }
    patient.claim_is_refused(Unclaimable::Exhausted).await;
}

pub(crate) async fn a_mail_of_an_opted_out_patient_is_not_claimed(backend: &impl Backend) {
    let mut patient = invited(backend).await;
    patient.claim().await;
    patient.opt_out(Role::Staff).await;
    patient.now += SEND_LEASE + SEND_GRACE;
    patient.claim_is_refused(Unclaimable::Abandoned).await;
}

pub(crate) async fn a_repeated_claim_is_recognised(backend: &impl Backend) {
    let mut patient = invited(backend).await;
    let request = patient.claim().await;
    let again = patient.try_claim(&request).await;
    assert_eq!(again, ClaimOutcome::Claimed(Box::new(patient.record.clone())));
    patient.is_stored().await;
}

pub(crate) async fn a_deferred_mail_is_claimed_again(backend: &impl Backend) {
    let mut patient = invited(backend).await;
    for tries in 0..3 {
        patient.claim().await;
        let waiting = patient.record.defer(patient.record.fence, patient.now + TimeDelta::minutes(tries)).unwrap();
        assert!(backend.store().defer(&waiting).await.unwrap());
        patient.record = waiting;
        patient.is_stored().await;
    }
    patient.send().await;
    assert_eq!(patient.record.link.as_ref().unwrap().secrets.len(), 1);
}

pub(crate) async fn only_the_current_claim_can_be_deferred(backend: &impl Backend) {
    let mut patient = invited(backend).await;
    patient.claim().await;
    let late = patient.record.defer(patient.record.fence, patient.now).unwrap();
    patient.now += SEND_LEASE + SEND_GRACE;
    patient.claim().await;
    assert!(!backend.store().defer(&late).await.unwrap());
    patient.is_stored().await;
    let waiting = patient.record.defer(patient.record.fence, patient.now).unwrap();
    // A change of the profile does not end the claim. Opting out removes the link, and then the lease expires.
    patient
        .change(|record, context| {
            let profile = samples::profile(None);
            portal::record::PortalRecord::save_profile(Some(record), record.key.clone(), profile, context).unwrap()
        })
        .await;
    assert!(backend.store().defer(&waiting).await.unwrap());
    patient.record = patient.record.defer(patient.record.fence, patient.now - TimeDelta::hours(5)).unwrap();
    patient.is_stored().await;
    patient.claim().await;
    let waiting = patient.record.defer(patient.record.fence, patient.now).unwrap();
    patient.opt_out(Role::Staff).await;
    assert!(!backend.store().defer(&waiting).await.unwrap());
    patient.is_stored().await;
}

pub(crate) async fn only_one_of_many_senders_claims_a_mail(backend: &impl Backend) {
    let mut patient = invited(backend).await;
    let mut senders = JoinSet::new();
    for seed in 1..=16 {
        let (shared, key) = (backend.store().clone(), patient.key.clone());
        let request = samples::claim_request(&patient.invitation_id(), patient.now, seed);
        senders.spawn(async move { shared.claim(&key, &request).await.unwrap() });
    }
    let outcomes = senders.join_all().await;
    let claimed = outcomes.iter().filter(|outcome| matches!(outcome, ClaimOutcome::Claimed(_))).count();
    let held = outcomes.iter().filter(|outcome| **outcome == ClaimOutcome::Refused(Unclaimable::Held)).count();
    assert_eq!((claimed, held), (1, 15));
    patient.record = patient.stored().await;
    assert_eq!(patient.record.invitation.as_ref().unwrap().attempt, 1);
}
