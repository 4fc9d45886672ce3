//! The guards: whether a command is allowed now. The commands and the status panel call the same functions, so the panel
//! never offers a command that would be refused.

use chrono::{DateTime, Utc};

use super::{Account, Choice, Invitation, InvitationState, PortalRecord};
use crate::{
    email::EmailAddress,
    policy::{MAIL_GAP, MAIL_WINDOW, MAX_HOLDER_MAILS, MAX_NOTICES, MAX_STAFF_MAILS, NOTICES_WAIT, round_up_to_secs},
    practice::Practice,
    refusal::{
        ChangeEmailRefusal, CloseRefusal, InvitationBarred, InviteRefusal, OptInRefusal, OptOutRefusal,
        ReinviteRefusal, ReopenRefusal, RevokeRefusal,
    },
    states::SuppressionReason,
    timeline::Role,
};

/// The address that a command invites to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The given address, or the default one.
    pub email: Option<EmailAddress>,
    /// Whether a person has confirmed the address with the patient, although mail to it bounced.
    pub confirmed: bool,
}

impl From<Option<&EmailAddress>> for Recipient {
    fn from(email: Option<&EmailAddress>) -> Self {
        Self { email: email.cloned(), confirmed: false }
    }
}

impl PortalRecord {
    /// Checks whether the patient may be invited, to the given address or by default to the profile's. Returns the address.
    ///
    /// # Errors
    /// The refusal of the first rule that does not hold.
    pub fn may_invite(
        &self,
        practice: &Practice,
        recipient: &Recipient,
        role: Role,
        now: DateTime<Utc>,
    ) -> Result<EmailAddress, InviteRefusal> {
        self.may_receive_invitations(practice)?;
        match self.invitation.as_ref().map(|invitation| &invitation.state) {
            None | Some(InvitationState::Revoked { .. } | InvitationState::Failed { .. }) => {}
            Some(
                InvitationState::Queued
                | InvitationState::Sending { .. }
                | InvitationState::Sent { .. }
                | InvitationState::Consumed { .. },
            ) => return Err(InviteRefusal::AlreadyInvited),
        }
        let email = recipient.email.as_ref().or(self.profile.email.as_ref()).ok_or(InviteRefusal::EmailRequired)?;
        if self.is_suppressed(email, recipient) {
            return Err(InviteRefusal::AddressSuppressed);
        }
        self.mail_wait(role, now).map_or(Ok(()), |wait| Err(InviteRefusal::TooSoon { retry_after_secs: wait }))?;
        Ok(email.clone())
    }

    /// Checks whether the patient may be invited again, to the given address or by default to the previous one. Returns the
    /// address.
    ///
    /// # Errors
    /// The refusal of the first rule that does not hold.
    pub fn may_reinvite(
        &self,
        practice: &Practice,
        recipient: &Recipient,
        role: Role,
        now: DateTime<Utc>,
    ) -> Result<EmailAddress, ReinviteRefusal> {
        self.may_receive_invitations(practice)?;
        let invitation = self.invitation.as_ref().ok_or(ReinviteRefusal::NotInvited)?;
        let email = recipient.email.as_ref().unwrap_or(&invitation.email);
        match &invitation.state {
            InvitationState::Queued | InvitationState::Sending { .. } => {
                return Err(ReinviteRefusal::SendInProgress);
            }
            InvitationState::Consumed { .. } => return Err(ReinviteRefusal::AlreadyRegistered),
            InvitationState::Sent { .. } | InvitationState::Failed { .. } | InvitationState::Revoked { .. } => {}
        }
        if self.is_suppressed(email, recipient) {
            return Err(ReinviteRefusal::AddressSuppressed);
        }
        self.mail_wait(role, now).map_or(Ok(()), |wait| Err(ReinviteRefusal::TooSoon { retry_after_secs: wait }))?;
        Ok(email.clone())
    }

    /// Checks whether the current invitation may be revoked. Returns the invitation.
    ///
    /// # Errors
    /// The refusal of the first rule that does not hold.
    pub fn may_revoke(&self) -> Result<&Invitation, RevokeRefusal> {
        let invitation = self.invitation.as_ref().ok_or(RevokeRefusal::NotInvited)?;
        match invitation.state {
            InvitationState::Queued | InvitationState::Sent { .. } | InvitationState::Failed { .. } => Ok(invitation),
            InvitationState::Sending { .. } => Err(RevokeRefusal::SendInProgress),
            InvitationState::Revoked { .. } => Err(RevokeRefusal::NotInvited),
            InvitationState::Consumed { .. } => Err(RevokeRefusal::AlreadyRegistered),
        }
    }

    /// Checks whether the patient may be opted out.
    ///
    /// # Errors
    /// [`OptOutRefusal::OptedOut`] if the patient is opted out already.
    pub fn may_opt_out(&self) -> Result<(), OptOutRefusal> {
        if self.choice == Choice::In { Ok(()) } else { Err(OptOutRefusal::OptedOut) }
    }

    /// Checks whether the patient may be opted in.
    ///
    /// # Errors
    /// [`OptInRefusal::NotOptedOut`], or [`OptInRefusal::SendInProgress`] if a mail was being sent when the patient opted out
    /// and its outcome is still unknown: opting in must not send it a second time.
    pub fn may_opt_in(&self) -> Result<(), OptInRefusal> {
        if self.choice == Choice::In {
            return Err(OptInRefusal::NotOptedOut);
        }
        let sending = self
            .invitation
            .as_ref()
            .is_some_and(|invitation| matches!(invitation.state, InvitationState::Sending { .. }));
        if sending { Err(OptInRefusal::SendInProgress) } else { Ok(()) }
    }

