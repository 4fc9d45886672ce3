//! What an HTTP answer can refuse with, and the problem document (RFC 9457) that says so.

use std::error::Error;

use http::{
    StatusCode,
    header::{ALLOW, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE},
};
use portal::{
    ids::{PatientId, RequestId},
    operations::{OperationError, bulk::BeginError},
    ports::{PortError, StoreError},
    refusal::Refusal,
};
use serde::Serialize;

use super::{
    fields::{FieldCode, FieldError},
    respond::Answer,
};
use crate::cause;

/// After a fault of the store, come again after so many seconds.
const FAULT_RETRY_AFTER_SECS: u64 = 1;

/// Which part of a request cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The body is not JSON, or is missing.
    Body,
    /// `If-Match` is not a version.
    IfMatch,
    /// `Idempotency-Key` is not a key.
    IdempotencyKey,
    /// A parameter of the query is missing, or not what it should be: one sentence says what that is.
    Query(&'static str),
}

/// Everything that an HTTP answer can refuse with.
#[derive(Debug)]
pub enum Problem {
    /// A rule said no.
    Refused(Refusal),
    /// The request cannot be read.
    Malformed(Malformed),
    /// Members of the body are not what they should be.
    Invalid(Vec<FieldError>),
    /// Nobody is known to be asking.
    Unauthenticated,
    /// There is no such path.
    NotFound,
    /// The practice has not saved its settings yet.
    PracticeNotSetUp,
    /// The path has other methods.
    MethodNotAllowed {
        /// Which.
        allowed: Vec<&'static str>,
    },
    /// The body is too long.
    TooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// Something that we depend on did not do its part; the same request may succeed later.
    Unavailable(PortError),
    /// A defect of ours, or data that cannot be read.
    Internal(Box<dyn Error + Send + Sync>),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Malformed> for Problem {
    fn from(part: Malformed) -> Self {
        Self::Malformed(part)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Unavailable(_) => Self::Unavailable(error.into()),
            StoreError::Corrupt(_) => Self::Internal(error.into()),
        }
    }
}

impl From<OperationError> for Problem {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Refused(refusal) => refusal.into(),
            OperationError::Store(error) => error.into(),
        }
    }
}

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Refused(refusal) => refusal.into(),
            BeginError::Store(error) => error.into(),
            BeginError::Queue(error) => Self::Unavailable(error.into()),
        }
    }
}

/// The document. The order of its members is that of the answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'problem> {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: &'static str,
    instance: &'problem str,
    code: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'problem [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient_id: Option<&'problem str>,
}

