//! The status panel: what staff see at a glance. A pure function of the record, the practice and the time.
//!
//! The five fields and their values are those of the published reference: *Opted out*, *Activated on*, *Patient
//! Registered on*, *Last Log in on*, *Last reinvited on*.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::{
    email::EmailAddress,
    ids::PatientId,
    link::Link,
    policy::MOST_GUESSES,
    practice::Practice,
    record::{Account, Choice, Delivery, FailReason, Invitation, InvitationState, PortalRecord, RevokeReason},
    refusal::Refusal,
    timeline::Role,
};

/// The value of a date field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// `-`: there is nothing yet that it could be the date of.
    Nothing,
    /// *Pending*: it is under way.
    Pending,
    /// *Never*.
    Never,
    /// The date.
    On {
        /// The instant.
        at: DateTime<Utc>,
        /// Its date in the practice's zone: what is shown.
        date: NaiveDate,
    },
}

/// What staff see of the current invitation's state.
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
    /// The mail service took the mail; its link no longer works.
    Expired,
    /// The mail could not be sent.
    Failed,
    /// The invitation was revoked.
    Revoked,
    /// The patient registered with it.
    Consumed,
}

impl InvitationStatus {
    /// The state's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Why an invitation failed or was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationReason {
    /// It failed.
    Failed(FailReason),
    /// It was revoked.
    Revoked(RevokeReason),
}

impl InvitationReason {
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

/// What staff see of the account's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "snake_case")]
pub enum AccountStatus {
    /// The patient has not registered.
    None,
    /// The patient has an account.
    Active,
    /// The patient had an account, and it is closed.
    Deactivated,
}

impl AccountStatus {
    /// The state's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The current invitation, as far as staff see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationView {
    /// Its state.
    pub state: InvitationStatus,
    /// Where it went.
    pub email: Option<EmailAddress>,
    /// What became of its mail.
    pub delivery: Option<Delivery>,
    /// When its newest link stops working, or has; nothing if opting out has ended it before.
    pub expires_at: Option<DateTime<Utc>>,
    /// Why it failed or was taken back.
    pub reason: Option<InvitationReason>,
}

/// The account, as far as staff see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its state.
    pub state: AccountStatus,
    /// The login's address.
    pub email: Option<EmailAddress>,
}

/// For each command whether it is allowed now and, if not, why not.
///
/// Decided by the very functions that refuse the commands. Whether an address is free is not decided here: it
/// depends on the address that is given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the commands")]
pub struct Actions {
    pub invite: Result<(), Refusal>,
    pub reinvite: Result<(), Refusal>,
    pub revoke: Result<(), Refusal>,
    pub opt_out: Result<(), Refusal>,
    pub opt_in: Result<(), Refusal>,
    pub change_email: Result<(), Refusal>,
}

/// Where a patient stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPanel {
    /// Whose panel it is.
    pub patient: PatientId,
    /// *Opted out*.
    pub opted_out: bool,
    /// *Activated on*: when the first invitation's mail was sent. Never moves once it shows a date.
    pub activated_on: Shown,
    /// *Patient Registered on*.
    pub registered_on: Shown,
    /// *Last Log in on*. Registering opens the dashboard, so it counts as the first login.
    pub last_login_on: Shown,
    /// *Last reinvited on*.
    pub last_reinvited_on: Shown,
    /// One plain sentence or two: the state and the next step.
    pub sentence: String,
    /// The current invitation.
    pub invitation: InvitationView,
    /// The account.
    pub account: AccountView,
    /// What may be done now.
    pub actions: Actions,
    /// The record's version.
    pub version: u64,
}

impl StatusPanel {
    /// The panel of a record, for a viewer in this role. A practice that has not saved its settings yet is shown
    /// dates in UTC and may do nothing.
    #[must_use]
    pub fn of(record: &PortalRecord, practice: Option<&Practice>, viewer: Role, now: DateTime<Utc>) -> Self {
        let zone = practice.map_or(Tz::UTC, |practice| practice.settings.time_zone);
        let date = |at: DateTime<Utc>| Shown::On { at, date: at.with_timezone(&zone).date_naive() };
        let (registered_on, last_login_on) = match record.account {
            Account::None => (Shown::Pending, Shown::Never),
            Account::Active { registered_at, last_login_at, .. }
            | Account::Deactivated { registered_at, last_login_at, .. } => (date(registered_at), date(last_login_at)),
        };
        Self {
            patient: record.key.patient.clone(),
            opted_out: record.choice != Choice::In,
            activated_on: record.first_sent_at.map_or_else(|| not_activated_yet(record), date),
            registered_on,
            last_login_on,
            last_reinvited_on: record.last_reinvited_at.map_or(Shown::Never, date),
            sentence: sentence(record, zone, now),
            invitation: InvitationView::of(record, now),
            account: AccountView::of(record),
            actions: Actions::of(record, practice, viewer, now),
            version: record.version,
        }
    }

