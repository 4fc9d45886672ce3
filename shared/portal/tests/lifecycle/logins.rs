//! Reports of logins after a registration.

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    operations::{OperationError, track_login::track_login},
    ports::Clock as _,
    refusal::LoginRefusal,
    refusal::RefusalCode,
    testing::{Refused, refusal, samples},
};

use crate::{
    stage::{OTHER, Registered, STAGES},
    world::{ADDRESS, World},
};

async fn log_in(
    world: &World,
    email: &str,
    event: &str,
    at: DateTime<Utc>,
) -> Result<(), OperationError<LoginRefusal>> {
    track_login(&world.ports(), &samples::email(email), samples::login(event, at)).await
}

fn latest(world: &World) -> DateTime<Utc> {
    world.record().last_login().unwrap().at
}

#[tokio::test]
async fn a_login_changes_neither_version_nor_timeline() {
    let world = World::at(Registered).await;
    let (version, events) = (world.record().version, world.store.contents().timeline.len());
    log_in(&world, &ADDRESS.to_uppercase(), "event-1", world.clock.now()).await.unwrap();
    assert_eq!(latest(&world), world.clock.now());
    assert_eq!((world.record().version, world.store.contents().timeline.len()), (version, events));
}

#[tokio::test]
async fn repeated_and_late_reports_change_nothing() {
    let world = World::at(Registered).await;
    let now = world.clock.now();
    log_in(&world, ADDRESS, "event-1", now).await.unwrap();
    let before = world.store.contents();
    world.clock.advance(TimeDelta::hours(3));
    for (event, at) in
        [("event-1", now), ("event-1", world.clock.now()), ("event-2", now), ("event-3", now - TimeDelta::seconds(1))]
    {
        log_in(&world, ADDRESS, event, at).await.unwrap();
        assert_eq!(world.store.contents(), before, "{event} at {at}");
    }
}

#[tokio::test]
async fn a_login_in_the_future_counts_as_now_and_only_once() {
    let world = World::at(Registered).await;
    let (now, next_year) = (world.clock.now(), world.clock.now() + TimeDelta::days(365));
    log_in(&world, ADDRESS, "event-1", next_year).await.unwrap();
    assert_eq!(latest(&world), now);

    world.clock.advance(TimeDelta::hours(3));
    log_in(&world, ADDRESS, "event-1", next_year).await.unwrap();
    assert_eq!(latest(&world), now, "a repeat of the event is not a login three hours later");

    log_in(&world, ADDRESS, "event-2", world.clock.now()).await.unwrap();
    assert_eq!(latest(&world), world.clock.now(), "it does not hide a real login");
}

#[tokio::test]
async fn clocks_may_differ_by_five_minutes() {
    let world = World::at(Registered).await;
    let (now, skew) = (world.clock.now(), TimeDelta::minutes(5));
    log_in(&world, ADDRESS, "event-1", now + skew).await.unwrap();
    assert_eq!(latest(&world), now + skew);
    log_in(&world, ADDRESS, "event-2", now + skew + TimeDelta::milliseconds(1)).await.unwrap();
    assert_eq!(latest(&world), now + skew, "a millisecond more is in the future and counts as now");
}

#[tokio::test]
async fn a_login_without_a_registration_is_refused() {
    for stage in STAGES {
        let world = World::at(stage).await;
        let before = world.store.contents();
        for email in [OTHER, "unknown@example.com", ADDRESS] {
            let result = log_in(&world, email, "event-1", world.clock.now()).await;
            if stage == Registered && email == ADDRESS {
                result.unwrap();
            } else {
                assert_eq!(refusal(result), Refused::rule(RefusalCode::NotRegistered), "{stage:?} {email}");
                assert_eq!(world.store.contents(), before, "{stage:?} {email}");
            }
        }
    }
}
