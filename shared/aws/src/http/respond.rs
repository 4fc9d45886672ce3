//! The answers that handlers give.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use http::{StatusCode, header::ETAG};
use portal::{ids::RequestId, operations::Enqueued, panel::StatusPanel, ports::QueueError};
use serde::Serialize;

use super::{answer::Answer, panel::StatusJson, problem::Problem};
use crate::cause;

impl Answer {
    /// A JSON document without a version.
    ///
    /// # Errors
    /// [`Problem::Internal`] if the document cannot be written as JSON.
    pub fn document(status: StatusCode, document: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(document).map_err(|error| Problem::Internal(error.into()))?;
        Ok(Self::new(status, "application/json", body))
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
    use http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS,
    };

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
