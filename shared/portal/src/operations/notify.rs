//! Handing a record's notices to SES: claim, then for each of them send and write down.
//!
//! A queue message is only a hint, as for invitations. What is claimed is the record's place in the calendar: the sender
//! moves it out by a conditional write, of which one sender at a time is told that it was the one.
//!
//! A notice is mailed *at least* once. Where SES gave no answer that tells, an invitation is looked for in SES's own
//! events and given a new secret before it is sent again; a notice has no secret, a second copy of it says nothing new,
//! and one that never came could leave a stolen account unnoticed. So whatever is not known to have been accepted is
//! sent again, until it has been tried for [`crate::policy::LONGEST_DEFERRAL`].

use chrono::{DateTime, Utc};

use super::{
    breaker::{Breaker, Pass},
    deliver::{act, time_to_claim},
    insist::insist,
};
use crate::{
    ids::{MessageId, RecordKey, RequestId},
    ports::{Clock, DeliveryStore, DueEntry, Mailer, NoticeMail, SendOutcome, StoreError},
    practice::Practice,
    record::{FailReason, PortalRecord, notices::Notice},
};

/// What became of a record's notices. All zero: there were none, or another sender has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notified {
    /// SES accepted them and the record says so.
    pub sent: u32,
    /// They can never be sent, and the record says so.
    pub failed: u32,
    /// They are tried again, at the time that the claim gave them.
    pub waiting: u32,
    /// Those of them to which SES said that it sends nothing for now.
    pub paused: u32,
    /// Whether they were not even claimed, since SES sends nothing for now.
    pub left_alone: bool,
}

/// The functions and services that notifying needs.
#[derive(Clone, Copy, Debug)]
pub struct Notify<'ports, S, M, C> {
    /// The records.
    pub store: &'ports S,
    /// The mail service.
    pub mailer: &'ports M,
    /// The time.
    pub clock: &'ports C,
    /// Whether SES sends anything.
    pub breaker: &'ports Breaker,
}

/// What is to be written down of one notice.
enum Fate {
    Sent(MessageId),
    Failed(FailReason),
    Waiting,
    Paused,
}

impl<S: DeliveryStore, M: Mailer, C: Clock> Notify<'_, S, M, C> {
    /// Works off the notices of one record, as far as there is time until `deadline`. `request` names this run in the
    /// timeline.
    ///
    /// # Errors
    /// [`StoreError`] if the record could not be read or written. What is claimed by then is seen to when the claim is
    /// over.
    pub async fn notify(
        &self,
        key: &RecordKey,
        deadline: DateTime<Utc>,
        request: &RequestId,
    ) -> Result<Notified, StoreError> {
        let mut notified = Notified::default();
        let Some(pass) = self.breaker.pass(self.clock.now()) else {
            return Ok(Notified { left_alone: true, ..notified });
        };
        let practice = self.store.practice_of(&key.practice).await?;
        let Some(mut record) = self.claim(key).await? else {
            return Ok(notified);
        };
        let mut pass = Some(pass);
        for notice in record.notices.clone() {
            let pass = pass.take().or_else(|| self.breaker.pass(self.clock.now()));
            let fate = self.hand_over(&record, practice.as_ref(), &notice, pass, deadline).await;
            let act = act(self.clock, request);
            let written = match fate {
                Fate::Waiting => {
                    notified.waiting += 1;
                    continue;
                }
                Fate::Paused => {
                    notified.waiting += 1;
                    notified.paused += 1;
                    continue;
                }
                Fate::Sent(message) => {
                    notified.sent += 1;
                    let sent = |record: &PortalRecord| record.notice_sent(&notice, message.clone(), act.clone());
                    insist(self.store, record.clone(), sent).await?
                }
                Fate::Failed(reason) => {
                    notified.failed += 1;
                    let failed = |record: &PortalRecord| record.notice_failed(&notice, reason, act.clone());
                    insist(self.store, record.clone(), failed).await?
                }
            };
            record = written.unwrap_or(record);
        }
        Ok(notified)
    }

    /// Claims the record's notices for this sender: the record as it is then.
    async fn claim(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        let Some(record) = self.store.record(key).await? else { return Ok(None) };
        let Some(until) = record.notices_claimable(self.clock.now()) else { return Ok(None) };
        let Some(entry) = DueEntry::of(&record) else { return Ok(None) };
        let mine = self.store.nudge(&entry, until).await?;
        Ok(record.nudged(until).filter(|_| mine))
    }

    async fn hand_over(
        &self,
        record: &PortalRecord,
        practice: Option<&Practice>,
        notice: &Notice,
        pass: Option<Pass<'_>>,
        deadline: DateTime<Utc>,
    ) -> Fate {
        let now = self.clock.now();
        // What is overdue is given up, though not without having been tried: SES may have come back.
        let in_vain = if notice.is_overdue(now) { Fate::Failed(FailReason::Exhausted) } else { Fate::Waiting };
        if practice.is_none() {
            return in_vain;
        }
        // Without its practice a notice could not say whom to call.
        let Some(practice) = practice.filter(|_| time_to_claim(now, deadline)) else { return Fate::Waiting };
        let Some(pass) = pass else { return Fate::Waiting };
        let Notice { kind, to, at } = notice;
        let mail = NoticeMail {
            kind: *kind,
            to: to.clone(),
            language: record.profile.language,
            practice: practice.clone(),
            happened_at: *at,
        };
        match pass.hand_over(self.clock, self.mailer.notify(&mail)).await {
            SendOutcome::Accepted(message) => Fate::Sent(message),
            SendOutcome::Refused => Fate::Failed(FailReason::Refused),
            // Certainly not sent, and perhaps sent: as said above, both are tried again.
            SendOutcome::Throttled | SendOutcome::Unknown => in_vain,
            SendOutcome::Paused => Fate::Paused,
        }
    }
}
