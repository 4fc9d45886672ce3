//! Whether a command is allowed now. The commands themselves and the status panel ask the same functions, so that
//! nobody is offered what would be refused.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Account, Choice, Invitation, InvitationState, PortalRecord};
use crate::{
    email::EmailAddress,
    policy::{MOST_NOTICES, MOST_REINVITES, NOTICES_WAIT, REINVITE_GAP, REINVITE_WINDOW},
    practice::Practice,
    refusal::{
        ChangeEmailRefusal, InvitationBarred, InviteRefusal, OptInRefusal, OptOutRefusal, ReinviteRefusal,
        RevokeRefusal,
    },
    timeline::Role,
};

impl PortalRecord {
    /// May the patient be invited, to this address or else the profile's? Gives the address.
    ///
    /// # Errors
    /// The refusal of the first rule that says no.
    pub fn may_invite(&self, practice: &Practice, email: Option<&EmailAddress>) -> Result<EmailAddress, InviteRefusal> {
        self.may_receive_invitations(practice)?;
        match self.invitation.as_ref().map(|invitation| &invitation.state) {
            None | Some(InvitationState::Revoked { .. }) => {}
            Some(_) => return Err(InviteRefusal::AlreadyInvited),
        }
        email.or(self.profile.email.as_ref()).cloned().ok_or(InviteRefusal::EmailRequired)
    }

    /// May the patient be invited again, to this address or else the one before? Gives the address.
    ///
    /// Only invitations by hand are spaced out; reminders have their own calendar.
    ///
    /// # Errors
    /// The refusal of the first rule that says no.
    pub fn may_reinvite(
        &self,
        practice: &Practice,
        email: Option<&EmailAddress>,
        role: Role,
        now: DateTime<Utc>,
    ) -> Result<EmailAddress, ReinviteRefusal> {
        self.may_receive_invitations(practice)?;
        let invitation = self.invitation.as_ref().ok_or(ReinviteRefusal::NotInvited)?;
        let email = email.unwrap_or(&invitation.email);
        match &invitation.state {
            InvitationState::Queued | InvitationState::Sending { .. } => {
                return Err(ReinviteRefusal::SendInProgress);
            }
            InvitationState::Consumed { .. } => return Err(ReinviteRefusal::AlreadyRegistered),
            InvitationState::Sent { delivery, .. } if delivery.suppresses_address() && *email == invitation.email => {
                return Err(ReinviteRefusal::AddressSuppressed);
            }
            InvitationState::Sent { .. } | InvitationState::Failed { .. } | InvitationState::Revoked { .. } => {}
        }
        if role != Role::Sweep {
            self.not_too_soon(invitation, now)?;
        }
        Ok(email.clone())
    }

    /// May the current invitation be taken back?
    ///
    /// # Errors
    /// The refusal of the first rule that says no.
    pub fn may_revoke(&self) -> Result<&Invitation, RevokeRefusal> {
        let invitation = self.invitation.as_ref().ok_or(RevokeRefusal::NotInvited)?;
        match invitation.state {
            InvitationState::Queued | InvitationState::Sent { .. } | InvitationState::Failed { .. } => Ok(invitation),
            InvitationState::Sending { .. } => Err(RevokeRefusal::SendInProgress),
            InvitationState::Revoked { .. } => Err(RevokeRefusal::NotInvited),
            InvitationState::Consumed { .. } => Err(RevokeRefusal::AlreadyRegistered),
        }
    }

    /// May the patient be opted out?
    ///
    /// # Errors
    /// [`OptOutRefusal::OptedOut`] if the patient already is.
    pub fn may_opt_out(&self) -> Result<(), OptOutRefusal> {
        if self.choice == Choice::In { Ok(()) } else { Err(OptOutRefusal::OptedOut) }
    }

    /// May the patient be opted in?
    ///
    /// # Errors
    /// [`OptInRefusal::NotOptedOut`], or [`OptInRefusal::SendInProgress`] while a mail that was being handed over at the
    /// moment of opting out is not yet accounted for: opting in must not send it a second time.
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

    /// May this role change the account's address?
    ///
    /// # Errors
    /// [`ChangeEmailRefusal::NotRegistered`] without an active account, [`ChangeEmailRefusal::SupportOnly`] for everybody but support, and
    /// [`ChangeEmailRefusal::TooSoon`] while too many earlier changes are yet to be told of.
    pub fn may_change_email(&self, role: Role) -> Result<(), ChangeEmailRefusal> {
        self.email_to_change(role)?;
        // The old address is told and the new one.
        if self.notices.len() + 2 > MOST_NOTICES {
            return Err(ChangeEmailRefusal::TooSoon { retry_after_secs: whole_secs_up(NOTICES_WAIT) });
        }
        Ok(())
    }

    /// The address of the account, for who may change it.
    pub(super) fn email_to_change(&self, role: Role) -> Result<&EmailAddress, ChangeEmailRefusal> {
        match &self.account {
            Account::None | Account::Deactivated { .. } => Err(ChangeEmailRefusal::NotRegistered),
            Account::Active { email, .. } if role == Role::Support => Ok(email),
            Account::Active { .. } => Err(ChangeEmailRefusal::SupportOnly),
        }
    }

    fn may_receive_invitations(&self, practice: &Practice) -> Result<(), InvitationBarred> {
        if practice.portal_activated_at.is_none() {
            return Err(InvitationBarred::PortalNotActivated);
        }
        if self.account != Account::None {
            return Err(InvitationBarred::AlreadyRegistered);
        }
        // Before the choice: its next step, an opt-in, would lead nowhere.
        if !self.profile.active {
            return Err(InvitationBarred::PatientInactive);
        }
        if self.choice != Choice::In {
            return Err(InvitationBarred::OptedOut);
        }
        if self.profile.date_of_birth.is_none() { Err(InvitationBarred::DateOfBirthMissing) } else { Ok(()) }
    }

    fn not_too_soon(&self, invitation: &Invitation, now: DateTime<Utc>) -> Result<(), ReinviteRefusal> {
        let gap_ends = invitation.queued_at + REINVITE_GAP;
        let window_ends = self.recent_reinvites.iter().rev().nth(MOST_REINVITES - 1).map(|at| *at + REINVITE_WINDOW);
        let from = window_ends.map_or(gap_ends, |window_ends| window_ends.max(gap_ends));
        if from > now { Err(ReinviteRefusal::TooSoon { retry_after_secs: whole_secs_up(from - now) }) } else { Ok(()) }
    }
}

/// Whole seconds, rounded up: waiting that long is enough.
fn whole_secs_up(wait: TimeDelta) -> u64 {
    u64::try_from((wait + TimeDelta::milliseconds(999)).num_seconds()).unwrap_or(0)
}
