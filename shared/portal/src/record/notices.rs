//! What is yet to be told of an account: notices that wait in the record until the mail service has taken them.
//!
//! They are put there by the change that they tell of, in its own transaction, so that there is no change of which
//! nobody is told. A record has [`NextActionKind::Notify`] to do exactly as long as it has notices.

use chrono::{DateTime, Utc};

use super::{Change, FailReason, NextAction, NextActionKind, PortalRecord};
use crate::{
    email::EmailAddress,
    ids::MessageId,
    policy::{CLOCK_SLACK, HINT_WAIT, LONGEST_DEFERRAL, notice_wait},
    timeline::{Act, EventKind},
};

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum NoticeKind {
    /// That the address it goes to is not the account's any more.
    AddressRemoved,
    /// That the address it goes to is the account's now.
    AddressAdded,
}

impl NoticeKind {
    /// The kind's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One mail about an account that is yet to be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it tells.
    pub kind: NoticeKind,
    /// Where it goes.
    pub to: EmailAddress,
    /// When what it tells of happened.
    pub at: DateTime<Utc>,
}

impl Notice {
    /// Whether it has been tried for so long that it is given up.
    #[must_use]
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.at + LONGEST_DEFERRAL <= now
    }
}

impl PortalRecord {
    /// Until when a sender that begins now may have the notices to itself, and when they are looked at again if it does
    /// not answer. `None` if there are none, or another sender has them.
    ///
    /// What the sweep has hinted at is due within [`HINT_WAIT`], by its own clock; what a sender has claimed is due later
    /// than that.
    #[must_use]
    pub fn notices_claimable(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_action
            .filter(|next| next.kind == NextActionKind::Notify && next.at <= now + HINT_WAIT + CLOCK_SLACK)?;
        // The newest one decides: it must not wait for long because an older one has been in vain.
        let newest = self.notices.iter().map(|notice| notice.at).max()?;
        Some(now + notice_wait(now - newest))
    }

    /// The mail service has a notice. `None` if it does not wait any more.
    #[must_use]
    pub fn notice_sent(&self, notice: &Notice, message: MessageId, act: Act) -> Option<Change> {
        self.without_notice(notice, EventKind::NoticeSent { notice: notice.kind, message }, act)
    }

    /// A notice is given up. `None` if it does not wait any more.
    #[must_use]
    pub fn notice_failed(&self, notice: &Notice, reason: FailReason, act: Act) -> Option<Change> {
        self.without_notice(notice, EventKind::NoticeFailed { notice: notice.kind, reason }, act)
    }

    fn without_notice(&self, notice: &Notice, kind: EventKind, act: Act) -> Option<Change> {
        let place = self.notices.iter().position(|waiting| waiting == notice)?;
        Some(self.change(act, kind, |after| {
            after.notices.remove(place);
            if after.notices.is_empty() {
                after.next_action = None;
            }
        }))
    }

    /// Adds notices, which are due at once. Nothing else is waited for where there is an account.
    pub(super) fn notify(&mut self, notices: impl IntoIterator<Item = Notice>, at: DateTime<Utc>) {
        self.notices.extend(notices);
        self.next_action = Some(NextAction { kind: NextActionKind::Notify, at });
    }
}
