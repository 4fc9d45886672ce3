//! Reinvitations.

use std::sync::Mutex;

use chrono::TimeDelta;
use portal::{
    ids::PatientId,
    operations::{OperationError, deliver::DeliveryOutcome},
    panel::DateField,
    ports::{ChangeStore, Clock as _, CommitOutcome, Consistency, Loaded, PortalReader, SendOutcome, StoreError},
    record::Change,
    record::guards::Recipient,
    refusal::RefusalCode,
    refusal::RefusalDetail,
    scope::TenantScope,
    testing::{Contents, Fault, MemoryStore, Refused, refusal, samples},
};

use crate::{
    stage::{
        Bounced, DAY, Expired, Failed, GAP, New, OTHER, OptedOut, Queued, Registered, Revoked, Sending, Sent, day, may,
    },
    world::{ADDRESS, World},
};

/// A store that commits another change just before the first one.
struct RacingStore<'a> {
    store: &'a MemoryStore,
    first: Mutex<Option<Change>>,
}

impl PortalReader for RacingStore<'_> {
    async fn load(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        consistency: Consistency,
    ) -> Result<Loaded, StoreError> {
        self.store.load(scope, patient, consistency).await
    }
}

impl ChangeStore for RacingStore<'_> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let first = self.first.lock().unwrap().take();
        if let Some(first) = first {
            assert_eq!(self.store.commit(&first).await?, CommitOutcome::Committed);
        }
        self.store.commit(change).await
    }
}

#[tokio::test]
async fn only_a_patient_who_is_invited_and_not_registered_can_be_reinvited() {
    for (stage, refused) in [
        (New, Some(Refused::rule(RefusalCode::NotInvited))),
        (Queued, Some(Refused::rule(RefusalCode::SendInProgress))),
        (Sending, Some(Refused::rule(RefusalCode::SendInProgress))),
        (Sent, None),
        (Expired, None),
        (Bounced, Some(Refused::rule(RefusalCode::AddressSuppressed))),
        (Failed, None),
        (Revoked, None),
        (Registered, Some(Refused::rule(RefusalCode::AlreadyRegistered))),
        (OptedOut, Some(Refused::rule(RefusalCode::OptedOut))),
    ] {
        let world = World::at(stage).await;
        let result = world.reinvite(None).await;
        if let Some(expected) = refused {
            assert_eq!(refusal(result), expected, "{stage:?}");
        } else {
            assert!(result.unwrap().mail_is_queued(), "{stage:?}");
            assert_eq!(world.deliver().await, [DeliveryOutcome::Sent], "{stage:?}");
            assert_eq!(world.usable_links().last(), Some(&true), "{stage:?}");
        }
    }
}

#[tokio::test]
async fn another_address_is_never_saved_to_the_profile() {
    let world = World::at(Sent).await;
    let panel = world.reinvite(Some(OTHER)).await.unwrap();
    assert_eq!(panel.invitation.email, Some(samples::email(OTHER)));
    assert_eq!(world.record().profile.email, Some(samples::email(ADDRESS)));
    world.deliver().await;
    assert_eq!(world.mailer.mails().last().unwrap().to, samples::email(OTHER));

    world.clock.advance(GAP);
    let panel = world.reinvite(None).await.unwrap();
    assert_eq!(panel.invitation.email, Some(samples::email(OTHER)), "the next invitation goes to the same address");
    assert_eq!(world.record().profile.email, Some(samples::email(ADDRESS)));
}

