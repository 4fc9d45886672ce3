//! Noting that a patient logged in. Two round trips.

use chrono::TimeDelta;

use super::OperationError;
use crate::{
    email::EmailAddress,
    ports::{LoginOutcome, LoginStore, Ports},
    record::account::Login,
    refusal::LoginRefusal,
};

/// How far another machine's clock may be ahead of ours.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// The portal reports a login. Repeated and late reports change nothing; one from the future counts as now, because a
/// wrong clock would otherwise hide every login until that day. A repetition of such a one is known by its event, as
/// long as no other login has come between.
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
    match ports.store.note_login(email, &Login { at, ..login }).await? {
        LoginOutcome::Noted | LoginOutcome::Known => Ok(()),
        LoginOutcome::NoAccount => Err(OperationError::Refused(LoginRefusal::NotRegistered)),
    }
}
