//! The status panel, which staff see for a patient. It is a pure function of the record, the practice and the time.
//!
//! The five fields and their values are those of the published reference: *Opted out*, *Activated on*, *Patient
//! Registered on*, *Last Log in on*, *Last reinvited on*.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use strum::IntoEnumIterator as _;

use crate::{
    email::EmailAddress,
    ids::PatientId,
    link::Link,
    policy::{ADDRESS_LEASE, MAX_BIRTH_DATE_ATTEMPTS},
    practice::Practice,
    record::{Account, Choice, Invitation, InvitationState, PortalRecord, guards::Recipient},
    refusal::{
        ChangeEmailRefusal, CloseRefusal, InviteRefusal, OptInRefusal, OptOutRefusal, ReinviteRefusal, ReopenRefusal,
        RevokeRefusal,
    },
    states::{AccountFacet, Delivery, FailReason, InvitationFacet, RevokeReason},
    timeline::Role,
};

/// The value of a date field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateField {
    /// `-`: nothing has happened yet.
    Nothing,
    /// *Pending*: it is in progress.
    Pending,
    /// *Never*.
    Never,
    /// The date.
    On {
        /// The instant.
        at: DateTime<Utc>,
        /// The date that is shown: the instant's date in the practice's time zone.
        date: NaiveDate,
    },
}

/// The state of the current invitation, as staff see it: the facet's state, or that its link has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "snake_case")]
pub enum InvitationStatus {
    /// There was no invitation yet.
    None,
    /// The mail waits to be handed to the mail service.
    Queued,
    /// The mail is being handed to the mail service.
    Sending,
    /// The mail service took the mail; its link works until `expiresAt`.
    Sent,
    /// The mail could not be sent.
    Failed,
    /// The invitation was revoked.
    Revoked,
    /// The patient registered with it.
    Consumed,
    /// The mail service took the mail; its link no longer works.
    Expired,
}

impl From<InvitationFacet> for InvitationStatus {
    fn from(facet: InvitationFacet) -> Self {
        match facet {
            InvitationFacet::None => Self::None,
            InvitationFacet::Queued => Self::Queued,
            InvitationFacet::Sending => Self::Sending,
            InvitationFacet::Sent => Self::Sent,
            InvitationFacet::Failed => Self::Failed,
            InvitationFacet::Revoked => Self::Revoked,
            InvitationFacet::Consumed => Self::Consumed,
        }
    }
}

/// Why the current invitation failed or was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationReason {
    /// Its mail could not be sent.
    Failed(FailReason),
    /// It was revoked.
    Revoked(RevokeReason),
}

impl InvitationReason {
    /// Every reason.
    pub fn iter() -> impl Iterator<Item = Self> {
        FailReason::iter().map(Self::Failed).chain(RevokeReason::iter().map(Self::Revoked))
    }

    /// The reason's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed(reason) => reason.name(),
            Self::Revoked(reason) => reason.name(),
        }
    }
}

impl From<InvitationReason> for &'static str {
    fn from(reason: InvitationReason) -> Self {
        reason.name()
    }
}

/// The current invitation, as staff see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationView {
    /// Its state.
    pub state: InvitationStatus,
    /// The address that it is sent to.
    pub email: Option<EmailAddress>,
    /// The delivery state of its mail.
    pub delivery: Option<Delivery>,
    /// When its newest link stops or stopped working; `None` if opting out has ended the link.
    pub expires_at: Option<DateTime<Utc>>,
    /// Why it failed or was revoked.
    pub reason: Option<InvitationReason>,
}

/// The account, as staff see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its state, or that there is none.
    pub state: AccountFacet,
    /// The login's address.
    pub email: Option<EmailAddress>,
}

