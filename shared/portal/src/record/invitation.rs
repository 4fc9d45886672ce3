//! Transitions of the invitation: invite, reinvite, remind and revoke.

use chrono::{DateTime, Utc};

use super::{Change, Invitation, InvitationState, NextAction, NextActionKind, PortalRecord, guards::Recipient};
use crate::{
    email::EmailAddress,
    ids::InvitationId,
    policy::{
        FIRST_RESCHEDULE, LONGEST_REMINDER_DELAY, MAIL_WINDOW, MAX_BIRTH_DATE_ATTEMPTS, MAX_SECRETS, MAX_TRIES,
        next_reminder,
    },
    practice::{Practice, ReminderPolicy},
    refusal::{InviteRefusal, ReinviteRefusal, RevokeRefusal},
    states::RevokeReason,
    timeline::{ChangeContext, EventKind, Role},
};

/// Why a due reminder is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReminderBlock {
    /// The reason may disappear: try the reminder again later.
    Temporary,
    /// The reminder can never be sent: a change that would allow it also sets a new next action, or none.
    Permanent,
}

impl PortalRecord {
    /// Invites the patient to the given address, or by default to the profile's.
    ///
    /// # Errors
    /// As [`PortalRecord::may_invite`]. The store checks during the commit whether the address is free.
    pub fn invite(
        &self,
        practice: &Practice,
        recipient: &Recipient,
        id: InvitationId,
        context: ChangeContext,
    ) -> Result<Change, InviteRefusal> {
        let (role, at) = (context.actor.role, context.at);
        let email = self.may_invite(practice, recipient, role, at)?;
        let kind = EventKind::Invited { invitation: id.clone(), address_confirmed: recipient.confirmed };
        Ok(self.change(context, kind, |after| {
            after.link = None;
            after.record_mail(role, at);
            // After a mail that was sent, each invitation is a reinvitation, by whatever command.
            if after.first_sent_at.is_some() {
                after.last_reinvited_at = Some(at);
            }
            after.queue(Invitation::new(id, email, 0, at));
        }))
    }

    /// Invites the patient again, manually or by a reminder, to the given address or by default to the previous one.
    ///
    /// # Errors
    /// As [`PortalRecord::may_reinvite`]. The store checks during the commit whether a different address is free.
    pub fn reinvite(
        &self,
        practice: &Practice,
        recipient: &Recipient,
        id: InvitationId,
        context: ChangeContext,
    ) -> Result<Change, ReinviteRefusal> {
        let role = context.actor.role;
        let email = self.may_reinvite(practice, recipient, role, context.at)?;
        let previous = self.invitation.as_ref();
        let another_address = previous.is_some_and(|previous| previous.email != email);
        let reminders_sent =
            if role == Role::Sweep { previous.map_or(0, |previous| previous.reminders_sent + 1) } else { 0 };
        let at = context.at;
        let kind =
            EventKind::Reinvited { invitation: id.clone(), another_address, address_confirmed: recipient.confirmed };
        Ok(self.change(context, kind, |after| {
            // A link without a remaining date-of-birth attempt cannot be used, so a new one replaces it.
            if another_address || after.birth_date_attempts_used_up() {
                after.link = None;
            }
            after.trim_secrets();
            after.record_mail(role, at);
            after.last_reinvited_at = Some(at);
            after.queue(Invitation::new(id, email, reminders_sent, at));
        }))
    }

    /// Revokes the invitation: a queued mail is not sent, a mailed link stops working, and the address is free.
    ///
    /// # Errors
    /// As [`PortalRecord::may_revoke`].
    pub fn revoke(&self, context: ChangeContext) -> Result<Change, RevokeRefusal> {
        let invitation = self.may_revoke()?.id.clone();
        Ok(self.revoked(invitation, RevokeReason::Undone, context))
    }

    /// Stops the reminders at the patient's request (RFC 8058). `None` if they are stopped already.
    #[must_use]
    pub fn stop_reminders(&self, context: ChangeContext) -> Option<Change> {
        (!self.reminders_stopped).then(|| {
            self.change(context, EventKind::RemindersStopped, |after| {
                after.reminders_stopped = true;
                after.clear_reminder();
            })
        })
    }

    /// Sends the reminder that this record waits for: the sweep reinvites the patient, to the same address.
    ///
    /// # Errors
    /// [`ReminderBlock`] says whether to try again later.
    pub fn remind(
        &self,
        practice: &Practice,
        id: InvitationId,
        context: ChangeContext,
    ) -> Result<Change, ReminderBlock> {
        if !self.may_be_reminded(&practice.settings.reminders) {
            return Err(ReminderBlock::Permanent);
        }
        let at = context.at;
        self.reinvite(practice, &Recipient::default(), id, context)
            .map_err(|refusal| self.reminder_block(practice, &refusal, at))
    }

