//! A practice's settings and its activation of the portal.

use std::convert::Infallible;

use super::{MOST_ROUNDS, OperationError, Precondition};
use crate::{
    ports::{CommitOutcome, Ports, PracticeStore, StoreError},
    practice::{Practice, PracticeSettings},
    scope::TenantScope,
};

/// Saves the settings of the scope's practice and, once the terms are accepted, activates the portal for good.
///
/// # Errors
/// [`Precondition::VersionConflict`] if the client named a version that the practice no longer has,
/// [`OperationError::Store`].
pub async fn save_practice(
    ports: &Ports<'_, impl PracticeStore>,
    scope: &TenantScope,
    settings: &PracticeSettings,
    terms_accepted: bool,
    if_match: Option<u64>,
) -> Result<Practice, OperationError<Infallible>> {
    let Ports { store, clock } = *ports;
    for _ in 0..MOST_ROUNDS {
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

/// Reads the settings of the scope's practice; `None` before they were first saved.
///
/// # Errors
/// [`StoreError`]
pub async fn read_practice(
    ports: &Ports<'_, impl PracticeStore>,
    scope: &TenantScope,
) -> Result<Option<Practice>, StoreError> {
    ports.store.practice(scope).await
}
