//! Revoking an invitation.

use portal::{
    operations::deliver::DeliveryOutcome,
    panel::DateField,
    panel::InvitationStatus,
    ports::Clock as _,
    record::{delivery::Unclaimable, guards::Recipient},
    refusal::RefusalCode,
    testing::{Refused, refusal, samples},
    timeline::Role,
};

use crate::{
    stage::{Bounced, Expired, Failed, GAP, New, OTHER, Queued, Registered, Revoked, Sending, Sent, Step, day, may},
    world::World,
};

#[tokio::test]
async fn only_an_unused_invitation_can_be_revoked() {
    for (stage, refused) in [
        (New, Some(Refused::rule(RefusalCode::NotInvited))),
        (Queued, None),
        (Sending, Some(Refused::rule(RefusalCode::SendInProgress))),
        (Sent, None),
        (Expired, None),
        (Bounced, None),
        (Failed, None),
        (Revoked, Some(Refused::rule(RefusalCode::NotInvited))),
        (Registered, Some(Refused::rule(RefusalCode::AlreadyRegistered))),
    ] {
        let result = World::at(stage).await.staff(Step::Revoke).await;
        match refused {
            Some(expected) => assert_eq!(result.unwrap_err(), expected, "{stage:?}"),
            None => assert_eq!(result.unwrap().invitation.state, InvitationStatus::Revoked, "{stage:?}"),
        }
    }
}

#[tokio::test]
async fn a_queued_mail_of_a_revoked_invitation_is_not_sent() {
    let world = World::at(Queued).await;
    let panel = world.staff(Step::Revoke).await.unwrap();
    assert_eq!(panel.activated_on, DateField::Nothing, "no mail was sent");
    assert_eq!(world.deliver().await, [DeliveryOutcome::NotClaimed(Unclaimable::Done)]);
    world.assert_nothing_happens().await;
    assert!(world.mailer.mails().is_empty());
}

#[tokio::test]
async fn the_link_of_a_revoked_invitation_does_not_work() {
    let world = World::at(Sent).await;
    assert_eq!(world.usable_links(), [true]);
    let panel = world.staff(Step::Revoke).await.unwrap();
    assert_eq!((world.usable_links(), day(panel.activated_on)), (vec![false], may(5)));
    world.assert_nothing_happens().await;
    world.clock.advance(GAP);
    let panel = world.invite("north", "p-1").await.unwrap().panel;
    let today = Some(world.clock.now().date_naive());
    assert_eq!(day(panel.last_reinvited_on), today, "after a mail was sent, each invitation is a reinvitation");
    world.deliver().await;
    assert_eq!(world.usable_links(), [false, true], "it does not work after a later invitation either");
}

#[tokio::test]
async fn the_address_of_a_revoked_invitation_is_free_at_once_for_another_patient() {
    for sent in [false, true] {
        let world = World::with_patients(&[("north", "p-1", None), ("south", "p-2", None)]).await;
        let email = samples::email(OTHER);
        world.invite_to("north", "p-1", Some(&email)).await.unwrap();
        if sent {
            world.deliver().await;
        }
        assert_eq!(refusal(world.invite_to("south", "p-2", Some(&email)).await), Refused::email_in_use(None));
        world.staff(Step::Revoke).await.unwrap();
        world.invite_to("south", "p-2", Some(&email)).await.unwrap();
        assert_eq!(world.owner(OTHER), Some(samples::patient_id("p-2")));
        if sent {
            assert_eq!(refusal(world.reinvite(None).await), Refused::too_soon(60));
            world.clock.advance(GAP);
        }
        assert_eq!(
            refusal(world.reinvite(None).await),
            Refused::email_in_use(None),
            "the first patient cannot claim it again"
        );
    }
}

#[tokio::test]
async fn revoking_gives_back_only_the_place_of_a_mail_that_never_left() {
    let (practice, id) = (samples::practice("north"), samples::invitation_id("again"));
    let (sent, queued) = (World::at(Sent).await.record(), World::at(Queued).await.record());
    let context = |role| samples::context_as(role, samples::noon() + GAP, "request-9");
    assert!(queued.revoke(context(Role::Staff)).unwrap().after.staff_mails.is_empty());
    assert_eq!(sent.revoke(context(Role::Staff)).unwrap().after.staff_mails, sent.staff_mails);
    // The mail that waits is a reminder, which has no place to give back.
    let reminded = sent.reinvite(&practice, &Recipient::default(), id, context(Role::Sweep)).unwrap().after;
    assert_eq!(reminded.revoke(context(Role::Staff)).unwrap().after.staff_mails, sent.staff_mails);
}
