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
    breaker::Pass,
    commit::commit_with_retry,
    deliver::{MailService, act, time_to_claim},
};
use crate::{
    ids::{MessageId, RecordKey, RequestId},
    ports::{DeliveryStore, DueEntry, Mailer, NoticeMail, Ports, SendOutcome, StoreError},
    practice::Practice,
    record::{FailReason, PortalRecord, notices::Notice},
};

/// What became of a record's notices. All zero: there were none, or another sender has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoticeCounts {
    /// SES accepted them and the record says so.
    pub sent: u32,
    /// They can never be sent, and the record says so.
    pub failed: u32,
    /// They are tried again, at the time that the claim gave them.
    pub waiting: u32,
    /// Those of them to which SES said that it sends nothing for now.
    pub paused: u32,
    /// Whether they were not claimed, because the breaker is open.
    pub skipped: bool,
}

/// Sends the notices of one record, as far as there is time until `deadline`. `request` names this run in the timeline.
///
/// # Errors
/// [`StoreError`] if the record could not be read or written. What is claimed by then is sent when the claim is over.
pub async fn notify(
    ports: &Ports<'_, impl DeliveryStore>,
    mail_service: &MailService<'_, impl Mailer>,
    key: &RecordKey,
    deadline: DateTime<Utc>,
    request: &RequestId,
) -> Result<NoticeCounts, StoreError> {
    NoticeRun { ports, mail_service, deadline, request }.notify(key).await
}

/// One run of [`notify`].
struct NoticeRun<'run, S, M> {
    ports: &'run Ports<'run, S>,
    mail_service: &'run MailService<'run, M>,
    deadline: DateTime<Utc>,
    request: &'run RequestId,
}

/// What is to be written down of one notice.
enum NoticeOutcome {
    Sent(MessageId),
    Failed(FailReason),
    Waiting,
    Paused,
}

impl<S: DeliveryStore, M: Mailer> NoticeRun<'_, S, M> {
    async fn notify(&self, key: &RecordKey) -> Result<NoticeCounts, StoreError> {
        let Ports { store, clock } = *self.ports;
        let breaker = self.mail_service.breaker;
        let mut counts = NoticeCounts::default();
        let Some(pass) = breaker.pass(clock.now()) else {
            return Ok(NoticeCounts { skipped: true, ..counts });
        };
        let practice = store.practice_of(&key.practice).await?;
        let Some(mut record) = self.claim(key).await? else {
            return Ok(counts);
        };
        let mut pass = Some(pass);
        for notice in record.notices.clone() {
            let pass = pass.take().or_else(|| breaker.pass(clock.now()));
            let outcome = self.hand_over(&record, practice.as_ref(), &notice, pass).await;
            let act = act(clock, self.request);
            let written = match outcome {
                NoticeOutcome::Waiting => {
                    counts.waiting += 1;
                    continue;
                }
                NoticeOutcome::Paused => {
                    counts.waiting += 1;
                    counts.paused += 1;
                    continue;
                }
                NoticeOutcome::Sent(message) => {
                    counts.sent += 1;
                    let sent = |record: &PortalRecord| record.notice_sent(&notice, message.clone(), act.clone());
                    commit_with_retry(store, record.clone(), sent).await?
                }
                NoticeOutcome::Failed(reason) => {
                    counts.failed += 1;
                    let failed = |record: &PortalRecord| record.notice_failed(&notice, reason, act.clone());
                    commit_with_retry(store, record.clone(), failed).await?
                }
            };
            record = written.unwrap_or(record);
        }
        Ok(counts)
    }

    /// Claims the record's notices for this sender: the record as it is then.
    async fn claim(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        let Some(record) = self.ports.store.record(key).await? else { return Ok(None) };
        let Some(until) = record.notices_claimable(self.ports.clock.now()) else { return Ok(None) };
        let Some(entry) = DueEntry::from_record(&record) else { return Ok(None) };
        let mine = self.ports.store.reschedule(&entry, until).await?;
        Ok(record.rescheduled(until).filter(|_| mine))
    }

    async fn hand_over(
        &self,
        record: &PortalRecord,
        practice: Option<&Practice>,
        notice: &Notice,
        pass: Option<Pass<'_>>,
    ) -> NoticeOutcome {
        let now = self.ports.clock.now();
        // What is overdue is given up, though not without having been tried: SES may have come back.
        let not_accepted =
            if notice.is_overdue(now) { NoticeOutcome::Failed(FailReason::Exhausted) } else { NoticeOutcome::Waiting };
        if practice.is_none() {
            return not_accepted;
        }
        // Without its practice a notice could not say whom to call.
        let Some(practice) = practice.filter(|_| time_to_claim(now, self.deadline)) else {
            return NoticeOutcome::Waiting;
        };
        let Some(pass) = pass else { return NoticeOutcome::Waiting };
        let Notice { kind, to, at } = notice;
        let mail = NoticeMail {
            kind: *kind,
            to: to.clone(),
            language: record.profile.language,
            practice: practice.clone(),
            happened_at: *at,
        };
        match pass.hand_over(self.ports.clock, self.mail_service.mailer.notify(&mail)).await {
            SendOutcome::Accepted(message) => NoticeOutcome::Sent(message),
            SendOutcome::Refused => NoticeOutcome::Failed(FailReason::Refused),
            // Certainly not sent, and perhaps sent: as said above, both are tried again.
            SendOutcome::Throttled | SendOutcome::Unknown => not_accepted,
            SendOutcome::Paused => NoticeOutcome::Paused,
        }
    }
}
