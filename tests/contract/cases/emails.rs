//! *The email must be unique: not associated to another patient's record, in this practice or any other.*

use chrono::{TimeDelta, Timelike as _};
use portal::{
    ledger::AddressRefusal,
    policy::{ADDRESS_COOLDOWN, ADDRESS_LEASE, MAX_ADDRESS_REFUSALS, WRONG_PERSON_MEMORY},
    ports::{ChangeStore as _, CommitOutcome, LoginOutcome, LoginStore as _, StoreError},
    record::PortalRecord,
    states::RevokeReason,
    testing::samples,
    timeline::Role,
};
use tokio::task::JoinSet;

use crate::{backend::Backend, test_patient::TestPatient};

const EMAIL: &str = "jose@example.com";

async fn save_email(patient: &mut TestPatient<'_, impl Backend>, address: Option<&str>) {
    patient
        .change(|record, context| {
            PortalRecord::save_profile(Some(record), record.key.clone(), samples::profile(address), context).unwrap()
        })
        .await;
}

pub(crate) async fn an_address_has_one_owner(backend: &impl Backend) {
    let mut owner = TestPatient::begin(backend, "lake", "p-1", None).await;
    let mut other = TestPatient::begin(backend, "lake", "p-2", None).await;
    owner.invite(Some(EMAIL)).await;
    for spelling in [EMAIL, "JOSE@Example.COM"] {
        let change = other.inviting(Some(spelling));
        other.is_in_use(&change, Some("p-1")).await;
    }
    other.invite(Some("jose+2@example.com")).await;
}

pub(crate) async fn a_holder_in_another_practice_is_never_named(backend: &impl Backend) {
    let mut owner = TestPatient::begin(backend, "hill", "p-1", None).await;
    let mut other = TestPatient::begin(backend, "lake", "p-1", None).await;
    owner.invite(Some(EMAIL)).await;
    let change = other.inviting(Some(EMAIL));
    other.is_in_use(&change, None).await;
}

pub(crate) async fn an_address_in_a_profile_is_in_use_in_the_same_practice_only(backend: &impl Backend) {
    let mut carrier = TestPatient::begin(backend, "lake", "p-1", Some(EMAIL)).await;
    let mut other = TestPatient::begin(backend, "lake", "p-2", None).await;
    let mut foreign = TestPatient::begin(backend, "hill", "p-2", None).await;
    let change = other.inviting(Some(EMAIL));
    other.is_in_use(&change, Some("p-1")).await;
    save_email(&mut carrier, None).await;
    other.invite(Some(EMAIL)).await;
    other.revoke().await;
    save_email(&mut carrier, Some(EMAIL)).await;
    foreign.invite(Some(EMAIL)).await;
}

pub(crate) async fn the_patients_own_profile_does_not_block_the_address(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some(EMAIL)).await;
    patient.invite(None).await;
    let mut first = TestPatient::begin(backend, "lake", "p-2", Some("shared@example.com")).await;
    let mut second = TestPatient::begin(backend, "lake", "p-3", Some("shared@example.com")).await;
    let change = first.inviting(None);
    first.is_in_use(&change, Some("p-3")).await;
    let change = second.inviting(None);
    second.is_in_use(&change, Some("p-2")).await;
}

pub(crate) async fn more_profiles_than_are_listed_are_counted(backend: &impl Backend) {
    let mut patients = Vec::new();
    for number in 0..=portal::ledger::MAX_LISTED_PROFILES {
        patients.push(TestPatient::begin(backend, "lake", &format!("p-{number}"), Some(EMAIL)).await);
    }
    let mut last = patients.pop().unwrap();
    for patient in &mut patients {
        save_email(patient, None).await;
    }
    // The last one is counted, not listed.
    let change = patients[0].inviting(Some(EMAIL));
    patients[0].is_in_use(&change, None).await;
    let mut own = TestPatient::begin(backend, "lake", "p-own", None).await;
    own.invite(Some("own@example.com")).await;
    last.invite(None).await;
    last.revoke().await;
    save_email(&mut last, None).await;
    patients[0].invite(Some(EMAIL)).await;
}

pub(crate) async fn profiles_can_be_removed_from_a_full_list(backend: &impl Backend) {
    let mut patients = Vec::new();
    for number in 0..portal::ledger::MAX_LISTED_PROFILES {
        patients.push(TestPatient::begin(backend, "lake", &format!("p-{number}"), Some(EMAIL)).await);
    }
    for patient in &mut patients {
        save_email(patient, None).await;
    }
    patients[0].invite(Some(EMAIL)).await;
}

