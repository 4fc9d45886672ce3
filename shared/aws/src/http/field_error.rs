//! What can be wrong with a member of a body.

use serde::Serialize;

/// What is wrong with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::EnumIter, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[serde(into = "&'static str")]
#[strum(serialize_all = "snake_case")]
pub enum FieldCode {
    /// It is missing, or null.
    Required,
    /// It has the wrong JSON type.
    WrongType,
    /// The object has a member that the request does not take.
    UnknownField,
    /// Its value is not allowed.
    Invalid,
    /// It is not an email address.
    EmailInvalid,
}

#[cfg(feature = "describe")]
portal::named!(FieldCode);

/// One mistake in a body, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct FieldError {
    /// A JSON pointer to the member. For an unknown member, and for members that do not go together, it is the pointer of
    /// their object, which is empty text for the body itself.
    pub pointer: String,
    /// What is wrong.
    #[cfg_attr(feature = "describe", schemars(with = "super::value::Name<FieldCode>"))]
    pub code: FieldCode,
}
