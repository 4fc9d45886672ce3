//! A timeline in JSON, and its cursor.

use portal::{
    operations::timeline::TimelinePage,
    profile::ProfileMember,
    timeline::{EventKind, EventName, TimelineEvent, TimelinePlace},
};
use serde::Serialize;

use super::{
    actor::ActorJson,
    problem::{Malformed, Problem},
    request::Request,
    value::{Instant, Name},
};

/// The problem's detail for a cursor that is not valid for this timeline.
pub const MALFORMED_CURSOR: &str =
    "The cursor must be the next of an answer about the same patient: leave it out to begin again.";

/// Where the page of a timeline begins. The cursor is a version in plain digits: it contains no personal data, and is used
/// only within the timeline of the patient in the path.
///
/// # Errors
/// [`Malformed::Query`]
pub fn place_from_cursor(request: &Request) -> Result<Option<TimelinePlace>, Problem> {
    let Some(cursor) = request.query("cursor") else { return Ok(None) };
    Ok(Some(TimelinePlace::parse(cursor).ok_or(Malformed::Query(MALFORMED_CURSOR))?))
}

/// A page of a patient's history, newest first.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "TimelinePage"))]
pub struct TimelineJson<'page> {
    events: Vec<EventJson<'page>>,
    /// The cursor of the next page. Absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One change of a patient's record.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "TimelineEvent"))]
struct EventJson<'page> {
    /// The record's version after the change.
    version: u64,
    at: Instant,
    /// What happened.
    kind: Name<EventName>,
    actor: ActorJson<'page>,
    /// What happened, in plain words.
    sentence: String,
    /// The members of the profile that changed. Only with `profile-saved`, and not for the first save.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<Name<ProfileMember>>,
}

impl<'page> TimelineJson<'page> {
    /// The JSON of a page.
    #[must_use]
    pub fn from_page(page: &'page TimelinePage) -> Self {
        let next = page.next.map(TimelinePlace::version).map(|version| version.to_string());
        Self { events: page.events.iter().map(EventJson::from).collect(), next }
    }
}

impl<'page> From<&'page TimelineEvent> for EventJson<'page> {
    fn from(event: &'page TimelineEvent) -> Self {
        let changed = if let EventKind::ProfileSaved { changed } = &event.kind { changed.as_slice() } else { &[] };
        Self {
            version: event.version,
            at: Instant(event.context.at),
            kind: Name(event.kind.name()),
            actor: ActorJson::from(&event.context.actor),
            sentence: event.sentence(),
            changed: changed.iter().copied().map(Name).collect(),
        }
    }
}
