//! Problems: why an HTTP request is refused, and the problem document (RFC 9457) that says so.

use std::error::Error;

use http::{
    StatusCode,
    header::{ALLOW, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE},
};
use portal::{
    ids::{PatientId, RequestId},
    operations::{OperationError, Precondition, bulk::BeginError},
    ports::{PortError, StoreError},
    refusal::{PatientRefusal, Refusal, RefusalCode, RefusalDetail, Words},
};
use serde::Serialize;

use super::{
    answer::Answer,
    field_error::{FieldCode, FieldError},
    words::{self, EdgeCode},
};
use crate::cause;

/// The number of seconds after which a request that failed because of a fault may succeed.
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
    /// A parameter of the query is missing or invalid. The sentence describes a valid one.
    Query(&'static str),
}

/// Why a request is refused.
#[derive(Debug)]
pub enum Problem {
    /// A rule refused the command.
    Refused {
        /// The code of the rule.
        code: RefusalCode,
        /// The detail that some refusals have.
        detail: RefusalDetail,
    },
    /// The request cannot be read.
    Malformed(Malformed),
    /// Members of the body are missing or invalid.
    Invalid(Vec<FieldError>),
    /// The request has no verified token.
    Unauthenticated,
    /// The verified token is not an access token.
    NoAccessToken,
    /// The token does not permit the operation.
    Forbidden,
    /// A public operation was asked for past the firewall.
    WrongHost,
    /// There is no such path.
    NotFound,
    /// The practice has not saved its settings yet.
    PracticeNotSetUp,
    /// The practice has no such bulk job.
    JobNotFound,
    /// A condition of the request does not hold.
    Precondition(Precondition),
    /// The path does not have this method.
    MethodNotAllowed {
        /// The methods that it has.
        allowed: Vec<&'static str>,
    },
    /// The body is too long.
    TooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// A service that we depend on failed. The same request may succeed later.
    Unavailable(PortError),
    /// A defect of our code, or an item that cannot be read.
    Internal(Box<dyn Error + Send + Sync>),
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

impl<R: Refusal> From<OperationError<R>> for Problem {
    fn from(error: OperationError<R>) -> Self {
        match error {
            OperationError::Refused(refusal) => Self::refused(&refusal),
            OperationError::Precondition(failed) => Self::Precondition(failed),
            OperationError::Store(error) => error.into(),
        }
    }
}

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Precondition(failed) => Self::Precondition(failed),
            BeginError::Store(error) => error.into(),
            BeginError::Queue(error) => Self::Unavailable(error.into()),
        }
    }
}

/// The code of a problem: of a rule, or of the edge itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemCode {
    /// A rule of the product.
    Rule(RefusalCode),
    /// The edge.
    Edge(EdgeCode),
}

impl ProblemCode {
    /// The code that clients match on.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule(code) => code.name(),
            Self::Edge(code) => code.name(),
        }
    }

    const fn words(self) -> Words {
        match self {
            Self::Rule(code) => code.words(),
            Self::Edge(code) => code.words(),
        }
    }

    /// The status of answers with this code.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Rule(code) => match code {
                RefusalCode::PatientNotFound => StatusCode::NOT_FOUND,
                RefusalCode::SupportOnly => StatusCode::FORBIDDEN,
                RefusalCode::TooSoon | RefusalCode::TooManyRefusals => StatusCode::TOO_MANY_REQUESTS,
                RefusalCode::PortalNotActivated
                | RefusalCode::EmailRequired
                | RefusalCode::EmailInUse
                | RefusalCode::AlreadyInvited
                | RefusalCode::NotInvited
                | RefusalCode::AlreadyRegistered
                | RefusalCode::NotRegistered
                | RefusalCode::AccountClosed
                | RefusalCode::AccountNotClosed
                | RefusalCode::SendInProgress
                | RefusalCode::PatientInactive
                | RefusalCode::OptedOut
                | RefusalCode::NotOptedOut
                | RefusalCode::DateOfBirthMissing
                | RefusalCode::AddressSuppressed
                | RefusalCode::LinkNotUsable
                | RefusalCode::DateOfBirthMismatch => StatusCode::CONFLICT,
            },
            Self::Edge(code) => match code {
                EdgeCode::Malformed => StatusCode::BAD_REQUEST,
                EdgeCode::InvalidFields | EdgeCode::EmailInvalid | EdgeCode::IdempotencyKeyReused => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                EdgeCode::Unauthenticated | EdgeCode::NotAnAccessToken => StatusCode::UNAUTHORIZED,
                EdgeCode::Forbidden | EdgeCode::WrongHost => StatusCode::FORBIDDEN,
                EdgeCode::NotFound | EdgeCode::PracticeNotSetUp | EdgeCode::JobNotFound => StatusCode::NOT_FOUND,
                EdgeCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
                EdgeCode::VersionConflict => StatusCode::PRECONDITION_FAILED,
                EdgeCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                EdgeCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                EdgeCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                EdgeCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}

