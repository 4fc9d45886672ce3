//! What a run of the sender did, in numbers.

use portal::operations::{deliver::Delivered, notify::Notified};
use portal_aws::metrics::Figure;

/// How often each outcome was met.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    sent: u32,
    refused: u32,
    put_off: u32,
    paused: u32,
    left_alone: u32,
    unknown: u32,
    failed: u32,
    superseded: u32,
    notices_sent: u32,
    notices_failed: u32,
}

impl Tally {
    /// One more of what became of an invitation's mail.
    pub(crate) fn with_invitation(mut self, delivered: Delivered) -> Self {
        match delivered {
            Delivered::Sent => self.sent += 1,
            Delivered::Refused => self.refused += 1,
            Delivered::PutOff => self.put_off += 1,
            Delivered::Paused => self.paused += 1,
            Delivered::LeftAlone => self.left_alone += 1,
            Delivered::Unknown => self.unknown += 1,
            Delivered::Failed => self.failed += 1,
            Delivered::Superseded => self.superseded += 1,
            Delivered::NotClaimed(_) => {}
        }
        self
    }

    /// And what became of a record's notices.
    pub(crate) fn with_notices(mut self, notified: Notified) -> Self {
        let Notified { sent, failed, waiting: _, paused, left_alone } = notified;
        self.notices_sent += sent;
        self.notices_failed += failed;
        self.paused += paused;
        self.left_alone += u32::from(left_alone);
        self
    }

    /// As metrics.
    pub(crate) fn figures(self) -> [Figure; 10] {
        [
            Figure::count("sent", self.sent),
            Figure::count("refused", self.refused),
            Figure::count("putOff", self.put_off),
            Figure::count("paused", self.paused),
            Figure::count("leftAlone", self.left_alone),
            Figure::count("unknown", self.unknown),
            Figure::count("failed", self.failed),
            Figure::count("superseded", self.superseded),
            Figure::count("noticesSent", self.notices_sent),
            Figure::count("noticesFailed", self.notices_failed),
        ]
    }
}
