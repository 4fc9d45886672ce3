//! The JSON Schemas of the domain's types, for the description of the API.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use strum::{EnumMessage, IntoEnumIterator};

use crate::{
    access::AccessKind,
    bulk::{BulkOutcome, JobState},
    email::EmailAddress,
    ids::{AccountId, EventId, JobId, LinkId, PatientId, PracticeId, RequestId, Subject},
    link::Token,
    panel::{InvitationReason, InvitationStatus},
    practice_history::{PracticeEventName, SettingsMember},
    profile::{Language, ProfileMember},
    refusal::RefusalCode,
    states::{AccountFacet, Delivery, FailReason, RevokeReason},
    text::{AccessReason, CloseReason, DisplayName, NAME_MAX_CHARS, PersonName, Phone},
    timeline::{EventName, Role},
};

/// An enum whose values have stable names that clients match on.
pub trait Named {
    /// Each name and its meaning. The meaning is empty if the name is clear by itself.
    fn names() -> Vec<(&'static str, &'static str)>;
}

/// The names of an enum whose values have doc comments.
#[must_use]
pub fn documented_names<T: IntoEnumIterator + EnumMessage + Into<&'static str>>() -> Vec<(&'static str, &'static str)> {
    T::iter()
        .map(|value| {
            let meaning = value.get_documentation().unwrap_or_default();
            (value.into(), meaning)
        })
        .collect()
}

/// Implements [`Named`] for enums. The meanings are the doc comments of their values.
#[macro_export]
macro_rules! named {
    ($($kind:ty),+) => {$(
        impl $crate::describe::Named for $kind {
            fn names() -> Vec<(&'static str, &'static str)> {
                $crate::describe::documented_names::<Self>()
            }
        }
    )+};
}

named!(AccessKind, JobState, Delivery, FailReason, RevokeReason, Role, InvitationStatus, AccountFacet, Language);

impl Named for InvitationReason {
    fn names() -> Vec<(&'static str, &'static str)> {
        [FailReason::names(), RevokeReason::names()].concat()
    }
}

impl Named for BulkOutcome {
    fn names() -> Vec<(&'static str, &'static str)> {
        Self::all().map(|outcome| (outcome.code(), outcome.sentence())).collect()
    }
}

/// Implements [`Named`] for enums whose names are clear by themselves.
macro_rules! self_explanatory {
    ($($kind:ty),+) => {$(
        impl Named for $kind {
            fn names() -> Vec<(&'static str, &'static str)> {
                Self::iter().map(|name| (name.into(), "")).collect()
            }
        }
    )+};
}

self_explanatory!(EventName, PracticeEventName, ProfileMember, SettingsMember);

impl Named for RefusalCode {
    fn names() -> Vec<(&'static str, &'static str)> {
        Self::iter().map(|code| (code.name(), code.words().sentence)).collect()
    }
}

/// Implements the schema of text types. They are inlined, because clients use plain strings for them.
macro_rules! text {
    ($($kind:ty => $schema:expr;)+) => {$(
        impl JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

fn identifier(pattern: &str, example: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern, "examples": [example] })
}

text! {
    PatientId => identifier(&Self::pattern(), "p-1001");
    PracticeId => identifier(&Self::pattern(), "lakeside");
    JobId => identifier(&Self::pattern(), "0199c0de-7c3a-7d2e-9f00-0123456789ab");
    AccountId => identifier(&Self::pattern(), "account-0001");
    LinkId => identifier(&Self::pattern(), "link-1");
    RequestId => identifier(&Self::pattern(), "JKJaXmPLvHcESHA=");
    EventId => identifier(&Self::pattern(), "5f2c9a70-3d1e-4f7a-9d55-0c8f1b2a6e43");
    Subject => identifier(&Self::pattern(), "staff-7");
    PersonName => json_schema!({
        "description": "Visible characters of any script. Spaces around them are removed.",
        "type": "string", "minLength": 1, "maxLength": NAME_MAX_CHARS, "pattern": r"\S", "examples": ["Núñez"],
    });
    CloseReason => json_schema!({
        "description": "Visible characters of any script. Spaces around them are removed.",
        "type": "string", "minLength": 1, "maxLength": NAME_MAX_CHARS, "pattern": r"\S",
        "examples": ["The patient asked for it."],
    });
    DisplayName => json_schema!({
        "description":
            "Visible characters of any script, except those that have a meaning in the `From` of a mail. Spaces around \
             them are removed.",
        "type": "string", "minLength": 1, "maxLength": NAME_MAX_CHARS,
        "pattern": r#"^[^<>"\\@;:]*[^<>"\\@;:\s][^<>"\\@;:]*$"#, "examples": ["Lakeside Family Medicine"],
    });
    AccessReason => json_schema!({
        "description": "Visible characters of any script. Spaces around them are removed.",
        "type": "string", "minLength": 1, "maxLength": (AccessReason::MAX_CHARS), "pattern": r"\S",
        "examples": ["Ticket 4711: the patient does not find the mail"],
    });
    Phone => json_schema!({
        "description": "As printed for people, with at least three digits.",
        "type": "string", "maxLength": 30, "pattern": r"^[0-9 +\-.()]*([0-9][ +\-.()]*){3}$",
        "examples": ["+1 (555) 010-0199"],
    });
    EmailAddress => json_schema!({
        "description":
            "One plain mailbox at a domain with a dot: no display name, no quotes, no invisible characters. Upper and \
             lower case are the same address; dots and plus tags make another.",
        "type": "string", "format": "idn-email", "maxLength": 254, "pattern": r#"^[^\s@<>"(),:;\\\[\]]+@[^\s@]+$"#,
        "examples": ["jose@example.com"],
    });
    Token => json_schema!({
        "description":
            "What follows the `#` in the mailed link. Any other text is answered like a link that does not work.",
        "type": "string", "pattern": r"^[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{43}$",
        "examples": ["link-1.AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"],
    });
}
