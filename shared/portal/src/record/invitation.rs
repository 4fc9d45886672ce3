//! Inviting, inviting again, and taking an invitation back.

use chrono::{DateTime, Utc};

use super::{Change, Invitation, InvitationState, NextAction, NextActionKind, PortalRecord, RevokeReason};
use crate::{
    email::EmailAddress,
    ids::InvitationId,
    policy::{
        FIRST_RESCHEDULE, LONGEST_REMINDER_DELAY, MOST_GUESSES, MOST_SECRETS, MOST_TRIES, REINVITE_WINDOW,
        next_reminder,
    },
    practice::{Practice, ReminderPolicy},
    refusal::{InviteRefusal, ReinviteRefusal, RevokeRefusal},
    timeline::{Act, EventKind, Role},
};

/// Why a reminder that is due does not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unremindable {
    /// What stands against it may pass.
    ForNow,
    /// It will never go out: whatever could make it right again gives the record a next action of its own, or none.
    Never,
}

impl PortalRecord {
    /// Staff invite the patient, to this address or else the profile's.
    ///
    /// # Errors
    /// As [`PortalRecord::may_invite`]. Whether the address is free is the store's to say, when it commits.
    pub fn invite(
        &self,
        practice: &Practice,
        email: Option<&EmailAddress>,
        id: InvitationId,
        act: Act,
    ) -> Result<Change, InviteRefusal> {
        let email = self.may_invite(practice, email)?;
        let at = act.at;
        Ok(self.change(act, EventKind::Invited { invitation: id.clone() }, |after| {
            after.link = None;
            after.queue(Invitation::queued(id, email, 0, at));
        }))
    }

    /// The patient is invited again, by hand or by a reminder, to this address or else the one before.
    ///
    /// # Errors
    /// As [`PortalRecord::may_reinvite`]. Whether another address is free is the store's to say.
    pub fn reinvite(
        &self,
        practice: &Practice,
        email: Option<&EmailAddress>,
        id: InvitationId,
        act: Act,
    ) -> Result<Change, ReinviteRefusal> {
        let role = act.actor.role;
        let email = self.may_reinvite(practice, email, role, act.at)?;
        let previous = self.invitation.as_ref();
        let another_address = previous.is_some_and(|previous| previous.email != email);
        let reminders_sent =
            if role == Role::Sweep { previous.map_or(0, |previous| previous.reminders_sent + 1) } else { 0 };
        let at = act.at;
        Ok(self.change(act, EventKind::Reinvited { invitation: id.clone(), another_address }, |after| {
            // A link whose guesses are used up would be mailed in vain.
            if another_address || after.guesses_used_up() {
                after.link = None;
            }
            after.trim_secrets();
            if role != Role::Sweep {
                after.note_reinvite_by_hand(at);
            }
            after.last_reinvited_at = Some(at);
            after.queue(Invitation::queued(id, email, reminders_sent, at));
        }))
    }

    /// Staff take the invitation back: a queued mail is not sent, a sent link dies, the address is free.
    ///
    /// # Errors
    /// As [`PortalRecord::may_revoke`].
    pub fn revoke(&self, act: Act) -> Result<Change, RevokeRefusal> {
        let invitation = self.may_revoke()?.id.clone();
        Ok(self.revoked(invitation, RevokeReason::Undone, act))
    }

    /// The patient asked for no more reminders (RFC 8058). Asking twice is no second change.
    #[must_use]
    pub fn stop_reminders(&self, act: Act) -> Option<Change> {
        (!self.reminders_stopped).then(|| {
            self.change(act, EventKind::RemindersStopped, |after| {
                after.reminders_stopped = true;
                after.clear_reminder();
            })
        })
    }

    /// The reminder that this record waits for goes out: the sweep reinvites the patient, to the same address.
    ///
    /// # Errors
    /// [`Unremindable`] says whether to look at it again.
    pub fn remind(&self, practice: &Practice, id: InvitationId, act: Act) -> Result<Change, Unremindable> {
        if !self.may_be_reminded(&practice.settings.reminders) {
            return Err(Unremindable::Never);
        }
        let at = act.at;
        self.reinvite(practice, None, id, act).map_err(|refusal| self.unremindable(practice, &refusal, at))
    }

