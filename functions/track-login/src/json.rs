//! Reports of logins in JSON.

use portal::{email::EmailAddress, ids::EventId, record::account::Login};
use portal_aws::http::{
    Problem, Request,
    fields::{email, instant, text},
};

/// Reads who logged in, when, and by which event it is reported.
pub fn login(request: &Request) -> Result<(EmailAddress, Login), Problem> {
    let mut form = request.form()?;
    let email = form.required("email", email);
    let at = form.required("at", instant);
    let event = form.required("eventId", text(EventId::parse));
    let login = event.zip(at).map(|(event, at)| Login { event, at });
    form.finish(email.zip(login))
}
