//! The parameters of requests, and the headers of answers.

use anyhow::{Context as _, Result};
use portal::{
    ids::{JobId, PatientId, PracticeId},
    text::AccessReason,
};
use serde_json::{Map, Value, json};
use strum::IntoEnumIterator as _;

/// A parameter of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
pub enum Parameter {
    /// `patientId`.
    PatientId,
    /// `practiceId`.
    PracticeId,
    /// `jobId`.
    JobId,
    /// `If-Match`: one version, or any.
    IfMatch,
    /// `If-Match` of a save that can create: one version.
    IfMatchVersion,
    /// `Idempotency-Key`.
    IdempotencyKey,
    /// `cursor`.
    Cursor,
    /// `reason`.
    Reason,
    /// `q`.
    PatientQuery,
    /// `t`.
    LinkId,
}

impl Parameter {
    /// A reference to the parameter.
    pub fn reference(self) -> Value {
        json!({ "$ref": format!("#/components/parameters/{}", <&str>::from(self)) })
    }

    /// The parameters of a path.
    pub fn from_path(path: &str) -> Result<Vec<Self>> {
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        names.map(|name| Self::iter().find(|it| it.json()["name"] == name).context("an unknown parameter")).collect()
    }

    /// All parameters, by the names in references.
    pub fn all() -> Value {
        Self::iter().map(|parameter| (<&str>::from(parameter).to_owned(), parameter.json())).collect()
    }

    /// The parameter in the document.
    fn json(self) -> Value {
        match self {
            Self::PatientId => in_path(
                "patientId",
                "The patient, by the id that the practice's EHR gave.",
                &PatientId::pattern(),
                "p-1001",
            ),
            Self::PracticeId => {
                in_path("practiceId", "The practice that the patient belongs to.", &PracticeId::pattern(), "lakeside")
            }
            Self::JobId => in_path(
                "jobId",
                "The bulk job: the `jobId` of the answer that began it.",
                &JobId::pattern(),
                "0199c0de-7c3a-7d2e-9f00-0123456789ab",
            ),
            Self::IfMatch => json!({
                "name": "If-Match",
                "in": "header",
                "description":
                    "The `ETag` of the status that the caller has read, or `*` for any version.",
                "schema": { "type": "string", "pattern": r#"^(\*|"(0|[1-9][0-9]*)")$"# },
                "example": "\"3\"",
            }),
            Self::IfMatchVersion => json!({
                "name": "If-Match",
                "in": "header",
                "description": "The `ETag` of the version to replace. With it, nothing is created.",
                "schema": { "type": "string", "pattern": r#"^"(0|[1-9][0-9]*)"$"# },
                "example": "\"1\"",
            }),
            Self::IdempotencyKey => json!({
                "name": "Idempotency-Key",
                "in": "header",
                "description":
                    "A text of your own, new for each command and the same when you send that command again: a UUID, for \
                     example.",
                "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
                "example": "0d4e5a1c-8a50-4c2e-9a51-3a1e0d9b7c11",
            }),
            Self::Cursor => json!({
                "name": "cursor",
                "in": "query",
                "description": "The `next` of the previous page. Without it the list begins.",
                "schema": { "type": "string", "minLength": 1 },
                "example": "AQAAAA",
            }),
            Self::Reason => json!({
                "name": "reason",
                "in": "query",
                "required": true,
                "description": "Why the caller reads this. It is recorded, and the patient's practice can read it.",
                "schema": { "type": "string", "minLength": 1, "maxLength": AccessReason::MAX_CHARS },
                "example": "Ticket 4711: the patient does not find the mail",
            }),
            Self::PatientQuery => json!({
                "name": "q",
                "in": "query",
                "required": true,
                "description":
                    "At least the first two letters of a word of the name, or of several words, in any order and without \
                     regard to case and accents; or a whole date of birth, as `mm/dd/yyyy` or `yyyy-mm-dd`. One letter is \
                     enough where it is a word by itself, as in Chinese.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 100 },
                "examples": {
                    "letters": { "value": "jo" },
                    "words": { "value": "smith mary" },
                    "american_date": { "value": "02/29/1980" },
                    "date": { "value": "1980-02-29" },
                },
            }),
            Self::LinkId => json!({
                "name": "t",
                "in": "query",
                "required": true,
                "description":
                    "The link whose reminders to stop: the part of its token before the dot. Any other text stops \
                     nothing.",
                "schema": { "type": "string" },
                "example": "link-1",
            }),
        }
    }
}

fn in_path(name: &str, about: &str, pattern: &str, example: &str) -> Value {
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "description": about,
        "schema": { "type": "string", "pattern": pattern },
        "example": example,
    })
}

