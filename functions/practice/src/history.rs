//! A practice's history in JSON.

#[cfg(feature = "describe")]
use portal::ids::JobId;
use portal::{
    operations::practice::PracticePage,
    practice_history::{PracticeEvent, PracticeEventKind, PracticeEventName, SettingsMember},
};
use portal_aws::http::{
    actor::ActorJson,
    history_cursor::cursor_before,
    value::{Instant, Name},
};
use serde::Serialize;

/// A page of a practice's history, newest first.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PracticeTimelinePage"))]
pub struct PracticeTimelineJson<'page> {
    events: Vec<PracticeEventJson<'page>>,
    /// The cursor of the next page. Absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One change in a practice, apart from its patients.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PracticeEvent"))]
#[serde(rename_all = "camelCase")]
struct PracticeEventJson<'page> {
    at: Instant,
    /// What happened.
    kind: Name<PracticeEventName>,
    actor: ActorJson<'page>,
    /// The id of the request, which is also the `instance` of a problem.
    request_id: &'page str,
    /// What happened, in plain words.
    sentence: String,
    /// The settings that changed. Only with `settings-saved`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<Name<SettingsMember>>,
    /// The bulk job that began or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<JobId>"))]
    job_id: Option<&'page str>,
}

impl<'page> PracticeTimelineJson<'page> {
    /// The JSON of a page.
    #[must_use]
    pub fn from_page(page: &'page PracticePage) -> Self {
        Self {
            events: page.events.iter().map(PracticeEventJson::from).collect(),
            next: page.next.as_ref().map(cursor_before),
        }
    }
}

impl<'page> From<&'page PracticeEvent> for PracticeEventJson<'page> {
    fn from(event: &'page PracticeEvent) -> Self {
        let (changed, job) = match &event.kind {
            PracticeEventKind::PracticeCreated | PracticeEventKind::TermsAccepted => ([].as_slice(), None),
            PracticeEventKind::SettingsSaved { changed } => (changed.as_slice(), None),
            PracticeEventKind::BulkJobBegun { job, .. } | PracticeEventKind::BulkJobCancelled { job } => {
                ([].as_slice(), Some(job))
            }
        };
        Self {
            at: Instant(event.context.at),
            kind: Name(event.kind.name()),
            actor: ActorJson::from(&event.context.actor),
            request_id: event.context.request.as_str(),
            sentence: event.sentence(),
            changed: changed.iter().copied().map(Name).collect(),
            job_id: job.map(portal::ids::JobId::as_str),
        }
    }
}
