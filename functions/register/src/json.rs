//! Tokens, links and accounts in JSON.

use std::convert::Infallible;

use chrono::{DateTime, NaiveDate, Utc};
use portal::{
    link::Token,
    operations::register::{LinkPreview, Registered},
    profile::date_of_birth,
    redacted::Redacted,
    refusal::LinkRefusal,
};
use portal_aws::http::{
    Problem, Request,
    fields::{Form, text},
};
use serde::Serialize;

/// Reads a body that is a token and nothing else.
pub fn token(request: &Request) -> Result<Result<Token, LinkRefusal>, Problem> {
    let mut form = request.form()?;
    let token = presented(&mut form);
    form.finish(token)
}

/// Reads a token and a date of birth. A date that no patient can have is a slip of the pen: it is refused here, and
/// counts nothing.
pub fn registration(
    request: &Request,
    now: DateTime<Utc>,
) -> Result<(Result<Token, LinkRefusal>, Redacted<NaiveDate>), Problem> {
    let mut form = request.form()?;
    let token = presented(&mut form);
    let date_of_birth = form.required("dateOfBirth", text(|text| date_of_birth(text, now).ok_or(())));
    form.finish(token.zip(date_of_birth))
}

/// Takes the token. Text that is none of ours is no mistake of the form: it opens nothing, like any dead link.
fn presented(form: &mut Form) -> Option<Result<Token, LinkRefusal>> {
    form.required("token", text(|text| Ok::<_, Infallible>(Token::parse(text).ok_or(LinkRefusal::LinkNotUsable))))
}

/// A link as it shows itself to whoever has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkJson<'preview> {
    usable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    practice_name: Option<&'preview str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked_email: Option<&'preview str>,
}

impl<'preview> LinkJson<'preview> {
    /// A link that opens nothing, whatever the matter is.
    pub const UNUSABLE: Self = Self { usable: false, practice_name: None, masked_email: None };

    /// A link that works.
    pub fn usable(preview: &'preview LinkPreview) -> Self {
        Self {
            usable: true,
            practice_name: Some(preview.practice_name.as_str()),
            masked_email: Some(&preview.masked_email),
        }
    }
}

/// A new account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredJson<'registered> {
    account_id: &'registered str,
    email: &'registered str,
}

impl<'registered> RegisteredJson<'registered> {
    /// What an identity provider needs to create the login.
    pub fn of(registered: &'registered Registered) -> Self {
        Self { account_id: registered.account.as_str(), email: registered.email.typed() }
    }
}

/// A new link is on its way. There is nothing to show: whoever asked knows where to look.
#[derive(Serialize)]
pub struct AskedJson {}
