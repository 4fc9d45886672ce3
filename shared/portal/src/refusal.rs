//! Refusals: why a command is refused, as a stable code for programs and a fixed sentence with the next step for people.
//!
//! Each command has its own refusal type, with exactly the refusals that the command can return. All of them share the
//! codes and the words of [`RefusalCode`].

use std::{convert::Infallible, fmt::Debug};

use crate::{ids::PatientId, ledger::AddressRefusal};

/// The text of a code for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// The code in a few words.
    pub title: &'static str,
    /// One sentence: what is wrong, and what to do next.
    pub sentence: &'static str,
}

/// The stable code of a refusal. Its name in snake case is part of the API and never changes after it is published.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumIter, strum::EnumString, strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "each variant's sentence, in `words`, is its documentation")]
pub enum RefusalCode {
    PortalNotActivated,
    PatientNotFound,
    EmailRequired,
    EmailInUse,
    AlreadyInvited,
    NotInvited,
    AlreadyRegistered,
    NotRegistered,
    AccountClosed,
    AccountNotClosed,
    SendInProgress,
    PatientInactive,
    OptedOut,
    NotOptedOut,
    DateOfBirthMissing,
    AddressSuppressed,
    TooManyRefusals,
    TooSoon,
    SupportOnly,
    LinkNotUsable,
    DateOfBirthMismatch,
}

impl RefusalCode {
    /// The code that clients match on.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The code's title and sentence.
    #[must_use]
    pub const fn words(self) -> Words {
        let (title, sentence) = match self {
            Self::PortalNotActivated => (
                "Portal not activated",
                "Your practice has not activated the Patient Portal: ask an administrator to accept the terms in the practice settings.",
            ),
            Self::PatientNotFound => {
                ("Patient not found", "There is no such patient in your practice: check the patient id.")
            }
            Self::EmailRequired => ("Email required", "The patient has no email address: add it on the Profile tab."),
            Self::EmailInUse => (
                "Email in use",
                "This email address cannot be used, because it is associated with another patient: ask for a different address.",
            ),
            Self::AlreadyInvited => {
                ("Already invited", "The patient has already been invited: use reinvite to send the invitation again.")
            }
            Self::NotInvited => ("Not invited", "The patient has not been invited yet: use invite."),
            Self::AlreadyRegistered => {
                ("Already registered", "The patient already has a portal account: no invitation is needed.")
            }
            Self::NotRegistered => ("Not registered", "The patient has no portal account: invite the patient first."),
            Self::AccountClosed => {
                ("Account closed", "The patient's portal account is closed: Customer Care can reopen it.")
            }
            Self::AccountNotClosed => {
                ("Account not closed", "The patient's portal account is not closed: nothing needs to be done.")
            }
            Self::SendInProgress => {
                ("Send in progress", "The invitation is on its way to the mail service: wait until it has been sent.")
            }
            Self::PatientInactive => (
                "Patient inactive",
                "The patient's record says that they are inactive or have died: correct it on the Profile tab if that is wrong.",
            ),
            Self::OptedOut => (
                "Opted out",
                "The patient does not want to receive access to health information: record an opt-in first if the patient has changed their mind.",
            ),
            Self::NotOptedOut => ("Not opted out", "The patient has not opted out: nothing needs to be done."),
            Self::DateOfBirthMissing => (
                "Date of birth missing",
                "The patient's date of birth is missing, and registering asks for it: add it on the Profile tab.",
            ),
            Self::AddressSuppressed => (
                "Address suppressed",
                "Mail to this address bounced or was reported as unwanted, or its reader is not the patient: ask for another address, or confirm a bounced one with the patient.",
            ),
            Self::TooManyRefusals => (
                "Too many refusals",
                "Too many addresses that belong to other patients were tried today: invite to known addresses, or wait until tomorrow.",
            ),
            Self::TooSoon => {
                ("Too soon", "A mail was sent a moment ago, or too often today: wait before you ask for another.")
            }
            Self::SupportOnly => ("Support only", "Only Customer Care can do this: contact Customer Care."),
            Self::LinkNotUsable => {
                ("Link not usable", "This link can no longer be used: ask your practice for a new invitation.")
            }
            Self::DateOfBirthMismatch => {
                ("Date of birth mismatch", "This date of birth does not match: check it and try again.")
            }
        };
        Words { title, sentence }
    }
}

/// The additional data of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalDetail {
    /// No additional data.
    None,
    /// Whole seconds until the same command would be accepted.
    RetryAfterSecs(u64),
    /// The patient of the caller's practice who has the address.
    Holder(PatientId),
}

/// A rule refused a command. Nothing was changed.
pub trait Refusal: Clone + Debug {
    /// All codes that this type can have.
    const CODES: &'static [RefusalCode];