    /// Whether a reminder that this rule refuses is worth another look.
    #[must_use]
    pub fn unremindable(&self, practice: &Practice, refusal: &ReinviteRefusal, now: DateTime<Utc>) -> Unremindable {
        match refusal {
            // An account is never closed to be invited again, opting in sends nothing by itself, an address that has
            // bounced stays bad, and what was sent or taken back meanwhile has a calendar of its own.
            ReinviteRefusal::AlreadyRegistered
            | ReinviteRefusal::OptedOut
            | ReinviteRefusal::AddressSuppressed
            | ReinviteRefusal::SendInProgress
            | ReinviteRefusal::NotInvited => Unremindable::Never,
            // Staff may add the date of birth, correct who is inactive, or take the address off the other patient's profile.
            ReinviteRefusal::DateOfBirthMissing
            | ReinviteRefusal::PatientInactive
            | ReinviteRefusal::EmailInUse { .. }
            | ReinviteRefusal::PortalNotActivated
            | ReinviteRefusal::PatientNotFound
            | ReinviteRefusal::TooSoon { .. } => self.unless_overdue(practice, now),
        }
    }

    /// The reminder is waited for, but not for ever: long after its time it would remind of nothing.
    fn unless_overdue(&self, practice: &Practice, now: DateTime<Utc>) -> Unremindable {
        let settings = &practice.settings;
        let due = self.invitation.as_ref().and_then(|invitation| {
            let sent_at = invitation.receipt()?.at;
            next_reminder(&settings.reminders, settings.time_zone, sent_at, invitation.reminders_sent)
        });
        if due.is_some_and(|due| now < due + LONGEST_REMINDER_DELAY) {
            Unremindable::ForNow
        } else {
            Unremindable::Never
        }
    }

    /// Whether the reminder that this record waits for may still go out.
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
        invitation_allows && !self.reminders_stopped && !self.guesses_used_up()
    }

    pub(super) fn revoked(&self, invitation: InvitationId, reason: RevokeReason, act: Act) -> Change {
        let at = act.at;
        self.change(act, EventKind::InvitationRevoked { invitation, reason }, |after| {
            after.revoke_invitation(reason, at);
        })
    }

    /// Whether no more dates of birth may be compared for the current link: it is locked, or about to be.
    fn guesses_used_up(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.guesses >= MOST_GUESSES)
    }

    pub(super) fn clear_reminder(&mut self) {
        self.next_action = self.next_action.filter(|next| next.kind != NextActionKind::Remind);
    }

    fn queue(&mut self, invitation: Invitation) {
        self.next_action =
            Some(NextAction { kind: NextActionKind::Deliver, at: invitation.queued_at + FIRST_RESCHEDULE });
        self.invitation = Some(invitation);
    }

    fn note_reinvite_by_hand(&mut self, at: DateTime<Utc>) {
        self.recent_reinvites.retain(|earlier| *earlier + REINVITE_WINDOW > at);
        self.recent_reinvites.push(at);
    }

    /// Drops the oldest secrets, so that the coming tries have room for theirs. Expired ones are kept: they open
    /// nothing, but whoever has one may ask for a new link.
    fn trim_secrets(&mut self) {
        if let Some(link) = &mut self.link {
            let room = MOST_SECRETS - usize::from(MOST_TRIES);
            link.secrets.drain(..link.secrets.len().saturating_sub(room));
        }
    }
}

impl Invitation {
    const fn queued(id: InvitationId, email: EmailAddress, reminders_sent: u8, at: DateTime<Utc>) -> Self {
        Self {
            id,
            email,
            queued_at: at,
            attempt: 0,
            tries_left: MOST_TRIES,
            reschedules: 0,
            reminders_sent,
            state: InvitationState::Queued,
        }
    }
}
