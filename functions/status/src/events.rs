//! A history in JSON.

use portal::{
    ids::Subject,
    operations::timeline::TimelinePage,
    timeline::{Actor, HistoryPlace, TimelineEvent},
};
use portal_aws::http::respond::instant;
use serde::Serialize;

/// A page of a history.
#[derive(Serialize)]
pub struct TimelineJson<'page> {
    events: Vec<EventJson<'page>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct EventJson<'page> {
    version: u64,
    at: String,
    kind: &'static str,
    actor: ActorJson<'page>,
    sentence: String,
}

#[derive(Serialize)]
struct ActorJson<'page> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'page str>,
}

impl<'page> TimelineJson<'page> {
    /// This page.
    pub fn of(page: &'page TimelinePage) -> Self {
        let next = page.next.map(HistoryPlace::version).map(|version| version.to_string());
        Self { events: page.events.iter().map(EventJson::from).collect(), next }
    }
}

impl<'page> From<&'page TimelineEvent> for EventJson<'page> {
    fn from(event: &'page TimelineEvent) -> Self {
        let Actor { role, subject } = &event.act.actor;
        Self {
            version: event.version,
            at: instant(event.act.at),
            kind: event.kind.name().into(),
            actor: ActorJson { role: role.name(), subject: subject.as_ref().map(Subject::as_str) },
            sentence: event.sentence(),
        }
    }
}