    /// Checks whether this role may change the account's address.
    ///
    /// # Errors
    /// [`ChangeEmailRefusal::NotRegistered`] without an account, [`ChangeEmailRefusal::AccountClosed`],
    /// [`ChangeEmailRefusal::SupportOnly`] for every role but [`Role::Support`], and [`ChangeEmailRefusal::TooSoon`] while too many notices of earlier changes wait to be sent.
    pub fn may_change_email(&self, role: Role) -> Result<(), ChangeEmailRefusal> {
        self.email_to_change(role)?;
        self.check_room_for_notices().map_err(|retry_after_secs| ChangeEmailRefusal::TooSoon { retry_after_secs })
    }

    /// Checks whether the account may be closed.
    ///
    /// # Errors
    /// The refusal of the first rule that does not hold. [`CloseRefusal::TooSoon`] while too many notices of earlier changes
    /// wait to be sent.
    pub fn may_close(&self) -> Result<(), CloseRefusal> {
        match &self.account {
            Account::None => Err(CloseRefusal::NotRegistered),
            Account::Deactivated { .. } => Err(CloseRefusal::AccountClosed),
            Account::Active { .. } => {
                self.check_room_for_notices().map_err(|retry_after_secs| CloseRefusal::TooSoon { retry_after_secs })
            }
        }
    }

    /// Checks whether this role may open the closed account again.
    ///
    /// # Errors
    /// The refusal of the first rule that does not hold. [`ReopenRefusal::SupportOnly`] for every role but [`Role::Support`],
    /// [`ReopenRefusal::TooSoon`] while too many notices of earlier changes wait to be sent.
    pub fn may_reopen(&self, role: Role) -> Result<(), ReopenRefusal> {
        match &self.account {
            Account::None => Err(ReopenRefusal::NotRegistered),
            Account::Active { .. } => Err(ReopenRefusal::AccountNotClosed),
            Account::Deactivated { .. } if role != Role::Support => Err(ReopenRefusal::SupportOnly),
            Account::Deactivated { .. } => {
                self.check_room_for_notices().map_err(|retry_after_secs| ReopenRefusal::TooSoon { retry_after_secs })
            }
        }
    }

    /// Checks whether two more notices fit into the record: a change of the account tells two addresses. The error is the
    /// number of seconds to wait.
    fn check_room_for_notices(&self) -> Result<(), u64> {
        if self.notices.len() + 2 > MAX_NOTICES { Err(round_up_to_secs(NOTICES_WAIT)) } else { Ok(()) }
    }

    /// The address of the account, if this role may change it.
    pub(super) fn email_to_change(&self, role: Role) -> Result<&EmailAddress, ChangeEmailRefusal> {
        match &self.account {
            Account::None => Err(ChangeEmailRefusal::NotRegistered),
            Account::Deactivated { .. } => Err(ChangeEmailRefusal::AccountClosed),
            Account::Active { email, .. } if role == Role::Support => Ok(email),
            Account::Active { .. } => Err(ChangeEmailRefusal::SupportOnly),
        }
    }

    fn may_receive_invitations(&self, practice: &Practice) -> Result<(), InvitationBarred> {
        if practice.portal_activated_at.is_none() {
            return Err(InvitationBarred::PortalNotActivated);
        }
        match self.account {
            Account::None => {}
            Account::Active { .. } => return Err(InvitationBarred::AlreadyRegistered),
            Account::Deactivated { .. } => return Err(InvitationBarred::AccountClosed),
        }
        // Check this before the choice: an inactive patient could not be invited after an opt-in either.
        if !self.profile.active {
            return Err(InvitationBarred::PatientInactive);
        }
        if self.choice != Choice::In {
            return Err(InvitationBarred::OptedOut);
        }
        if self.profile.date_of_birth.is_none() { Err(InvitationBarred::DateOfBirthMissing) } else { Ok(()) }
    }

    /// Whether the patient is not invited to this address. Only a bounce can be overruled, by a person who has confirmed the
    /// address with the patient.
    fn is_suppressed(&self, email: &EmailAddress, recipient: &Recipient) -> bool {
        match self.suppression(email) {
            None => false,
            Some(SuppressionReason::Bounced) => !recipient.confirmed,
            Some(SuppressionReason::Complained | SuppressionReason::WrongPerson) => true,
        }
    }

    /// Whole seconds until this role may cause another mail to the patient, if not now. All commands that send a mail count
    /// together. The holder of a link has a budget of their own, which never stops staff. Reminders follow the reminder
    /// policy instead.
    fn mail_wait(&self, role: Role, now: DateTime<Utc>) -> Option<u64> {
        let latest = self.invitation.as_ref().map(|invitation| invitation.queued_at);
        let (mails, max, latest) = match role {
            Role::Sweep => return None,
            Role::Patient => (&self.holder_mails, MAX_HOLDER_MAILS, latest),
            Role::Staff | Role::Support | Role::Portal | Role::Sender | Role::MailService => {
                (&self.staff_mails, MAX_STAFF_MAILS, self.staff_mails.last().copied())
            }
        };
        let gap_ends = latest.map(|at| at + MAIL_GAP);
        let window_ends = mails.iter().rev().nth(max - 1).map(|at| *at + MAIL_WINDOW);
        let from = gap_ends.max(window_ends)?;
        (from > now).then(|| round_up_to_secs(from - now))
    }
}
