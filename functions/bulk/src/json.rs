//! A job and its results in JSON.

use std::collections::BTreeMap;

#[cfg(feature = "describe")]
use portal::{
    bulk::BulkOutcome,
    ids::{JobId, PatientId},
};
use portal::{
    bulk::{Audience, BulkJob, BulkResult, JobState, SlicePlace},
    operations::bulk::ResultsPage,
};
use portal_aws::http::value::{Instant, Name};
use serde::Serialize;

/// A bulk job, and how far it has come.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "BulkJob"))]
#[serde(rename_all = "camelCase")]
pub struct JobJson<'job> {
    #[cfg_attr(feature = "describe", schemars(with = "JobId"))]
    job_id: &'job str,
    /// Whether the job invites no patient, and only reports what would happen.
    dry_run: bool,
    /// How the request named the patients.
    audience: Name<JobAudience>,
    state: Name<JobState>,
    created_at: Instant,
    updated_at: Instant,
    /// How many patients the job is about. Of those who were never invited it is known only when the job is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u32>,
    /// How many patients have been processed.
    processed: u32,
    /// How many of the processed patients had each outcome; the numbers add up to `processed`. The outcomes are those of
    /// the results.
    counts: &'job BTreeMap<&'static str, u32>,
}

/// A page of a bulk job's results.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "BulkResultsPage"))]
pub struct ResultsJson<'page> {
    results: Vec<ResultJson<'page>>,
    /// The cursor of the next page. Absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What a bulk job did about one patient.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "BulkResult"))]
#[serde(rename_all = "camelCase")]
pub struct ResultJson<'page> {
    #[cfg_attr(feature = "describe", schemars(with = "PatientId"))]
    pub(crate) patient_id: &'page str,
    /// `invited`; of a dry run `invitable`; otherwise the code that the invitation was, or would be, refused with.
    #[cfg_attr(feature = "describe", schemars(with = "Name<BulkOutcome>"))]
    pub(crate) outcome: &'static str,
    /// The same in plain words, with the next step.
    pub(crate) sentence: &'static str,
}

/// How a request names the patients of a job.
#[derive(Clone, Copy, strum::EnumIter, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "camelCase")]
enum JobAudience {
    /// By their ids.
    PatientIds,
    /// As those who were never invited.
    NeverInvited,
}

#[cfg(feature = "describe")]
portal::named!(JobAudience);

impl<'job> JobJson<'job> {
    /// The JSON of a job.
    pub(crate) fn from_job(job: &'job BulkJob) -> Self {
        Self {
            job_id: job.id.as_str(),
            dry_run: job.dry_run,
            audience: Name(match job.audience {
                Audience::Named { .. } => JobAudience::PatientIds,
                Audience::NeverInvited { .. } => JobAudience::NeverInvited,
            }),
            state: Name(job.state),
            created_at: Instant(job.created_at),
            updated_at: Instant(job.updated_at),
            total: job.total(),
            processed: job.processed(),
            counts: &job.counts,
        }
    }
}

impl<'page> ResultsJson<'page> {
    /// The JSON of a page.
    pub(crate) fn from_page(page: &'page ResultsPage) -> Self {
        let next = page.next.map(SlicePlace::number).map(|number| number.to_string());
        Self { results: results(page).collect(), next }
    }
}

/// All results of a page.
pub(crate) fn results(page: &ResultsPage) -> impl Iterator<Item = ResultJson<'_>> {
    page.slices.iter().flat_map(|slice| &slice.results).map(|BulkResult { patient, outcome }| ResultJson {
        patient_id: patient.as_str(),
        outcome: outcome.code(),
        sentence: outcome.sentence(),
    })
}
