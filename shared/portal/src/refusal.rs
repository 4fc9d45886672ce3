//! Why a command is refused: a stable code for programs, a fixed sentence with the next step for people.

use crate::ids::PatientId;

/// A rule said no. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {}", self.code())]
#[expect(missing_docs, reason = "each variant's sentence, in `sentence`, is its documentation")]
pub enum Refusal {
    PortalNotActivated,
    PatientNotFound,
    JobNotFound,
    EmailRequired,
    EmailInvalid,
    /// The holder is named only if it is a patient of the caller's own practice.
    EmailInUse {
        holder: Option<PatientId>,
    },
    AlreadyInvited,
    NotInvited,
    AlreadyRegistered,
    NotRegistered,
    SendInProgress,
    PatientInactive,
    OptedOut,
    NotOptedOut,
    DateOfBirthMissing,
    AddressSuppressed,
    TooSoon {
        /// Whole seconds until the same command would be accepted.
        retry_after_secs: u64,
    },
    SupportOnly,
    VersionConflict,
    IdempotencyKeyReused,
    LinkNotUsable,
    DateOfBirthMismatch,
    Forbidden,
}

impl Refusal {
    /// The code that clients match on. Never changes once published.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code_and_sentence().0
    }

    /// One sentence for people: what is the matter, and what to do next.
    #[must_use]
    pub const fn sentence(&self) -> &'static str {
        self.code_and_sentence().1
    }

    const fn code_and_sentence(&self) -> (&'static str, &'static str) {
        match self {
            Self::PortalNotActivated => (
                "portal_not_activated",
                "Your practice has not activated the Patient Portal: ask an administrator to accept the terms in the practice settings.",
            ),
            Self::PatientNotFound => {
                ("patient_not_found", "There is no such patient in your practice: check the patient id.")
            }
            Self::JobNotFound => ("job_not_found", "There is no such bulk job in your practice: check the job id."),
            Self::EmailRequired => ("email_required", "The patient has no email address: add it on the Profile tab."),
            Self::EmailInvalid => (
                "email_invalid",
                "This is not a usable email address: enter one plain address such as name@example.com.",
            ),
            Self::EmailInUse { .. } => (
                "email_in_use",
                "This email address cannot be used, because it is associated with another patient: ask for a different address.",
            ),
            Self::AlreadyInvited => {
                ("already_invited", "The patient has already been invited: use reinvite to send the invitation again.")
            }
            Self::NotInvited => ("not_invited", "The patient has not been invited yet: use invite."),
            Self::AlreadyRegistered => {
                ("already_registered", "The patient already has a portal account: no invitation is needed.")
            }
            Self::NotRegistered => ("not_registered", "The patient has no portal account: invite the patient first."),
            Self::SendInProgress => {
                ("send_in_progress", "The invitation is on its way to the mail service: wait until it has been sent.")
            }
            Self::PatientInactive => (
                "patient_inactive",
                "The patient's record says that they are inactive or have died: correct it on the Profile tab if that is wrong.",
            ),
            Self::OptedOut => (
                "opted_out",
                "The patient does not want to receive access to health information: record an opt-in first if the patient has changed their mind.",
            ),
            Self::NotOptedOut => ("not_opted_out", "The patient has not opted out: nothing needs to be done."),
            Self::DateOfBirthMissing => (
                "date_of_birth_missing",
                "The patient's date of birth is missing, and registering asks for it: add it on the Profile tab.",
            ),
            Self::AddressSuppressed => (
                "address_suppressed",
                "Mail to this address bounced or was reported as unwanted: ask for another address.",
            ),
            Self::TooSoon { .. } => {
                ("too_soon", "A mail was sent a moment ago, or too often today: wait before you ask for another.")
            }
            Self::SupportOnly => (
                "support_only",
                "Only Customer Care can change the email address of an account: contact Customer Care.",
            ),
            Self::VersionConflict => {
                ("version_conflict", "The record has changed since you read it: read it again and decide anew.")
            }
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request: choose a new key for each command.",
            ),
            Self::LinkNotUsable => {
                ("link_not_usable", "This link can no longer be used: ask your practice for a new invitation.")
            }
            Self::DateOfBirthMismatch => {
                ("date_of_birth_mismatch", "This date of birth does not match: check it and try again.")
            }
            Self::Forbidden => {
                ("forbidden", "You are not permitted to do this: ask an administrator for the permission.")
            }
        }
    }
}
