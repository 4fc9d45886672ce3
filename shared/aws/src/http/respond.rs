//! Answers.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
};
use portal::{ids::RequestId, operations::Hinted, panel::StatusPanel, ports::QueueError};
use serde::Serialize;

use super::{HttpAnswer, panel::StatusJson, problem::Problem};
use crate::cause;

/// An answer: a status, headers and, as a rule, a text, nearly always JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// Nothing to say but that it is done.
    #[must_use]
    pub fn done() -> Self {
        Self::bare(StatusCode::NO_CONTENT)
    }

    fn bare(status: StatusCode) -> Self {
        let headers = HeaderMap::from_iter([
            // Personal data: nobody on the way may keep it.
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000")),
        ]);
        Self { status, headers, body: String::new() }
    }

    fn new(status: StatusCode, content_type: &'static str, body: String) -> Self {
        let mut answer = Self { body, ..Self::bare(status) };
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        answer
    }

    /// A problem document.
    pub(super) fn problem(status: StatusCode, document: String) -> Self {
        Self::new(status, "application/problem+json", document)
    }

    /// A JSON document that has no version.
    ///
    /// # Errors
    /// [`Problem::Internal`] if the document cannot be written as JSON.
    pub fn document(status: StatusCode, document: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(document).map_err(|error| Problem::Internal(error.into()))?;
        Ok(Self::new(status, "application/json", body))
    }

    /// A table of comma-separated values.
    #[must_use]
    pub fn csv(table: String) -> Self {
        Self::new(StatusCode::OK, "text/csv; charset=utf-8", table)
    }

    /// A JSON document, and the version of what it shows as its `ETag`.
    ///
    /// # Errors
    /// As for [`Self::document`].
    pub fn json(status: StatusCode, document: &impl Serialize, version: u64) -> Result<Self, Problem> {
        Ok(Self::document(status, document)?.with_header(ETAG, &format!("\"{version}\"")))
    }

    /// The status panel, as the answer of a read.
    ///
    /// # Errors
    /// [`Problem::Internal`]
    pub fn panel(panel: &StatusPanel) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, &StatusJson::of(panel), panel.version)
    }

    /// The status panel, as the answer of a command: accepted rather than done while a mail is queued.
    ///
    /// # Errors
    /// [`Problem::Internal`]
    pub fn command(panel: &StatusPanel) -> Result<Self, Problem> {
        let status = if panel.mail_is_queued() { StatusCode::ACCEPTED } else { StatusCode::OK };
        Self::json(status, &StatusJson::of(panel), panel.version)
    }

    /// The status panel, as the answer of a command that a mail follows.
    ///
    /// # Errors
    /// [`Problem::Internal`]
    pub fn hinted(hinted: &Hinted, request: &RequestId) -> Result<Self, Problem> {
        log_unqueued(hinted.unqueued.as_ref(), request);
        Self::command(&hinted.panel)
    }

    /// The answer with one more header; without it if its value cannot stand in one.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The text; empty if there is none.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl From<Answer> for HttpAnswer {
    fn from(answer: Answer) -> Self {
        let mut gateway = Self::default();
        gateway.status_code = answer.status.as_u16().into();
        gateway.headers = answer.headers;
        gateway.body = (!answer.body.is_empty()).then(|| answer.body.into());
        gateway
    }
}

/// Writes to the log if the queue did not take a hint, which nobody else is told.
pub fn log_unqueued(unqueued: Option<&QueueError>, request: &RequestId) {
    if let Some(error) = unqueued {
        let (request_id, cause) = (request.as_str(), cause::of_queue(error));
        tracing::warn!(request_id, cause, "accepted but not queued: the sweep will queue it");
    }
}

/// An instant as the API writes it: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A calendar date as the API writes it: `yyyy-mm-dd`.
#[must_use]
pub fn date(date: NaiveDate) -> String {
    date.format("%Y-%m-%d").to_string()
}
