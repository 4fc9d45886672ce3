//! Answers.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
};
use portal::panel::StatusPanel;
use serde::Serialize;

use super::{HttpAnswer, panel::StatusJson, problem::Problem};

/// An answer: a status, headers and a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn new(status: StatusCode, content_type: &'static str, body: String) -> Self {
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(content_type)),
            // Personal data: nobody on the way may keep it.
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000")),
        ]);
        Self { status, headers, body }
    }

    /// A problem document.
    pub(super) fn problem(status: StatusCode, document: String) -> Self {
        Self::new(status, "application/problem+json", document)
    }

    /// A JSON document, and the version of what it shows as its `ETag`.
    ///
    /// # Errors
    /// [`Problem::Internal`] if the document cannot be written as JSON.
    pub fn json(status: StatusCode, document: &impl Serialize, version: u64) -> Result<Self, Problem> {
        let body = serde_json::to_string(document).map_err(|error| Problem::Internal(error.into()))?;
        let answer = Self::new(status, "application/json", body);
        Ok(answer.with_header(ETAG, &format!("\"{version}\"")))
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

    /// The JSON text.
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
        gateway.body = Some(answer.body.into());
        gateway
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
