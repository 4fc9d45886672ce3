//! Reads whom to invite.

use std::collections::BTreeSet;

use portal::{ids::PatientId, operations::bulk::RequestedAudience, policy::MOST_BULK_PATIENTS};
use portal_aws::http::{
    Problem,
    fields::{Form, flag, list, text, text_like},
    value::{NamedAudience, PatientList},
};

/// The audience, and whether it is a dry run.
///
/// # Errors
/// [`Problem::Invalid`]
pub fn read(mut form: Form) -> Result<(RequestedAudience, bool), Problem> {
    let patients = form.optional(
        "patientIds",
        list(text(PatientId::parse))
            .then::<_, PatientList>(patients)
            .about("Whom to invite, each once. Instead of `audience`."),
    );
    let audience = form.optional(
        "audience",
        text_like::<_, _, NamedAudience>(named_audience).about(
            "Whom to invite, instead of `patientIds`. `never_invited`: the patients of the practice who have an email \
             address and were never invited.",
        ),
    );
    let never_invited = form.optional(
        "neverInvited",
        flag()
            .then::<_, bool>(|flag| flag.then_some(()))
            .about("The former way to say `audience: never_invited`. Only true."),
    );
    let dry_run = form.optional(
        "dryRun",
        flag().about("Invite no patient, and only report what would happen. False if it is left out."),
    );
    let audience = match (patients, audience.or(never_invited)) {
        (Some(patients), None) => Some(RequestedAudience::Named(patients)),
        (None, Some(())) => Some(RequestedAudience::NeverInvited),
        (None, None) | (Some(_), Some(())) => None,
    };
    let audience = form.whole(audience);
    form.finish(audience.map(|audience| (audience, dry_run.unwrap_or_default())))
}

/// At least one patient, not too many, and each once.
fn patients(patients: Vec<PatientId>) -> Option<Vec<PatientId>> {
    let each_once = patients.iter().collect::<BTreeSet<_>>().len() == patients.len();
    let bounded = (1..=MOST_BULK_PATIENTS).contains(&patients.len());
    (each_once && bounded).then_some(patients)
}

fn named_audience(name: &str) -> Result<(), ()> {
    if name == NamedAudience::NEVER_INVITED { Ok(()) } else { Err(()) }
}
