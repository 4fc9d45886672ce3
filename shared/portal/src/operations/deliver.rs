//! Handing one invitation's mail to SES: claim, send, stamp.
//!
//! Three round trips if all goes well. Whatever goes wrong in between, the record says so and the sweep finds it:
//! a queue message is only a hint and may be lost, doubled or late.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    breaker::{Breaker, PAUSE},
    commit::commit_with_retry,
};
use crate::{
    ids::RequestId,
    link::Token,
    policy::deferral_wait,
    ports::{
        ClaimOutcome, Clock, DeliveryStore, Entropy, InvitationMail, InvitationMessage, Mailer, Ports, SendOutcome,
        StoreError,
    },
    record::{
        Change, FailReason, PortalRecord,
        delivery::{ClaimRequest, Unclaimable},
    },
    timeline::{Act, Actor, Role},
};

/// What became of a queue message. In every case the message itself is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// SES accepted the mail and the record says so.
    Sent,
    /// SES said "later", or said nothing to anybody: it is queued again.
    Deferred,
    /// SES sends nothing for now, and the breaker is open. It is queued again, or given up if that has gone on for days.
    Paused,
    /// SES sends nothing for now, as another mail has told: nothing was done.
    Skipped,
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

/// The mail service, and whether it sends anything.
#[derive(Clone, Copy, Debug)]
pub struct MailService<'world, M> {
    /// The mail service.
    pub mailer: &'world M,
    /// Whether it sends anything.
    pub breaker: &'world Breaker,
}

/// Processes one queue message of an invitation. `request` names this run in the timeline.
///
/// # Errors
/// [`StoreError`] if the record could not be read or written: the message must be received again.
pub async fn deliver(
    ports: &Ports<'_, impl DeliveryStore>,
    mail_service: &MailService<'_, impl Mailer>,
    entropy: &dyn Entropy,
    message: &InvitationMessage,
    request: &RequestId,
) -> Result<DeliveryOutcome, StoreError> {
    DeliveryRun { ports, mail_service, entropy, request }.deliver(message).await
}

/// One run of [`deliver`].
struct DeliveryRun<'run, S, M> {
    ports: &'run Ports<'run, S>,
    mail_service: &'run MailService<'run, M>,
    entropy: &'run dyn Entropy,
    request: &'run RequestId,
}

impl<S: DeliveryStore, M: Mailer> DeliveryRun<'_, S, M> {
    async fn deliver(&self, message: &InvitationMessage) -> Result<DeliveryOutcome, StoreError> {
        let Ports { store, clock } = *self.ports;
        let entropy = self.entropy;
        // Before the claim: what cannot be tried keeps its place in the calendar, and the sweep comes back to it.
        let Some(pass) = self.mail_service.breaker.pass(clock.now()) else { return Ok(DeliveryOutcome::Skipped) };
        let Some(practice) = store.practice_of(&message.key.practice).await? else {
            return Ok(DeliveryOutcome::NotClaimed(Unclaimable::Done));
        };
        let now = clock.now();
        let secret = entropy.link_secret();
        let claim = ClaimRequest {
            invitation: message.invitation.clone(),
            now,
            fresh_link: entropy.link_id(),
            secret: secret.hash(),
            expires_at: practice.settings.link_days.expiry(now),
        };
        let record = match store.claim(&message.key, &claim).await? {
            ClaimOutcome::Claimed(record) => record,
            ClaimOutcome::Refused(reason) => return self.finalize(message, reason).await,
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
        let outcome = pass.hand_over(clock, self.mail_service.mailer.send(&mail)).await;
        self.record_outcome(outcome, *record, &mail).await
    }

    async fn record_outcome(
        &self,
        outcome: SendOutcome,
        record: PortalRecord,
        mail: &InvitationMail,
    ) -> Result<DeliveryOutcome, StoreError> {
        let fence = record.fence;
        match outcome {
            SendOutcome::Accepted(message) => {
                let stamp = |record: &PortalRecord, act| {
                    record.stamp(&mail.practice, &mail.invitation, fence, message.clone(), act)
                };
                self.commit(record, stamp, DeliveryOutcome::Sent).await
            }
            SendOutcome::Refused => {
                let fail = |record: &PortalRecord, act| record.fail_sending(fence, FailReason::Refused, act);
                self.commit(record, fail, DeliveryOutcome::Refused).await
            }
            SendOutcome::Throttled => self.defer(record, mail, TimeDelta::zero()).await,
            SendOutcome::Paused => {
                self.defer(record, mail, PAUSE).await?;
                // Whatever became of this mail, that is what people must hear of.
                Ok(DeliveryOutcome::Paused)
            }
            SendOutcome::Unknown => Ok(DeliveryOutcome::Unknown),
        }
    }

    /// Writes the change that `decide` makes of the record: an accepted mail that is not written down would be sent
    /// again.
    async fn commit(
        &self,
        record: PortalRecord,
        decide: impl Fn(&PortalRecord, Act) -> Option<Change>,
        done: DeliveryOutcome,
    ) -> Result<DeliveryOutcome, StoreError> {
        let act = act(self.ports.clock, self.request);
        let written = commit_with_retry(self.ports.store, record, |record| decide(record, act.clone())).await?;
        Ok(written.map_or(DeliveryOutcome::Superseded, |_| done))
    }

    /// SES took nothing: the invitation is queued again, unless it has been put off for days.
    async fn defer(
        &self,
        record: PortalRecord,
        mail: &InvitationMail,
        pause: TimeDelta,
    ) -> Result<DeliveryOutcome, StoreError> {
        let (now, fence) = (self.ports.clock.now(), record.fence);
        if record.deferred_too_long(now) {
            let fail = |record: &PortalRecord, act| record.fail_sending(fence, FailReason::Exhausted, act);
            return self.commit(record, fail, DeliveryOutcome::Failed).await;
        }
        let until = now + pause + deferral_wait(mail.attempt, self.entropy.jitter());
        match record.defer(fence, until) {
            Some(waiting) if self.ports.store.defer(&waiting).await? => Ok(DeliveryOutcome::Deferred),
            Some(_) | None => Ok(DeliveryOutcome::Superseded),
        }
    }

    /// Nothing could be claimed. If nobody ever will, the record must say so: nothing stays queued for ever.
    async fn finalize(&self, message: &InvitationMessage, reason: Unclaimable) -> Result<DeliveryOutcome, StoreError> {
        match reason {
            Unclaimable::Done | Unclaimable::Held => Ok(DeliveryOutcome::NotClaimed(reason)),
            Unclaimable::Exhausted | Unclaimable::Abandoned => {
                let Some(record) = self.ports.store.record(&message.key).await? else {
                    return Ok(DeliveryOutcome::NotClaimed(reason));
                };
                let finalize = |record: &PortalRecord, act| record.finalize(&message.invitation, act);
                self.commit(record, finalize, DeliveryOutcome::Failed).await
            }
        }
    }
}

/// What the sender does, now.
pub(super) fn act(clock: &dyn Clock, request: &RequestId) -> Act {
    Act { at: clock.now(), actor: Actor::unnamed(Role::Sender), request: request.clone() }
}

/// Whether a batch may still begin a claim: a mail must not be handed over by a function that is about to be stopped.
#[must_use]
pub fn time_to_claim(now: DateTime<Utc>, deadline: DateTime<Utc>) -> bool {
    const LEAST: TimeDelta = TimeDelta::seconds(10);
    deadline - now >= LEAST
}
