//! Whether a command is allowed now. The commands themselves and the status panel ask the same functions, so that
//! nobody is offered what would be refused.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Account, Choice, Invitation, InvitationState, PortalRecord};
use crate::{
    email::EmailAddress,
    policy::{MOST_NOTICES, MOST_REINVITES, NOTICES_WAIT, REINVITE_GAP, REINVITE_WINDOW},
    practice::Practice,
    refusal::Refusal,
    timeline::Role,
};

impl PortalRecord {
    /// May the patient be invited, to this address or else the profile's? Gives the address.
    ///
    /// # Errors
    /// The refusal of the first rule that says no.
    pub fn may_invite(&self, practice: &Practice, email: Option<&EmailAddress>) -> Result<EmailAddress, Refusal> {
        self.may_receive_invitations(practice)?;
        match self.invitation.as_ref().map(|invitation| &invitation.state) {
            None | Some(InvitationState::Revoked { .. }) => {}
            Some(_) => return Err(Refusal::AlreadyInvited),
        }
        email.or(self.profile.email.as_ref()).cloned().ok_or(Refusal::EmailRequired)
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
    ) -> Result<EmailAddress, Refusal> {
        self.may_receive_invitations(practice)?;
        let invitation = self.invitation.as_ref().ok_or(Refusal::NotInvited)?;
        let email = email.unwrap_or(&invitation.email);
        match &invitation.state {
            InvitationState::Queued | InvitationState::Sending { .. } => {
                return Err(Refusal::SendInProgress);
            }
            InvitationState::Consumed { .. } => return Err(Refusal::AlreadyRegistered),
            InvitationState::Sent { delivery, .. } if delivery.suppresses_address() && *email == invitation.email => {
                return Err(Refusal::AddressSuppressed);
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
    pub fn may_revoke(&self) -> Result<&Invitation, Refusal> {
        let invitation = self.invitation.as_ref().ok_or(Refusal::NotInvited)?;
        match invitation.state {
            InvitationState::Queued | InvitationState::Sent { .. } | InvitationState::Failed { .. } => Ok(invitation),
            InvitationState::Sending { .. } => Err(Refusal::SendInProgress),
            InvitationState::Revoked { .. } => Err(Refusal::NotInvited),
            InvitationState::Consumed { .. } => Err(Refusal::AlreadyRegistered),
        }
    }

    /// May the patient be opted out?
    ///
    /// # Errors
    /// [`Refusal::OptedOut`] if the patient already is.
    pub fn may_opt_out(&self) -> Result<(), Refusal> {
        self.is_in()
    }

    /// May the patient be opted in?
    ///
    /// # Errors
    /// [`Refusal::NotOptedOut`], or [`Refusal::SendInProgress`] while a mail that was being handed over at the
    /// moment of opting out is not yet accounted for: opting in must not send it a second time.
    pub fn may_opt_in(&self) -> Result<(), Refusal> {
        if self.is_in().is_ok() {
            return Err(Refusal::NotOptedOut);
        }
        let sending = self
            .invitation
            .as_ref()
            .is_some_and(|invitation| matches!(invitation.state, InvitationState::Sending { .. }));
        if sending { Err(Refusal::SendInProgress) } else { Ok(()) }
    }

    /// May this role change the account's address?
    ///
    /// # Errors
    /// [`Refusal::NotRegistered`] without an active account, [`Refusal::SupportOnly`] for everybody but support, and
    /// [`Refusal::TooSoon`] while too many earlier changes are yet to be told of.
    pub fn may_change_email(&self, role: Role) -> Result<(), Refusal> {
        self.email_to_change(role)?;
        // The old address is told and the new one.
        if self.notices.len() + 2 > MOST_NOTICES {
            return Err(Refusal::TooSoon { retry_after_secs: whole_secs_up(NOTICES_WAIT) });
        }
        Ok(())
    }

    /// The address of the account, for who may change it.
    pub(super) fn email_to_change(&self, role: Role) -> Result<&EmailAddress, Refusal> {
        match &self.account {
            Account::None | Account::Deactivated { .. } => Err(Refusal::NotRegistered),
            Account::Active { email, .. } if role == Role::Support => Ok(email),
            Account::Active { .. } => Err(Refusal::SupportOnly),
        }
    }

    fn may_receive_invitations(&self, practice: &Practice) -> Result<(), Refusal> {
        if practice.portal_activated_at.is_none() {
            return Err(Refusal::PortalNotActivated);
        }
        if self.account != Account::None {
            return Err(Refusal::AlreadyRegistered);
        }
        // Before the choice: its next step, an opt-in, would lead nowhere.
        if !self.profile.active {
            return Err(Refusal::PatientInactive);
        }
        self.is_in()?;
        if self.profile.date_of_birth.is_none() { Err(Refusal::DateOfBirthMissing) } else { Ok(()) }
    }

    fn is_in(&self) -> Result<(), Refusal> {
        match self.choice {
            Choice::In => Ok(()),
            Choice::OptedOut { .. } => Err(Refusal::OptedOut),
        }
    }

    fn not_too_soon(&self, invitation: &Invitation, now: DateTime<Utc>) -> Result<(), Refusal> {
        let gap_ends = invitation.queued_at + REINVITE_GAP;
        let window_ends = self.recent_reinvites.iter().rev().nth(MOST_REINVITES - 1).map(|at| *at + REINVITE_WINDOW);
        let from = window_ends.map_or(gap_ends, |window_ends| window_ends.max(gap_ends));
        if from > now { Err(Refusal::TooSoon { retry_after_secs: whole_secs_up(from - now) }) } else { Ok(()) }
    }
}

/// Whole seconds, rounded up: waiting that long is enough.
fn whole_secs_up(wait: TimeDelta) -> u64 {
    u64::try_from((wait + TimeDelta::milliseconds(999)).num_seconds()).unwrap_or(0)
}
