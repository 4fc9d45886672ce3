//! The timeline: the append-only history of a portal record, with one event per change.

use chrono::{DateTime, Utc};

use crate::{
    ids::{InvitationId, MessageId, RequestId, Subject},
    policy::MAX_BIRTH_DATE_ATTEMPTS,
    profile::ProfileMember,
    states::{Delivery, FacetStates, FailReason, InvitationFacet, NoticeKind, RevokeReason},
    text::CloseReason,
};

/// The role of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "kebab-case")]
pub enum Role {
    /// Practice staff, or the practice's software on their behalf.
    Staff,
    /// Customer Care.
    Support,
    /// The holder of an activation link.
    Patient,
    /// The patient portal, a machine.
    Portal,
    /// What sends the mails.
    Sender,
    /// What sends the reminders.
    Sweep,
    /// The mail service, through its reports.
    MailService,
}

impl Role {
    /// The role's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The role's name as the subject of a sentence.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Staff => "Practice staff",
            Self::Support => "Customer Care",
            Self::Patient => "The patient",
            Self::Portal => "The patient portal",
            Self::Sender => "The sender of mails",
            Self::Sweep => "The scheduled run",
            Self::MailService => "The mail service",
        }
    }
}

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The actor's role.
    pub role: Role,
    /// The person or program. `None` for our own functions, for SES, and for the record's patient.
    pub subject: Option<Subject>,
}

impl Actor {
    /// An actor without a subject: one of our own functions, SES, or the record's patient.
    #[must_use]
    pub const fn from_role(role: Role) -> Self {
        Self { role, subject: None }
    }
}

/// The context of a change: when, by whom and for which request it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeContext {
    /// When the change is made.
    pub at: DateTime<Utc>,
    /// Who makes it.
    pub actor: Actor,
    /// The request or run that makes it. The store recognises a retried write by it.
    pub request: RequestId,
}

/// What happened. Contains ids and reasons, never an address, a name or a date of birth.
#[derive(Clone, Debug, PartialEq, Eq, strum::EnumDiscriminants)]
#[strum_discriminants(
    name(EventName),
    doc = "The stable name of a kind of event.",
    derive(strum::EnumIter, strum::EnumString, strum::IntoStaticStr),
    strum(serialize_all = "kebab-case"),
    expect(missing_docs, reason = "named after the kinds")
)]
#[expect(missing_docs, reason = "named after the commands and states that the record documents")]
pub enum EventKind {
    /// `changed` is empty for the first save, and for events that were written before it was recorded.
    ProfileSaved {
        changed: Vec<ProfileMember>,
    },
    Invited {
        invitation: InvitationId,
        address_confirmed: bool,
    },
    Reinvited {
        invitation: InvitationId,
        another_address: bool,
        address_confirmed: bool,
    },
    InvitationSent {
        invitation: InvitationId,
        attempt: u32,
        message: MessageId,
    },
    InvitationFailed {
        invitation: InvitationId,
        reason: FailReason,
    },
    InvitationRevoked {
        invitation: InvitationId,
        reason: RevokeReason,
    },
    DeliveryChanged {
        invitation: InvitationId,
        delivery: Delivery,
    },
    DateOfBirthChecked {
        birth_date_attempts: u8,
    },
    Registered,
    OptedOut,
    OptedIn,
    AccountEmailChanged,
    AccountClosed {
        reason: CloseReason,
    },
    AccountReopened,
    NoticeSent {
        notice: NoticeKind,
        message: MessageId,
    },
    NoticeFailed {
        notice: NoticeKind,
        reason: FailReason,
    },
    RemindersStopped,
}

impl EventKind {
    /// The name of the kind.
    #[must_use]
    pub fn name(&self) -> EventName {
        self.into()
    }
}

/// A place between two pages of a timeline: the next page begins before this version.
///
/// It is at least 2, so there is always an event before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelinePlace(u64);

impl TimelinePlace {
    /// Stored versions have at most ten digits.
    const LAST: u64 = 9_999_999_999;

