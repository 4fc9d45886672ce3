//! Bulk jobs, the patients that they name, and their slices.

use std::collections::BTreeMap;

use portal::{
    bulk::{Audience, BulkJob, BulkOutcome, BulkResult, Lease, Slice},
    directory::DirectoryPlace,
    idempotency::Digest,
    ids::{JobKey, PatientId, RequestId, Subject},
    ports::StoreError,
    scope::TenantScope,
    timeline::Actor,
};
use serde::{Deserialize, Serialize};

use super::{Item, Millis, Unreadable, corrupt, named, need, packed::PackedDigest, parsed};
use crate::store::keys;

/// The key identifies practice and job.
#[derive(Serialize, Deserialize)]
struct JobItem {
    #[serde(rename = "PK", skip_serializing)]
    partition: String,
    version: u64,
    role: String,
    by: Option<String>,
    content: Option<PackedDigest>,
    dry_run: bool,
    /// Present, with `seen`, if the job names its patients.
    total: Option<u32>,
    seen: Option<u32>,
    /// The last processed place in the directory, if the job invites all patients who were never invited.
    after: Option<String>,
    state: String,
    counts: BTreeMap<String, u32>,
    slices: u32,
    run: Option<String>,
    lease_until: Option<Millis>,
    created_at: Millis,
    updated_at: Millis,
}

