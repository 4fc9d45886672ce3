//! Handing one invitation's mail to SES: claim, send, stamp.
//!
//! Three round trips if all goes well. Whatever goes wrong in between, the record says so and the sweep finds it:
//! a queue message is only a hint and may be lost, doubled or late.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    breaker::{Breaker, PAUSE},
    insist::insist,
};
use crate::{
    ids::RequestId,
    link::Token,
    policy::deferral_wait,
    ports::{
        ClaimOutcome, Clock, DeliveryStore, Entropy, InvitationMail, InvitationMessage, Mailer, SendOutcome, StoreError,
    },
    record::{
        Change, FailReason, PortalRecord,
        delivery::{ClaimRequest, Unclaimable},
    },
    timeline::{Act, Actor, Role},
};

/// What became of a queue message. In every case the message itself is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// SES accepted the mail and the record says so.
    Sent,
    /// SES said "later", or said nothing to anybody: it is queued again.
    PutOff,
    /// SES sends nothing for now, and the breaker is open. It is queued again, or given up if that has gone on for days.
    Paused,
    /// SES sends nothing for now, as another mail has told: nothing was done.
    LeftAlone,
    /// SES refuses the mail for good, and the record says so.
    Refused,
    /// The mail is given up, and the record says so.
    Failed,
    /// SES gave no answer that tells. Nobody sends it again before its lease and grace are over.
    Unknown,
    /// There was nothing to send.
    NotClaimed(Unclaimable),
    /// The mail was accepted, but something else has taken the record on since.
    Superseded,
}

/// The functions and services that delivering needs.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'ports, S, M, C, E> {
    /// The records.
    pub store: &'ports S,
    /// The mail service.
    pub mailer: &'ports M,
    /// The time.
    pub clock: &'ports C,
    /// Secrets for links.
    pub entropy: &'ports E,
    /// Whether SES sends anything.
    pub breaker: &'ports Breaker,
}

impl<S: DeliveryStore, M: Mailer, C: Clock, E: Entropy> Delivery<'_, S, M, C, E> {
    /// Works off one queue message. `request` names this run in the timeline.
    ///
    /// # Errors
    /// [`StoreError`] if the record could not be read or written: the message should be seen again.
    pub async fn deliver(&self, message: &InvitationMessage, request: &RequestId) -> Result<Delivered, StoreError> {
        // Before the claim: what cannot be tried keeps its place in the calendar, and the sweep comes back to it.
        let Some(pass) = self.breaker.pass(self.clock.now()) else { return Ok(Delivered::LeftAlone) };
        let Some(practice) = self.store.practice_of(&message.key.practice).await? else {
            return Ok(Delivered::NotClaimed(Unclaimable::Done));
        };
        let now = self.clock.now();
        let secret = self.entropy.link_secret();
        let claim = ClaimRequest {
            invitation: message.invitation.clone(),
            now,
            fresh_link: self.entropy.link_id(),
            secret: secret.hash(),
            expires_at: practice.settings.link_days.expiry(now),
        };
        let record = match self.store.claim(&message.key, &claim).await? {
            ClaimOutcome::Claimed(record) => record,
            ClaimOutcome::Refused(reason) => return self.settle(message, reason, request).await,
        };
        let Some((invitation, link)) = record.invitation.as_ref().zip(record.link.as_ref()) else {
            return Err(StoreError::Corrupt("a claimed record has no invitation or no link".into()));
        };
        let mail = InvitationMail {
            key: message.key.clone(),
            to: invitation.email.clone(),
            language: record.profile.language,
            token: Token { link: link.id.clone(), secret },
            expires_at: claim.expires_at,
            invitation: invitation.id.clone(),
            attempt: invitation.attempt,
            practice,
        };
        let outcome = pass.hand_over(self.clock, self.mailer.send(&mail)).await;
        self.write_down(outcome, *record, &mail, request).await
    }

    async fn write_down(
        &self,
        outcome: SendOutcome,
        record: PortalRecord,
        mail: &InvitationMail,
        request: &RequestId,
    ) -> Result<Delivered, StoreError> {
        let fence = record.fence;
        match outcome {
            SendOutcome::Accepted(message) => {
                let stamp = |record: &PortalRecord, act| {
                    record.stamp(&mail.practice, &mail.invitation, fence, message.clone(), act)
                };
                self.commit(record, request, stamp, Delivered::Sent).await
            }
            SendOutcome::Refused => {
                self.commit(
                    record,
                    request,
                    |record, act| record.fail_sending(fence, FailReason::Refused, act),
                    Delivered::Refused,
                )
                .await
            }
            SendOutcome::Throttled => self.put_off(record, mail, TimeDelta::zero(), request).await,
            SendOutcome::Paused => {
                self.put_off(record, mail, PAUSE, request).await?;
                // Whatever became of this mail, that is what people must hear of.
                Ok(Delivered::Paused)
            }
            SendOutcome::Unknown => Ok(Delivered::Unknown),
        }
    }

    /// Writes the change that `decide` makes of the record: an accepted mail that is not written down would be sent
    /// again.
    async fn commit(
        &self,
        record: PortalRecord,
        request: &RequestId,
        decide: impl Fn(&PortalRecord, Act) -> Option<Change>,
        done: Delivered,
    ) -> Result<Delivered, StoreError> {
        let act = act(self.clock, request);
        let written = insist(self.store, record, |record| decide(record, act.clone())).await?;
        Ok(written.map_or(Delivered::Superseded, |_| done))
    }

    /// SES took nothing: the invitation is queued again, unless it has been put off for days.
    async fn put_off(
        &self,
        record: PortalRecord,
        mail: &InvitationMail,
        pause: TimeDelta,
        request: &RequestId,
    ) -> Result<Delivered, StoreError> {
        let (now, fence) = (self.clock.now(), record.fence);
        if record.deferred_too_long(now) {
            let fail = |record: &PortalRecord, act| record.fail_sending(fence, FailReason::Exhausted, act);
            return self.commit(record, request, fail, Delivered::Failed).await;
        }
        let until = now + pause + deferral_wait(mail.attempt, self.entropy.jitter());
        match record.put_off(fence, until) {
            Some(waiting) if self.store.put_off(&waiting).await? => Ok(Delivered::PutOff),
            Some(_) | None => Ok(Delivered::Superseded),
        }
    }

    /// Nothing could be claimed. If nobody ever will, the record must say so: nothing stays queued for ever.
    async fn settle(
        &self,
        message: &InvitationMessage,
        reason: Unclaimable,
        request: &RequestId,
    ) -> Result<Delivered, StoreError> {
        match reason {
            Unclaimable::Done | Unclaimable::Held => Ok(Delivered::NotClaimed(reason)),
            Unclaimable::Exhausted | Unclaimable::Abandoned => {
                let Some(record) = self.store.record(&message.key).await? else {
                    return Ok(Delivered::NotClaimed(reason));
                };
                self.commit(record, request, |record, act| record.settle(&message.invitation, act), Delivered::Failed)
                    .await
            }
        }
    }
}

/// What the sender does, now.
pub(super) fn act(clock: &impl Clock, request: &RequestId) -> Act {
    Act { at: clock.now(), actor: Actor::unnamed(Role::Sender), request: request.clone() }
}

/// Whether a batch may still begin a claim: a mail must not be handed over by a function that is about to be stopped.
#[must_use]
pub fn time_to_claim(now: DateTime<Utc>, deadline: DateTime<Utc>) -> bool {
    const LEAST: TimeDelta = TimeDelta::seconds(10);
    deadline - now >= LEAST
}
