//! The request and the answer of a lookup in JSON.

#[cfg(feature = "describe")]
use portal::text::DisplayName;
use portal::{
    email::EmailAddress,
    ids::{PatientId, PracticeId, RecordKey},
    operations::support::{FoundPatient, LookupKey},
    panel::InvitationStatus,
    states::AccountFacet,
    text::AccessReason,
};
use portal_aws::http::{
    Problem,
    fields::{Form, email, text},
    value::Name,
};
use serde::Serialize;

/// Reads for whom to look, and why.
///
/// # Errors
/// [`Problem::Invalid`], also unless the body has either an address, or a practice and a patient.
pub fn read(mut form: Form) -> Result<(LookupKey, AccessReason), Problem> {
    let about = "The address that the patient was invited to or logs in with. Instead of the practice and the patient.";
    let address = form.optional("email", email().about(about));
    let practice = form.optional("practiceId", text(PracticeId::parse).about("The practice of the patient."));
    let patient = form.optional("patientId", text(PatientId::parse).about("The patient's id in the practice."));
    let about = "Why Customer Care looks for the patient. It is recorded, and the patient's practice can read it.";
    let reason = form.required("reason", text(AccessReason::parse).about(about));
    let key = form.whole(key(address, practice, patient));
    form.finish(key.zip(reason))
}

fn key(email: Option<EmailAddress>, practice: Option<PracticeId>, patient: Option<PatientId>) -> Option<LookupKey> {
    match (email, practice, patient) {
        (Some(email), None, None) => Some(LookupKey::Email(email)),
        (None, Some(practice), Some(patient)) => Some(LookupKey::Patient(RecordKey { practice, patient })),
        (Some(_) | None, Some(_) | None, Some(_) | None) => None,
    }
}

/// The patients who were found: at most one.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "LookupResult"))]
pub struct LookupJson<'found> {
    patients: Vec<FoundPatientJson<'found>>,
}

/// A patient of any practice, without name and date of birth.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "LookedUpPatient"))]
#[serde(rename_all = "camelCase")]
struct FoundPatientJson<'found> {
    #[cfg_attr(feature = "describe", schemars(with = "PracticeId"))]
    practice_id: &'found str,
    /// The practice's name. Absent until the practice has settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<DisplayName>"))]
    practice_name: Option<&'found str>,
    #[cfg_attr(feature = "describe", schemars(with = "PatientId"))]
    patient_id: &'found str,
    /// The state of the current invitation.
    invitation: Name<InvitationStatus>,
    /// The state of the account.
    account: Name<AccountFacet>,
}

impl<'found> LookupJson<'found> {
    /// The JSON of the patient who was found, if any.
    #[must_use]
    pub fn from_found(found: Option<&'found FoundPatient>) -> Self {
        Self { patients: found.map(FoundPatientJson::from).into_iter().collect() }
    }
}

impl<'found> From<&'found FoundPatient> for FoundPatientJson<'found> {
    fn from(found: &'found FoundPatient) -> Self {
        let key = &found.record.key;
        Self {
            practice_id: key.practice.as_str(),
            practice_name: found.practice.as_ref().map(|practice| practice.settings.name.as_str()),
            patient_id: key.patient.as_str(),
            invitation: Name(found.panel.invitation.state),
            account: Name(found.panel.account.state),
        }
    }
}
