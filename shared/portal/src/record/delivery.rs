//! Transitions for sending the current invitation's mail by SES, and for its delivery state.
//!
//! Claiming a mail and giving the claim back are *leases*, not changes: they raise the fence, not the version, and add no
//! event. What staff and patients see changes when the mail is sent or has failed.

use chrono::{DateTime, Utc};

use super::{Account, Change, Choice, Invitation, InvitationState, NextAction, NextActionKind, PortalRecord, Receipt};
use crate::states::{Delivery, FailReason, RevokeReason};
use crate::{
    ids::{InvitationId, LinkId, MessageId, RecordKey},
    link::{Link, LiveSecret, SecretHash},
    policy::{LONGEST_DEFERRAL, SEND_GRACE, SEND_LEASE, next_reminder},
    practice::Practice,
    timeline::{ChangeContext, EventKind},
};

/// A sender's request to claim a mail.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The invitation in the queue message.
    pub invitation: InvitationId,
    /// The current time.
    pub now: DateTime<Utc>,
    /// The id for a new link, if the record has no link yet.
    pub fresh_link: LinkId,
    /// The hash of the secret that this attempt will mail.
    pub secret: SecretHash,
    /// When that secret expires.
    pub expires_at: DateTime<Utc>,
}

/// An event of SES about one mail. Every event proves that SES accepted the mail. Events may be late, repeated and out of
/// order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailEvent {
    /// The record's key.
    pub key: RecordKey,
    /// The invitation whose mail it is.
    pub invitation: InvitationId,
    /// The attempt whose mail it is.
    pub attempt: u32,
    /// The id under which SES accepted the mail.
    pub message: MessageId,
    /// The mail's delivery state; [`Delivery::Accepted`] if no more is known.
    pub delivery: Delivery,
}

/// Why a mail cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclaimable {
    /// The invitation is sent, superseded, revoked or used: there is nothing to send.
    Done,
    /// Another sender has claimed it.
    Held,
    /// No try is left, and no outcome is known: the invitation must be recorded as failed.
    Exhausted,
    /// The patient opted out while a sender had the claim, and that sender recorded no outcome: the invitation must be
    /// revoked.
    Abandoned,
}

impl PortalRecord {
    /// Claims the current invitation's mail for one sender. Returns the record after the claim.
    ///
    /// # Errors
    /// [`Unclaimable`]
    pub fn claim(&self, request: &ClaimRequest) -> Result<Self, Unclaimable> {
        self.claimable(&request.invitation, request.now)?;
        let mut after = self.clone();
        after.fence += 1;
        let link = after.link.get_or_insert_with(|| Link {
            id: request.fresh_link.clone(),
            secrets: Vec::new(),
            birth_date_attempts: 0,
        });
        link.secrets.push(LiveSecret { hash: request.secret, expires_at: request.expires_at });
        after.next_action =
            Some(NextAction { kind: NextActionKind::Deliver, at: request.now + SEND_LEASE + SEND_GRACE });
        if let Some(invitation) = &mut after.invitation {
            invitation.attempt += 1;
            invitation.tries_left -= 1;
            invitation.state =
                InvitationState::Sending { lease_until: request.now + SEND_LEASE, expires_at: request.expires_at };
        }
        Ok(after)
    }

    /// Whether this same request has claimed the mail before. That happens if the reply was lost and the request is retried.
    #[must_use]
    pub fn claimed_by(&self, request: &ClaimRequest) -> bool {
        let newest = self.link.as_ref().and_then(|link| link.secrets.last());
        self.sending(self.fence).is_some_and(|invitation| invitation.id == request.invitation)
            && newest.is_some_and(|newest| newest.hash == request.secret)
    }

    /// Checks whether this invitation's mail can be claimed now.
    ///
    /// # Errors
    /// [`Unclaimable`]
    pub fn claimable(&self, invitation: &InvitationId, now: DateTime<Utc>) -> Result<(), Unclaimable> {
        let current = self.current(invitation).ok_or(Unclaimable::Done)?;
        match current.state {
            InvitationState::Queued => {}
            InvitationState::Sending { lease_until, .. } if lease_until + SEND_GRACE <= now => {}
            InvitationState::Sending { .. } => return Err(Unclaimable::Held),
            InvitationState::Sent { .. }
            | InvitationState::Failed { .. }
            | InvitationState::Revoked { .. }
            | InvitationState::Consumed { .. } => return Err(Unclaimable::Done),
        }
        if self.choice != Choice::In {
            return Err(Unclaimable::Abandoned);
        }
        if self.account != Account::None {
            return Err(Unclaimable::Done);
        }
        if current.tries_left == 0 { Err(Unclaimable::Exhausted) } else { Ok(()) }
    }