/// For each command, whether it is allowed now and, if not, why not.
///
/// The same functions also decide the commands. Whether an address is free is not decided here, because it depends on the
/// address in the command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the commands")]
pub struct Actions {
    pub invite: Result<(), InviteRefusal>,
    pub reinvite: Result<(), ReinviteRefusal>,
    pub revoke: Result<(), RevokeRefusal>,
    pub opt_out: Result<(), OptOutRefusal>,
    pub opt_in: Result<(), OptInRefusal>,
    pub change_email: Result<(), ChangeEmailRefusal>,
    pub close: Result<(), CloseRefusal>,
    pub reopen: Result<(), ReopenRefusal>,
}

/// A patient's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPanel {
    /// The patient.
    pub patient: PatientId,
    /// *Opted out*.
    pub opted_out: bool,
    /// *Activated on*: when the first invitation's mail was sent. Once set, it never changes.
    pub activated_on: DateField,
    /// *Patient Registered on*.
    pub registered_on: DateField,
    /// *Last Log in on*: the last login that was reported. Registering is no login.
    pub last_login_on: DateField,
    /// *Last reinvited on*.
    pub last_reinvited_on: DateField,
    /// One or two sentences: the state and the next step.
    pub sentence: String,
    /// The current invitation.
    pub invitation: InvitationView,
    /// The account.
    pub account: AccountView,
    /// The actions that are allowed now.
    pub actions: Actions,
    /// The record's version.
    pub version: u64,
}

impl StatusPanel {
    /// The panel of a record, for a viewer with this role. If the practice has not saved its settings yet, dates are shown
    /// in UTC and no invitation is allowed.
    #[must_use]
    pub fn from_record(record: &PortalRecord, practice: Option<&Practice>, viewer: Role, now: DateTime<Utc>) -> Self {
        let zone = practice.map_or(Tz::UTC, |practice| practice.settings.time_zone);
        let date = |at: DateTime<Utc>| DateField::On { at, date: at.with_timezone(&zone).date_naive() };
        let (registered_on, last_login_on) = match record.account {
            Account::None => (DateField::Pending, DateField::Never),
            Account::Active { registered_at, .. } | Account::Deactivated { registered_at, .. } => {
                (date(registered_at), record.last_login().map_or(DateField::Never, |login| date(login.at)))
            }
        };
        Self {
            patient: record.key.patient.clone(),
            opted_out: record.choice != Choice::In,
            activated_on: record.first_sent_at.map_or_else(|| not_activated_yet(record), date),
            registered_on,
            last_login_on,
            last_reinvited_on: record.last_reinvited_at.map_or(DateField::Never, date),
            sentence: sentence(record, zone, now),
            invitation: InvitationView::from_record(record, now),
            account: AccountView::from_record(record),
            actions: Actions::from_record(record, practice, viewer, now),
            version: record.version,
        }
    }

    /// Whether a mail waits to be sent. If so, a command's answer is "accepted" instead of "done".
    #[must_use]
    pub fn mail_is_queued(&self) -> bool {
        self.invitation.state == InvitationStatus::Queued
    }
}

/// *Activated on* without a date: nothing before the first invitation or after an unsent one was revoked; pending from the
/// time of the invitation on, and also if the first send failed.
fn not_activated_yet(record: &PortalRecord) -> DateField {
    match record.invitation.as_ref().map(|invitation| &invitation.state) {
        None | Some(InvitationState::Revoked { .. }) => DateField::Nothing,
        Some(
            InvitationState::Queued
            | InvitationState::Sending { .. }
            | InvitationState::Sent { .. }
            | InvitationState::Failed { .. }
            | InvitationState::Consumed { .. },
        ) => DateField::Pending,
    }
}