impl Problem {
    /// The code that clients match on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.status_code_and_sentence().1
    }

    /// The one place that decides what each problem is in HTTP.
    fn status_code_and_sentence(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Refused(refusal) => (status_of(refusal), refusal.code(), refusal.sentence()),
            Self::Malformed(Malformed::Body) => (
                StatusCode::BAD_REQUEST,
                "malformed",
                "The body must be one JSON object with each member once, in UTF-8.",
            ),
            Self::Malformed(Malformed::IfMatch) => (
                StatusCode::BAD_REQUEST,
                "malformed",
                "If-Match must be one version in quotes, as the ETag of an answer gives it.",
            ),
            Self::Malformed(Malformed::IdempotencyKey) => (
                StatusCode::BAD_REQUEST,
                "malformed",
                "Idempotency-Key must be 1 to 255 visible ASCII characters, chosen anew for each command.",
            ),
            Self::Malformed(Malformed::Query(expected)) => (StatusCode::BAD_REQUEST, "malformed", expected),
            // On its own, a bad address is the refusal that every client knows by its code.
            Self::Invalid(errors) => match errors.as_slice() {
                [FieldError { code: FieldCode::EmailInvalid, .. }] => {
                    let refusal = Refusal::EmailInvalid;
                    (status_of(&refusal), refusal.code(), refusal.sentence())
                }
                _ => (
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "invalid_fields",
                    "Some members of the body are not what they should be: correct those that the errors point at.",
                ),
            },
            Self::Unauthenticated => {
                (StatusCode::UNAUTHORIZED, "unauthenticated", "The request carries no valid access token: sign in.")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing at this path: check the address."),
            Self::PracticeNotSetUp => (
                StatusCode::NOT_FOUND,
                "practice_not_set_up",
                "Your practice has no settings yet: an administrator saves them first.",
            ),
            Self::MethodNotAllowed { .. } => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This path does not take this method: use one of those that Allow names.",
            ),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is longer than 64 KiB: send less at once.")
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body must be declared as application/json in UTF-8.",
            ),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service cannot answer right now: send the same request again after a moment.",
            ),
            Self::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side: report the request id if it happens again.",
            ),
        }
    }

    /// Whole seconds after which the same request may succeed.
    const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Refused(Refusal::TooSoon { retry_after_secs }) => Some(*retry_after_secs),
            Self::Unavailable(_) => Some(FAULT_RETRY_AFTER_SECS),
            Self::Refused(_)
            | Self::Malformed(_)
            | Self::Invalid(_)
            | Self::Unauthenticated
            | Self::NotFound
            | Self::PracticeNotSetUp
            | Self::MethodNotAllowed { .. }
            | Self::TooLarge
            | Self::UnsupportedMediaType
            | Self::Internal(_) => None,
        }
    }

    /// The header that goes with the status, other than `Retry-After`.
    fn header(&self) -> Option<(HeaderName, String)> {
        match self {
            Self::Unauthenticated => Some((WWW_AUTHENTICATE, "Bearer".to_owned())),
            Self::MethodNotAllowed { allowed } => Some((ALLOW, allowed.join(", "))),
            Self::Refused(_)
            | Self::Malformed(_)
            | Self::Invalid(_)
            | Self::NotFound
            | Self::PracticeNotSetUp
            | Self::TooLarge
            | Self::UnsupportedMediaType
            | Self::Unavailable(_)
            | Self::Internal(_) => None,
        }
    }

    fn errors(&self) -> &[FieldError] {
        if let Self::Invalid(errors) = self { errors } else { &[] }
    }

    /// Who has the address, where the refusal names them.
    fn holder(&self) -> Option<&PatientId> {
        if let Self::Refused(Refusal::EmailInUse { holder }) = self { holder.as_ref() } else { None }
    }

    /// The answer that reports the problem. Writes it to the log: a failure is logged here and nowhere else.
    #[must_use]
    pub fn answer(&self, request: Option<&RequestId>) -> Answer {
        let (status, code, detail) = self.status_code_and_sentence();
        let instance = request.map_or("unknown", RequestId::as_str);
        self.log(instance, status, code);
        let document = Document {
            kind: format!("/problems/{code}"),
            title: title(code),
            status: status.as_u16(),
            detail,
            instance,
            code,
            errors: self.errors(),
            retry_after: self.retry_after(),
            patient_id: self.holder().map(PatientId::as_str),
        };
        // Strings and numbers always serialise; should they not, the status still tells the truth.
        let mut answer = Answer::problem(status, serde_json::to_string(&document).unwrap_or_default());
        if let Some((name, value)) = self.header() {
            answer = answer.with_header(name, &value);
        }
        if let Some(seconds) = self.retry_after() {
            answer = answer.with_header(RETRY_AFTER, &seconds.to_string());
        }
        answer
    }

    /// Ids and codes only.
    fn log(&self, request_id: &str, status: StatusCode, code: &str) {
        let status = status.as_u16();
        match self {
            Self::Unavailable(error) => {
                tracing::error!(request_id, status, code, cause = cause::of_port(error), "cannot answer");
            }
            Self::Internal(error) => tracing::error!(request_id, status, code, %error, "failed"),
            Self::Refused(_)
            | Self::Malformed(_)
            | Self::Invalid(_)
            | Self::Unauthenticated
            | Self::NotFound
            | Self::PracticeNotSetUp
            | Self::MethodNotAllowed { .. }
            | Self::TooLarge
            | Self::UnsupportedMediaType => tracing::info!(request_id, status, code, "refused"),
        }
    }
}

const fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::PatientNotFound | Refusal::JobNotFound => StatusCode::NOT_FOUND,
        Refusal::Forbidden | Refusal::SupportOnly => StatusCode::FORBIDDEN,
        Refusal::VersionConflict => StatusCode::PRECONDITION_FAILED,
        Refusal::TooSoon { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::EmailInvalid | Refusal::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::PortalNotActivated
        | Refusal::EmailRequired
        | Refusal::EmailInUse { .. }
        | Refusal::AlreadyInvited
        | Refusal::NotInvited
        | Refusal::AlreadyRegistered
        | Refusal::NotRegistered
        | Refusal::SendInProgress
        | Refusal::PatientInactive
        | Refusal::OptedOut
        | Refusal::NotOptedOut
        | Refusal::DateOfBirthMissing
        | Refusal::AddressSuppressed
        | Refusal::LinkNotUsable
        | Refusal::DateOfBirthMismatch => StatusCode::CONFLICT,
    }
}

/// The code in words: `email_in_use` is "Email in use".
fn title(code: &str) -> String {
    let mut words = code.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn every_problem() -> Vec<Problem> {
        let fault = || "the cause".into();
        let pointed = |code| FieldError { pointer: "/email".to_owned(), code };
        vec![
            Refusal::PortalNotActivated.into(),
            Refusal::PatientNotFound.into(),
            Refusal::JobNotFound.into(),
            Refusal::EmailRequired.into(),
            Refusal::EmailInvalid.into(),
            Refusal::EmailInUse { holder: None }.into(),
            Refusal::EmailInUse { holder: PatientId::parse("p-2").ok() }.into(),
            Refusal::AlreadyInvited.into(),
            Refusal::NotInvited.into(),
            Refusal::AlreadyRegistered.into(),
            Refusal::NotRegistered.into(),
            Refusal::SendInProgress.into(),
            Refusal::PatientInactive.into(),
            Refusal::OptedOut.into(),
            Refusal::NotOptedOut.into(),
            Refusal::DateOfBirthMissing.into(),
            Refusal::AddressSuppressed.into(),
            Refusal::TooSoon { retry_after_secs: 37 }.into(),
            Refusal::SupportOnly.into(),
            Refusal::VersionConflict.into(),
            Refusal::LinkNotUsable.into(),
            Refusal::DateOfBirthMismatch.into(),
            Refusal::Forbidden.into(),
            Malformed::Body.into(),
            Malformed::IfMatch.into(),
            Malformed::IdempotencyKey.into(),
            Malformed::Query("The cursor is not one.").into(),
            Refusal::IdempotencyKeyReused.into(),
            Problem::Invalid(vec![pointed(FieldCode::EmailInvalid)]),
            Problem::Invalid(vec![pointed(FieldCode::EmailInvalid), pointed(FieldCode::UnknownField)]),
            Problem::Unauthenticated,
            Problem::NotFound,
            Problem::PracticeNotSetUp,
            Problem::MethodNotAllowed { allowed: vec!["GET", "PUT"] },
            Problem::TooLarge,
            Problem::UnsupportedMediaType,
            StoreError::Busy.into(),
            StoreError::Unavailable(fault()).into(),
            StoreError::Corrupt(fault()).into(),
        ]
    }

    #[test]
    fn each_problem_has_its_status_its_headers_and_its_words() {
        let request = RequestId::parse("request-1").unwrap();
        let shown: Vec<_> = every_problem()
            .iter()
            .map(|problem| {
                let answer = problem.answer(Some(&request));
                let headers: BTreeMap<_, _> =
                    answer.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap())).collect();
                let special: BTreeMap<_, _> = headers
                    .iter()
                    .filter(|(name, _)| ["retry-after", "allow", "www-authenticate"].contains(&name.as_str()))
                    .collect();
                let body: serde_json::Value = serde_json::from_str(answer.body()).unwrap();
                assert_eq!(headers["content-type"], "application/problem+json");
                assert_eq!(body["status"], answer.status().as_u16());
                assert_eq!(body["instance"], "request-1");
                assert!(!answer.body().contains("the cause"));
                serde_json::json!({ "headers": special, "body": body })
            })
            .collect();
        insta::assert_json_snapshot!(shown);
    }

    #[test]
    fn an_answer_without_a_request_id_says_so() {
        let answer = Problem::NotFound.answer(None);
        assert!(answer.body().contains(r#""instance":"unknown""#), "{}", answer.body());
    }
}
