//! Reads a patient's timeline. One round trip.

use super::OperationError;
use crate::{
    ids::PatientId,
    ports::{Ports, TimelineReader},
    refusal::PatientRefusal,
    scope::TenantScope,
    timeline::{TimelineEvent, TimelinePlace},
};

/// Maximum number of events on a page.
pub const MAX_EVENTS: u16 = 20;

/// A page of a timeline, newest event first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelinePage {
    /// At least one, at most [`MAX_EVENTS`].
    pub events: Vec<TimelineEvent>,
    /// Where the next page begins, if there are older events.
    pub next: Option<TimelinePlace>,
}

/// Reads a page of a patient's timeline: the newest events, or those before a place.
///
/// Every timeline starts with version 1, and no place is before that. So if a page has no events, the patient does not
/// exist.
///
/// # Errors
/// [`PatientRefusal::PatientNotFound`], [`OperationError::Store`].
pub async fn timeline(
    ports: &Ports<'_, impl TimelineReader>,
    scope: &TenantScope,
    patient: &PatientId,
    before: Option<TimelinePlace>,
) -> Result<TimelinePage, OperationError<PatientRefusal>> {
    let max_events = usize::from(MAX_EVENTS);
    // One event more than the page shows whether there is a next page.
    let mut events = ports.store.events(scope, patient, before, MAX_EVENTS + 1).await?;
    let more = events.len() > max_events;
    events.truncate(max_events);
    let last = events.last().ok_or(OperationError::Refused(PatientRefusal::PatientNotFound))?;
    let next = TimelinePlace::before(last.version).filter(|_| more);
    Ok(TimelinePage { events, next })
}
