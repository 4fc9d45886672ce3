//! Hands one invitation's mail to SES: claim, send, stamp. That is three round trips.
//!
//! If a step fails, the record shows it and the sweep finds it. A queue message is only a hint: it may be lost, duplicated
//! or late.

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
        Change, PortalRecord,
        delivery::{ClaimRequest, Unclaimable},
    },
    states::FailReason,
    timeline::{Actor, ChangeContext, Role},
};

/// The outcome of a queue message. In every case the message can be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// SES accepted the mail, and the record is updated.
    Sent,
    /// SES said "later", and the mail is queued again.
    Deferred,
    /// SES sends nothing for now, and the breaker is open. The mail is queued again, or has failed if SES has deferred it
    /// for days.
    Paused,
    /// The breaker was open already: nothing was done.
    Skipped,
    /// SES refused the mail permanently, and the record is updated.
    Refused,
    /// The invitation has failed, and the record is updated.
    Failed,
    /// It is unknown whether SES accepted the mail. It is not sent again before its lease and grace have ended.
    Unknown,
    /// There was nothing to send.
    NotClaimed(Unclaimable),
    /// The record was changed meanwhile, so this outcome was not written.
    Superseded,
}

/// The mail service and its breaker.
#[derive(Clone, Copy, Debug)]
pub struct MailService<'world, M> {
    /// The mail service.
    pub mailer: &'world M,
    /// The breaker, which stops sending while SES sends nothing.
    pub breaker: &'world Breaker,
}

/// Processes one queue message of an invitation. `request` is this run's id in the timeline.
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
        // Ask before the claim: a mail that must not be tried keeps its place in the calendar, and the sweep hints it again.
        let Some(pass) = self.mail_service.breaker.pass(clock.now()) else { return Ok(DeliveryOutcome::Skipped) };
        let Some(practice) = store.practice_by_id(&message.key.practice).await? else {
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
                let stamp = |record: &PortalRecord, context| {
                    record.stamp(&mail.practice, &mail.invitation, fence, message.clone(), context)
                };
                self.commit(record, stamp, DeliveryOutcome::Sent).await
            }
            SendOutcome::Refused => {
                let fail = |record: &PortalRecord, context| record.fail_sending(fence, FailReason::Refused, context);
                self.commit(record, fail, DeliveryOutcome::Refused).await
            }
            SendOutcome::Throttled => self.defer(record, mail, TimeDelta::zero()).await,
            SendOutcome::Paused => {
                self.defer(record, mail, PAUSE).await?;
                // Also if the mail has failed: operators must learn of the pause.
                Ok(DeliveryOutcome::Paused)
            }
            SendOutcome::Unknown => Ok(DeliveryOutcome::Unknown),
        }
    }

    /// Commits the change that `decide` makes of the record. An accepted mail that is not recorded would be sent again.
    async fn commit(
        &self,
        record: PortalRecord,
        decide: impl Fn(&PortalRecord, ChangeContext) -> Option<Change>,
        done: DeliveryOutcome,
    ) -> Result<DeliveryOutcome, StoreError> {
        let context = sender_context(self.ports.clock, self.request);
        let written = commit_with_retry(self.ports.store, record, |record| decide(record, context.clone())).await?;
        Ok(written.map_or(DeliveryOutcome::Superseded, |_| done))
    }

    /// SES did not accept the mail: queues the invitation again, or fails it if SES has deferred it for days.
    async fn defer(
        &self,
        record: PortalRecord,
        mail: &InvitationMail,
        pause: TimeDelta,
    ) -> Result<DeliveryOutcome, StoreError> {
        let (now, fence) = (self.ports.clock.now(), record.fence);
        if record.deferred_too_long(now) {
            let fail = |record: &PortalRecord, context| record.fail_sending(fence, FailReason::Exhausted, context);
            return self.commit(record, fail, DeliveryOutcome::Failed).await;
        }
        let until = now + pause + deferral_wait(mail.attempt, self.entropy.jitter());
        match record.defer(fence, until) {
            Some(waiting) if self.ports.store.defer(&waiting).await? => Ok(DeliveryOutcome::Deferred),
            Some(_) | None => Ok(DeliveryOutcome::Superseded),
        }
    }

    /// The mail could not be claimed. If it can never be claimed, ends the invitation, so that it does not stay queued.
    async fn finalize(&self, message: &InvitationMessage, reason: Unclaimable) -> Result<DeliveryOutcome, StoreError> {
        match reason {
            Unclaimable::Done | Unclaimable::Held => Ok(DeliveryOutcome::NotClaimed(reason)),
            Unclaimable::Exhausted | Unclaimable::Abandoned => {
                let Some(record) = self.ports.store.record(&message.key).await? else {
                    return Ok(DeliveryOutcome::NotClaimed(reason));
                };
                let finalize = |record: &PortalRecord, context| record.finalize(&message.invitation, context);
                self.commit(record, finalize, DeliveryOutcome::Failed).await
            }
        }
    }
}

/// The context of a change that the sender makes now.
pub(super) fn sender_context(clock: &dyn Clock, request: &RequestId) -> ChangeContext {
    ChangeContext { at: clock.now(), actor: Actor::from_role(Role::Sender), request: request.clone() }
}

/// Whether there is time to claim a mail. A mail must not be handed over just before the function is stopped.
#[must_use]
pub fn time_to_claim(now: DateTime<Utc>, deadline: DateTime<Utc>) -> bool {
    const MIN_TIME: TimeDelta = TimeDelta::seconds(10);
    deadline - now >= MIN_TIME
}