    /// The refusal's code.
    fn code(&self) -> RefusalCode;

    /// The refusal's additional data.
    fn detail(&self) -> RefusalDetail;

    /// The refusal with this code, without its detail; `None` if the type has no such code.
    fn from_code(code: RefusalCode) -> Option<Self>;
}

/// The refusal type of a command that is never refused.
impl Refusal for Infallible {
    const CODES: &'static [RefusalCode] = &[];

    fn code(&self) -> RefusalCode {
        match *self {}
    }

    fn detail(&self) -> RefusalDetail {
        match *self {}
    }

    fn from_code(_: RefusalCode) -> Option<Self> {
        None
    }
}

/// Declares refusal types. Each variant has the name of its code. A type that `includes` another type has all variants of
/// that type and implements `From` for it.
macro_rules! refusals {
    (@detail) => { RefusalDetail::None };
    (@detail retry_after_secs $seconds:ident) => { RefusalDetail::RetryAfterSecs(*$seconds) };
    (@detail holder $holder:ident) => { $holder.clone().map_or(RefusalDetail::None, RefusalDetail::Holder) };
    ($(
        $(#[$meta:meta])*
        $type:ident $(includes $part:ident { $($shared:ident),* })? {
            $($variant:ident $({ $field:ident: $detail:ty })?),*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[error("refused: {}", self.code().name())]
        #[expect(missing_docs, reason = "the words of a code are its documentation")]
        pub enum $type { $($($shared,)*)? $($variant $({ $field: $detail })?),* }

        impl Refusal for $type {
            const CODES: &'static [RefusalCode] = &[$($(RefusalCode::$shared,)*)? $(RefusalCode::$variant),*];

            fn code(&self) -> RefusalCode {
                match self {
                    $($(Self::$shared => RefusalCode::$shared,)*)?
                    $(Self::$variant { .. } => RefusalCode::$variant),*
                }
            }

            fn detail(&self) -> RefusalDetail {
                match self {
                    $($(Self::$shared => RefusalDetail::None,)*)?
                    $(Self::$variant $({ $field })? => refusals!(@detail $($field $field)?)),*
                }
            }

            fn from_code(code: RefusalCode) -> Option<Self> {
                let all = [$($(Self::$shared,)*)? $(Self::$variant $({ $field: Default::default() })?),*];
                all.into_iter().find(|refusal| refusal.code() == code)
            }
        }

        $(impl From<$part> for $type {
            fn from(part: $part) -> Self {
                match part { $($part::$shared => Self::$shared),* }
            }
        })?
    )*};
}

refusals! {
    /// Why a patient can receive neither a first nor a repeated invitation.
    InvitationBarred {
        PortalNotActivated, AlreadyRegistered, AccountClosed, PatientInactive, OptedOut, DateOfBirthMissing
    }

    /// Why a patient is not invited.
    InviteRefusal includes InvitationBarred {
        PortalNotActivated, AlreadyRegistered, AccountClosed, PatientInactive, OptedOut, DateOfBirthMissing
    } {
        PatientNotFound, AlreadyInvited, EmailRequired, AddressSuppressed, EmailInUse { holder: Option<PatientId> },
        TooSoon { retry_after_secs: u64 }, TooManyRefusals { retry_after_secs: u64 }
    }

    /// Why a patient is not invited again.
    ReinviteRefusal includes InvitationBarred {
        PortalNotActivated, AlreadyRegistered, AccountClosed, PatientInactive, OptedOut, DateOfBirthMissing
    } {
        PatientNotFound, NotInvited, SendInProgress, AddressSuppressed, EmailInUse { holder: Option<PatientId> },
        TooSoon { retry_after_secs: u64 }, TooManyRefusals { retry_after_secs: u64 }
    }

    /// Why an invitation is not revoked.
    RevokeRefusal { PatientNotFound, NotInvited, SendInProgress, AlreadyRegistered }

    /// Why a patient is not opted out.
    OptOutRefusal { PatientNotFound, OptedOut }

    /// Why a patient is not opted in.
    OptInRefusal { PatientNotFound, NotOptedOut, SendInProgress }

    /// Why the address of an account is not changed.
    ChangeEmailRefusal {
        PatientNotFound, NotRegistered, AccountClosed, SupportOnly, EmailInUse { holder: Option<PatientId> },
        TooSoon { retry_after_secs: u64 }
    }

    /// Why Customer Care does not find a patient.
    LookupRefusal { SupportOnly }

    /// Why a patient's data are not read by Customer Care.
    SupportReadRefusal { PatientNotFound, SupportOnly }

    /// Why an account is not closed.
    CloseRefusal { PatientNotFound, NotRegistered, AccountClosed, TooSoon { retry_after_secs: u64 } }

    /// Why an account is not closed by Customer Care.
    SupportCloseRefusal {
        PatientNotFound, NotRegistered, AccountClosed, SupportOnly, TooSoon { retry_after_secs: u64 }
    }

    /// Why an account is not reopened.
    ReopenRefusal { PatientNotFound, NotRegistered, AccountNotClosed, SupportOnly, TooSoon { retry_after_secs: u64 } }

    /// Why a patient's data are not read.
    PatientRefusal { PatientNotFound }

    /// Why a link is refused. There is only one reason, because an unauthorised person must not learn more.
    LinkRefusal { LinkNotUsable }

    /// Why a registration is refused.
    RegisterRefusal includes LinkRefusal { LinkNotUsable } {
        DateOfBirthMismatch, TooSoon { retry_after_secs: u64 }
    }

    /// Why no new link is mailed.
    NewLinkRefusal includes LinkRefusal { LinkNotUsable } { TooSoon { retry_after_secs: u64 } }

    /// Why a login is not recorded.
    LoginRefusal { NotRegistered }
}

/// The refusals of commands on one patient that do not come from the record's rules.
pub trait PatientCommandRefusal: Sized {
    /// There is no such patient in the practice.
    const PATIENT_NOT_FOUND: Self;

    /// The address cannot be used. `None` if the command cannot be refused for this.
    fn from_address(refusal: AddressRefusal) -> Option<Self>;
}

/// The refusals of a link's holder.
pub trait HolderRefusal: From<LinkRefusal> {
    /// The address cannot be used. The holder must learn nothing about other patients.
    #[must_use]
    fn from_address(_: AddressRefusal) -> Self {
        LinkRefusal::LinkNotUsable.into()
    }
}

impl HolderRefusal for LinkRefusal {}

impl HolderRefusal for RegisterRefusal {}

impl HolderRefusal for NewLinkRefusal {
    fn from_address(refusal: AddressRefusal) -> Self {
        match refusal {
            AddressRefusal::TooManyMails { retry_after_secs } => Self::TooSoon { retry_after_secs },
            AddressRefusal::InUse { .. } | AddressRefusal::Suppressed | AddressRefusal::TooManyRefusals { .. } => {
                Self::LinkNotUsable
            }
        }
    }
}

/// Implements [`PatientCommandRefusal`], for commands that invite to an address, that claim one, and for others.
macro_rules! patient_commands {
    ($($type:ident $($address:ident)?),*) => {$(
        impl PatientCommandRefusal for $type {
            const PATIENT_NOT_FOUND: Self = Self::PatientNotFound;

            fn from_address(refusal: AddressRefusal) -> Option<Self> {
                patient_commands!(@ refusal $($address)?)
            }
        }
    )*};
    (@ $refusal:ident) => {{ drop($refusal); None }};
    (@ $refusal:ident claims) => {
        match $refusal {
            AddressRefusal::InUse { holder } => Some(Self::EmailInUse { holder }),
            AddressRefusal::Suppressed
            | AddressRefusal::TooManyMails { .. }
            | AddressRefusal::TooManyRefusals { .. } => None,
        }
    };
    (@ $refusal:ident invites) => {
        Some(match $refusal {
            AddressRefusal::InUse { holder } => Self::EmailInUse { holder },
            AddressRefusal::Suppressed => Self::AddressSuppressed,
            AddressRefusal::TooManyMails { retry_after_secs } => Self::TooSoon { retry_after_secs },
            AddressRefusal::TooManyRefusals { retry_after_secs } => Self::TooManyRefusals { retry_after_secs },
        })
    };
}

patient_commands!(
    InviteRefusal invites,
    ReinviteRefusal invites,
    ChangeEmailRefusal claims,
    RevokeRefusal,
    OptOutRefusal,
    OptInRefusal,
    CloseRefusal,
    ReopenRefusal
);

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn a_title_is_the_code_in_words() {
        for code in RefusalCode::iter() {
            assert_eq!(code.words().title.to_lowercase().replace(' ', "_"), code.name());
        }
    }

    #[test]
    fn a_refusal_is_found_by_its_code() {
        for code in InviteRefusal::CODES {
            assert_eq!(InviteRefusal::from_code(*code).map(|refusal| refusal.code()), Some(*code));
            assert_eq!(code.name().parse(), Ok(*code));
        }
        assert_eq!(InviteRefusal::from_code(RefusalCode::NotInvited), None);
    }

    #[test]
    fn a_detail_is_the_data_of_the_variant() {
        assert_eq!(ReinviteRefusal::TooSoon { retry_after_secs: 3 }.detail(), RefusalDetail::RetryAfterSecs(3));
        assert_eq!(ReinviteRefusal::EmailInUse { holder: None }.detail(), RefusalDetail::None);
        assert_eq!(RevokeRefusal::NotInvited.detail(), RefusalDetail::None);
    }
}
