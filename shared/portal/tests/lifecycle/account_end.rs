//! Closing an account, and opening it again.

use chrono::TimeDelta;
use portal::{
    operations::{
        OperationError,
        close::{close, reopen},
        track_login::track_login,
    },
    panel::StatusPanel,
    ports::{Clock as _, Hint},
    record::Account,
    refusal::{CloseRefusal, LoginRefusal, Refusal as _, RefusalCode, ReopenRefusal},
    states::{AccountFacet, NoticeKind},
    testing::{Refused, refusal, samples},
    timeline::EventKind,
};

use crate::{
    offer,
    stage::{OTHER, Registered, STAGES, Step, day, may},
    world::{ADDRESS, World},
};

async fn close_account(world: &World) -> Result<StatusPanel, OperationError<CloseRefusal>> {
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    let command = world.command(&scope, &patient);
    let closed = close(&world.ports(), &world.queue, &command, &samples::close_reason()).await;
    closed.map(|closed| closed.panel)
}

async fn reopen_account(world: &World, by_care: bool) -> Result<StatusPanel, OperationError<ReopenRefusal>> {
    let scope = if by_care { samples::support_scope("north") } else { samples::scope("north") };
    let patient = samples::patient_id("p-1");
    let reopened = reopen(&world.ports(), &world.queue, &world.command(&scope, &patient)).await;
    reopened.map(|reopened| reopened.panel)
}

async fn log_in(world: &World, event: &str) -> Result<(), OperationError<LoginRefusal>> {
    track_login(&world.ports(), &samples::email(ADDRESS), samples::login(event, world.clock.now())).await
}

/// The notices that wait.
fn waiting(world: &World) -> Vec<(NoticeKind, String)> {
    world.record().notices.iter().map(|notice| (notice.kind, notice.to.typed().to_owned())).collect()
}

#[tokio::test]
async fn a_closed_account_takes_no_login_and_no_invitation_and_keeps_its_address() {
    let world = World::at(Registered).await;
    log_in(&world, "event-1").await.unwrap();
    let open = world.record().account;

    let panel = close_account(&world).await.unwrap();
    assert_eq!((panel.account.state, panel.account.email), (AccountFacet::Deactivated, Some(samples::email(ADDRESS))));
    assert_eq!(panel.sentence, "Registered on May 5, 2026. The account is closed: Customer Care can reopen it.");
    assert_eq!((day(panel.registered_on), day(panel.last_login_on)), (may(5), may(5)), "its dates remain");
    let closed = Err(Refused::rule(RefusalCode::AccountClosed));
    assert_eq!(offer(&panel.actions.invite), closed);
    assert_eq!(offer(&panel.actions.reinvite), closed);
    assert_eq!(offer(&panel.actions.change_email), closed);
    assert_eq!(offer(&panel.actions.close), closed);
    assert_eq!(offer(&panel.actions.reopen), Err(Refused::rule(RefusalCode::SupportOnly)));
    assert_eq!(world.owner(ADDRESS), Some(samples::patient_id("p-1")), "the claim remains");

    world.clock.advance(TimeDelta::hours(1));
    let before = world.store.contents();
    assert_eq!(refusal(log_in(&world, "event-2").await), Refused::rule(RefusalCode::NotRegistered));
    assert_eq!(refusal(close_account(&world).await), Refused::rule(RefusalCode::AccountClosed));
    assert_eq!(refusal(reopen_account(&world, false).await), Refused::rule(RefusalCode::SupportOnly));
    for step in [Step::Invite, Step::Reinvite] {
        assert_eq!(world.staff(step).await.map(drop), closed, "{step:?}");
    }
    assert_eq!(world.store.contents(), before);

    let panel = reopen_account(&world, true).await.unwrap();
    assert_eq!((panel.account.state, &world.record().account), (AccountFacet::Active, &open), "it is as it was");
    log_in(&world, "event-2").await.unwrap();
}

#[tokio::test]
async fn both_addresses_are_told_and_the_reason_is_kept() {
    let world = World::at(Registered).await;
    close_account(&world).await.unwrap();
    assert_eq!(waiting(&world), [(NoticeKind::AccountClosed, ADDRESS.to_owned())], "one address, one notice");
    let key = world.record().key;
    assert_eq!(world.queue.messages().last(), Some(&Hint::Notices(key.clone())));
    let event = world.store.timeline(&key).pop().unwrap();
    assert_eq!(event.kind, EventKind::AccountClosed { reason: samples::close_reason() });
    assert_eq!(event.sentence(), "Practice staff closed the account: The patient asked for it.");

    world.save("north", "p-1", Some(OTHER)).await;
    reopen_account(&world, true).await.unwrap();
    let told = |kind, address: &str| (kind, address.to_owned());
    assert_eq!(
        waiting(&world),
        [
            told(NoticeKind::AccountClosed, ADDRESS),
            told(NoticeKind::AccountReopened, ADDRESS),
            told(NoticeKind::AccountReopened, OTHER)
        ]
    );
}

#[tokio::test]
async fn only_an_account_can_be_closed_and_only_a_closed_one_reopened() {
    for stage in STAGES {
        let world = World::at(stage).await;
        let (before, actions) = (world.store.contents(), world.status("p-1").await.actions);
        let reopened = reopen_account(&world, true).await;
        let expected = if stage == Registered { RefusalCode::AccountNotClosed } else { RefusalCode::NotRegistered };
        assert_eq!(refusal(reopened), Refused::rule(expected), "{stage:?}");
        assert_eq!(actions.reopen.unwrap_err().code(), expected, "{stage:?}");
        assert_eq!(world.store.contents(), before, "{stage:?}");
        let closed = close_account(&world).await;
        assert_eq!(closed.is_ok(), stage == Registered, "{stage:?}");
        assert_eq!(actions.close.is_ok(), closed.is_ok(), "{stage:?}");
        assert_eq!(matches!(world.record().account, Account::Deactivated { .. }), stage == Registered, "{stage:?}");
    }
}

#[tokio::test]
async fn too_many_waiting_notices_delay_the_end_of_an_account() {
    let world = World::at(Registered).await;
    // Every closing and every reopening adds a notice to each of two addresses.
    world.save("north", "p-1", Some(OTHER)).await;
    for _ in 0..2 {
        close_account(&world).await.unwrap();
        reopen_account(&world, true).await.unwrap();
    }
    let refused = refusal(close_account(&world).await);
    assert!(matches!(refused, Refused::Rule(RefusalCode::TooSoon, _)), "{refused:?}");
}
