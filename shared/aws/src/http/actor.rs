//! The actor of a change or an access in JSON.

use portal::{
    ids::Subject,
    timeline::{Actor, Role},
};
use serde::Serialize;

use super::value::Name;

/// Who made a change.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "TimelineActor"))]
pub struct ActorJson<'actor> {
    role: Name<Role>,
    /// Who exactly, as the identity provider names them. Only for people and programs that have an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<Subject>"))]
    subject: Option<&'actor str>,
}

impl<'actor> From<&'actor Actor> for ActorJson<'actor> {
    fn from(Actor { role, subject }: &'actor Actor) -> Self {
        Self { role: Name(*role), subject: subject.as_ref().map(Subject::as_str) }
    }
}