/// A header of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
pub enum Header {
    /// `ETag`.
    ETag,
    /// `Location`.
    Location,
    /// `Content-Disposition`.
    ContentDisposition,
    /// `Link`.
    Link,
    /// `Retry-After`.
    RetryAfter,
    /// `Allow`.
    Allow,
    /// `WWW-Authenticate`.
    WwwAuthenticate,
}

impl Header {
    /// The headers of an answer, by name.
    pub fn references(headers: &[Self]) -> Map<String, Value> {
        let reference = |header: &Self| match header {
            // Only the answers to requests that match no operation have it, and linters do not follow references there.
            Self::Allow => header.json(),
            Self::ETag
            | Self::Location
            | Self::ContentDisposition
            | Self::Link
            | Self::RetryAfter
            | Self::WwwAuthenticate => {
                (header.json().0, json!({ "$ref": format!("#/components/headers/{}", <&str>::from(*header)) }))
            }
        };
        headers.iter().map(reference).map(|(name, header)| (name.to_owned(), header)).collect()
    }

    /// All headers that references name.
    pub fn all() -> Value {
        let shared = Self::iter().filter(|header| *header != Self::Allow);
        shared.map(|header| (<&str>::from(header).to_owned(), header.json().1)).collect()
    }

    /// The name of the header, and the header in the document.
    fn json(self) -> (&'static str, Value) {
        match self {
            Self::ETag => (
                "ETag",
                json!({
                    "description": "The `version`, for `If-Match`.",
                    "required": true,
                    "schema": { "type": "string", "pattern": r#"^"[1-9][0-9]*"$"# },
                    "example": "\"3\"",
                }),
            ),
            Self::Location => (
                "Location",
                json!({
                    "description": "The path of the job.",
                    "required": true,
                    "schema": { "type": "string", "pattern": "^/v1/invitations/bulk/[A-Za-z0-9-]{1,64}$" },
                    "example": "/v1/invitations/bulk/0199c0de-7c3a-7d2e-9f00-0123456789ab",
                }),
            ),
            Self::ContentDisposition => (
                "Content-Disposition",
                json!({
                    "description": "Only with a table, which browsers save as a file.",
                    "schema": { "type": "string", "pattern": "^attachment$" },
                    "example": "attachment",
                }),
            ),
            Self::Link => (
                "Link",
                json!({
                    "description": "Only with a table that has a next page: the page's address.",
                    "schema": {
                        "type": "string",
                        "pattern":
                            r#"^</v1/invitations/bulk/[A-Za-z0-9-]{1,64}/results\?cursor=[0-9]+>; rel="next"$"#,
                    },
                    "example":
                        "</v1/invitations/bulk/0199c0de-7c3a-7d2e-9f00-0123456789ab/results?cursor=5>; rel=\"next\"",
                }),
            ),
            Self::RetryAfter => (
                "Retry-After",
                json!({
                    "description":
                        "Whole seconds after which the same request may succeed: the `retryAfter` of the problem. Absent \
                         from the gateway's own answers.",
                    "schema": { "type": "string", "pattern": "^[1-9][0-9]*$" },
                    "example": "38",
                }),
            ),
            Self::Allow => (
                "Allow",
                json!({
                    "description": "The methods that the path takes.",
                    "required": true,
                    "schema": { "type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$" },
                    "example": "GET, PUT",
                }),
            ),
            Self::WwwAuthenticate => (
                "WWW-Authenticate",
                json!({
                    "description": "How to authenticate.",
                    "schema": { "type": "string", "pattern": "^Bearer" },
                    "example": "Bearer",
                }),
            ),
        }
    }
}