pub(crate) async fn revoking_frees_the_address(backend: &impl Backend) {
    let mut first = TestPatient::begin(backend, "lake", "p-1", None).await;
    let mut second = TestPatient::begin(backend, "hill", "p-1", None).await;
    for _ in 0..2 {
        first.invite(Some(EMAIL)).await;
        first.revoke().await;
        second.invite(Some(EMAIL)).await;
        let change = first.inviting(Some(EMAIL));
        first.is_in_use(&change, None).await;
        second.revoke().await;
    }
}

pub(crate) async fn a_reinvite_to_another_address_moves_the_claim(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", None).await;
    patient.invite(Some(EMAIL)).await;
    patient.send().await;
    patient.reinvite(Some("new@example.com")).await;
    let mut other = TestPatient::begin(backend, "hill", "p-1", None).await;
    let change = other.inviting(Some("new@example.com"));
    other.is_in_use(&change, None).await;
    other.invite(Some(EMAIL)).await;
}

pub(crate) async fn a_refused_move_of_the_claim_changes_nothing(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", None).await;
    let mut other = TestPatient::begin(backend, "lake", "p-2", None).await;
    patient.invite(Some(EMAIL)).await;
    patient.send().await;
    other.invite(Some("other@example.com")).await;
    let change = patient.reinviting(Some("other@example.com"), Role::Staff);
    patient.is_in_use(&change, Some("p-2")).await;
    other.send().await;
    let change = other.reinviting(Some(EMAIL), Role::Staff);
    other.is_in_use(&change, Some("p-1")).await;
}

pub(crate) async fn an_account_keeps_its_address_until_it_is_changed(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some(EMAIL)).await;
    let mut other = TestPatient::begin(backend, "lake", "p-2", None).await;
    patient.invite(None).await;
    patient.send().await;
    patient.register().await;
    save_email(&mut patient, None).await;
    patient.opt_out(Role::Staff).await;
    let change = other.inviting(Some(EMAIL));
    other.is_in_use(&change, Some("p-1")).await;
    patient.change_email("new@example.com").await;
    other.invite(Some(EMAIL)).await;
    let change = patient.changing_email(EMAIL);
    patient.is_in_use(&change, Some("p-2")).await;
    // A login is recorded with the new address only.
    let login = samples::login("event-1", patient.now + TimeDelta::hours(1));
    let by = async |address| backend.store().record_login(&samples::email(address), &login).await.unwrap();
    assert_eq!(by(EMAIL).await, LoginOutcome::NoAccount);
    assert_eq!(by("new@example.com").await, LoginOutcome::Recorded);
}

pub(crate) async fn an_account_keeps_its_address_if_the_new_one_is_in_use(backend: &impl Backend) {
    let mut patient = TestPatient::with_account(backend, "lake", "p-1", EMAIL).await;
    TestPatient::begin(backend, "lake", "p-2", None).await.invite(Some("two@example.com")).await;
    TestPatient::with_account(backend, "hill", "p-3", "three@example.com").await;
    TestPatient::begin(backend, "lake", "p-4", Some("four@example.com")).await;
    for (address, holder) in
        [("two@example.com", Some("p-2")), ("three@example.com", None), ("four@example.com", Some("p-4"))]
    {
        let change = patient.changing_email(address);
        patient.is_in_use(&change, holder).await;
    }
    let mut other = TestPatient::begin(backend, "hill", "p-5", None).await;
    let change = other.inviting(Some(EMAIL));
    other.is_in_use(&change, None).await;
    patient.change_email("free@example.com").await;
}