    /// The sender gives its claim back, because SES said "later" and accepted nothing. So this try does not count, and its
    /// secret was never mailed. Returns the record after that; `None` if this sender no longer has the claim.
    #[must_use]
    pub fn defer(&self, fence: u64, until: DateTime<Utc>) -> Option<Self> {
        self.sending(fence)?;
        let mut after = self.clone();
        // Raise the fence as in a claim: a command that was decided before must not restore the claim.
        after.fence += 1;
        if let Some(link) = &mut after.link {
            link.secrets.pop();
        }
        after.next_action = Some(NextAction { kind: NextActionKind::Deliver, at: until });
        if let Some(invitation) = &mut after.invitation {
            invitation.tries_left += 1;
            invitation.state = InvitationState::Queued;
        }
        Some(after)
    }

    /// Whether SES has deferred this invitation for so long that it has failed.
    #[must_use]
    pub fn deferred_too_long(&self, now: DateTime<Utc>) -> bool {
        self.invitation.as_ref().is_some_and(|invitation| invitation.queued_at + LONGEST_DEFERRAL <= now)
    }

    /// SES accepted the mail that was claimed under this fence.
    ///
    /// An invitation that was used or revoked while its mail was being sent keeps its state and only gets the receipt.
    /// `None` if this sender no longer has the claim, or the receipt is recorded already.
    #[must_use]
    pub fn stamp(
        &self,
        practice: &Practice,
        invitation: &InvitationId,
        fence: u64,
        message: MessageId,
        context: ChangeContext,
    ) -> Option<Change> {
        let current = self.current(invitation).filter(|_| self.fence == fence)?;
        let opens_until =
            if let InvitationState::Sending { expires_at, .. } = &current.state { Some(*expires_at) } else { None };
        self.accepted(practice, current, opens_until, current.attempt, message, context)
    }

    /// The current invitation, if this event concerns one of its mails.
    #[must_use]
    pub fn invitation_of(&self, event: &MailEvent) -> Option<&Invitation> {
        self.current(&event.invitation).filter(|current| (1..=current.attempt).contains(&event.attempt))
    }

    /// The next change that follows from an event of SES: first that SES accepted the mail, if that is not recorded yet, then
    /// the mail's delivery state. `None` if the event contains nothing new.
    ///
    /// It needs no fence: an event of SES is valid whichever sender has the claim, and also after the invitation has failed.
    #[must_use]
    pub fn record_event(&self, practice: &Practice, event: &MailEvent, context: ChangeContext) -> Option<Change> {
        let MailEvent { invitation, attempt, message, delivery, .. } = event;
        let current = self.invitation_of(event)?;
        let newest = self.link.as_ref().and_then(|link| link.secrets.last()).map(|newest| newest.expires_at);
        let opens_until = match &current.state {
            InvitationState::Sending { expires_at, .. } => Some(*expires_at),
            // A later try was deferred. If no secret was mailed, the queued mail must still be sent.
            InvitationState::Queued => newest,
            // If the patient has opted out since, there is no link.
            InvitationState::Failed { .. } => newest.or(Some(context.at)),
            InvitationState::Sent { .. } | InvitationState::Revoked { .. } | InvitationState::Consumed { .. } => None,
        };
        self.accepted(practice, current, opens_until, *attempt, message.clone(), context.clone())
            .or_else(|| self.record_delivery(invitation, *delivery, context))
    }

