//! The codes and words of problems that the edge itself decides. Those of the rules are in [`portal::refusal`].

use portal::refusal::Words;

/// The code of a problem that the edge decides. Its name in snake case is part of the API. A published name never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "each variant's sentence, in `words`, is its documentation")]
pub enum EdgeCode {
    Malformed,
    InvalidFields,
    EmailInvalid,
    Unauthenticated,
    NotAnAccessToken,
    Forbidden,
    WrongHost,
    NotFound,
    PracticeNotSetUp,
    JobNotFound,
    MethodNotAllowed,
    VersionConflict,
    IdempotencyKeyReused,
    TooLarge,
    UnsupportedMediaType,
    Unavailable,
    Internal,
}

/// `malformed`: the body is not JSON, or is missing.
pub const MALFORMED_BODY: &str = "The body must be one JSON object with each member once, in UTF-8.";
/// `malformed`: `If-Match` is not a version.
pub const MALFORMED_IF_MATCH: &str = "If-Match must be one version in quotes, as the ETag of an answer gives it.";
/// `malformed`: `Idempotency-Key` is not a key.
pub const MALFORMED_IDEMPOTENCY_KEY: &str =
    "Idempotency-Key must be 1 to 255 visible ASCII characters, chosen anew for each command.";

impl EdgeCode {
    /// The code that clients match on.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The words of the code. [`Self::Malformed`] has a sentence for each part of a request that can be malformed; this one
    /// is the body's.
    #[must_use]
    pub const fn words(self) -> Words {
        let (title, sentence) = match self {
            Self::Malformed => ("Malformed", MALFORMED_BODY),
            Self::InvalidFields => (
                "Invalid fields",
                "Some members of the body are not what they should be: correct those that the errors point at.",
            ),
            Self::EmailInvalid => (
                "Email invalid",
                "This is not a usable email address: enter one plain address such as name@example.com.",
            ),
            Self::Unauthenticated => ("Unauthenticated", "The request carries no valid access token: sign in."),
            Self::NotAnAccessToken => (
                "Not an access token",
                "This token says who you are and gives no access: send the access token of the same sign-in.",
            ),
            Self::Forbidden => {
                ("Forbidden", "You are not permitted to do this: ask an administrator for the permission.")
            }
            Self::WrongHost => {
                ("Wrong host", "Requests without an access token are not answered at this host: call the public one.")
            }
            Self::NotFound => ("Not found", "There is nothing at this path: check the address."),
            Self::PracticeNotSetUp => {
                ("Practice not set up", "Your practice has no settings yet: an administrator saves them first.")
            }
            Self::JobNotFound => ("Job not found", "There is no such bulk job in your practice: check the job id."),
            Self::MethodNotAllowed => {
                ("Method not allowed", "This path does not take this method: use one of those that Allow names.")
            }
            Self::VersionConflict => {
                ("Version conflict", "The record has changed since you read it: read it again and decide anew.")
            }
            Self::IdempotencyKeyReused => (
                "Idempotency key reused",
                "This Idempotency-Key was used for another request: choose a new key for each command.",
            ),
            Self::TooLarge => ("Too large", "The body is longer than 64 KiB: send less at once."),
            Self::UnsupportedMediaType => {
                ("Unsupported media type", "The body must be declared as application/json in UTF-8.")
            }
            Self::Unavailable => {
                ("Unavailable", "The service cannot answer right now: send the same request again after a moment.")
            }
            Self::Internal => {
                ("Internal", "Something went wrong on our side: report the request id if it happens again.")
            }
        };
        Words { title, sentence }
    }
}

#[cfg(test)]
mod tests {
    use portal::refusal::RefusalCode;
    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn a_title_is_the_code_in_words_and_no_rule_has_the_same_code() {
        for code in EdgeCode::iter() {
            assert_eq!(code.words().title.to_lowercase().replace(' ', "_"), code.name());
            assert!(code.name().parse::<RefusalCode>().is_err(), "{}", code.name());
        }
    }
}