impl InvitationView {
    fn from_record(record: &PortalRecord, now: DateTime<Utc>) -> Self {
        let Some(invitation) = &record.invitation else {
            return Self { state: InvitationStatus::None, email: None, delivery: None, expires_at: None, reason: None };
        };
        let (delivery, expires_at, reason) = match &invitation.state {
            InvitationState::Queued | InvitationState::Sending { .. } | InvitationState::Consumed { .. } => {
                (None, None, None)
            }
            InvitationState::Sent { delivery, expires_at, .. } => {
                (Some(*delivery), record.link.as_ref().map(|_| *expires_at), None)
            }
            InvitationState::Failed { reason, .. } => (None, None, Some(InvitationReason::Failed(*reason))),
            InvitationState::Revoked { reason, .. } => (None, None, Some(InvitationReason::Revoked(*reason))),
        };
        Self {
            state: if invitation.is_expired(now) { InvitationStatus::Expired } else { invitation.state.facet().into() },
            email: Some(invitation.email.clone()),
            delivery,
            expires_at,
            reason,
        }
    }
}

impl AccountView {
    fn from_record(record: &PortalRecord) -> Self {
        let email = match &record.account {
            Account::None => None,
            Account::Active { email, .. } | Account::Deactivated { email, .. } => Some(email.clone()),
        };
        Self { state: record.facet_states().account, email }
    }
}

impl Actions {
    fn from_record(record: &PortalRecord, practice: Option<&Practice>, viewer: Role, now: DateTime<Utc>) -> Self {
        Self {
            invite: practice
                .ok_or(InviteRefusal::PortalNotActivated)
                .and_then(|practice| record.may_invite(practice, &Recipient::default(), viewer, now))
                .map(drop),
            reinvite: practice
                .ok_or(ReinviteRefusal::PortalNotActivated)
                .and_then(|practice| record.may_reinvite(practice, &Recipient::default(), viewer, now))
                .map(drop),
            revoke: record.may_revoke().map(drop),
            opt_out: record.may_opt_out(),
            opt_in: record.may_opt_in(),
            change_email: record.may_change_email(viewer),
            close: record.may_close(),
            reopen: record.may_reopen(viewer),
        }
    }
}

fn sentence(record: &PortalRecord, zone: Tz, now: DateTime<Utc>) -> String {
    let day = |at: DateTime<Utc>| at.with_timezone(&zone).format("%B %-d, %Y").to_string();
    let state = match &record.account {
        Account::Active { registered_at, .. } if !record.profile.active => {
            format!("Registered on {}. The patient is inactive, and the account stays open.", day(*registered_at))
        }
        Account::Active { registered_at, .. } => format!("Registered on {}.", day(*registered_at)),
        Account::Deactivated { registered_at, .. } => {
            format!("Registered on {}. The account is closed: Customer Care can reopen it.", day(*registered_at))
        }
        Account::None if !record.profile.active => inactive_sentence(record).to_owned(),
        Account::None => record.invitation.as_ref().map_or_else(
            || not_invited_sentence(record).to_owned(),
            |invitation| invitation_sentence(invitation, record.link.as_ref(), now, day),
        ),
    };
    let mut sentence = match record.choice {
        Choice::In => state,
        Choice::OptedOut { at, .. } if record.account == Account::None => {
            format!("Opted out on {}: the patient does not want to receive access to health information.", day(at))
        }
        Choice::OptedOut { at, .. } => {
            format!("{state} Opted out on {}: no reminders are sent.", day(at))
        }
    };
    if went_to_another_address(record) {
        sentence.push_str(" It went to another address than the one on the Profile tab.");
    }
    sentence.push_str(lapsed_sentence(record, now).unwrap_or_default());
    sentence
}

/// The sentence before any invitation. It names what is missing, if anything is.
const fn not_invited_sentence(record: &PortalRecord) -> &'static str {
    match (&record.profile.date_of_birth, &record.profile.email) {
        (None, None) => "Not invited yet: add the date of birth and the email address on the Profile tab first.",
        (None, Some(_)) => "Not invited yet: add the date of birth on the Profile tab first.",
        (Some(_), None) => "Not invited yet: add the email address on the Profile tab, or invite to a given one.",
        (Some(_), Some(_)) => "Not invited yet: invite the patient to open a portal account.",
    }
}

