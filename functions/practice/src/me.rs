//! The caller of a request in JSON.

#[cfg(feature = "describe")]
use portal::{
    ids::{PracticeId, Subject},
    text::DisplayName,
};
use portal::{practice::Practice, text::PersonName};
use portal_aws::http::{
    routes::Operation,
    scope::{Identity, Permission},
    value::Name,
};
use serde::Serialize;
use strum::IntoEnumIterator as _;

/// The caller, as their token describes them.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "Me"))]
pub struct MeJson<'caller> {
    /// The person or program, as the identity provider names them.
    #[cfg_attr(feature = "describe", schemars(with = "Subject"))]
    subject: &'caller str,
    /// The name to show. Only if the token has one, in the claim `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<PersonName>"))]
    name: Option<&'caller str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    practice: Option<OwnPracticeJson<'caller>>,
    /// The scopes of the token that this API knows.
    scopes: Vec<Name<Permission>>,
    /// The operations for which the token is enough, by their `operationId`. Rules can still refuse a command.
    permissions: Vec<Name<Operation>>,
}

/// The practice of the caller. Customer Care and the portal belong to none.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "OwnPractice"))]
#[serde(rename_all = "camelCase")]
struct OwnPracticeJson<'caller> {
    #[cfg_attr(feature = "describe", schemars(with = "PracticeId"))]
    practice_id: &'caller str,
    /// The practice's name. Absent until the practice has settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<DisplayName>"))]
    name: Option<&'caller str>,
}

impl<'caller> MeJson<'caller> {
    /// The JSON of a caller and the settings of their practice.
    #[must_use]
    pub fn new(identity: &'caller Identity, settings: Option<&'caller Practice>) -> Self {
        let needs_token = |operation: &Operation| operation.access().needs_token();
        let permitted = |operation: &Operation| identity.may_ask(operation.access());
        Self {
            subject: identity.subject().as_str(),
            name: identity.name().map(PersonName::expose),
            practice: identity.practice().map(|scope| OwnPracticeJson {
                practice_id: scope.practice().as_str(),
                name: settings.map(|practice| practice.settings.name.as_str()),
            }),
            scopes: identity.permissions().iter().copied().map(Name).collect(),
            permissions: Operation::iter().filter(needs_token).filter(permitted).map(Name).collect(),
        }
    }
}