/// Why a request is refused (RFC 9457). The order of the members is that of the answer.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProblemDetails<'problem> {
    /// `/problems/` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The code in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// One fixed sentence for people, with the next step.
    detail: &'static str,
    /// The request's id.
    instance: &'problem str,
    /// What to match on. A code never changes its meaning.
    #[cfg_attr(feature = "describe", schemars(with = "super::value::Name<ProblemCode>"))]
    code: &'static str,
    /// Every mistake in the body. Only with the codes `invalid_fields` and `email_invalid`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'problem [FieldError],
    /// Whole seconds until the same request may succeed: the header `Retry-After`. Only with the codes `too_soon` and
    /// `unavailable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// The patient of your own practice who has the address. Only with the code `email_in_use`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<PatientId>"))]
    patient_id: Option<&'problem str>,
}

#[cfg(feature = "describe")]
impl portal::describe::Named for ProblemCode {
    fn names() -> Vec<(&'static str, &'static str)> {
        use strum::IntoEnumIterator as _;
        let rules = RefusalCode::iter().map(Self::Rule);
        let all = rules.chain(EdgeCode::iter().map(Self::Edge));
        all.map(|code| (code.name(), code.words().sentence)).collect()
    }
}

impl Problem {
    /// The problem for the refusal of a rule.
    #[must_use]
    pub fn refused(refusal: &impl Refusal) -> Self {
        Self::Refused { code: refusal.code(), detail: refusal.detail() }
    }

    /// The practice has no such patient.
    #[must_use]
    pub fn patient_not_found() -> Self {
        Self::refused(&PatientRefusal::PatientNotFound)
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> ProblemCode {
        ProblemCode::Edge(match self {
            Self::Refused { code, .. } => return ProblemCode::Rule(*code),
            Self::Malformed(_) => EdgeCode::Malformed,
            // If the address is the only mistake, the answer has its own code.
            Self::Invalid(errors) => match errors.as_slice() {
                [FieldError { code: FieldCode::EmailInvalid, .. }] => EdgeCode::EmailInvalid,
                _ => EdgeCode::InvalidFields,
            },
            Self::Unauthenticated => EdgeCode::Unauthenticated,
            Self::NoAccessToken => EdgeCode::NotAnAccessToken,
            Self::Forbidden => EdgeCode::Forbidden,
            Self::WrongHost => EdgeCode::WrongHost,
            Self::NotFound => EdgeCode::NotFound,
            Self::PracticeNotSetUp => EdgeCode::PracticeNotSetUp,
            Self::JobNotFound => EdgeCode::JobNotFound,
            Self::Precondition(Precondition::VersionConflict) => EdgeCode::VersionConflict,
            Self::Precondition(Precondition::KeyReused(_)) => EdgeCode::IdempotencyKeyReused,
            Self::MethodNotAllowed { .. } => EdgeCode::MethodNotAllowed,
            Self::TooLarge => EdgeCode::TooLarge,
            Self::UnsupportedMediaType => EdgeCode::UnsupportedMediaType,
            Self::Unavailable(_) => EdgeCode::Unavailable,
            Self::Internal(_) => EdgeCode::Internal,
        })
    }

    /// The sentence for people: the one of the code, or of the part that is malformed.
    fn sentence(&self) -> &'static str {
        let Self::Malformed(part) = self else { return self.code().words().sentence };
        match part {
            Malformed::Body => words::MALFORMED_BODY,
            Malformed::IfMatch => words::MALFORMED_IF_MATCH,
            Malformed::IdempotencyKey => words::MALFORMED_IDEMPOTENCY_KEY,
            Malformed::Query(expected) => expected,
        }
    }