pub(crate) async fn only_one_of_many_accounts_gets_an_address(backend: &impl Backend) {
    const RIVALS: u8 = 8;
    let mut patients = Vec::new();
    for number in 0..RIVALS {
        let practice = if number % 2 == 0 { "lake" } else { "hill" };
        let address = format!("own-{number}@example.com");
        patients.push(TestPatient::with_account(backend, practice, &format!("p-{number}"), &address).await);
    }
    let mut rivals = JoinSet::new();
    for patient in &mut patients {
        let (store, change) = (backend.store().clone(), patient.changing_email(EMAIL));
        // Under contention a store may be busy, and the caller retries.
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
        let patient = patients.iter_mut().find(|patient| patient.key == change.after.key).unwrap();
        match outcome {
            CommitOutcome::Committed => {
                winners += 1;
                patient.record = change.after;
            }
            CommitOutcome::AddressRefused(refusal) => {
                let AddressRefusal::InUse { holder } = refusal else { unreachable!("{refusal:?}") };
                // The other practice does not learn the holder.
                assert!(holder.is_none_or(|holder| holder != patient.key.patient));
            }
            CommitOutcome::Stale => unreachable!("each patient has their own record"),
        }
        // The records of the others do not change.
        patient.is_stored().await;
    }
    assert_eq!(winners, 1);
    for patient in patients.iter().filter(|patient| patient.record.notices.is_empty()) {
        let own = patient.record.claimed_email().unwrap();
        let outcome = backend
            .store()
            .record_login(own, &samples::login("event-1", patient.now + TimeDelta::days(1)))
            .await
            .unwrap();
        assert_eq!(outcome, LoginOutcome::Recorded, "the others keep the claim of their address");
    }
}

pub(crate) async fn no_profile_stops_the_holder_of_an_address(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", None).await;
    patient.invite(Some(EMAIL)).await;
    patient.send().await;
    let mut late = TestPatient::begin(backend, "lake", "p-2", Some(EMAIL)).await;
    let change = late.inviting(None);
    late.is_in_use(&change, Some("p-1")).await;
    patient.reinvite(None).await;
    patient.send().await;
    patient.register().await;
}

/// Half a year in which a practice invites to one address every 59 days, and another practice at any time.
pub(crate) async fn a_claim_lapses_although_its_practice_invites_again(backend: &impl Backend) {
    let mut hostile = TestPatient::begin(backend, "hill", "p-1", None).await;
    let mut victim = TestPatient::begin(backend, "lake", "p-1", Some(EMAIL)).await;
    hostile.invite(Some(EMAIL)).await;
    hostile.send().await;
    let begun = hostile.now;
    hostile.now = begun + TimeDelta::days(59);
    hostile.reinvite(None).await;
    hostile.send().await;
    victim.now = begun + TimeDelta::days(59);
    let change = victim.inviting(None);
    victim.is_in_use(&change, None).await;
    victim.now = begun + ADDRESS_LEASE;
    victim.invite(None).await;
    victim.send().await;
    // The former owner neither registers nor takes it back.
    hostile.now = victim.now;
    let change = hostile.registering();
    hostile.is_in_use(&change, None).await;
    let change = hostile.reinviting(None, Role::Staff);
    hostile.is_in_use(&change, None).await;
    victim.register().await;
}

pub(crate) async fn revoking_does_not_renew_a_practices_term(backend: &impl Backend) {
    let mut hostile = TestPatient::begin(backend, "hill", "p-1", None).await;
    let mut accomplice = TestPatient::begin(backend, "hill", "p-2", None).await;
    let mut victim = TestPatient::begin(backend, "lake", "p-1", Some(EMAIL)).await;
    hostile.invite(Some(EMAIL)).await;
    let begun = hostile.now;
    hostile.now = begun + TimeDelta::days(59);
    hostile.revoke().await;
    accomplice.now = hostile.now;
    accomplice.invite(Some(EMAIL)).await;
    victim.now = begun + ADDRESS_LEASE;
    victim.invite(None).await;
    // Its practice may take the address again later, but not while the other term lasts.
    hostile.now = begun + ADDRESS_LEASE + ADDRESS_COOLDOWN - TimeDelta::days(1);
    let change = hostile.inviting(Some(EMAIL));
    hostile.is_in_use(&change, None).await;
    hostile.now = victim.now + ADDRESS_LEASE;
    hostile.invite(Some(EMAIL)).await;
}

pub(crate) async fn a_lapsed_claim_holds_while_no_other_patient_is_invited(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", None).await;
    patient.invite(Some(EMAIL)).await;
    patient.send().await;
    patient.now += ADDRESS_LEASE + ADDRESS_LEASE;
    patient.reinvite(None).await;
    patient.send().await;
    patient.register().await;
    let mut other = TestPatient::begin(backend, "hill", "p-1", None).await;
    other.now = patient.now + ADDRESS_LEASE + ADDRESS_LEASE;
    let change = other.inviting(Some(EMAIL));
    other.is_in_use(&change, None).await;
}

