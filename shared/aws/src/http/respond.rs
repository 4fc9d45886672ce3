//! Answers.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use portal::{ids::RequestId, operations::Enqueued, panel::StatusPanel, ports::QueueError, redacted::Redacted};
use serde::Serialize;

use super::{HttpAnswer, panel::StatusJson, problem::Problem};
use crate::cause;

/// An answer: a status, headers and a body, which is usually JSON and can be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Redacted<String>,
}

impl Answer {
    /// The command is done, and there is no body.
    #[must_use]
    pub fn done() -> Self {
        Self::without_body(StatusCode::NO_CONTENT)
    }

    fn without_body(status: StatusCode) -> Self {
        let headers = HeaderMap::from_iter([
            // Answers contain personal data, so no cache may store them.
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000")),
            // No answer is a page. A browser that shows one nevertheless runs no script, shows it in no frame, and sends no
            // referrer.
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ]);
        Self { status, headers, body: Redacted::new(String::new()) }
    }

    fn new(status: StatusCode, content_type: &'static str, body: String) -> Self {
        let mut answer = Self { body: Redacted::new(body), ..Self::without_body(status) };
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        answer
    }

    /// A problem document.
    pub(super) fn problem(status: StatusCode, document: String) -> Self {
        Self::new(status, "application/problem+json", document)
    }

    /// A JSON document without a version.
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

    /// A JSON document with its version as `ETag`.
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
        Self::json(StatusCode::OK, &StatusJson::from_panel(panel), panel.version)
    }

    /// The status panel, as the answer of a command: 202 while a mail is queued, otherwise 200.
    ///
    /// # Errors
    /// [`Problem::Internal`]
    pub fn command(panel: &StatusPanel) -> Result<Self, Problem> {
        let status = if panel.mail_is_queued() { StatusCode::ACCEPTED } else { StatusCode::OK };
        Self::json(status, &StatusJson::from_panel(panel), panel.version)
    }

    /// The status panel, as the answer of a command that sends a mail.
    ///
    /// # Errors
    /// [`Problem::Internal`]
    pub fn accepted(enqueued: &Enqueued, request: &RequestId) -> Result<Self, Problem> {
        log_unqueued(enqueued.unqueued.as_ref(), request);
        Self::command(&enqueued.panel)
    }

    /// Adds a header, unless its value contains characters that a header cannot have.
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

    /// The body. Empty if there is none.
    #[must_use]
    pub fn body(&self) -> &str {
        self.body.expose()
    }
}

impl From<Answer> for HttpAnswer {
    fn from(answer: Answer) -> Self {
        let mut gateway = Self::default();
        gateway.status_code = answer.status.as_u16().into();
        gateway.headers = answer.headers;
        let body = answer.body.expose();
        gateway.body = (!body.is_empty()).then(|| body.clone().into());
        gateway
    }
}

/// Logs that the queue did not take a hint. The answer to the client does not mention it.
pub fn log_unqueued(unqueued: Option<&QueueError>, request: &RequestId) {
    if let Some(error) = unqueued {
        let (request_id, cause) = (request.as_str(), cause::from_queue(error));
        tracing::warn!(request_id, cause, "accepted but not queued: the sweep will queue it");
    }
}

/// An instant in the format of the API: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A calendar date in the format of the API: `yyyy-mm-dd`.
#[must_use]
pub fn date(date: NaiveDate) -> String {
    date.format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_the_security_headers() {
        let problem = Problem::NotFound.answer(None);
        let document = Answer::document(StatusCode::OK, &"text").unwrap();
        for answer in [Answer::done(), document, problem] {
            let value = |name: HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!(value(CACHE_CONTROL), Some("no-store"));
            assert_eq!(value(X_CONTENT_TYPE_OPTIONS), Some("nosniff"));
            assert_eq!(value(STRICT_TRANSPORT_SECURITY), Some("max-age=63072000"));
            assert_eq!(value(CONTENT_SECURITY_POLICY), Some("default-src 'none'; frame-ancestors 'none'"));
            assert_eq!(value(REFERRER_POLICY), Some("no-referrer"));
        }
    }

    #[test]
    fn an_answer_does_not_print_its_body() {
        let answer = Answer::document(StatusCode::OK, &"jose@example.com").unwrap();
        assert!(answer.body().contains("jose"));
        assert!(!format!("{answer:?}").contains("jose"), "{answer:?}");
    }
}