    /// Whether a reminder that was refused may be tried again later.
    #[must_use]
    pub fn reminder_block(&self, practice: &Practice, refusal: &ReinviteRefusal, now: DateTime<Utc>) -> ReminderBlock {
        match refusal {
            // An account, also a closed one, is never removed to invite the patient again. Opting in sends nothing by itself. An address that
            // bounced stays unusable. An invitation that was sent or revoked meanwhile has set its own next action.
            ReinviteRefusal::AlreadyRegistered
            | ReinviteRefusal::AccountClosed
            | ReinviteRefusal::OptedOut
            | ReinviteRefusal::AddressSuppressed
            | ReinviteRefusal::SendInProgress
            | ReinviteRefusal::NotInvited => ReminderBlock::Permanent,
            // Staff may add the date of birth, set the patient active, or remove the address from the other patient's profile.
            ReinviteRefusal::DateOfBirthMissing
            | ReinviteRefusal::PatientInactive
            | ReinviteRefusal::EmailInUse { .. }
            | ReinviteRefusal::TooManyRefusals { .. }
            | ReinviteRefusal::PortalNotActivated
            | ReinviteRefusal::PatientNotFound
            | ReinviteRefusal::TooSoon { .. } => self.temporary_unless_overdue(practice, now),
        }
    }

    /// Temporary, unless the reminder has been due for too long.
    fn temporary_unless_overdue(&self, practice: &Practice, now: DateTime<Utc>) -> ReminderBlock {
        let settings = &practice.settings;
        let due = self.invitation.as_ref().and_then(|invitation| {
            let sent_at = invitation.receipt()?.at;
            next_reminder(&settings.reminders, settings.time_zone, sent_at, invitation.reminders_sent)
        });
        if due.is_some_and(|due| now < due + LONGEST_REMINDER_DELAY) {
            ReminderBlock::Temporary
        } else {
            ReminderBlock::Permanent
        }
    }

    /// Whether the reminder that this record waits for may still be sent.
    #[must_use]
    pub fn may_be_reminded(&self, policy: &ReminderPolicy) -> bool {
        let invitation_allows = self.invitation.as_ref().is_some_and(|invitation| match &invitation.state {
            InvitationState::Sent { delivery, .. } => {
                !delivery.suppresses_address() && usize::from(invitation.reminders_sent) < policy.after_days().len()
            }
            InvitationState::Queued
            | InvitationState::Sending { .. }
            | InvitationState::Failed { .. }
            | InvitationState::Revoked { .. }
            | InvitationState::Consumed { .. } => false,
        });
        invitation_allows && !self.reminders_stopped && !self.birth_date_attempts_used_up()
    }

    pub(super) fn revoked(&self, invitation: InvitationId, reason: RevokeReason, context: ChangeContext) -> Change {
        let at = context.at;
        self.change(context, EventKind::InvitationRevoked { invitation, reason }, |after| {
            after.revoke_invitation(reason, at);
        })
    }

    /// Whether the current link has no date-of-birth attempt left: it will be locked.
    fn birth_date_attempts_used_up(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.birth_date_attempts >= MAX_BIRTH_DATE_ATTEMPTS)
    }

    pub(super) fn clear_reminder(&mut self) {
        self.next_action = self.next_action.filter(|next| next.kind != NextActionKind::Remind);
    }

    fn queue(&mut self, invitation: Invitation) {
        self.next_action =
            Some(NextAction { kind: NextActionKind::Deliver, at: invitation.queued_at + FIRST_RESCHEDULE });
        self.invitation = Some(invitation);
    }

    /// Counts a mail for the budget of this role.
    fn record_mail(&mut self, role: Role, at: DateTime<Utc>) {
        for mails in [&mut self.staff_mails, &mut self.holder_mails] {
            mails.retain(|earlier| *earlier + MAIL_WINDOW > at);
        }
        match role {
            Role::Sweep => {}
            Role::Patient => self.holder_mails.push(at),
            Role::Staff | Role::Support | Role::Portal | Role::Sender | Role::MailService => self.staff_mails.push(at),
        }
    }

    /// Removes the oldest secrets, so that the next tries have room for theirs. Expired secrets are kept, because their
    /// holders may ask for a new link.
    fn trim_secrets(&mut self) {
        if let Some(link) = &mut self.link {
            let kept = MAX_SECRETS - usize::from(MAX_TRIES);
            link.secrets.drain(..link.secrets.len().saturating_sub(kept));
        }
    }
}

impl Invitation {
    const fn new(id: InvitationId, email: EmailAddress, reminders_sent: u8, at: DateTime<Utc>) -> Self {
        Self {
            id,
            email,
            queued_at: at,
            attempt: 0,
            tries_left: MAX_TRIES,
            reschedules: 0,
            reminders_sent,
            state: InvitationState::Queued,
        }
    }
}