/// Invites a new patient to [`EMAIL`] at this minute, and revokes if that was possible. Returns the refusal otherwise.
async fn invite_and_revoke(backend: &impl Backend, practice: &str, minute: i64) -> Option<AddressRefusal> {
    let mut patient = TestPatient::begin(backend, practice, &format!("p-{minute}"), None).await;
    patient.now = samples::noon() + TimeDelta::minutes(minute) - TimeDelta::hours(5);
    let change = patient.inviting(Some(EMAIL));
    match patient.try_commit(&change).await {
        CommitOutcome::Committed => {
            patient.record = change.after;
            patient.revoke().await;
            None
        }
        CommitOutcome::AddressRefused(refusal) => {
            patient.is_stored().await;
            Some(refusal)
        }
        CommitOutcome::Stale => unreachable!("each patient has their own record"),
    }
}

/// One practice cannot use up what others need.
pub(crate) async fn one_mailbox_gets_ten_mails_a_day(backend: &impl Backend) {
    let until_noon = |minute: i64, first: i64| {
        let retry_after_secs = u64::try_from(86_400 - 60 * (minute - first)).unwrap();
        Some(AddressRefusal::TooManyMails { retry_after_secs })
    };
    for minute in 0..8 {
        assert_eq!(invite_and_revoke(backend, "hill", minute).await, None, "{minute}");
    }
    assert_eq!(invite_and_revoke(backend, "hill", 8).await, until_noon(8, 0));
    assert_eq!(invite_and_revoke(backend, "lake", 9).await, None, "the first one of another practice");
    assert_eq!(invite_and_revoke(backend, "lake", 10).await, until_noon(10, 1), "the last place is for a third one");
    assert_eq!(invite_and_revoke(backend, "bay", 11).await, None);
    assert_eq!(invite_and_revoke(backend, "cape", 12).await, until_noon(12, 0), "ten from all together");
    assert_eq!(invite_and_revoke(backend, "cape", 24 * 60).await, None, "a day later");
}

pub(crate) async fn a_practice_that_was_told_not_me_does_not_invite_a_new_patient_there(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "hill", "p-1", None).await;
    patient.invite(Some(EMAIL)).await;
    patient.send().await;
    patient.decline(RevokeReason::WrongPerson).await;
    let mut renamed = TestPatient::begin(backend, "hill", "p-2", None).await;
    renamed.now = patient.now;
    let change = renamed.inviting(Some(EMAIL));
    assert_eq!(renamed.try_commit(&change).await, CommitOutcome::AddressRefused(AddressRefusal::Suppressed));
    let mut other = TestPatient::begin(backend, "lake", "p-1", None).await;
    other.now = patient.now;
    other.invite(Some(EMAIL)).await;
    other.revoke().await;
    renamed.now = patient.now + WRONG_PERSON_MEMORY;
    renamed.invite(Some(EMAIL)).await;
}

/// Held and free addresses get the same refusal once a practice has been refused too many.
pub(crate) async fn a_practice_learns_of_few_addresses_a_day(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "hill", "p-1", None).await;
    patient.invite(Some("own@example.com")).await;
    patient.send().await;
    for number in 0..=MAX_ADDRESS_REFUSALS {
        let address = format!("held-{number}@example.com");
        TestPatient::begin(backend, "lake", &format!("p-{number}"), None).await.invite(Some(&address)).await;
    }
    let now = patient.now;
    for number in 0..MAX_ADDRESS_REFUSALS {
        patient.now = now;
        let change = patient.reinviting(Some(&format!("held-{number}@example.com")), Role::Staff);
        patient.is_in_use(&change, None).await;
    }
    for address in ["held-20@example.com", "free@example.com"] {
        patient.now = now;
        let change = patient.reinviting(Some(address), Role::Staff);
        // The day ends at midnight.
        let retry_after_secs = 86_400 - u64::from(change.event.context.at.num_seconds_from_midnight());
        let expected = AddressRefusal::TooManyRefusals { retry_after_secs };
        assert_eq!(patient.try_commit(&change).await, CommitOutcome::AddressRefused(expected), "{address}");
        patient.is_stored().await;
    }
    patient.now = now;
    patient.reinvite(Some("own@example.com")).await;
    patient.send().await;
    patient.now = now + TimeDelta::days(1);
    patient.reinvite(Some("free@example.com")).await;
}