    /// Records that SES accepted a mail of the current invitation. If `opens_until` says when the mail's link stops working,
    /// an invitation without a receipt becomes sent. `None` if the receipt is recorded already.
    fn accepted(
        &self,
        practice: &Practice,
        current: &Invitation,
        opens_until: Option<DateTime<Utc>>,
        attempt: u32,
        message: MessageId,
        context: ChangeContext,
    ) -> Option<Change> {
        let receipt = Receipt { at: context.at, message: message.clone() };
        let (state, next_action) = match &current.state {
            InvitationState::Queued | InvitationState::Sending { .. } | InvitationState::Failed { .. } => {
                let reminder = self.next_reminder_after(practice, current, context.at);
                (InvitationState::Sent { receipt, delivery: Delivery::Accepted, expires_at: opens_until? }, reminder)
            }
            InvitationState::Revoked { reason, at, receipt: None } => {
                (InvitationState::Revoked { reason: *reason, at: *at, receipt: Some(receipt) }, self.next_action)
            }
            InvitationState::Consumed { at, receipt: None } => {
                (InvitationState::Consumed { at: *at, receipt: Some(receipt) }, self.next_action)
            }
            InvitationState::Sent { .. }
            | InvitationState::Revoked { receipt: Some(_), .. }
            | InvitationState::Consumed { receipt: Some(_), .. } => return None,
        };
        let kind = EventKind::InvitationSent { invitation: current.id.clone(), attempt, message };
        let at = context.at;
        Some(self.change(context, kind, |after| {
            after.first_sent_at.get_or_insert(at);
            after.next_action = next_action;
            after.set_invitation_state(state);
        }))
    }

    /// The mail that was claimed under this fence can never be sent. `None` if this sender no longer has the claim.
    #[must_use]
    pub fn fail_sending(&self, fence: u64, reason: FailReason, context: ChangeContext) -> Option<Change> {
        let invitation = self.sending(fence)?.id.clone();
        Some(self.failed(invitation, reason, context))
    }

    /// Ends an invitation that can never be claimed again: an exhausted one fails, an abandoned one is revoked. `None` if
    /// neither applies.
    #[must_use]
    pub fn finalize(&self, invitation: &InvitationId, context: ChangeContext) -> Option<Change> {
        match self.claimable(invitation, context.at) {
            Err(Unclaimable::Exhausted) => Some(self.failed(invitation.clone(), FailReason::Exhausted, context)),
            Err(Unclaimable::Abandoned) => Some(self.revoked(invitation.clone(), RevokeReason::OptedOut, context)),
            Ok(()) | Err(Unclaimable::Done | Unclaimable::Held) => None,
        }
    }

    /// Records the delivery state of an accepted mail. `None` if the invitation is not the current one, if it is not sent, or
    /// if the state's rank is not above the recorded one.
    #[must_use]
    pub fn record_delivery(
        &self,
        invitation: &InvitationId,
        delivery: Delivery,
        context: ChangeContext,
    ) -> Option<Change> {
        let current = self.current(invitation)?;
        let InvitationState::Sent { receipt, delivery: recorded, expires_at } = &current.state else {
            return None;
        };
        if delivery <= *recorded {
            return None;
        }
        let state = InvitationState::Sent { receipt: receipt.clone(), delivery, expires_at: *expires_at };
        let email = current.email.clone();
        Some(self.change(context, EventKind::DeliveryChanged { invitation: invitation.clone(), delivery }, |after| {
            if let Some(reason) = delivery.suppression() {
                after.clear_reminder();
                after.suppress(&email, reason);
            }
            after.set_invitation_state(state);
        }))
    }

    fn failed(&self, invitation: InvitationId, reason: FailReason, context: ChangeContext) -> Change {
        let at = context.at;
        self.change(context, EventKind::InvitationFailed { invitation, reason }, |after| {
            after.next_action = None;
            after.set_invitation_state(InvitationState::Failed { reason, at });
        })
    }

    fn current(&self, invitation: &InvitationId) -> Option<&Invitation> {
        self.invitation.as_ref().filter(|current| current.id == *invitation)
    }

    fn sending(&self, fence: u64) -> Option<&Invitation> {
        self.invitation
            .as_ref()
            .filter(|current| self.fence == fence && matches!(current.state, InvitationState::Sending { .. }))
    }

    fn next_reminder_after(
        &self,
        practice: &Practice,
        invitation: &Invitation,
        sent_at: DateTime<Utc>,
    ) -> Option<NextAction> {
        if self.reminders_stopped || self.choice != Choice::In {
            return None;
        }
        let settings = &practice.settings;
        let at = next_reminder(&settings.reminders, settings.time_zone, sent_at, invitation.reminders_sent)?;
        Some(NextAction { kind: NextActionKind::Remind, at })
    }
}
