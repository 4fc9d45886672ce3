//! The operations of the holder of a mailed link, with the in-memory store.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use chrono::{Datelike as _, NaiveDate, TimeDelta};
use portal::{
    ids::RequestId,
    link::Token,
    operations::{
        OperationError,
        deliver::DeliveryOutcome,
        register::{Holder, LinkPreview, Registered, check, decline, new_link, register, stop_reminders},
    },
    panel::{DateField, InvitationReason, InvitationStatus},
    policy::{ADDRESS_LEASE, MAIL_GAP},
    ports::{ChangeStore as _, Clock as _},
    profile::Profile,
    record::{Account, InvitationState},
    refusal::{LinkRefusal, RefusalCode, RegisterRefusal},
    states::{AccountFacet, RevokeReason},
    testing::{Refused, refusal, samples},
};
use world::{ADDRESS, World};

/// A world with a patient whose invitation was mailed, and the token in the mail.
async fn mailed() -> (World, Token) {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
    let token = last_token(&world);
    (world, token)
}

fn last_token(world: &World) -> Token {
    world.mailer.mails().last().unwrap().token.clone()
}

fn request() -> RequestId {
    samples::request_id("request-2")
}

async fn try_register(
    world: &World,
    token: &Token,
    date_of_birth: NaiveDate,
) -> Result<Registered, OperationError<RegisterRefusal>> {
    register(&world.ports(), &world.entropy, &Holder { token, request: &request(), keyed: None }, date_of_birth).await
}

async fn try_check(world: &World, token: &Token) -> Result<LinkPreview, OperationError<LinkRefusal>> {
    check(&world.ports(), token).await
}

fn wrong_date_of_birth() -> NaiveDate {
    samples::date_of_birth().with_day(28).unwrap()
}

#[tokio::test]
async fn registering_opens_the_account_and_is_no_login() {
    let (world, token) = mailed().await;
    world.clock.advance(TimeDelta::days(1));
    let registered = try_register(&world, &token, samples::date_of_birth()).await.unwrap();
    assert_eq!(registered.email, samples::email(ADDRESS));

    let panel = world.status("p-1").await;
    let today = DateField::On { at: world.clock.now(), date: world.clock.now().date_naive() };
    assert_eq!((panel.registered_on, panel.last_login_on), (today, DateField::Never));
    assert_eq!((panel.invitation.state, panel.account.state), (InvitationStatus::Consumed, AccountFacet::Active));
    let record = world.record();
    assert!(matches!(record.account, Account::Active { id, .. } if id == registered.account));
    assert_eq!(
        world.store.email_entry(&samples::email(ADDRESS)).owner,
        Some(record.key),
        "the account keeps the claim"
    );
}

#[tokio::test]
async fn checking_a_link_a_hundred_times_changes_nothing() {
    let (world, token) = mailed().await;
    let before = world.store.contents();
    for _ in 0..100 {
        let preview = try_check(&world, &token).await.unwrap();
        assert_eq!(preview.practice_name.as_str(), "Lakeside Family Medicine");
        assert_eq!(preview.masked_email, "j***@e***.com");
    }
    assert_eq!(world.store.contents(), before);
}

#[tokio::test]
async fn every_unusable_link_gets_the_same_refusal() {
    let (world, token) = mailed().await;
    let mut with_wrong_secret = token.clone();
    with_wrong_secret.secret = samples::secret(99);
    let unknown = Token { link: portal::ids::LinkId::parse("unknown").unwrap(), secret: samples::secret(1) };
    for bad in [&with_wrong_secret, &unknown] {
        assert_eq!(refusal(try_check(&world, bad).await), Refused::rule(RefusalCode::LinkNotUsable));
        assert_eq!(
            refusal(try_register(&world, bad, samples::date_of_birth()).await),
            Refused::rule(RefusalCode::LinkNotUsable)
        );
    }
    world.clock.advance(TimeDelta::days(7));
    assert_eq!(
        refusal(try_register(&world, &token, samples::date_of_birth()).await),
        Refused::rule(RefusalCode::LinkNotUsable)
    );
    world.clock.advance(TimeDelta::days(-7));
    try_register(&world, &token, samples::date_of_birth()).await.unwrap();
    assert_eq!(
        refusal(try_register(&world, &token, samples::date_of_birth()).await),
        Refused::rule(RefusalCode::LinkNotUsable)
    );
}

#[tokio::test]
async fn a_link_does_not_register_after_another_practice_has_taken_over_the_address() {
    let patients = [("north", "p-1", Some(ADDRESS)), ("north", "p-9", None), ("south", "p-2", Some(ADDRESS))];
    let world = World::with_patients(&patients).await;
    // The practice's term begins with its first invitation, of whichever patient.
    world.save("north", "p-1", None).await;
    world.invite_to("north", "p-9", Some(&samples::email(ADDRESS))).await.unwrap();
    world.deliver().await;
    let holder = Holder { token: &last_token(&world), request: &request(), keyed: None };
    decline(&world.ports(), &holder, RevokeReason::Declined).await.unwrap();
    world.clock.advance(ADDRESS_LEASE - TimeDelta::days(1));
    world.save("north", "p-1", Some(ADDRESS)).await;
    world.invite("north", "p-1").await.unwrap();
    world.deliver().await;
    let token = last_token(&world);
    assert_eq!(refusal(world.invite("south", "p-2").await), Refused::email_in_use(None));
    world.clock.advance(TimeDelta::days(1));
    world.invite("south", "p-2").await.unwrap();
    assert_eq!(
        refusal(try_register(&world, &token, samples::date_of_birth()).await),
        Refused::rule(RefusalCode::LinkNotUsable)
    );
    assert_eq!(world.record().account, Account::None);
    world.deliver().await;
    try_register(&world, &last_token(&world), samples::date_of_birth()).await.unwrap();
}

