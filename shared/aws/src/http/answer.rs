//! An answer as HTTP: status, headers and body.

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use portal::redacted::Redacted;

use super::HttpAnswer;

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

    pub(super) fn new(status: StatusCode, content_type: &'static str, body: String) -> Self {
        let mut answer = Self { body: Redacted::new(body), ..Self::without_body(status) };
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        answer
    }

    /// A problem document.
    pub(super) fn problem(status: StatusCode, document: String) -> Self {
        Self::new(status, "application/problem+json", document)
    }

    /// A table of comma-separated values.
    #[must_use]
    pub fn csv(table: String) -> Self {
        Self::new(StatusCode::OK, "text/csv; charset=utf-8", table)
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