#[tokio::test]
async fn another_address_ends_earlier_links_and_moves_the_claim_at_once() {
    let world = World::with_patients(&[("north", "p-1", None), ("north", "p-2", None), ("south", "p-3", None)]).await;
    let (old, new) = (samples::email(ADDRESS), samples::email(OTHER));
    world.invite_to("north", "p-1", Some(&old)).await.unwrap();
    world.deliver().await;
    world.clock.advance(GAP);
    assert_eq!(
        (world.usable_links(), world.owner(ADDRESS), world.owner(OTHER)),
        (vec![true], Some(samples::patient_id("p-1")), None)
    );

    world.reinvite(Some(OTHER)).await.unwrap();
    assert_eq!(
        (world.usable_links(), world.owner(ADDRESS), world.owner(OTHER)),
        (vec![false], None, Some(samples::patient_id("p-1")))
    );
    assert!(world.invite_to("north", "p-2", Some(&old)).await.is_ok(), "the old address is free at once");
    let taken = refusal(world.invite_to("south", "p-3", Some(&new)).await);
    assert_eq!(taken, Refused::email_in_use(None), "the new address is taken at once");
    world.deliver().await;
    assert_eq!(world.usable_links()[..2], [false, true]);
}

#[tokio::test]
async fn a_reinvite_to_another_address_is_one_transaction() {
    let world = World::at(Sent).await;
    let before = world.store.contents();
    world.store.fail_next([None, Some(Fault::Unavailable)]);
    assert!(matches!(world.reinvite(Some(OTHER)).await, Err(OperationError::Store(StoreError::Unavailable(_)))));
    assert_eq!(world.store.contents(), before);
    assert_eq!(world.usable_links(), [true]);

    world.store.fail_next([None, Some(Fault::LostReply)]);
    assert!(world.reinvite(Some(OTHER)).await.is_err());
    assert_eq!(
        (world.usable_links(), world.owner(ADDRESS), world.owner(OTHER)),
        (vec![false], None, Some(samples::patient_id("p-1")))
    );
    assert!(world.queue.messages().is_empty());
    world.clock.advance(TimeDelta::minutes(2));
    assert_eq!(world.sweep().await.queued, 1, "its mail is sent, although the client got no answer");
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
}

#[tokio::test]
async fn an_address_on_the_profile_is_refused_to_others_also_after_the_claim_has_moved() {
    let world = World::at(Sent).await;
    world.save("north", "p-2", None).await;
    world.reinvite(Some(OTHER)).await.unwrap();
    let taken = refusal(world.invite_to("north", "p-2", Some(&samples::email(ADDRESS))).await);
    assert_eq!(taken, Refused::email_in_use(Some(samples::patient_id("p-1"))));
}

#[tokio::test]
async fn the_same_address_keeps_earlier_links_until_they_expire() {
    let world = World::at(Sent).await;
    for same in [None, Some(ADDRESS), Some("JOSE@EXAMPLE.COM")] {
        world.clock.advance(DAY);
        world.reinvite(same).await.unwrap();
        assert!(world.usable_links().into_iter().all(|usable| usable), "also while the new mail is queued");
        world.deliver().await;
    }
    assert_eq!(world.usable_links(), [true; 4]);
    world.clock.set(samples::noon() + DAY * 7);
    assert_eq!(world.usable_links(), [false, true, true, true]);
}

#[tokio::test]
async fn last_reinvited_on_is_the_most_recent_date_and_activated_on_does_not_change() {
    let world = World::at(Sent).await;
    let shown = async || {
        let panel = world.status("p-1").await;
        (day(panel.activated_on), day(panel.last_reinvited_on))
    };
    assert_eq!(shown().await, (may(5), None));
    assert_eq!(world.status("p-1").await.last_reinvited_on, DateField::Never);
    for (date, email, outcome) in [
        (6, None, SendOutcome::Accepted(samples::message_id(2))),
        (9, Some(OTHER), SendOutcome::Accepted(samples::message_id(3))),
        (10, Some(ADDRESS), SendOutcome::Refused),
        (20, None, SendOutcome::Accepted(samples::message_id(4))),
    ] {
        world.clock.set(samples::noon() + DAY * (date - 5));
        world.reinvite(email).await.unwrap();
        let expected = (may(5), may(date.unsigned_abs()));
        assert_eq!(shown().await, expected);
        world.deliver_as(outcome).await;
        assert_eq!(shown().await, expected);
    }
}

