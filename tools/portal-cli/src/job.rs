//! Bulk jobs of the API: begin, read and cancel them, and read each patient's result.

use std::{collections::BTreeMap, fmt, str::FromStr};

use portal::ids::PatientId;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};

use crate::{
    api::{Api, Failure, is_code, plain},
    stop::Stop,
};

/// Path of the jobs.
const JOBS: &str = "/v1/invitations/bulk";

/// The maximum number of patients of one job that names them.
pub const MAX_PATIENTS: usize = 500;

/// The maximum length of a job's id, in characters.
const LONGEST_ID: usize = 128;

/// The patients to invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// These patients, each named once.
    Patients(Vec<PatientId>),
    /// All patients of the practice who have an email address and were never invited.
    NeverInvited,
}

/// A job to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    recipients: Recipients,
    dry_run: bool,
    key: String,
}

impl NewJob {
    /// Splits the patients into jobs. Each has a key of its own, so a repeated request begins no second job.
    ///
    /// # Errors
    /// Those of `new_key`.
    pub fn split<E>(
        recipients: Recipients,
        dry_run: bool,
        mut new_key: impl FnMut() -> Result<String, E>,
    ) -> Result<Vec<Self>, E> {
        let parts: Vec<Recipients> = match recipients {
            Recipients::Patients(ids) => {
                ids.chunks(MAX_PATIENTS).map(|part| Recipients::Patients(part.to_vec())).collect()
            }
            Recipients::NeverInvited => vec![Recipients::NeverInvited],
        };
        parts.into_iter().map(|recipients| Ok(Self { recipients, dry_run, key: new_key()? })).collect()
    }

    fn body(&self) -> Value {
        match &self.recipients {
            Recipients::Patients(ids) => {
                let ids: Vec<&str> = ids.iter().map(PatientId::as_str).collect();
                json!({ "patientIds": ids, "dryRun": self.dry_run })
            }
            Recipients::NeverInvited => json!({ "neverInvited": true, "dryRun": self.dry_run }),
        }
    }
}

/// A job's id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct JobId(String);

/// The text is not the id of a job.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a job's id is 1 to {LONGEST_ID} letters, digits and - _")]
pub struct InvalidJobId;

impl TryFrom<String> for JobId {
    type Error = InvalidJobId;

    fn try_from(text: String) -> Result<Self, InvalidJobId> {
        // It becomes part of a path, and of a command that the user copies.
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if plain && (1..=LONGEST_ID).contains(&text.len()) { Ok(Self(text)) } else { Err(InvalidJobId) }
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job, as last read from the API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id.
    #[serde(rename = "jobId")]
    pub id: JobId,
    /// Whether it invites no patient and only previews the results.
    pub dry_run: bool,
    /// Its state.
    pub state: State,
    /// The number of its patients, if known.
    pub total: Option<u64>,
    /// The number of patients who have been processed.
    pub processed: u64,
    /// Their outcomes.
    pub counts: Counts,
}

/// The number of patients for each outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Counts(BTreeMap<Outcome, u64>);

impl Counts {
    /// The outcomes that occurred.
    pub fn each(&self) -> impl Iterator<Item = (&Outcome, u64)> {
        self.0.iter().map(|(outcome, count)| (outcome, *count))
    }

    /// Patients who were invited, or in a dry run could be.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.sum(Outcome::is_good)
    }

    /// Patients who were not invited, or could not be.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.sum(|outcome| !outcome.is_good())
    }

    /// Adds the counts of another job.
    pub(crate) fn add(&mut self, other: &Self) {
        for (outcome, count) in other.each() {
            let sum = self.0.entry(outcome.clone()).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    fn sum(&self, which: impl Fn(&Outcome) -> bool) -> u64 {
        self.each().filter(|(outcome, _)| which(outcome)).fold(0, |sum, (_, count)| sum.saturating_add(count))
    }
}

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has not begun.
    Queued,
    /// It has begun.
    Running,
    /// All patients have been processed.
    Done,
    /// It was cancelled: it invites no more patients.
    Cancelled,
}

impl State {
    /// Whether the job has ended.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Done | Self::Cancelled => true,
        }
    }
}

/// A patient's outcome: invited, or in a dry run invitable, or a refusal's code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Outcome(String);

impl TryFrom<String> for Outcome {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if is_code(&text) { Ok(Self(text)) } else { Err("not a code") }
    }
}

impl Outcome {
    /// Whether the patient was invited, or could be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        ["invited", "invitable"].contains(&self.0.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One patient's result.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatientResult {
    /// The patient.
    #[serde(deserialize_with = "patient_id")]
    pub patient_id: PatientId,
    /// The outcome.
    pub outcome: Outcome,
    /// The outcome in a sentence, with the next step.
    #[serde(deserialize_with = "sentence")]
    pub sentence: String,
}

