//! When, by whom and for which request something was done: the attributes that the items of histories share.

use std::borrow::Cow;

use portal::{
    ids::{RequestId, Subject},
    timeline::{Actor, ChangeContext},
};
use serde::{Deserialize, Serialize};

use super::{Millis, Unreadable, named, parsed};

/// The attributes of a [`ChangeContext`].
#[derive(Serialize, Deserialize)]
pub(super) struct Context<'context> {
    at: Millis,
    role: Cow<'context, str>,
    by: Option<Cow<'context, str>>,
    request: Cow<'context, str>,
}

impl<'context> From<&'context ChangeContext> for Context<'context> {
    fn from(context: &'context ChangeContext) -> Self {
        let ChangeContext { at, actor: Actor { role, subject }, request } = context;
        Self {
            at: Millis(*at),
            role: role.name().into(),
            by: subject.as_ref().map(|subject| subject.as_str().into()),
            request: request.as_str().into(),
        }
    }
}

impl Context<'_> {
    pub(super) fn decode(self) -> Result<ChangeContext, Unreadable> {
        let Self { at, role, by, request } = self;
        let subject = by.map(|by| parsed(Subject::parse(&by), "by")).transpose()?;
        Ok(ChangeContext {
            at: at.into(),
            actor: Actor { role: named(&role, "role")?, subject },
            request: parsed(RequestId::parse(&request), "request")?,
        })
    }
}
