//! The latest login of an account.

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    ports::{CommitOutcome, LoginOutcome, LoginStore as _},
    testing::samples,
    timeline::Role,
};

use crate::{backend::Backend, story::Story};

const ADDRESS: &str = "jose@example.com";

async fn registered<B: Backend>(backend: &B) -> Story<'_, B> {
    let mut story = Story::begin(backend, "lake", "p-1", Some(ADDRESS)).await;
    story.invite(None).await;
    story.send().await;
    story.register().await;
    story
}

async fn note(backend: &impl Backend, event: &str, at: DateTime<Utc>) -> LoginOutcome {
    backend.store().record_login(&samples::email("Jose@Example.com"), &samples::login(event, at)).await.unwrap()
}

/// Notes a login, and checks that the store did what the rules say.
async fn note_in<B: Backend>(story: &mut Story<'_, B>, event: &str, at: DateTime<Utc>) -> LoginOutcome {
    let expected = story.record.track_login(&samples::login(event, at)).unwrap();
    let outcome = note(story.backend, event, at).await;
    assert_eq!(outcome == LoginOutcome::Recorded, expected.is_some(), "{event} at {at}");
    story.record = expected.unwrap_or_else(|| story.record.clone());
    story.is_stored().await;
    outcome
}

pub(crate) async fn only_the_latest_login_is_kept(backend: &impl Backend) {
    let mut story = registered(backend).await;
    let begun = story.now;
    let hours = |hours| begun + TimeDelta::hours(hours);
    for (event, login_at, outcome, latest) in [
        ("before", hours(0), LoginOutcome::Known, hours(0)),
        ("first", hours(2), LoginOutcome::Recorded, hours(2)),
        ("at-once", hours(2), LoginOutcome::Known, hours(2)),
        ("late", hours(1), LoginOutcome::Known, hours(2)),
        ("next", hours(3), LoginOutcome::Recorded, hours(3)),
    ] {
        assert_eq!(note_in(&mut story, event, login_at).await, outcome, "{event}");
        assert_eq!(story.stored().await.last_login_at(), Some(latest), "{event}");
    }
}

pub(crate) async fn a_repeated_event_is_known_whatever_its_time(backend: &impl Backend) {
    let mut story = registered(backend).await;
    let begun = story.now;
    let hours = |hours| begun + TimeDelta::hours(hours);
    assert_eq!(note_in(&mut story, "one", hours(1)).await, LoginOutcome::Recorded);
    for again in [hours(0), hours(1), hours(9)] {
        assert_eq!(note_in(&mut story, "one", again).await, LoginOutcome::Known, "{again}");
    }
    // The record is written as a whole by other changes, and keeps the event.
    story.opt_out(Role::Staff).await;
    assert_eq!(note_in(&mut story, "one", hours(9)).await, LoginOutcome::Known);
    // The last event alone is remembered.
    assert_eq!(note_in(&mut story, "two", hours(2)).await, LoginOutcome::Recorded);
    assert_eq!(note_in(&mut story, "one", hours(9)).await, LoginOutcome::Recorded);
    assert_eq!(story.stored().await.last_login_at(), Some(hours(9)));
}

pub(crate) async fn who_has_no_account_logs_in_nowhere(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some(ADDRESS)).await;
    let login_at = samples::noon() + TimeDelta::days(9);
    assert_eq!(note(backend, "event-1", login_at).await, LoginOutcome::NoAccount);
    story.invite(None).await;
    assert_eq!(note(backend, "event-1", login_at).await, LoginOutcome::NoAccount, "an invitation is no account");
    story.is_stored().await;
}

pub(crate) async fn a_stale_change_takes_no_login_back(backend: &impl Backend) {
    let mut story = registered(backend).await;
    let context = story.context(Role::Staff);
    let decided_before = story.record.opt_out(context).unwrap();
    let login_at = story.now + TimeDelta::hours(1);
    assert_eq!(note_in(&mut story, "event-1", login_at).await, LoginOutcome::Recorded);
    assert_eq!(story.try_commit(&decided_before).await, CommitOutcome::Stale);
    story.is_stored().await;
}