#[tokio::test]
async fn five_wrong_dates_of_birth_lock_the_link_and_free_the_address() {
    let (world, token) = mailed().await;
    for _ in 0..5 {
        assert_eq!(
            refusal(try_register(&world, &token, wrong_date_of_birth()).await),
            Refused::rule(RefusalCode::DateOfBirthMismatch)
        );
    }
    assert_eq!(
        refusal(try_register(&world, &token, samples::date_of_birth()).await),
        Refused::rule(RefusalCode::LinkNotUsable)
    );
    assert_eq!(world.status("p-1").await.invitation.reason, Some(InvitationReason::Revoked(RevokeReason::Locked)));
    assert_eq!(world.store.email_entry(&samples::email(ADDRESS)).owner, None);
    world.clock.advance(MAIL_GAP);
    assert!(world.invite("north", "p-1").await.is_ok(), "the record remains, and staff may invite again");
}

#[tokio::test]
async fn declining_and_not_me_end_the_invitation_without_an_opt_out() {
    for reason in [RevokeReason::Declined, RevokeReason::WrongPerson] {
        let (world, token) = mailed().await;
        decline(&world.ports(), &Holder { token: &token, request: &request(), keyed: None }, reason).await.unwrap();
        let panel = world.status("p-1").await;
        assert_eq!((panel.invitation.reason, panel.opted_out), (Some(InvitationReason::Revoked(reason)), false));
        assert_eq!(refusal(try_check(&world, &token).await), Refused::rule(RefusalCode::LinkNotUsable));
    }
}

#[tokio::test]
async fn an_expired_link_gets_a_new_one_to_the_same_address_only() {
    let (world, token) = mailed().await;
    world.clock.advance(TimeDelta::days(8));
    let holder = Holder { token: &token, request: &request(), keyed: None };
    let requested = new_link(&world.ports(), &world.queue, &world.entropy, &holder).await;
    assert!(requested.unwrap().is_none());
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
    assert_eq!(world.mailer.mails().last().unwrap().to, samples::email(ADDRESS));
    assert!(try_check(&world, &last_token(&world)).await.is_ok());

    let again = new_link(&world.ports(), &world.queue, &world.entropy, &holder).await;
    assert!(
        matches!(refusal(again), Refused::Rule(RefusalCode::TooSoon, _)),
        "a second click is refused as too soon, not as an unusable link"
    );
}

#[tokio::test]
async fn a_link_that_was_never_mailed_gets_no_new_one() {
    let (world, mut token) = mailed().await;
    token.secret = samples::secret(99);
    world.clock.advance(TimeDelta::days(8));
    let before = world.store.contents();
    let holder = Holder { token: &token, request: &request(), keyed: None };
    let requested = new_link(&world.ports(), &world.queue, &world.entropy, &holder).await;
    assert_eq!(refusal(requested), Refused::rule(RefusalCode::LinkNotUsable));
    assert_eq!(world.store.contents(), before);
}

#[tokio::test]
async fn an_inactive_patient_can_register_with_an_earlier_link_but_gets_no_new_link() {
    let (world, token) = mailed().await;
    world.save_as("north", "p-1", &Profile { active: false, ..samples::profile(Some(ADDRESS)) }).await;
    world.clock.advance(TimeDelta::days(1));
    let holder = Holder { token: &token, request: &request(), keyed: None };
    let requested = new_link(&world.ports(), &world.queue, &world.entropy, &holder).await;
    assert_eq!(refusal(requested), Refused::rule(RefusalCode::LinkNotUsable), "the holder does not learn the reason");
    assert!(try_check(&world, &token).await.is_ok());
    assert_eq!(try_register(&world, &token, samples::date_of_birth()).await.unwrap().email, samples::email(ADDRESS));
}

#[tokio::test]
async fn opting_out_makes_the_link_unusable() {
    let (world, token) = mailed().await;
    let change = world.record().opt_out(samples::staff_context(world.clock.now(), "r")).unwrap();
    world.store.commit(&change).await.unwrap();
    assert_eq!(
        refusal(try_register(&world, &token, samples::date_of_birth()).await),
        Refused::rule(RefusalCode::LinkNotUsable)
    );
}

#[tokio::test]
async fn unsubscribing_stops_the_reminders_and_nothing_else() {
    let (world, token) = mailed().await;
    for _ in 0..2 {
        stop_reminders(&world.ports(), &token.link, &request()).await.unwrap();
    }
    let record = world.record();
    assert_eq!((record.reminders_stopped, record.next_action), (true, None));
    assert!(matches!(record.invitation.unwrap().state, InvitationState::Sent { .. }));
    assert!(try_check(&world, &token).await.is_ok());
    world.clock.advance(TimeDelta::days(60));
    assert_eq!(world.sweep().await.reminded, 0);
    let unknown = portal::ids::LinkId::parse("unknown").unwrap();
    assert!(
        stop_reminders(&world.ports(), &unknown, &request()).await.is_ok(),
        "the result is the same for an unknown link"
    );
}