/// The sentence when the claim has lapsed: other patients may be invited to the address.
fn lapsed_sentence(record: &PortalRecord, now: DateTime<Utc>) -> Option<&'static str> {
    let lapsed_at = record.claimed_since.filter(|_| record.account == Account::None)? + ADDRESS_LEASE;
    (lapsed_at <= now).then_some(
        " The address is no longer reserved for this patient: if a practice has invited another person to it, the link \
         does not register, and another address is needed.",
    )
}

/// The sentence for an inactive patient without an account.
fn inactive_sentence(record: &PortalRecord) -> &'static str {
    match record.may_revoke() {
        Ok(_) => "The patient is inactive and gets no reminders: take the invitation back if it is not to be used.",
        Err(_) => "The patient is inactive and cannot be invited: correct the Profile tab if that is wrong.",
    }
}

/// `link` exists after a mail was sent, until the patient opts out. Opting in does not restore it.
fn invitation_sentence(
    invitation: &Invitation,
    link: Option<&Link>,
    now: DateTime<Utc>,
    day: impl Fn(DateTime<Utc>) -> String,
) -> String {
    let fixed = match &invitation.state {
        InvitationState::Queued | InvitationState::Sending { .. } => {
            "The invitation is on its way to the mail service."
        }
        InvitationState::Failed { reason: FailReason::Refused, .. } => {
            "The mail service refused the invitation: check the address and reinvite."
        }
        InvitationState::Failed { reason: FailReason::Exhausted, .. } => {
            "The invitation could not be sent: reinvite the patient."
        }
        InvitationState::Revoked { reason, .. } => match reason {
            RevokeReason::Undone => "The invitation was taken back: invite the patient again when wanted.",
            RevokeReason::OptedOut => {
                "The invitation was not sent, because the patient opted out: invite the patient again when wanted."
            }
            RevokeReason::Locked => {
                "The link was locked after five wrong dates of birth: check the date of birth and invite again."
            }
            RevokeReason::Declined => "The invitation was declined: talk to the patient before you invite again.",
            RevokeReason::WrongPerson => {
                "The recipient says that the invitation is not for them: ask the patient for the right address."
            }
        },
        InvitationState::Consumed { .. } => "The invitation was used.",
        InvitationState::Sent { delivery, receipt, expires_at } => match delivery {
            Delivery::Bounced => "The mailbox does not exist: ask for another address.",
            Delivery::Complained => "The recipient reported the mail as unwanted: ask for another address.",
            Delivery::Rejected => "The mail service rejected the mail: ask for another address.",
            Delivery::Suppressed => {
                "Mail to this address bounced or was reported as unwanted before: ask for another address."
            }
            Delivery::Accepted | Delivery::Delayed | Delivery::Delivered if link.is_none() => {
                "The link stopped working when the patient opted out: send a new one with reinvite."
            }
            // The fifth wrong date of birth normally locks the link. After a fault, the lock may not be recorded.
            Delivery::Accepted | Delivery::Delayed | Delivery::Delivered
                if link.is_some_and(|link| link.birth_date_attempts >= MAX_BIRTH_DATE_ATTEMPTS) =>
            {
                "The link takes no more dates of birth: check the patient's date of birth and reinvite."
            }
            Delivery::Accepted | Delivery::Delayed | Delivery::Delivered if now >= *expires_at => {
                return format!("The invitation expired on {}: send a new link with reinvite.", day(*expires_at));
            }
            Delivery::Delayed => "The mailbox does not take the mail yet: the mail service keeps trying.",
            Delivery::Accepted | Delivery::Delivered => {
                return format!("Invitation sent on {}. Not registered yet.", day(receipt.at));
            }
        },
    };
    fixed.to_owned()
}

fn went_to_another_address(record: &PortalRecord) -> bool {
    let Some((invitation, profile)) = record.invitation.as_ref().zip(record.profile.email.as_ref()) else {
        return false;
    };
    record.account == Account::None && record.claimed_email().is_some() && invitation.email != *profile
}
