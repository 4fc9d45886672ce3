//! The latest login of an account.

use chrono::TimeDelta;
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

pub(crate) async fn only_the_latest_login_is_kept(backend: &impl Backend) {
    let story = registered(backend).await;
    let hours = |hours| story.now + TimeDelta::hours(hours);
    for (login_at, outcome, latest) in [
        (hours(2), LoginOutcome::Noted, hours(2)),
        (hours(2), LoginOutcome::Known, hours(2)),
        (hours(1), LoginOutcome::Known, hours(2)),
        (hours(3), LoginOutcome::Noted, hours(3)),
    ] {
        let noted = backend.store().note_login(&samples::email("Jose@Example.com"), login_at).await;
        assert_eq!(noted.unwrap(), outcome);
        assert_eq!(story.stored().await.last_login_at(), Some(latest));
    }
    assert_eq!(story.stored().await.version, story.record.version, "a login is no change of the record");
}

pub(crate) async fn who_has_no_account_logs_in_nowhere(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some(ADDRESS)).await;
    let (email, login_at) = (samples::email(ADDRESS), samples::noon() + TimeDelta::days(9));
    assert_eq!(backend.store().note_login(&email, login_at).await.unwrap(), LoginOutcome::NoAccount);
    story.invite(None).await;
    let outcome = backend.store().note_login(&email, login_at).await.unwrap();
    assert_eq!(outcome, LoginOutcome::NoAccount, "an invitation is no account");
    story.is_stored().await;
}

pub(crate) async fn a_stale_change_takes_no_login_back(backend: &impl Backend) {
    let mut story = registered(backend).await;
    let act = story.act(Role::Staff);
    let decided_before = story.record.opt_out(act).unwrap();
    let login_at = story.now + TimeDelta::hours(1);
    backend.store().note_login(&samples::email(ADDRESS), login_at).await.unwrap();
    assert_eq!(story.try_commit(&decided_before).await, CommitOutcome::Stale);
    assert_eq!(story.stored().await.last_login_at(), Some(login_at));
}