impl PatientResult {
    /// The columns of a report, the same as in the API's own CSV.
    pub const COLUMNS: [&str; 3] = ["patientId", "outcome", "sentence"];

    /// The cells of these columns.
    #[must_use]
    pub fn cells(&self) -> [String; 3] {
        let Self { patient_id, outcome, sentence } = self;
        [patient_id.to_string(), outcome.to_string(), sentence.clone()]
    }
}

/// Consecutive results, in the order in which the patients were processed.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) results: Vec<PatientResult>,
    /// The cursor of the next page, if there is one.
    pub(crate) next: Option<String>,
}

fn patient_id<'de, D: Deserializer<'de>>(from: D) -> Result<PatientId, D::Error> {
    PatientId::parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn sentence<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(plain(&String::deserialize(from)?))
}

impl Api {
    /// Begins a job, or finds the one that an earlier try has begun.
    pub(crate) fn begin_job(&self, job: &NewJob, stop: &Stop) -> Result<Job, Failure> {
        self.post(JOBS, Some(&job.key), &job.body(), stop)?.read(202)
    }

    /// Reads a job.
    pub(crate) fn job(&self, id: &JobId, stop: &Stop) -> Result<Job, Failure> {
        self.get(&format!("{JOBS}/{id}"), None, stop)?.read(200)
    }

    /// Reads the first page of results, or the page at a cursor.
    pub(crate) fn job_results(&self, id: &JobId, next: Option<&str>, stop: &Stop) -> Result<Page, Failure> {
        self.get(&format!("{JOBS}/{id}/results"), next, stop)?.read(200)
    }

    /// Cancels a job. A job that is done or cancelled does not change.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn cancel_job(&self, id: &JobId, stop: &Stop) -> Result<Job, Failure> {
        self.post(&format!("{JOBS}/{id}/cancel"), None, &json!({}), stop)?.read(200)
    }
}

#[cfg(test)]
mod tests {
    use portal::ids::PatientId;
    use serde_json::{Value, json};

    use super::{Job, JobId, MAX_PATIENTS, NewJob, PatientResult, Recipients};

    #[test]
    fn a_list_is_split_into_jobs_each_with_its_own_key() {
        for (patients, sizes) in [(1, vec![1]), (500, vec![500]), (501, vec![500, 1]), (1_203, vec![500, 500, 203])] {
            let ids: Vec<_> = (0..patients).map(|number| PatientId::parse(&format!("p-{number}")).unwrap()).collect();
            let mut keys = 0..;
            let new_key = || keys.next().map(|key: u64| format!("key-{key}")).ok_or(());
            let jobs = NewJob::split(Recipients::Patients(ids.clone()), false, new_key).unwrap();
            let parts: Vec<Vec<PatientId>> = jobs
                .iter()
                .map(|job| if let Recipients::Patients(part) = &job.recipients { part.clone() } else { Vec::new() })
                .collect();
            assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
            assert_eq!(parts.concat(), ids);
            let keys: Vec<&str> = jobs.iter().map(|job| job.key.as_str()).collect();
            assert_eq!(keys, ["key-0", "key-1", "key-2"][..sizes.len()]);
        }
        assert_eq!(NewJob::split(Recipients::NeverInvited, true, || Err("no key")), Err("no key"));
        assert_eq!(MAX_PATIENTS, 500);
    }

    #[test]
    fn a_malformed_job_is_rejected() {
        let job = json!({
            "jobId": "j-1", "dryRun": false, "audience": "patientIds", "state": "running", "createdAt": "x", "updatedAt": "x",
            "total": 3, "processed": 1, "counts": { "invited": 1 }, "added": "later",
        });
        assert!(serde_json::from_value::<Job>(job.clone()).is_ok());
        for (member, wrong) in [
            ("jobId", json!("../x")),
            ("jobId", json!("")),
            ("dryRun", Value::Null),
            ("state", json!("paused")),
            ("total", json!("3")),
            ("processed", json!(-1)),
            ("counts", json!({ "Invited\u{1b}[2J": 1 })),
        ] {
            let mut job = job.clone();
            job[member] = wrong;
            assert!(serde_json::from_value::<Job>(job.clone()).is_err(), "{job}");
        }
        assert!("x".repeat(129).parse::<JobId>().is_err() && "0193-a_B".parse::<JobId>().is_ok());
    }

    #[test]
    fn a_result_has_no_terminal_commands() {
        let result = json!({ "patientId": "p-1", "outcome": "opted_out", "sentence": "No\u{1b}[2J more." });
        let result: PatientResult = serde_json::from_value(result).unwrap();
        assert_eq!(result.cells(), ["p-1", "opted_out", "No[2J more."]);
        for wrong in [
            json!({ "patientId": "p 1", "outcome": "invited", "sentence": "" }),
            json!({ "patientId": "p-1", "outcome": "no code", "sentence": "" }),
        ] {
            assert!(serde_json::from_value::<PatientResult>(wrong).is_err());
        }
    }
}
