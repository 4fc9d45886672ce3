//! A profile in JSON.

use chrono::{DateTime, Utc};
use portal::{
    email::EmailAddress,
    profile::{Language, Profile, date_of_birth},
    record::PortalRecord,
    text::PersonName,
};
use portal_aws::http::{
    Problem,
    fields::{Form, email, flag, text},
    respond::date,
};
use serde::Serialize;

/// Reads the profile that a body gives.
pub fn read(mut form: Form, now: DateTime<Utc>) -> Result<Profile, Problem> {
    let given_name = form.required("givenName", text(PersonName::parse));
    let family_name = form.required("familyName", text(PersonName::parse));
    let date_of_birth = form.required("dateOfBirth", text(|text| date_of_birth(text, now).ok_or(())));
    let email = form.optional("email", email);
    let language = form.optional("language", text(|tag| Language::from_tag(tag).ok_or(())));
    let active = form.optional("active", flag);
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

/// The profile as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileJson<'record> {
    patient_id: &'record str,
    given_name: &'record str,
    family_name: &'record str,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_of_birth: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'record str>,
    language: &'static str,
    /// Only shown if false.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    version: u64,
}

impl<'record> ProfileJson<'record> {
    /// The profile in a record.
    pub fn of(record: &'record PortalRecord) -> Self {
        let profile = &record.profile;
        Self {
            patient_id: record.key.patient.as_str(),
            given_name: profile.given_name.expose(),
            family_name: profile.family_name.expose(),
            date_of_birth: profile.date_of_birth.map(|born| date(*born.expose())),
            email: profile.email.as_ref().map(EmailAddress::typed),
            language: profile.language.tag(),
            active: (!profile.active).then_some(false),
            version: record.version,
        }
    }
}