    /// Whole seconds after which the same request may succeed.
    const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Refused { detail: RefusalDetail::RetryAfterSecs(seconds), .. } => Some(*seconds),
            Self::Unavailable(_) => Some(FAULT_RETRY_AFTER_SECS),
            Self::Refused { .. }
            | Self::Malformed(_)
            | Self::Invalid(_)
            | Self::Unauthenticated
            | Self::NoAccessToken
            | Self::Forbidden
            | Self::WrongHost
            | Self::NotFound
            | Self::PracticeNotSetUp
            | Self::JobNotFound
            | Self::Precondition(_)
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
            Self::NoAccessToken => Some((WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"".to_owned())),
            Self::MethodNotAllowed { allowed } => Some((ALLOW, allowed.join(", "))),
            Self::Refused { .. }
            | Self::Malformed(_)
            | Self::Invalid(_)
            | Self::Forbidden
            | Self::WrongHost
            | Self::NotFound
            | Self::PracticeNotSetUp
            | Self::JobNotFound
            | Self::Precondition(_)
            | Self::TooLarge
            | Self::UnsupportedMediaType
            | Self::Unavailable(_)
            | Self::Internal(_) => None,
        }
    }

    fn errors(&self) -> &[FieldError] {
        if let Self::Invalid(errors) = self { errors } else { &[] }
    }

    /// The patient who has the address, if the refusal names them.
    fn holder(&self) -> Option<&PatientId> {
        if let Self::Refused { detail: RefusalDetail::Holder(holder), .. } = self { Some(holder) } else { None }
    }

    /// The answer that reports the problem. Also writes it to the log, so callers do not log it.
    #[must_use]
    pub fn answer(&self, request: Option<&RequestId>) -> Answer {
        let code = self.code();
        let (status, title, detail) = (code.status(), code.words().title, self.sentence());
        let code = code.name();
        let instance = request.map_or("unknown", RequestId::as_str);
        self.log(instance, status, code);
        let document = ProblemDetails {
            kind: format!("/problems/{code}"),
            title,
            status: status.as_u16(),
            detail,
            instance,
            code,
            errors: self.errors(),
            retry_after: self.retry_after(),
            patient_id: self.holder().map(PatientId::as_str),
        };
        // Strings and numbers always serialise. If they did not, the status would still be right.
        let mut answer = Answer::problem(status, serde_json::to_string(&document).unwrap_or_default());
        if let Some((name, value)) = self.header() {
            answer = answer.with_header(name, &value);
        }
        if let Some(seconds) = self.retry_after() {
            answer = answer.with_header(RETRY_AFTER, &seconds.to_string());
        }
        answer
    }

    /// Logs ids and codes only.
    fn log(&self, request_id: &str, status: StatusCode, code: &str) {
        let status = status.as_u16();
        match self {
            Self::Unavailable(error) => {
                tracing::error!(request_id, status, code, cause = cause::from_port(error), "cannot answer");
            }
            Self::Internal(error) => tracing::error!(request_id, status, code, %error, "failed"),
            Self::Refused { .. }
            | Self::Malformed(_)
            | Self::Invalid(_)
            | Self::Unauthenticated
            | Self::NoAccessToken
            | Self::Forbidden
            | Self::WrongHost
            | Self::NotFound
            | Self::PracticeNotSetUp
            | Self::JobNotFound
            | Self::Precondition(_)
            | Self::MethodNotAllowed { .. }
            | Self::TooLarge
            | Self::UnsupportedMediaType => tracing::info!(request_id, status, code, "refused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portal::{
        idempotency::KeyReused,
        refusal::{InviteRefusal, ReinviteRefusal},
    };

    use super::*;

    fn every_problem() -> Vec<Problem> {
        let fault = || "the cause".into();
        let rule = |code| Problem::Refused { code, detail: RefusalDetail::None };
        let pointed = |code| FieldError { pointer: "/email".to_owned(), code };
        vec![
            rule(RefusalCode::PortalNotActivated),
            rule(RefusalCode::PatientNotFound),
            Problem::JobNotFound,
            rule(RefusalCode::EmailRequired),
            Problem::Invalid(vec![pointed(FieldCode::EmailInvalid)]),
            rule(RefusalCode::EmailInUse),
            Problem::refused(&InviteRefusal::EmailInUse { holder: PatientId::parse("p-2").ok() }),
            rule(RefusalCode::AlreadyInvited),
            rule(RefusalCode::NotInvited),
            rule(RefusalCode::AlreadyRegistered),
            rule(RefusalCode::NotRegistered),
            rule(RefusalCode::AccountClosed),
            rule(RefusalCode::AccountNotClosed),
            rule(RefusalCode::SendInProgress),
            rule(RefusalCode::PatientInactive),
            rule(RefusalCode::OptedOut),
            rule(RefusalCode::NotOptedOut),
            rule(RefusalCode::DateOfBirthMissing),
            rule(RefusalCode::AddressSuppressed),
            Problem::refused(&ReinviteRefusal::TooSoon { retry_after_secs: 37 }),
            Problem::refused(&ReinviteRefusal::TooManyRefusals { retry_after_secs: 3_600 }),
            rule(RefusalCode::SupportOnly),
            Problem::Precondition(Precondition::VersionConflict),
            rule(RefusalCode::LinkNotUsable),
            rule(RefusalCode::DateOfBirthMismatch),
            Problem::Forbidden,
            Problem::WrongHost,
            Malformed::Body.into(),
            Malformed::IfMatch.into(),
            Malformed::IdempotencyKey.into(),
            Malformed::Query("The cursor is not one.").into(),
            Problem::Precondition(Precondition::KeyReused(KeyReused)),
            Problem::Invalid(vec![pointed(FieldCode::EmailInvalid), pointed(FieldCode::UnknownField)]),
            Problem::Unauthenticated,
            Problem::NoAccessToken,
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
    fn the_request_id_of_an_answer_can_be_unknown() {
        let answer = Problem::NotFound.answer(None);
        assert!(answer.body().contains(r#""instance":"unknown""#), "{}", answer.body());
    }
}
