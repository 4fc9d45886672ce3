//! Reports of logins in JSON.

use portal::{email::EmailAddress, ids::EventId, record::account::Login};
use portal_aws::http::{
    Problem,
    fields::{Form, email, instant, text},
};

/// Reads a report: the account's address, the time of the login, and the event id.
///
/// # Errors
/// [`Problem::Invalid`]
pub fn read_login(mut form: Form) -> Result<(EmailAddress, Login), Problem> {
    let email = form.required("email", email().about("The account's address."));
    let at = form.required("at", instant().about("When the patient logged in: RFC 3339, with any offset."));
    let event = form.required(
        "eventId",
        text(EventId::parse).about("The portal's own id of this login, the same whenever it is reported again."),
    );
    let login = event.zip(at).map(|(event, at)| Login { event, at });
    form.finish(email.zip(login))
}
