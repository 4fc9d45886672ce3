//! Notices: mails about changes of the account, which wait in the record until the mail service has accepted them.
//!
//! A change adds its notices in its own transaction, so every such change is notified. The next action of a record is
//! [`NextActionKind::Notify`] exactly as long as the record has notices.

use chrono::{DateTime, Utc};

use super::{Change, NextAction, NextActionKind, Notice, PortalRecord};
use crate::{
    ids::MessageId,
    policy::{HINT_WAIT, SWEEP_CLOCK_SKEW, notice_wait},
    states::FailReason,
    timeline::{ChangeContext, EventKind},
};

impl PortalRecord {
    /// The end of a claim of the notices that begins now: when they are due again if the sender does not finish. `None` if
    /// there are no notices, or another sender has claimed them.
    ///
    /// Notices for which the sweep has sent a hint are due within [`HINT_WAIT`] by the sweep's clock. Claimed notices are due
    /// later than that.
    #[must_use]
    pub fn notice_claim_end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_action
            .filter(|next| next.kind == NextActionKind::Notify && next.at <= now + HINT_WAIT + SWEEP_CLOCK_SKEW)?;
        // The newest notice decides, so that it does not wait for long because older notices failed before.
        let newest = self.notices.iter().map(|notice| notice.at).max()?;
        Some(now + notice_wait(now - newest))
    }

    /// The mail service accepted a notice. `None` if the notice no longer waits.
    #[must_use]
    pub fn notice_sent(&self, notice: &Notice, message: MessageId, context: ChangeContext) -> Option<Change> {
        self.without_notice(notice, EventKind::NoticeSent { notice: notice.kind, message }, context)
    }

    /// A notice has failed. `None` if the notice no longer waits.
    #[must_use]
    pub fn notice_failed(&self, notice: &Notice, reason: FailReason, context: ChangeContext) -> Option<Change> {
        self.without_notice(notice, EventKind::NoticeFailed { notice: notice.kind, reason }, context)
    }

    fn without_notice(&self, notice: &Notice, kind: EventKind, context: ChangeContext) -> Option<Change> {
        let place = self.notices.iter().position(|waiting| waiting == notice)?;
        Some(self.change(context, kind, |after| {
            after.notices.remove(place);
            if after.notices.is_empty() {
                after.next_action = None;
            }
        }))
    }

    /// Adds notices, which are due at once. A record with an account has no other next action.
    pub(super) fn notify(&mut self, notices: impl IntoIterator<Item = Notice>, at: DateTime<Utc>) {
        self.notices.extend(notices);
        self.next_action = Some(NextAction { kind: NextActionKind::Notify, at });
    }
}
