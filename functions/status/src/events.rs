//! A timeline in JSON.

use portal::{
    ids::Subject,
    operations::timeline::TimelinePage,
    profile::ProfileMember,
    timeline::{Actor, EventKind, EventName, Role, TimelineEvent, TimelinePlace},
};
use portal_aws::http::value::{Instant, Name};
use serde::Serialize;

/// A page of a patient's history, newest first.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "TimelinePage"))]
pub struct TimelineJson<'page> {
    events: Vec<EventJson<'page>>,
    /// The cursor of the next page. Absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One change of a patient's record.
#[derive(Serialize)]
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

/// Who made a change.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "TimelineActor"))]
struct ActorJson<'page> {
    role: Name<Role>,
    /// Who exactly, as the identity provider names them. Only for people and programs that have an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<Subject>"))]
    subject: Option<&'page str>,
}

impl<'page> TimelineJson<'page> {
    /// The JSON of a page.
    pub fn from_page(page: &'page TimelinePage) -> Self {
        let next = page.next.map(TimelinePlace::version).map(|version| version.to_string());
        Self { events: page.events.iter().map(EventJson::from).collect(), next }
    }
}

impl<'page> From<&'page TimelineEvent> for EventJson<'page> {
    fn from(event: &'page TimelineEvent) -> Self {
        let Actor { role, subject } = &event.context.actor;
        let changed = if let EventKind::ProfileSaved { changed } = &event.kind { changed.as_slice() } else { &[] };
        Self {
            version: event.version,
            at: Instant(event.context.at),
            kind: Name(event.kind.name()),
            actor: ActorJson { role: Name(*role), subject: subject.as_ref().map(Subject::as_str) },
            sentence: event.sentence(),
            changed: changed.iter().copied().map(Name).collect(),
        }
    }
}
