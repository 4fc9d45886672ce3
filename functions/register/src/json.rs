//! Tokens, links and accounts in JSON.

use std::convert::Infallible;

use chrono::{DateTime, NaiveDate, Utc};
#[cfg(feature = "describe")]
use portal::{email::EmailAddress, ids::AccountId, text::DisplayName};
use portal::{
    link::Token,
    operations::register::{LinkPreview, Registered},
    profile::date_of_birth,
    redacted::Redacted,
    refusal::LinkRefusal,
};
use portal_aws::http::{
    Problem,
    fields::{Form, text_like},
    value::Day,
};
use serde::Serialize;

/// Reads a token from a body that has no other member.
///
/// # Errors
/// [`Problem::Invalid`]
pub fn read_token(mut form: Form) -> Result<Result<Token, LinkRefusal>, Problem> {
    let token = token_member(&mut form);
    form.finish(token)
}

/// Reads a token and a date of birth. An impossible date is a typing error: it is refused here and does not count as an
/// attempt.
///
/// # Errors
/// As for [`read_token`].
pub fn read_registration(
    mut form: Form,
    now: DateTime<Utc>,
) -> Result<(Result<Token, LinkRefusal>, Redacted<NaiveDate>), Problem> {
    let token = token_member(&mut form);
    let date_of_birth = form.required(
        "dateOfBirth",
        text_like::<_, _, Day>(|text| date_of_birth(text, now).ok_or(())).about("The patient's date of birth."),
    );
    form.finish(token.zip(date_of_birth))
}

/// Reads the member with the token. A text that is not a token of this system is no invalid member: it is answered like an
/// unusable link.
fn token_member(form: &mut Form) -> Option<Result<Token, LinkRefusal>> {
    form.required(
        "token",
        text_like::<_, _, Token>(|text| Ok::<_, Infallible>(Token::parse(text).ok_or(LinkRefusal::LinkNotUsable))),
    )
}

/// What the holder of a link may know of it.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "ActivationLink"))]
#[serde(rename_all = "camelCase")]
pub struct LinkJson<'preview> {
    /// Whether the link works.
    usable: bool,
    /// The practice that invites. Only if the link works.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<DisplayName>"))]
    practice_name: Option<&'preview str>,
    /// The address that the link was mailed to, of which its owner recognises enough and others learn nothing. Only if
    /// the link works.
    #[serde(skip_serializing_if = "Option::is_none")]
    masked_email: Option<&'preview str>,
}

impl<'preview> LinkJson<'preview> {
    /// The JSON of an unusable link, whatever the reason.
    pub const UNUSABLE: Self = Self { usable: false, practice_name: None, masked_email: None };

    /// The JSON of a usable link.
    #[must_use]
    pub fn from_preview(preview: &'preview LinkPreview) -> Self {
        Self {
            usable: true,
            practice_name: Some(preview.practice_name.as_str()),
            masked_email: Some(&preview.masked_email),
        }
    }
}

/// A new account.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "RegisteredAccount"))]
#[serde(rename_all = "camelCase")]
pub struct RegisteredJson<'registered> {
    /// Opaque. What the identity provider keeps beside the login.
    #[cfg_attr(feature = "describe", schemars(with = "AccountId"))]
    account_id: &'registered str,
    /// The address that the patient will log in with.
    #[cfg_attr(feature = "describe", schemars(with = "EmailAddress"))]
    email: &'registered str,
}

impl<'registered> RegisteredJson<'registered> {
    /// The JSON of a new account.
    #[must_use]
    pub fn from_registered(registered: &'registered Registered) -> Self {
        Self { account_id: registered.account.as_str(), email: registered.email.typed() }
    }
}

/// A new link will be mailed. There is nothing to show.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "NewLinkAccepted"))]
pub struct NewLinkJson {}
