//! A profile in JSON.

use chrono::{DateTime, Utc};
#[cfg(feature = "describe")]
use portal::ids::PatientId;
use portal::{
    email::EmailAddress,
    profile::{Language, Profile, date_of_birth},
    record::PortalRecord,
    text::PersonName,
};
use portal_aws::http::{
    Problem,
    fields::{Form, email, flag, text, text_like},
    value::{Day, LanguageTag, Name},
};
use serde::Serialize;

/// Reads a profile from a body.
///
/// # Errors
/// [`Problem::Invalid`]
pub fn read(mut form: Form, now: DateTime<Utc>) -> Result<Profile, Problem> {
    let given_name = form.required("givenName", text(PersonName::parse));
    let family_name = form.required("familyName", text(PersonName::parse));
    let date_of_birth = form.required(
        "dateOfBirth",
        text_like::<_, _, Day>(|text| date_of_birth(text, now).ok_or(()))
            .about("A day from 1880 on that is not in the future."),
    );
    let email = form.optional(
        "email",
        email().about("Where invitations go unless another address is given. Several patients may have the same."),
    );
    let language = form.optional(
        "language",
        text_like::<_, _, LanguageTag>(|tag| Language::from_tag(tag).ok_or(())).about(
            "The language of the mails, as a BCP 47 tag: Spanish for `es` and its variants, English for any other. \
             English if it is left out.",
        ),
    );
    let active = form.optional(
        "active",
        flag().about(
            "False for a patient who has died, or whose record in the EHR is inactive: such a patient is not invited or \
             reminded. Earlier invitations and an account stay as they are. True if it is left out.",
        ),
    );
    let profile = || {
        Some(Profile {
            given_name: given_name?,
            family_name: family_name?,
            date_of_birth: Some(date_of_birth?),
            email,
            language: language.unwrap_or_default(),
            active: active.unwrap_or(true),
        })
    };
    form.finish(profile())
}

/// A patient's profile.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PatientProfile"))]
#[serde(rename_all = "camelCase")]
pub struct ProfileJson<'record> {
    #[cfg_attr(feature = "describe", schemars(with = "PatientId"))]
    patient_id: &'record str,
    #[cfg_attr(feature = "describe", schemars(with = "PersonName"))]
    given_name: &'record str,
    #[cfg_attr(feature = "describe", schemars(with = "PersonName"))]
    family_name: &'record str,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_of_birth: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<EmailAddress>"))]
    email: Option<&'record str>,
    /// The language of the mails.
    language: Name<Language>,
    /// False if the patient is inactive or has died, otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    /// Raised by one with every change. The `ETag`, without its quotes.
    version: u64,
}

impl<'record> ProfileJson<'record> {
    /// The JSON of a record's profile.
    pub fn from_record(record: &'record PortalRecord) -> Self {
        let profile = &record.profile;
        Self {
            patient_id: record.key.patient.as_str(),
            given_name: profile.given_name.expose(),
            family_name: profile.family_name.expose(),
            date_of_birth: profile.date_of_birth.map(|date| Day(*date.expose())),
            email: profile.email.as_ref().map(EmailAddress::typed),
            language: Name(profile.language),
            active: (!profile.active).then_some(false),
            version: record.version,
        }
    }
}
