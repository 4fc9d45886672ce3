//! Opting out and opting in.

use chrono::TimeDelta;
use portal::{
    operations::{deliver::DeliveryOutcome, track_login::track_login},
    panel::InvitationStatus,
    ports::Clock as _,
    record::{Account, Choice, delivery::Unclaimable},
    refusal::RefusalCode,
    states::AccountFacet,
    testing::{Refused, samples},
    timeline::EventKind,
};

use crate::{
    stage::{DAY, OptedOut, Queued, Registered, STAGES, Sending, Sent, Step, day, may},
    world::{ADDRESS, World},
};

#[tokio::test]
async fn a_patient_can_opt_out_at_any_stage_and_no_more_mail_is_sent() {
    for stage in STAGES.into_iter().filter(|stage| *stage != OptedOut) {
        let world = World::at(stage).await;
        let panel = world.staff(Step::OptOut).await.unwrap();
        assert!(panel.opted_out, "{stage:?}");
        assert!(!world.usable_links().contains(&true), "{stage:?}: no link works");
        if stage == Queued {
            assert_eq!(world.deliver().await, [DeliveryOutcome::NotClaimed(Unclaimable::Done)]);
        }
        if stage == Sending {
            // The sweep finds that the sender never recorded an outcome, and the invitation is revoked.
            world.clock.advance(TimeDelta::minutes(12));
            assert_eq!(world.sweep().await.queued, 1);
            world.deliver().await;
            assert_eq!(world.status("p-1").await.invitation.state, InvitationStatus::Revoked);
        }
        world.assert_nothing_happens().await;
        for step in [Step::Invite, Step::Reinvite] {
            let expected = if stage == Registered {
                Refused::rule(RefusalCode::AlreadyRegistered)
            } else {
                Refused::rule(RefusalCode::OptedOut)
            };
            assert_eq!(world.staff(step).await.unwrap_err(), expected, "{stage:?} {step:?}");
        }
    }
}

#[tokio::test]
async fn opting_out_is_recorded_with_who_and_when() {
    let world = World::at(Sent).await;
    world.staff(Step::OptOut).await.unwrap();
    let (at, by) = (world.clock.now(), samples::staff());
    assert_eq!(world.record().choice, Choice::OptedOut { at, by: by.clone() });
    let event = world.store.timeline(&samples::key("north", "p-1")).pop().unwrap();
    assert_eq!((event.kind, event.context.actor, event.context.at), (EventKind::OptedOut, by, at));
}

#[tokio::test]
async fn opting_out_keeps_the_account_and_the_panel_says_so() {
    let world = World::at(Registered).await;
    let account = world.record().account;
    let panel = world.staff(Step::OptOut).await.unwrap();
    assert_eq!((panel.opted_out, day(panel.registered_on), panel.account.state), (true, may(5), AccountFacet::Active));
    assert_eq!((world.record().account, world.owner(ADDRESS)), (account, Some(samples::patient_id("p-1"))));

    world.clock.advance(DAY);
    let login = samples::login("event-1", world.clock.now());
    track_login(&world.ports(), &samples::email(ADDRESS), login).await.unwrap();
    assert_eq!(day(world.status("p-1").await.last_login_on), may(6), "the patient can still log in");
    assert!(!world.staff(Step::OptIn).await.unwrap().opted_out);
    assert!(matches!(world.record().account, Account::Active { .. }));
}

#[tokio::test]
async fn opting_in_sends_nothing() {
    for stage in STAGES.into_iter().filter(|stage| !matches!(stage, OptedOut | Sending)) {
        let world = World::at(stage).await;
        let queued = world.queue.messages();
        world.staff(Step::OptOut).await.unwrap();
        let panel = world.staff(Step::OptIn).await.unwrap();
        assert!(!panel.opted_out && !panel.mail_is_queued(), "{stage:?}");
        assert_eq!(world.queue.messages(), queued, "{stage:?}");
        assert!(
            world.deliver().await.iter().all(|outcome| *outcome == DeliveryOutcome::NotClaimed(Unclaimable::Done)),
            "{stage:?}: a mail that was queued before is not sent"
        );
        assert!(!world.usable_links().contains(&true), "{stage:?}: no link works again");
        world.assert_nothing_happens().await;
    }
}

#[tokio::test]
async fn after_opting_in_staff_can_invite_the_patient() {
    for (stage, step) in [(Queued, Step::Invite), (Sent, Step::Reinvite)] {
        let world = World::at(stage).await;
        world.staff(Step::OptOut).await.unwrap();
        world.staff(Step::OptIn).await.unwrap();
        world.deliver().await;
        world.staff(step).await.unwrap();
        assert_eq!(world.deliver().await, [DeliveryOutcome::Sent], "{stage:?}");
        assert_eq!(world.usable_links().last(), Some(&true), "{stage:?}");
    }
}
