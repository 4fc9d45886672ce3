//! Handing the current invitation's mail to SES, and what becomes of it.
//!
//! Claiming a mail and giving the claim back are *leases*, not changes: they raise the fence, not the version,
//! and leave no event. What staff and patients can see changes when the mail is sent or has failed.

use chrono::{DateTime, Utc};

use super::{
    Account, Change, Choice, Delivery, FailReason, Invitation, InvitationState, NextAction, NextActionKind,
    PortalRecord, Receipt, RevokeReason,
};
use crate::{
    ids::{InvitationId, LinkId, MessageId, RecordKey},
    link::{Link, LiveSecret, SecretHash},
    policy::{LONGEST_DEFERRAL, SEND_GRACE, SEND_LEASE, next_reminder},
    practice::Practice,
    timeline::{Act, EventKind},
};

/// What a sender brings to claim a mail.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Which invitation the queue message named.
    pub invitation: InvitationId,
    /// Now.
    pub now: DateTime<Utc>,
    /// The id for the record's link, if it has none yet.
    pub fresh_link: LinkId,
    /// The hash of the secret that this try will mail.
    pub secret: SecretHash,
    /// When that secret expires.
    pub expires_at: DateTime<Utc>,
}

/// What SES tells of one mail. Every such event proves that SES accepted that mail; they come late, repeated and in
/// any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailEvent {
    /// Whose record.
    pub key: RecordKey,
    /// Which invitation's mail.
    pub invitation: InvitationId,
    /// Which try.
    pub attempt: u32,
    /// Under which id SES accepted it.
    pub message: MessageId,
    /// What became of it; [`Delivery::Accepted`] if that is all that is known.
    pub news: Delivery,
}

/// Why a mail cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclaimable {
    /// Sent, superseded, revoked, registered: there is nothing to do.
    Done,
    /// Another sender has it.
    Held,
    /// Every try was used up without an answer: it has failed, and somebody must write that down.
    Exhausted,
    /// The patient opted out while a sender had it, and that sender never answered: it is to be revoked.
    Abandoned,
}