    /// Whether a mail is yet to be handed over: what makes a command's answer "accepted" rather than "done".
    #[must_use]
    pub fn mail_is_queued(&self) -> bool {
        self.invitation.state == InvitationStatus::Queued
    }
}

/// *Activated on* without a date: nothing before any invitation or after an unsent one was taken back, pending from
/// the moment of inviting, and still pending if the first send failed.
fn not_activated_yet(record: &PortalRecord) -> Shown {
    match record.invitation.as_ref().map(|invitation| &invitation.state) {
        None | Some(InvitationState::Revoked { .. }) => Shown::Nothing,
        Some(
            InvitationState::Queued
            | InvitationState::Sending { .. }
            | InvitationState::Sent { .. }
            | InvitationState::Failed { .. }
            | InvitationState::Consumed { .. },
        ) => Shown::Pending,
    }
}

impl InvitationView {
    fn of(record: &PortalRecord, now: DateTime<Utc>) -> Self {
        let Some(invitation) = &record.invitation else {
            let state = InvitationStatus::None;
            return Self { state, email: None, delivery: None, expires_at: None, reason: None };
        };
        let view = |state| Self {
            state,
            email: Some(invitation.email.clone()),
            delivery: None,
            expires_at: None,
            reason: None,
        };
        match &invitation.state {
            InvitationState::Queued => view(InvitationStatus::Queued),
            InvitationState::Sending { .. } => view(InvitationStatus::Sending),
            InvitationState::Sent { delivery, expires_at, .. } => Self {
                delivery: Some(*delivery),
                expires_at: record.link.as_ref().map(|_| *expires_at),
                ..view(if invitation.is_expired(now) { InvitationStatus::Expired } else { InvitationStatus::Sent })
            },
            InvitationState::Failed { reason, .. } => {
                Self { reason: Some(InvitationReason::Failed(*reason)), ..view(InvitationStatus::Failed) }
            }
            InvitationState::Revoked { reason, .. } => {
                Self { reason: Some(InvitationReason::Revoked(*reason)), ..view(InvitationStatus::Revoked) }
            }
            InvitationState::Consumed { .. } => view(InvitationStatus::Consumed),
        }
    }
}

impl AccountView {
    fn of(record: &PortalRecord) -> Self {
        let (state, email) = match &record.account {
            Account::None => (AccountStatus::None, None),
            Account::Active { email, .. } => (AccountStatus::Active, Some(email.clone())),
            Account::Deactivated { email, .. } => (AccountStatus::Deactivated, Some(email.clone())),
        };
        Self { state, email }
    }
}

impl Actions {
    fn of(record: &PortalRecord, practice: Option<&Practice>, viewer: Role, now: DateTime<Utc>) -> Self {
        let practice = practice.ok_or(Refusal::PortalNotActivated);
        Self {
            invite: practice.clone().and_then(|practice| record.may_invite(practice, None)).map(drop),
            reinvite: practice.and_then(|practice| record.may_reinvite(practice, None, viewer, now)).map(drop),
            revoke: record.may_revoke().map(drop),
            opt_out: record.may_opt_out(),
            opt_in: record.may_opt_in(),
            change_email: record.may_change_email(viewer),
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
        Account::Deactivated { .. } => "The portal account is deactivated: contact Customer Care.".to_owned(),
        Account::None if !record.profile.active => inactive_sentence(record).to_owned(),
        Account::None => record.invitation.as_ref().map_or_else(
            || "Not invited yet: invite the patient to open a portal account.".to_owned(),
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
    sentence
}

/// Of a patient without an account who is not to get one.
fn inactive_sentence(record: &PortalRecord) -> &'static str {
    match record.may_revoke() {
        Ok(_) => "The patient is inactive and gets no reminders: take the invitation back if it is not to be used.",
        Err(_) => "The patient is inactive and cannot be invited: correct the Profile tab if that is wrong.",
    }
}

/// `link`: a mail that was sent has one, until the patient opts out; opting in does not give it back.
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
            // As a rule the fifth wrong one locks the link. A fault may keep that from being written down.
            Delivery::Accepted | Delivery::Delayed | Delivery::Delivered
                if link.is_some_and(|link| link.guesses >= MOST_GUESSES) =>
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
