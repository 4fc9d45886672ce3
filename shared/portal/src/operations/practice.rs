//! A practice's settings and its activation of the portal.

use super::{MOST_ROUNDS, OperationError};
use crate::{
    ports::{Clock, CommitOutcome, PracticeStore, StoreError},
    practice::{Practice, PracticeSettings},
    refusal::Refusal,
    scope::TenantScope,
};

/// Saves the settings of the scope's practice and, once the terms are accepted, activates the portal for good.
///
/// # Errors
/// [`Refusal::VersionConflict`] if the client named a version that the practice no longer has,
/// [`OperationError::Store`].
pub async fn save_practice(
    store: &impl PracticeStore,
    clock: &impl Clock,
    scope: &TenantScope,
    settings: &PracticeSettings,
    terms_accepted: bool,
    if_match: Option<u64>,
) -> Result<Practice, OperationError> {
    for _ in 0..MOST_ROUNDS {
        let before = store.practice(scope).await?;
        if if_match.is_some() && if_match != before.as_ref().map(|practice| practice.version) {
            return Err(Refusal::VersionConflict.into());
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
/// [`OperationError::Store`]
pub async fn read_practice(
    store: &impl PracticeStore,
    scope: &TenantScope,
) -> Result<Option<Practice>, OperationError> {
    Ok(store.practice(scope).await?)
}
