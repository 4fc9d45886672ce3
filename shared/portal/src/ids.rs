//! Identifiers. Each is parsed from text, has a private field, and contains no personal data.

use std::fmt;

/// The text is not a valid identifier of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct InvalidId(&'static str);

/// Maximum length of an identifier that a client chooses, in characters.
const GIVEN_ID_MAX_CHARS: usize = 64;
/// Maximum length of an identifier that a machine generates (request ids, SES message ids), in characters.
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
            /// [`InvalidId`] if it is empty, too long, or has a character that is not permitted. The separator of keys is
            /// never permitted, so one identifier cannot form part of another item's key.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let fits = !text.is_empty() && text.len() <= $max;
                let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || $extra.contains(c));
                if fits && plain { Ok(Self(text.to_owned())) } else { Err(InvalidId($what)) }
            }

            /// The regular expression that every such identifier matches.
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
    /// A patient within one practice, under the id that the practice's EHR gave: 1 to 64 of `A-Z a-z 0-9 . _ : -`.
    PatientId, "patient id", GIVEN_ID_MAX_CHARS, "._:-"
);
identifier!(
    /// One invitation.
    InvitationId, "invitation id", GIVEN_ID_MAX_CHARS, "-"
);
identifier!(
    /// One portal account. Opaque. The identity provider stores it with the login.
    AccountId, "account id", GIVEN_ID_MAX_CHARS, "-"
);
identifier!(
    /// One activation link, of one patient and one address: the public half of a token.
    LinkId, "link id", GIVEN_ID_MAX_CHARS, "_-"
);
identifier!(
    /// One request or run. It distinguishes a retry from a concurrent request, and finds log lines.
    RequestId, "request id", MACHINE_ID_MAX_CHARS, "._:=+/-"
);
identifier!(
    /// One event of the portal or its identity provider. It distinguishes a repeated report from a new one.
    EventId, "event id", MACHINE_ID_MAX_CHARS, "._:=+/-"
);
identifier!(
    /// A person or program as named by the identity provider: the token's subject.
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

/// The key of a patient's portal record, unique across practices. Queue messages and index rows contain it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// The patient's practice.
    pub practice: PracticeId,
    /// The patient within the practice.
    pub patient: PatientId,
}

/// The key of a bulk job, unique across practices. Queue messages contain it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    /// The practice whose patients the job invites.
    pub practice: PracticeId,
    /// The job within the practice.
    pub job: JobId,
}

#[cfg(test)]
mod tests {
    use super::PatientId;

    #[test]
    fn a_patient_id_has_no_character_with_a_meaning_in_keys_or_paths() {
        for good in ["1", "p-1001", "MRN:0042", "a.b_c", &"x".repeat(64)] {
            assert!(PatientId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a#b", "a/b", "a b", "a%20b", "é", "a\n", "a\0", &"x".repeat(65)] {
            assert!(PatientId::parse(bad).is_err(), "{bad}");
        }
    }
}
