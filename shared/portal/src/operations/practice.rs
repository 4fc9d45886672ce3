//! Saves and reads a practice's settings, activates its portal, and reads its history.

use std::convert::Infallible;

use super::{MAX_ROUNDS, OperationError, Precondition};
use crate::{
    history::HistoryPlace,
    ids::RequestId,
    ports::{CommitOutcome, Ports, PracticeHistory, PracticeStore, StoreError},
    practice::{Practice, PracticeSettings},
    practice_history::PracticeEvent,
    scope::TenantScope,
    timeline::ChangeContext,
};

/// Maximum number of events on a page of a practice's history.
pub const MAX_PRACTICE_EVENTS: u16 = 20;

/// A request to save the settings of the scope's practice.
#[derive(Clone, Debug)]
pub struct SaveSettings<'request> {
    /// The practice and the user on whose behalf it is made.
    pub scope: &'request TenantScope,
    /// The request's id.
    pub request: &'request RequestId,
    /// The version that the client expects (`If-Match`), if given.
    pub if_match: Option<u64>,
    /// The settings.
    pub settings: PracticeSettings,
    /// Whether the practice accepts the terms, which activates the portal, permanently.
    pub terms_accepted: bool,
}

/// Saves the settings of the scope's practice.
///
/// # Errors
/// [`Precondition::VersionConflict`] if the client's version is out of date,
/// [`OperationError::Store`].
pub async fn save_practice(
    ports: &Ports<'_, impl PracticeStore>,
    command: &SaveSettings<'_>,
) -> Result<Practice, OperationError<Infallible>> {
    let Ports { store, clock } = *ports;
    let SaveSettings { scope, request, if_match, settings, terms_accepted } = command;
    for _ in 0..MAX_ROUNDS {
        let before = store.practice(scope).await?;
        if if_match.is_some() && *if_match != before.as_ref().map(|practice| practice.version) {
            return Err(Precondition::VersionConflict.into());
        }
        let context = ChangeContext { at: clock.now(), actor: scope.actor().clone(), request: (*request).clone() };
        let id = scope.practice().clone();
        let practice = Practice::save(before.as_ref(), id, settings.clone(), *terms_accepted, context.at);
        let events = PracticeEvent::from_save(before.as_ref(), &practice, &context);
        if store.save_practice(scope, &practice, &events).await? == CommitOutcome::Committed {
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

/// A page of a practice's history, newest event first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PracticePage {
    /// At most [`MAX_PRACTICE_EVENTS`]. None if the practice has no settings yet.
    pub events: Vec<PracticeEvent>,
    /// Where the next page begins, if there are older events.
    pub next: Option<HistoryPlace>,
}

/// Reads a page of a practice's history: the newest events, or those before a place.
///
/// # Errors
/// [`StoreError`]
pub async fn practice_timeline(
    ports: &Ports<'_, impl PracticeHistory>,
    scope: &TenantScope,
    before: Option<&HistoryPlace>,
) -> Result<PracticePage, StoreError> {
    let max_events = usize::from(MAX_PRACTICE_EVENTS);
    // One event more than the page shows whether there is a next page.
    let mut events = ports.store.practice_events(scope, before, MAX_PRACTICE_EVENTS + 1).await?;
    let more = events.len() > max_events;
    events.truncate(max_events);
    let next = events.last().map(PracticeEvent::place).filter(|_| more);
    Ok(PracticePage { events, next })
}
