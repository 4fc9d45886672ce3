//! Reads the audience of a bulk job from a request.

use std::collections::BTreeSet;

use portal::{ids::PatientId, operations::bulk::RequestedAudience, policy::MAX_BULK_PATIENTS};
use portal_aws::http::{
    Problem,
    fields::{Form, flag, list, text, text_like},
    value::{NamedAudience, PatientList},
};

/// Reads the audience, and whether the job is a dry run.
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

/// The patients, if there is at least one, not too many, and no duplicate.
fn patients(patients: Vec<PatientId>) -> Option<Vec<PatientId>> {
    let each_once = patients.iter().collect::<BTreeSet<_>>().len() == patients.len();
    let bounded = (1..=MAX_BULK_PATIENTS).contains(&patients.len());
    (each_once && bounded).then_some(patients)
}

fn named_audience(name: &str) -> Result<(), ()> {
    if name == NamedAudience::NEVER_INVITED { Ok(()) } else { Err(()) }
}
