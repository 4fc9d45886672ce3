//! A job and its results in JSON.

use std::collections::BTreeMap;

use portal::{
    bulk::{Audience, BulkJob, BulkResult, SlicePlace},
    operations::bulk::ResultsPage,
};
use portal_aws::http::respond::instant;
use serde::Serialize;

/// A job.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobJson<'job> {
    job_id: &'job str,
    dry_run: bool,
    audience: &'static str,
    state: &'static str,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u32>,
    processed: u32,
    counts: &'job BTreeMap<&'static str, u32>,
}

/// A page of results.
#[derive(Serialize)]
pub(crate) struct ResultsJson<'page> {
    results: Vec<ResultJson<'page>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One patient's result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResultJson<'page> {
    pub(crate) patient_id: &'page str,
    pub(crate) outcome: &'static str,
    pub(crate) sentence: &'static str,
}

impl<'job> JobJson<'job> {
    /// This job.
    pub(crate) fn of(job: &'job BulkJob) -> Self {
        Self {
            job_id: job.id.as_str(),
            dry_run: job.dry_run,
            audience: match job.audience {
                Audience::Named { .. } => "patientIds",
                Audience::NeverInvited { .. } => "neverInvited",
            },
            state: job.state.name(),
            created_at: instant(job.created_at),
            updated_at: instant(job.updated_at),
            total: job.total(),
            processed: job.processed(),
            counts: &job.counts,
        }
    }
}

impl<'page> ResultsJson<'page> {
    /// This page.
    pub(crate) fn of(page: &'page ResultsPage) -> Self {
        let next = page.next.map(SlicePlace::number).map(|number| number.to_string());
        Self { results: results(page).collect(), next }
    }
}

/// Every result of a page.
pub(crate) fn results(page: &ResultsPage) -> impl Iterator<Item = ResultJson<'_>> {
    page.slices.iter().flat_map(|slice| &slice.results).map(|BulkResult { patient, outcome }| ResultJson {
        patient_id: patient.as_str(),
        outcome: outcome.code(),
        sentence: outcome.sentence(),
    })
}