    /// The place before a version; `None` if no event can be there.
    #[must_use]
    pub fn before(version: u64) -> Option<Self> {
        (2..=Self::LAST).contains(&version).then_some(Self(version))
    }

    /// Parses a place that an earlier answer contained: the version in plain digits, no other form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::before).filter(|place| place.0.to_string() == text)
    }

    /// The version after this place.
    #[must_use]
    pub const fn version(self) -> u64 {
        self.0
    }
}

/// One entry of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEvent {
    /// The record's version after the change, which is the event's position in the timeline.
    pub version: u64,
    /// When, by whom and for which request the change was made.
    pub context: ChangeContext,
    /// What happened.
    pub kind: EventKind,
    /// The facets before the change; `None` for the record's first event.
    pub before: Option<FacetStates>,
    /// The facets after the change.
    pub after: FacetStates,
}

impl TimelineEvent {
    /// One or two sentences: who did what, and why.
    #[must_use]
    pub fn sentence(&self) -> String {
        let role = self.context.actor.role;
        let who = role.in_words();
        let fixed = match &self.kind {
            EventKind::ProfileSaved { .. } if self.before.is_none() => {
                return format!("{who} saved the patient's profile for the first time.");
            }
            EventKind::ProfileSaved { changed } => return profile_changed(who, changed),
            EventKind::Invited { address_confirmed, .. } => {
                return format!("{who} invited the patient{}.", after_confirming(*address_confirmed));
            }
            EventKind::Reinvited { another_address, address_confirmed, .. } => match (role, another_address) {
                (Role::Sweep, _) => "A reminder was due: the patient was invited again.",
                (Role::Patient, _) => "The holder of the link asked for a new one: the patient was invited again.",
                (Role::Staff | Role::Support | Role::Portal | Role::Sender | Role::MailService, true) => {
                    return format!(
                        "{who} invited the patient again, at another address{}: earlier links stopped working.",
                        after_confirming(*address_confirmed)
                    );
                }
                (Role::Staff | Role::Support | Role::Portal | Role::Sender | Role::MailService, false) => {
                    return format!("{who} invited the patient again{}.", after_confirming(*address_confirmed));
                }
            },
            EventKind::InvitationSent { attempt: 0 | 1, .. } => "The mail service accepted the invitation.",
            EventKind::InvitationSent { attempt, .. } => {
                return format!("The mail service accepted the invitation, at try {attempt}.");
            }
            EventKind::InvitationFailed { reason, .. } => match reason {
                FailReason::Refused => "The invitation failed: the mail service refused it.",
                FailReason::Exhausted => "The invitation failed: the mail service did not take it in time.",
            },
            EventKind::InvitationRevoked { reason, .. } => match reason {
                RevokeReason::Undone => return format!("{who} took the invitation back."),
                RevokeReason::OptedOut => "The invitation was taken back, because the patient opted out.",
                RevokeReason::Locked => "The link was locked after five wrong dates of birth.",
                RevokeReason::Declined => "The holder of the link declined the invitation.",
                RevokeReason::WrongPerson => "The holder of the link said that the invitation is not for them.",
            },
            EventKind::DeliveryChanged { delivery, .. } => match delivery {
                Delivery::Accepted => "The mail service accepted the mail.",
                Delivery::Delayed => "The mailbox did not take the mail yet: the mail service keeps trying.",
                Delivery::Delivered => "The mail was delivered.",
                Delivery::Complained => "The recipient reported the mail as unwanted.",
                Delivery::Bounced => "The mail bounced: the mailbox does not exist.",
                Delivery::Rejected => "The mail service rejected the mail after it had accepted it.",
                Delivery::Suppressed => "The mail service held the mail back: mail to this address has bounced before.",
            },
            EventKind::DateOfBirthChecked { birth_date_attempts } => {
                return format!(
                    "The holder of the link gave a date of birth: {birth_date_attempts} of {MAX_BIRTH_DATE_ATTEMPTS}."
                );
            }
            EventKind::Registered => "The patient registered and has a portal account.",
            EventKind::OptedOut => return self.opted_out(who),
            EventKind::OptedIn => return format!("{who} recorded that the patient wants access after all."),
            EventKind::AccountEmailChanged => return format!("{who} changed the email address of the account."),
            EventKind::AccountClosed { reason } => return format!("{who} closed the account: {}", reason.expose()),
            EventKind::AccountReopened => return format!("{who} opened the account again."),
            EventKind::NoticeSent { notice, .. } => match notice {
                NoticeKind::AddressRemoved => {
                    "The mail service accepted a mail that tells the account's former address that it is not used any more."
                }
                NoticeKind::AddressAdded => {
                    "The mail service accepted a mail that tells the account's new address that it is used now."
                }
                NoticeKind::AccountClosed => {
                    "The mail service accepted a mail that tells the patient that the account was closed."
                }
                NoticeKind::AccountReopened => {
                    "The mail service accepted a mail that tells the patient that the account was opened again."
                }
            },
            EventKind::NoticeFailed { notice, reason } => return notice_failed(*notice, *reason),
            EventKind::RemindersStopped => "The recipient of the mail asked for no more reminders.",
        };
        fixed.to_owned()
    }

