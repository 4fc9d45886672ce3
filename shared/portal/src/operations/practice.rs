//! Saves and reads a practice's settings, and activates its portal.

use std::convert::Infallible;

use super::{MAX_ROUNDS, OperationError, Precondition};
use crate::{
    ports::{CommitOutcome, Ports, PracticeStore, StoreError},
    practice::{Practice, PracticeSettings},
    scope::TenantScope,
};

/// Saves the settings of the scope's practice. Accepting the terms activates the portal, permanently.
///
/// # Errors
/// [`Precondition::VersionConflict`] if the client's version is out of date,
/// [`OperationError::Store`].
pub async fn save_practice(
    ports: &Ports<'_, impl PracticeStore>,
    scope: &TenantScope,
    settings: &PracticeSettings,
    terms_accepted: bool,
    if_match: Option<u64>,
) -> Result<Practice, OperationError<Infallible>> {
    let Ports { store, clock } = *ports;
    for _ in 0..MAX_ROUNDS {
        let before = store.practice(scope).await?;
        if if_match.is_some() && if_match != before.as_ref().map(|practice| practice.version) {
            return Err(Precondition::VersionConflict.into());
        }
        let practice =
            Practice::save(before.as_ref(), scope.practice().clone(), settings.clone(), terms_accepted, clock.now());
        if store.save_practice(scope, &practice).await? == CommitOutcome::Committed {
            return Ok(practice);
        }
    }
    Err(StoreError::Busy.into())
}

/// Reads the settings of the scope's practice; `None` if they were never saved.
///
/// # Errors
/// [`StoreError`]
pub async fn read_practice(
    ports: &Ports<'_, impl PracticeStore>,
    scope: &TenantScope,
) -> Result<Option<Practice>, StoreError> {
    ports.store.practice(scope).await
}
