//! A patient's history. One round trip.

use super::OperationError;
use crate::{
    ids::PatientId,
    ports::{Ports, TimelineReader},
    refusal::PatientRefusal,
    scope::TenantScope,
    timeline::{HistoryPlace, TimelineEvent},
};

/// Most events on a page.
pub const MOST_EVENTS: u16 = 20;

/// A page of a history, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelinePage {
    /// At least one, at most [`MOST_EVENTS`].
    pub events: Vec<TimelineEvent>,
    /// Where the next page begins, if there are older events.
    pub next: Option<HistoryPlace>,
}

/// Reads a page of a patient's history: the newest events, or those before a place. Changes nothing.
///
/// Every history begins with version 1, and there is no place before that: so a page without events is no patient's.
///
/// # Errors
/// [`PatientRefusal::PatientNotFound`], [`OperationError::Store`].
pub async fn timeline(
    ports: &Ports<'_, impl TimelineReader>,
    scope: &TenantScope,
    patient: &PatientId,
    before: Option<HistoryPlace>,
) -> Result<TimelinePage, OperationError<PatientRefusal>> {
    let most = usize::from(MOST_EVENTS);
    // One more than is shown tells whether there is a next page.
    let mut events = ports.store.events(scope, patient, before, MOST_EVENTS + 1).await?;
    let more = events.len() > most;
    events.truncate(most);
    let last = events.last().ok_or(OperationError::Refused(PatientRefusal::PatientNotFound))?;
    let next = HistoryPlace::before(last.version).filter(|_| more);
    Ok(TimelinePage { events, next })
}