#[tokio::test]
async fn too_soon_says_how_long_to_wait_and_that_wait_is_enough() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    world.deliver().await;
    let mut waits = Vec::new();
    for _ in 0..6 {
        let Refused::Rule(RefusalCode::TooSoon, RefusalDetail::RetryAfterSecs(retry_after_secs)) =
            refusal(world.reinvite(None).await)
        else {
            panic!("too soon")
        };
        let wait = TimeDelta::seconds(retry_after_secs.try_into().unwrap());
        world.clock.advance(wait - TimeDelta::milliseconds(1));
        assert_eq!(refusal(world.reinvite(None).await), Refused::too_soon(1));
        world.clock.advance(TimeDelta::milliseconds(1));
        world.reinvite(None).await.unwrap();
        world.deliver().await;
        waits.push(wait);
    }
    // Five mails a day, the invitation's included: the sixth waits until the first is a day old.
    assert_eq!(waits, [GAP, GAP, GAP, GAP, DAY - GAP * 4, GAP]);
}

#[tokio::test]
async fn the_email_must_be_unique_also_for_a_reinvite() {
    let world = World::at(Sent).await;
    world.save("north", "p-2", Some("on.profile@example.com")).await;
    world.save("south", "p-3", Some("elsewhere@example.com")).await;
    world.invite("south", "p-3").await.unwrap();
    world.save("south", "p-5", Some("free@example.com")).await;
    world.save("north", "p-4", None).await;
    world.invite_to("north", "p-4", Some(&samples::email("claimed@example.com"))).await.unwrap();
    let (before, queued) = (world.store.contents(), world.queue.messages());
    for (address, holder) in [
        ("On.Profile@Example.com", Some(samples::patient_id("p-2"))),
        ("elsewhere@example.com", None),
        ("claimed@example.com", Some(samples::patient_id("p-4"))),
    ] {
        assert_eq!(refusal(world.reinvite(Some(address)).await), Refused::email_in_use(holder), "{address}");
        let after = Contents { budgets: before.budgets.clone(), ..world.store.contents() };
        assert_eq!((after, world.queue.messages()), (before.clone(), queued.clone()), "{address}");
    }
    let budgets = world.store.contents().budgets;
    assert_eq!(budgets.values().map(|budget| budget.refusals).collect::<Vec<_>>(), [1], "one is of another practice");
    assert_eq!(world.usable_links(), [true], "the earlier link still works");
    // A profile of another practice does not count.
    world.reinvite(Some("free@example.com")).await.unwrap();
}

#[tokio::test]
async fn after_a_bounce_only_another_address_is_accepted() {
    let world = World::at(Bounced).await;
    assert_eq!(refusal(world.reinvite(Some(ADDRESS)).await), Refused::rule(RefusalCode::AddressSuppressed));
    world.reinvite(Some(OTHER)).await.unwrap();
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
}

#[tokio::test]
async fn a_reinvite_that_lost_a_race_is_decided_by_the_changed_record() {
    let world = World::at(Sent).await;
    world.save("north", "p-2", None).await;
    let context = || samples::staff_context(world.clock.now(), "first");
    let (practice, id) = (samples::practice("north"), samples::invitation_id("first"));
    let other = world.store.stored_record(&samples::key("north", "p-2")).unwrap();
    for (first, expected) in [
        (
            world.record().reinvite(&practice, &Recipient::default(), id.clone(), context()).unwrap(),
            Refused::rule(RefusalCode::SendInProgress),
        ),
        (world.record().opt_out(context()).unwrap(), Refused::rule(RefusalCode::OptedOut)),
        (world.registration(), Refused::rule(RefusalCode::AlreadyRegistered)),
        (
            other.invite(&practice, &Some(&samples::email(OTHER)).into(), id, context()).unwrap(),
            Refused::email_in_use(Some(samples::patient_id("p-2"))),
        ),
    ] {
        let world = World::at(Sent).await;
        world.save("north", "p-2", None).await;
        let store = RacingStore { store: &world.store, first: Mutex::new(Some(first)) };
        assert_eq!(refusal(world.reinvite_in(&store, Some(OTHER)).await), expected);
        assert!(world.queue.messages().is_empty(), "{expected:?}");
    }
}