    fn opted_out(&self, who: &str) -> String {
        let was_queued = self.before.is_some_and(|before| before.invitation == InvitationFacet::Queued);
        let invitation = if was_queued { " The invitation was not sent." } else { "" };
        format!("{who} recorded that the patient does not want to receive access to health information.{invitation}")
    }
}

/// The part of a sentence that says that a bounced address was confirmed.
const fn after_confirming(address_confirmed: bool) -> &'static str {
    if address_confirmed { ", after confirming the address with the patient" } else { "" }
}

fn profile_changed(who: &str, changed: &[ProfileMember]) -> String {
    let members: Vec<&str> = changed.iter().map(|member| member.in_words()).collect();
    let members = if members.is_empty() { String::new() } else { format!(": {}", members.join(", ")) };
    format!("{who} changed the patient's profile{members}.")
}

fn notice_failed(notice: NoticeKind, reason: FailReason) -> String {
    let told = match notice {
        NoticeKind::AddressRemoved => "The former address of the account could not be told of the change",
        NoticeKind::AddressAdded => "The new address of the account could not be told of the change",
        NoticeKind::AccountClosed => "An address of the patient could not be told that the account was closed",
        NoticeKind::AccountReopened => "An address of the patient could not be told that the account was opened again",
    };
    let why = match reason {
        FailReason::Refused => "the mail service refused the mail",
        FailReason::Exhausted => "the mail service did not take the mail in time",
    };
    format!("{told}: {why}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        states::{AccountFacet, ChoiceFacet},
        testing::samples,
    };

    const NOT_INVITED: FacetStates =
        FacetStates { choice: ChoiceFacet::In, invitation: InvitationFacet::None, account: AccountFacet::None };

    fn sentence(kind: EventKind, role: Role, before: Option<FacetStates>) -> String {
        let context = samples::context_as(role, samples::noon(), "request-1");
        TimelineEvent { version: 7, context, kind, before, after: NOT_INVITED }.sentence()
    }

    #[test]
    fn each_kind_has_a_sentence() {
        let sentences: Vec<String> =
            samples::event_kinds().into_iter().map(|kind| sentence(kind, Role::Staff, Some(NOT_INVITED))).collect();
        let expected = [
            "Practice staff changed the patient's profile.",
            "Practice staff changed the patient's profile: given name, family name, date of birth, email address, \
             language, active or inactive.",
            "Practice staff invited the patient.",
            "Practice staff invited the patient, after confirming the address with the patient.",
            "Practice staff invited the patient again.",
            "Practice staff invited the patient again, after confirming the address with the patient.",
            "Practice staff invited the patient again, at another address: earlier links stopped working.",
            "Practice staff invited the patient again, at another address, after confirming the address with the patient: \
             earlier links stopped working.",
            "The mail service accepted the invitation.",
            "The mail service accepted the invitation, at try 2.",
            "The invitation failed: the mail service refused it.",
            "The invitation failed: the mail service did not take it in time.",
            "Practice staff took the invitation back.",
            "The invitation was taken back, because the patient opted out.",
            "The link was locked after five wrong dates of birth.",
            "The holder of the link declined the invitation.",
            "The holder of the link said that the invitation is not for them.",
            "The mail service accepted the mail.",
            "The mailbox did not take the mail yet: the mail service keeps trying.",
            "The mail was delivered.",
            "The recipient reported the mail as unwanted.",
            "The mail bounced: the mailbox does not exist.",
            "The mail service rejected the mail after it had accepted it.",
            "The mail service held the mail back: mail to this address has bounced before.",
            "The holder of the link gave a date of birth: 3 of 5.",
            "The patient registered and has a portal account.",
            "Practice staff recorded that the patient does not want to receive access to health information.",
            "Practice staff recorded that the patient wants access after all.",
            "Practice staff changed the email address of the account.",
            "Practice staff closed the account: The patient asked for it.",
            "Practice staff opened the account again.",
            "The mail service accepted a mail that tells the account's former address that it is not used any more.",
            "The mail service accepted a mail that tells the account's new address that it is used now.",
            "The mail service accepted a mail that tells the patient that the account was closed.",
            "The mail service accepted a mail that tells the patient that the account was opened again.",
            "The former address of the account could not be told of the change: the mail service refused the mail.",
            "The former address of the account could not be told of the change: the mail service did not take the mail in time.",
            "The new address of the account could not be told of the change: the mail service refused the mail.",
            "The new address of the account could not be told of the change: the mail service did not take the mail in time.",
            "An address of the patient could not be told that the account was closed: the mail service refused the mail.",
            "An address of the patient could not be told that the account was closed: the mail service did not take the mail in time.",
            "An address of the patient could not be told that the account was opened again: the mail service refused the mail.",
            "An address of the patient could not be told that the account was opened again: the mail service did not take the mail in time.",
            "The recipient of the mail asked for no more reminders.",
        ];
        assert_eq!(sentences, expected);
    }

    #[test]
    fn the_sentence_depends_on_the_role_and_the_facets_before() {
        let reinvited = || EventKind::Reinvited {
            invitation: samples::invitation_id("i"),
            another_address: false,
            address_confirmed: false,
        };
        let queued = FacetStates { invitation: InvitationFacet::Queued, ..NOT_INVITED };
        for (kind, role, before, expected) in [
            (
                EventKind::ProfileSaved { changed: Vec::new() },
                Role::Staff,
                None,
                "Practice staff saved the patient's profile for the first time.",
            ),
            (reinvited(), Role::Sweep, Some(NOT_INVITED), "A reminder was due: the patient was invited again."),
            (
                reinvited(),
                Role::Patient,
                Some(NOT_INVITED),
                "The holder of the link asked for a new one: the patient was invited again.",
            ),
            (
                EventKind::OptedOut,
                Role::Support,
                Some(queued),
                "Customer Care recorded that the patient does not want to receive access to health information. \
                 The invitation was not sent.",
            ),
        ] {
            assert_eq!(sentence(kind, role, before), expected);
        }
    }

    #[test]
    fn a_place_parses_from_one_form_only() {
        for (text, version) in [("2", 2), ("21", 21), ("9999999999", 9_999_999_999)] {
            assert_eq!(TimelinePlace::parse(text).map(TimelinePlace::version), Some(version), "{text}");
        }
        for text in ["", "0", "1", "02", "+2", "-2", " 2", "2.0", "x", "10000000000", "99999999999999999999", "２"] {
            assert_eq!(TimelinePlace::parse(text), None, "{text}");
        }
    }
}