#[derive(Serialize, Deserialize)]
struct PatientsItem {
    patients: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct SliceItem {
    number: u32,
    /// Patients with the codes of their outcomes.
    results: Vec<(String, String)>,
}

/// Encodes a job.
pub(in crate::store) fn encode(job: &BulkJob) -> Result<Item, StoreError> {
    let BulkJob {
        id,
        scope,
        content,
        dry_run,
        audience,
        state,
        counts,
        slices,
        lease,
        created_at,
        updated_at,
        version,
    } = job;
    let Actor { role, subject } = scope.actor();
    let (named, after) = match audience {
        Audience::Named { total, processed } => (Some((*total, *processed)), None),
        Audience::NeverInvited { after } => (None, after.as_ref()),
    };
    let body = JobItem {
        partition: String::new(),
        version: *version,
        role: role.name().to_owned(),
        by: subject.as_ref().map(|subject| subject.as_str().to_owned()),
        content: content.map(PackedDigest::from),
        dry_run: *dry_run,
        total: named.map(|(total, _)| total),
        seen: named.map(|(_, processed)| processed),
        after: after.map(keys::directory_place),
        state: state.name().to_owned(),
        counts: counts.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect(),
        slices: *slices,
        run: lease.as_ref().map(|lease| lease.run.as_str().to_owned()),
        lease_until: lease.as_ref().map(|lease| Millis(lease.until)),
        created_at: Millis(*created_at),
        updated_at: Millis(*updated_at),
    };
    super::encode(&keys::job(&scope.job(id)), &body)
}

/// Decodes a job.
pub(in crate::store) fn decode(item: Item) -> Result<BulkJob, StoreError> {
    super::decode(item).and_then(job).map_err(corrupt)
}

fn job(item: JobItem) -> Result<BulkJob, Unreadable> {
    let JobKey { practice, job: id } = need(keys::parse_job_partition(&item.partition), keys::PARTITION)?;
    let subject = item.by.map(|by| parsed(Subject::parse(&by), "by")).transpose()?;
    let actor = Actor { role: named(&item.role, "role")?, subject };
    let code = |code: &String| need(BulkOutcome::from_code(code), "counts").map(|outcome| outcome.code());
    let counts = item.counts.iter().map(|(name, count)| Ok((code(name)?, *count)));
    let lease = match (item.run, item.lease_until) {
        (Some(run), Some(until)) => Some(Lease { run: parsed(RequestId::parse(&run), "run")?, until: until.into() }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(Unreadable::Attribute("lease_until")),
    };
    #[expect(clippy::disallowed_methods, reason = "the request that created the job was verified for this scope")]
    let scope = TenantScope::from_verified_claims(practice, actor);
    Ok(BulkJob {
        id,
        scope,
        content: item.content.map(Digest::from),
        dry_run: item.dry_run,
        audience: match (item.total, item.seen) {
            (Some(total), Some(processed)) => Audience::Named { total, processed },
            (None, None) => Audience::NeverInvited { after: item.after.as_deref().map(place).transpose()? },
            (Some(_), None) | (None, Some(_)) => return Err(Unreadable::Attribute("seen")),
        },
        state: named(&item.state, "state")?,
        counts: counts.collect::<Result<_, _>>()?,
        slices: item.slices,
        lease,
        created_at: item.created_at.into(),
        updated_at: item.updated_at.into(),
        version: item.version,
    })
}

fn place(text: &str) -> Result<DirectoryPlace, Unreadable> {
    need(keys::parse_directory_place(text), "after")
}

/// Encodes the patients that a job names.
pub(in crate::store) fn encode_patients(key: &JobKey, patients: &[PatientId]) -> Result<Item, StoreError> {
    let patients = patients.iter().map(|patient| patient.as_str().to_owned()).collect();
    super::encode(&keys::job_patients(key), &PatientsItem { patients })
}

/// Decodes the patients that a job names.
pub(in crate::store) fn decode_patients(item: Item) -> Result<Vec<PatientId>, StoreError> {
    let PatientsItem { patients } = super::decode(item).map_err(corrupt)?;
    patients.iter().map(|text| parsed(PatientId::parse(text), "patients").map_err(corrupt)).collect()
}

/// Encodes a slice.
pub(in crate::store) fn encode_slice(key: &JobKey, slice: &Slice) -> Result<Item, StoreError> {
    let Slice { number, results } = slice;
    let pair = |result: &BulkResult| (result.patient.as_str().to_owned(), result.outcome.code().to_owned());
    let body = SliceItem { number: *number, results: results.iter().map(pair).collect() };
    super::encode(&keys::slice(key, *number), &body)
}

/// Decodes a slice.
pub(in crate::store) fn decode_slice(item: Item) -> Result<Slice, StoreError> {
    let SliceItem { number, results } = super::decode(item).map_err(corrupt)?;
    let result = |(patient, code): &(String, String)| {
        let patient = parsed(PatientId::parse(patient), "results")?;
        Ok(BulkResult { patient, outcome: need(BulkOutcome::from_code(code), "results")? })
    };
    let results = results.iter().map(result).collect::<Result<_, Unreadable>>().map_err(corrupt)?;
    Ok(Slice { number, results })
}

#[cfg(test)]
mod tests {
    use portal::{bulk::SliceProgress, directory::rows, testing::samples};

    use super::*;
    use crate::store::expression::{number, text};

    fn jobs() -> Vec<BulkJob> {
        let begun = samples::bulk_job("lake:1", "job-1", 500);
        let claimed = begun.claim(&samples::request_id("run-1"), samples::noon()).unwrap();
        let born = rows(&samples::patient_id("p-1"), &samples::profile(None)).pop().unwrap().place;
        let never_invited = |after| BulkJob { audience: Audience::NeverInvited { after }, ..claimed.clone() };
        let seen = SliceProgress {
            audience: Audience::NeverInvited { after: Some(born) },
            complete: false,
            results: results(2),
        };
        let (advanced, _) = never_invited(None).advance(&samples::request_id("run-1"), seen, samples::noon()).unwrap();
        let keyed = BulkJob { content: Some([7; 16]), dry_run: true, ..begun.clone() };
        let cancelled = claimed.cancel(samples::noon()).unwrap();
        vec![begun, claimed.clone(), never_invited(None), advanced, keyed, cancelled]
    }

    fn results(count: usize) -> Vec<BulkResult> {
        let all: Vec<_> = BulkOutcome::all().collect();
        let outcomes = all.iter().cycle().take(count).cloned().enumerate();
        outcomes
            .map(|(number, outcome)| BulkResult { patient: samples::patient_id(&format!("p-{number}")), outcome })
            .collect()
    }

    #[test]
    fn jobs_patients_and_slices_can_be_decoded() {
        for job in jobs() {
            assert_eq!(decode(encode(&job).unwrap()).unwrap(), job);
        }
        let key = samples::scope("lake:1").job(&samples::job_id("job-1"));
        let slice = Slice { number: 25, results: results(20) };
        assert_eq!(decode_slice(encode_slice(&key, &slice).unwrap()).unwrap(), slice);
        let patients: Vec<_> = results(500).into_iter().map(|result| result.patient).collect();
        assert_eq!(decode_patients(encode_patients(&key, &patients).unwrap()).unwrap(), patients);
    }

    #[test]
    fn an_unreadable_job_is_an_error_without_personal_data() {
        let claimed = jobs().remove(1);
        for (name, value) in [
            ("PK", text("PRACTICE#a#PATIENT#secret")),
            ("role", text("secret")),
            ("state", text("secret")),
            ("by", text("se cret")),
            ("run", text("se cret")),
            ("lease_until", text("secret")),
            ("total", text("secret")),
            ("schema", number(2)),
        ] {
            let mut item = encode(&claimed).unwrap();
            item.insert(name.to_owned(), value);
            let error = decode(item).unwrap_err();
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
