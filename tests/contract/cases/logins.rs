//! The latest login of an account.

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    ports::{CommitOutcome, LoginOutcome, LoginStore as _},
    testing::samples,
    timeline::Role,
};

use crate::{backend::Backend, test_patient::TestPatient};

const ADDRESS: &str = "jose@example.com";

async fn registered<B: Backend>(backend: &B) -> TestPatient<'_, B> {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some(ADDRESS)).await;
    patient.invite(None).await;
    patient.send().await;
    patient.register().await;
    patient
}

async fn record_login(backend: &impl Backend, event: &str, at: DateTime<Utc>) -> LoginOutcome {
    backend.store().record_login(&samples::email("Jose@Example.com"), &samples::login(event, at)).await.unwrap()
}

/// Records a login, and checks that the store follows the rules.
async fn record_and_check<B: Backend>(
    patient: &mut TestPatient<'_, B>,
    event: &str,
    at: DateTime<Utc>,
) -> LoginOutcome {
    let expected = patient.record.track_login(&samples::login(event, at)).unwrap();
    let outcome = record_login(patient.backend, event, at).await;
    assert_eq!(outcome == LoginOutcome::Recorded, expected.is_some(), "{event} at {at}");
    patient.record = expected.unwrap_or_else(|| patient.record.clone());
    patient.is_stored().await;
    outcome
}

pub(crate) async fn only_the_latest_login_is_kept(backend: &impl Backend) {
    let mut patient = registered(backend).await;
    let begun = patient.now;
    let hours = |hours| begun + TimeDelta::hours(hours);
    for (event, login_at, outcome, latest) in [
        ("before", begun - TimeDelta::milliseconds(1), LoginOutcome::Known, None),
        ("registered", hours(0), LoginOutcome::Recorded, Some(hours(0))),
        ("first", hours(2), LoginOutcome::Recorded, Some(hours(2))),
        ("same-time", hours(2), LoginOutcome::Known, Some(hours(2))),
        ("late", hours(1), LoginOutcome::Known, Some(hours(2))),
        ("next", hours(3), LoginOutcome::Recorded, Some(hours(3))),
    ] {
        assert_eq!(record_and_check(&mut patient, event, login_at).await, outcome, "{event}");
        assert_eq!(patient.stored().await.last_login().map(|login| login.at), latest, "{event}");
    }
}

pub(crate) async fn a_repeated_login_event_changes_nothing_at_any_time(backend: &impl Backend) {
    let mut patient = registered(backend).await;
    let begun = patient.now;
    let hours = |hours| begun + TimeDelta::hours(hours);
    assert_eq!(record_and_check(&mut patient, "one", hours(1)).await, LoginOutcome::Recorded);
    for again in [hours(0), hours(1), hours(9)] {
        assert_eq!(record_and_check(&mut patient, "one", again).await, LoginOutcome::Known, "{again}");
    }
    // Other changes write the whole record, and keep the event.
    patient.opt_out(Role::Staff).await;
    assert_eq!(record_and_check(&mut patient, "one", hours(9)).await, LoginOutcome::Known);
    // Only the last event is remembered.
    assert_eq!(record_and_check(&mut patient, "two", hours(2)).await, LoginOutcome::Recorded);
    assert_eq!(record_and_check(&mut patient, "one", hours(9)).await, LoginOutcome::Recorded);
    assert_eq!(patient.stored().await.last_login().map(|login| login.at), Some(hours(9)));
}

pub(crate) async fn a_login_without_an_account_is_not_recorded(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some(ADDRESS)).await;
    let login_at = samples::noon() + TimeDelta::days(9);
    assert_eq!(record_login(backend, "event-1", login_at).await, LoginOutcome::NoAccount);
    patient.invite(None).await;
    assert_eq!(
        record_login(backend, "event-1", login_at).await,
        LoginOutcome::NoAccount,
        "an invited patient has no account"
    );
    patient.is_stored().await;
}

pub(crate) async fn a_stale_change_does_not_overwrite_a_login(backend: &impl Backend) {
    let mut patient = registered(backend).await;
    let context = patient.context(Role::Staff);
    let begun = patient.now;
    // The first login, and a later one.
    for hours in [1, 2] {
        let decided_before = patient.record.opt_out(context.clone()).unwrap();
        let (event, login_at) = (format!("event-{hours}"), begun + TimeDelta::hours(hours));
        assert_eq!(record_and_check(&mut patient, &event, login_at).await, LoginOutcome::Recorded);
        assert_eq!(patient.try_commit(&decided_before).await, CommitOutcome::Stale, "{event}");
        patient.is_stored().await;
    }
}
