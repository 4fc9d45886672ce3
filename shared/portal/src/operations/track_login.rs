//! Noting that a patient logged in. Two round trips.

use chrono::{DateTime, TimeDelta, Utc};

use super::OperationError;
use crate::{
    email::EmailAddress,
    ports::{Clock, LoginOutcome, LoginStore},
    refusal::Refusal,
};

/// How far another machine's clock may be ahead of ours.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// The portal reports a login. Repeated and late reports change nothing; one from the future counts as now, because a
/// wrong clock would otherwise hide every login until that day.
///
/// # Errors
/// [`Refusal::NotRegistered`] if no active account has this address, [`OperationError::Store`].
pub async fn track_login(
    store: &impl LoginStore,
    clock: &impl Clock,
    email: &EmailAddress,
    login_at: DateTime<Utc>,
) -> Result<(), OperationError> {
    let now = clock.now();
    let login_at = if login_at > now + CLOCK_SKEW { now } else { login_at };
    match store.note_login(email, login_at).await? {
        LoginOutcome::Noted | LoginOutcome::Known => Ok(()),
        LoginOutcome::NoAccount => Err(Refusal::NotRegistered.into()),
    }
}
