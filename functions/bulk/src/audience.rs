//! Reads whom to invite.

use std::collections::BTreeSet;

use portal::{ids::PatientId, operations::bulk::RequestedAudience, policy::MOST_BULK_PATIENTS};
use portal_aws::http::{
    Problem,
    fields::{FieldCode, Form, flag, list, text},
};
use serde_json::Value;

/// The audience, and whether it is a dry run.
pub(crate) fn read(mut form: Form) -> Result<(RequestedAudience, bool), Problem> {
    let named = form.optional("patientIds", patients);
    let everybody = form.optional("neverInvited", only_true);
    let dry_run = form.optional("dryRun", flag).unwrap_or_default();
    let audience = match (named, everybody) {
        (Some(patients), None) => Some(RequestedAudience::Named(patients)),
        (None, Some(())) => Some(RequestedAudience::NeverInvited),
        (None, None) | (Some(_), Some(())) => None,
    };
    let audience = form.whole(audience);
    form.finish(audience.map(|audience| (audience, dry_run)))
}

/// At least one patient, not too many, and nobody twice.
fn patients(value: &Value) -> Result<Vec<PatientId>, FieldCode> {
    let patients = list(|value| text(PatientId::parse)(value))(value)?;
    let each_once = patients.iter().collect::<BTreeSet<_>>().len() == patients.len();
    let bounded = (1..=MOST_BULK_PATIENTS).contains(&patients.len());
    if each_once && bounded { Ok(patients) } else { Err(FieldCode::Invalid) }
}

fn only_true(value: &Value) -> Result<(), FieldCode> {
    if flag(value)? { Ok(()) } else { Err(FieldCode::Invalid) }
}