impl PortalRecord {
    /// Claims the current invitation's mail for one sender: the record as it is then.
    ///
    /// # Errors
    /// [`Unclaimable`] says why not.
    pub fn claim(&self, request: &ClaimRequest) -> Result<Self, Unclaimable> {
        self.claimable(&request.invitation, request.now)?;
        let mut after = self.clone();
        after.fence += 1;
        let link =
            after.link.get_or_insert_with(|| Link { id: request.fresh_link.clone(), secrets: Vec::new(), guesses: 0 });
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

    /// Whether this very request has claimed the mail: its first reply was lost, and it asks again.
    #[must_use]
    pub fn claimed_by(&self, request: &ClaimRequest) -> bool {
        let newest = self.link.as_ref().and_then(|link| link.secrets.last());
        self.sending(self.fence).is_some_and(|invitation| invitation.id == request.invitation)
            && newest.is_some_and(|newest| newest.hash == request.secret)
    }

    /// Whether this invitation's mail can be claimed now.
    ///
    /// # Errors
    /// [`Unclaimable`] says why not.
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

    /// The sender gives its claim back: SES said "later" before it took anything, so this try does not count and
    /// its secret was never mailed. The record as it is then; `None` if the claim is no longer this sender's.
    #[must_use]
    pub fn defer(&self, fence: u64, until: DateTime<Utc>) -> Option<Self> {
        self.sending(fence)?;
        let mut after = self.clone();
        // Like a claim: a command that was decided before must not bring the claim back.
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

    /// Whether SES has put this invitation off for so long that it has failed.
    #[must_use]
    pub fn deferred_too_long(&self, now: DateTime<Utc>) -> bool {
        self.invitation.as_ref().is_some_and(|invitation| invitation.queued_at + LONGEST_DEFERRAL <= now)
    }

    /// SES accepted the mail that was claimed under this fence.
    ///
    /// An invitation that was used or taken back while its mail was under way keeps its state and only notes
    /// SES's word. `None` if the fence is no longer this sender's or the word is already noted.
    #[must_use]
    pub fn stamp(
        &self,
        practice: &Practice,
        invitation: &InvitationId,
        fence: u64,
        message: MessageId,
        act: Act,
    ) -> Option<Change> {
        let current = self.current(invitation).filter(|_| self.fence == fence)?;
        let opens_until =
            if let InvitationState::Sending { expires_at, .. } = &current.state { Some(*expires_at) } else { None };
        self.accepted(practice, current, opens_until, current.attempt, message, act)
    }

    /// The current invitation, if this event is of one of its mails.
    #[must_use]
    pub fn mailed_by(&self, event: &MailEvent) -> Option<&Invitation> {
        self.current(&event.invitation).filter(|current| (1..=current.attempt).contains(&event.attempt))
    }

    /// SES tells something of a mail: the next change that follows from it. First that SES accepted the mail, if the
    /// record does not say so yet, then what became of it. `None` if there is nothing new in it.
    ///
    /// It needs no fence: SES's own word holds whoever has the mail in hand, and also after every try has been given up.
    #[must_use]
    pub fn record_event(&self, practice: &Practice, event: &MailEvent, act: Act) -> Option<Change> {
        let MailEvent { invitation, attempt, message, news, .. } = event;
        let current = self.mailed_by(event)?;
        let newest = self.link.as_ref().and_then(|link| link.secrets.last()).map(|newest| newest.expires_at);
        let opens_until = match &current.state {
            InvitationState::Sending { expires_at, .. } => Some(*expires_at),
            // A later try was put off. Without a secret that was mailed, what waits must still go out.
            InvitationState::Queued => newest,
            // The patient may have opted out since, and then no link works.
            InvitationState::Failed { .. } => newest.or(Some(act.at)),
            InvitationState::Sent { .. } | InvitationState::Revoked { .. } | InvitationState::Consumed { .. } => None,
        };
        self.accepted(practice, current, opens_until, *attempt, message.clone(), act.clone())
            .or_else(|| self.record_delivery(invitation, *news, act))
    }

    /// SES's word that it accepted a mail of the current invitation. With `opens_until`, when the mail's link stops
    /// working, an invitation that waits for that word is sent. `None` if the word is noted already.
    fn accepted(
        &self,
        practice: &Practice,
        current: &Invitation,
        opens_until: Option<DateTime<Utc>>,
        attempt: u32,
        message: MessageId,
        act: Act,
    ) -> Option<Change> {
        let receipt = Receipt { at: act.at, message: message.clone() };
        let (state, next_action) = match &current.state {
            InvitationState::Queued | InvitationState::Sending { .. } | InvitationState::Failed { .. } => {
                let reminder = self.next_reminder_after(practice, current, act.at);
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
        let at = act.at;
        Some(self.change(act, kind, |after| {
            after.first_sent_at.get_or_insert(at);
            after.next_action = next_action;
            after.set_invitation_state(state);
        }))
    }

    /// The mail that was claimed under this fence can never be sent. `None` if the fence is no longer this sender's.
    #[must_use]
    pub fn fail_sending(&self, fence: u64, reason: FailReason, act: Act) -> Option<Change> {
        let invitation = self.sending(fence)?.id.clone();
        Some(self.failed(invitation, reason, act))
    }

    /// Writes down what [`PortalRecord::claimable`] found: exhausted invitations fail, abandoned ones are revoked.
    /// `None` if there is nothing to write down.
    #[must_use]
    pub fn finalize(&self, invitation: &InvitationId, act: Act) -> Option<Change> {
        match self.claimable(invitation, act.at) {
            Err(Unclaimable::Exhausted) => Some(self.failed(invitation.clone(), FailReason::Exhausted, act)),
            Err(Unclaimable::Abandoned) => Some(self.revoked(invitation.clone(), RevokeReason::OptedOut, act)),
            Ok(()) | Err(Unclaimable::Done | Unclaimable::Held) => None,
        }
    }

    /// SES tells what became of an accepted mail. `None` if it is not news: another invitation's, not sent, or
    /// not above what is known.
    #[must_use]
    pub fn record_delivery(&self, invitation: &InvitationId, news: Delivery, act: Act) -> Option<Change> {
        let current = self.current(invitation)?;
        let InvitationState::Sent { receipt, delivery, expires_at } = &current.state else {
            return None;
        };
        if news <= *delivery {
            return None;
        }
        let state = InvitationState::Sent { receipt: receipt.clone(), delivery: news, expires_at: *expires_at };
        Some(self.change(act, EventKind::DeliveryChanged { invitation: invitation.clone(), delivery: news }, |after| {
            if news.suppresses_address() {
                after.clear_reminder();
            }
            after.set_invitation_state(state);
        }))
    }

    fn failed(&self, invitation: InvitationId, reason: FailReason, act: Act) -> Change {
        let at = act.at;
        self.change(act, EventKind::InvitationFailed { invitation, reason }, |after| {
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
