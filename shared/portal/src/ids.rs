//! Identifiers. Each parses from text, keeps its field private and says nothing about a person.

use std::fmt;

/// The text is not an identifier of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct InvalidId(&'static str);

/// Longest identifier that a client gives, in characters.
const GIVEN_ID_MAX_CHARS: usize = 64;
/// Longest identifier that a machine gives (request ids, SES message ids), in characters.
const MACHINE_ID_MAX_CHARS: usize = 128;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:expr, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Parses the identifier.
            ///
            /// # Errors
            /// [`InvalidId`] if it is empty, too long, or has a character outside the permitted set. The
            /// separator of keys is never in the set, so no identifier can reach into another's key.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let fits = !text.is_empty() && text.len() <= $max;
                let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || $extra.contains(c));
                if fits && plain { Ok(Self(text.to_owned())) } else { Err(InvalidId($what)) }
            }

            /// The regular expression of every such identifier.
            #[cfg(feature = "describe")]
            #[must_use]
            pub fn pattern() -> String {
                format!("^[A-Za-z0-9{}]{{1,{}}}$", $extra.replace('-', r"\-"), $max)
            }

            /// The identifier's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// A medical practice, the tenant: 1 to 64 of `A-Z a-z 0-9 . _ : -`.
    PracticeId, "practice id", GIVEN_ID_MAX_CHARS, "._:-"
);
identifier!(
    /// A patient within one practice, as the practice's EHR names them: 1 to 64 of `A-Z a-z 0-9 . _ : -`.
    PatientId, "patient id", GIVEN_ID_MAX_CHARS, "._:-"
);
identifier!(
    /// One invitation.
    InvitationId, "invitation id", GIVEN_ID_MAX_CHARS, "-"
);
identifier!(
    /// One portal account, opaque: what an identity provider keeps beside the login.
    AccountId, "account id", GIVEN_ID_MAX_CHARS, "-"
);
identifier!(
    /// Which activation link: public half of a token, belongs to one patient and one address.
    LinkId, "link id", GIVEN_ID_MAX_CHARS, "_-"
);
identifier!(
    /// One request or run, for telling a retry from a rival and for finding log lines.
    RequestId, "request id", MACHINE_ID_MAX_CHARS, "._:=+/-"
);
identifier!(
    /// One event of the portal or its identity provider, for telling a repeated report from a new one.
    EventId, "event id", MACHINE_ID_MAX_CHARS, "._:=+/-"
);
identifier!(
    /// A person or program as the identity provider names them (the token's subject).
    Subject, "subject", MACHINE_ID_MAX_CHARS, "._:=+/@|-"
);
identifier!(
    /// One bulk job within one practice.
    JobId, "job id", GIVEN_ID_MAX_CHARS, "-"
);
identifier!(
    /// The id under which SES accepted a mail.
    MessageId, "message id", MACHINE_ID_MAX_CHARS, "._:@=+-"
);

/// A patient's portal record, across practices: what queue messages and index rows name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// The practice that the patient belongs to.
    pub practice: PracticeId,
    /// The patient within it.
    pub patient: PatientId,
}

/// A bulk job, across practices: what queue messages name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    /// The practice whose patients it is about.
    pub practice: PracticeId,
    /// The job within it.
    pub job: JobId,
}

#[cfg(test)]
mod tests {
    use super::PatientId;

    #[test]
    fn takes_what_an_ehr_gives_and_nothing_that_a_key_or_path_means_something_by() {
        for good in ["1", "p-1001", "MRN:0042", "a.b_c", &"x".repeat(64)] {
            assert!(PatientId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a#b", "a/b", "a b", "a%20b", "é", "a\n", "a\0", &"x".repeat(65)] {
            assert!(PatientId::parse(bad).is_err(), "{bad}");
        }
    }
}
