//! The append-only history of a portal record: one event per change.

use chrono::{DateTime, Utc};

use crate::{
    ids::{InvitationId, MessageId, RequestId, Subject},
    record::{Delivery, FailReason, RevokeReason, notices::NoticeKind},
};

/// In which part somebody or something acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Practice staff, or the practice's software on their behalf.
    Staff,
    /// Customer Care.
    Support,
    /// The holder of an activation link.
    Patient,
    /// The patient portal, a machine.
    Portal,
    /// The function that hands mails to SES.
    Sender,
    /// The scheduled run.
    Sweep,
    /// SES, through its events.
    MailService,
}

impl Role {
    /// The role's stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Support => "support",
            Self::Patient => "patient",
            Self::Portal => "portal",
            Self::Sender => "sender",
            Self::Sweep => "sweep",
            Self::MailService => "mail-service",
        }
    }
}

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// In which part.
    pub role: Role,
    /// Who exactly; absent for our own functions and for patients, whom the record itself names.
    pub subject: Option<Subject>,
}

impl Actor {
    /// One of our own functions, SES, or the record's own patient.
    #[must_use]
    pub const fn unnamed(role: Role) -> Self {
        Self { role, subject: None }
    }
}

/// When, by whom and for which request a change is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Now.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// The request or run; a retried write recognises itself by it.
    pub request: RequestId,
}

/// What happened. Carries ids and reasons, never an address, a name or a date of birth.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the commands and states that the record documents")]
pub enum EventKind {
    ProfileSaved,
    Invited { invitation: InvitationId },
    Reinvited { invitation: InvitationId, another_address: bool },
    InvitationSent { invitation: InvitationId, attempt: u32, message: MessageId },
    InvitationFailed { invitation: InvitationId, reason: FailReason },
    InvitationRevoked { invitation: InvitationId, reason: RevokeReason },
    DeliveryChanged { invitation: InvitationId, delivery: Delivery },
    DateOfBirthChecked { guesses: u8 },
    Registered,
    OptedOut,
    OptedIn,
    AccountEmailChanged,
    NoticeSent { notice: NoticeKind, message: MessageId },
    NoticeFailed { notice: NoticeKind, reason: FailReason },
    RemindersStopped,
}

impl EventKind {
    /// The kind's stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ProfileSaved => "profile-saved",
            Self::Invited { .. } => "invited",
            Self::Reinvited { .. } => "reinvited",
            Self::InvitationSent { .. } => "invitation-sent",
            Self::InvitationFailed { .. } => "invitation-failed",
            Self::InvitationRevoked { .. } => "invitation-revoked",
            Self::DeliveryChanged { .. } => "delivery-changed",
            Self::DateOfBirthChecked { .. } => "date-of-birth-checked",
            Self::Registered => "registered",
            Self::OptedOut => "opted-out",
            Self::OptedIn => "opted-in",
            Self::AccountEmailChanged => "account-email-changed",
            Self::NoticeSent { .. } => "notice-sent",
            Self::NoticeFailed { .. } => "notice-failed",
            Self::RemindersStopped => "reminders-stopped",
        }
    }
}

/// The names of the three facets' states at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FacetStates {
    /// `in` or `opted-out`.
    pub choice: &'static str,
    /// The invitation's state name.
    pub invitation: &'static str,
    /// The account's state name.
    pub account: &'static str,
}

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEvent {
    /// The record's version after the change: the event's place in the history.
    pub version: u64,
    /// When, by whom, for which request.
    pub act: Act,
    /// What happened.
    pub kind: EventKind,
    /// The facets before; `None` for the event that began the record.
    pub before: Option<FacetStates>,
    /// The facets after.
    pub after: FacetStates,
}
