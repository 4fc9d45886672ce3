//! Records that a patient logged in. Two round trips.

use chrono::TimeDelta;

use super::OperationError;
use crate::{
    email::EmailAddress,
    ports::{LoginOutcome, LoginStore, Ports},
    record::account::Login,
    refusal::LoginRefusal,
};

/// How far the reporting machine's clock may be ahead of ours.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// Records a login that the portal reports. Repeated and late reports change nothing. A login in the future counts as now,
/// because otherwise a wrong clock would hide all logins until that time. A repeat of such a report is recognised by its
/// event id, as long as no other login was recorded in between.
///
/// # Errors
/// [`LoginRefusal::NotRegistered`] if no active account has this address, [`OperationError::Store`].
pub async fn track_login(
    ports: &Ports<'_, impl LoginStore>,
    email: &EmailAddress,
    login: Login,
) -> Result<(), OperationError<LoginRefusal>> {
    let now = ports.clock.now();
    let at = if login.at > now + CLOCK_SKEW { now } else { login.at };
    match ports.store.record_login(email, &Login { at, ..login }).await? {
        LoginOutcome::Recorded | LoginOutcome::Known => Ok(()),
        LoginOutcome::NoAccount => Err(OperationError::Refused(LoginRefusal::NotRegistered)),
    }
}
