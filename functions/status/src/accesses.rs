//! The accesses of Customer Care in JSON.

use portal::{
    access::{AccessEntry, AccessKind},
    operations::accesses::AccessPage,
};
#[cfg(feature = "describe")]
use portal::{ids::RequestId, text::AccessReason};
use portal_aws::http::{
    actor::ActorJson,
    history_cursor::cursor_before,
    value::{Instant, Name},
};
use serde::Serialize;

/// A page of the accesses of Customer Care to a patient, newest first.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "AccessPage"))]
pub struct AccessPageJson<'page> {
    accesses: Vec<AccessJson<'page>>,
    /// The cursor of the next page. Absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One access of Customer Care to a patient.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PatientAccess"))]
#[serde(rename_all = "camelCase")]
struct AccessJson<'page> {
    at: Instant,
    /// What was read.
    kind: Name<AccessKind>,
    actor: ActorJson<'page>,
    /// The id of the request.
    #[cfg_attr(feature = "describe", schemars(with = "RequestId"))]
    request_id: &'page str,
    /// Why, in the words of the actor.
    #[cfg_attr(feature = "describe", schemars(with = "AccessReason"))]
    reason: &'page str,
}

impl<'page> AccessPageJson<'page> {
    /// The JSON of a page.
    #[must_use]
    pub fn from_page(page: &'page AccessPage) -> Self {
        Self {
            accesses: page.entries.iter().map(AccessJson::from).collect(),
            next: page.next.as_ref().map(cursor_before),
        }
    }
}

impl<'page> From<&'page AccessEntry> for AccessJson<'page> {
    fn from(AccessEntry { context, kind, reason }: &'page AccessEntry) -> Self {
        Self {
            at: Instant(context.at),
            kind: Name(*kind),
            actor: ActorJson::from(&context.actor),
            request_id: context.request.as_str(),
            reason: reason.expose(),
        }
    }
}
