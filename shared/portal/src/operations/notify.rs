//! Hands a record's notices to SES: claim the record's notices, then send each one and record the outcome.
//!
//! A queue message is only a hint, as for invitations. The sender claims the record's place in the calendar: it moves the
//! place to a later time by a conditional write. Of several senders, only one succeeds.
//!
//! A notice is mailed *at least* once. When SES's answer is unknown, an invitation waits for SES's own events and gets a
//! new secret before it is sent again. A notice has no secret, so a second copy is harmless; but without any copy, a stolen
//! account could go unnoticed. So a notice is sent again until SES is known to have accepted it, for
//! [`crate::policy::LONGEST_DEFERRAL`] at most.

use chrono::{DateTime, Utc};

use super::{
    breaker::Pass,
    commit::commit_with_retry,
    deliver::{MailService, sender_context, time_to_claim},
};
use crate::{
    ids::{MessageId, RecordKey, RequestId},
    ports::{DeliveryStore, DueEntry, Mailer, NoticeMail, Ports, SendOutcome, StoreError},
    practice::Practice,
    record::{Notice, PortalRecord},
    states::FailReason,
};

/// The outcomes of a record's notices. All are zero if there were none, or if another sender has claimed them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoticeCounts {
    /// SES accepted them, and the record is updated.
    pub sent: u32,
    /// They can never be sent, and the record is updated.
    pub failed: u32,
    /// They are tried again when the claim ends.
    pub waiting: u32,
    /// The part of `waiting` for which SES said that it sends nothing for now.
    pub paused: u32,
    /// Whether they were not claimed, because the breaker is open.
    pub skipped: bool,
}

/// Sends the notices of one record, as long as there is time until `deadline`. `request` is this run's id in the timeline.
///
/// # Errors
/// [`StoreError`] if the record could not be read or written. Notices that are claimed are sent after the claim ends.
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

/// The outcome of one notice.
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
        let practice = store.practice_by_id(&key.practice).await?;
        let Some(mut record) = self.claim(key).await? else {
            return Ok(counts);
        };
        let mut pass = Some(pass);
        for notice in record.notices.clone() {
            let pass = pass.take().or_else(|| breaker.pass(clock.now()));
            let outcome = self.hand_over(&record, practice.as_ref(), &notice, pass).await;
            let context = sender_context(clock, self.request);
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
                    let sent = |record: &PortalRecord| record.notice_sent(&notice, message.clone(), context.clone());
                    commit_with_retry(store, record.clone(), sent).await?
                }
                NoticeOutcome::Failed(reason) => {
                    counts.failed += 1;
                    let failed = |record: &PortalRecord| record.notice_failed(&notice, reason, context.clone());
                    commit_with_retry(store, record.clone(), failed).await?
                }
            };
            record = written.unwrap_or(record);
        }
        Ok(counts)
    }

    /// Claims the record's notices for this sender. Returns the record after the claim.
    async fn claim(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        let Some(record) = self.ports.store.record(key).await? else { return Ok(None) };
        let Some(until) = record.notice_claim_end(self.ports.clock.now()) else { return Ok(None) };
        let Some(entry) = DueEntry::from_record(&record) else { return Ok(None) };
        let claimed = self.ports.store.reschedule(&entry, until).await?;
        Ok(record.rescheduled(until).filter(|_| claimed))
    }

    async fn hand_over(
        &self,
        record: &PortalRecord,
        practice: Option<&Practice>,
        notice: &Notice,
        pass: Option<Pass<'_>>,
    ) -> NoticeOutcome {
        let now = self.ports.clock.now();
        // An overdue notice fails, but only after one more try, because SES may send again.
        let not_accepted =
            if notice.is_overdue(now) { NoticeOutcome::Failed(FailReason::Exhausted) } else { NoticeOutcome::Waiting };
        if practice.is_none() {
            return not_accepted;
        }
        // A notice needs its practice for the support phone.
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
            // Not sent, or perhaps sent: both are tried again, as the module documentation says.
            SendOutcome::Throttled | SendOutcome::Unknown => not_accepted,
            SendOutcome::Paused => NoticeOutcome::Paused,
        }
    }
}
