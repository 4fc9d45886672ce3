//! The counts of a run of the sender.

use portal::operations::{deliver::DeliveryOutcome, notify::NoticeCounts};
use portal_aws::metrics::Figure;

/// The number of messages with each outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RunCounts {
    sent: u32,
    refused: u32,
    deferred: u32,
    paused: u32,
    skipped: u32,
    unknown: u32,
    failed: u32,
    superseded: u32,
    notices_sent: u32,
    notices_failed: u32,
}

impl RunCounts {
    /// The counts with the outcome of one more invitation.
    pub(crate) fn with_invitation(mut self, outcome: DeliveryOutcome) -> Self {
        match outcome {
            DeliveryOutcome::Sent => self.sent += 1,
            DeliveryOutcome::Refused => self.refused += 1,
            DeliveryOutcome::Deferred => self.deferred += 1,
            DeliveryOutcome::Paused => self.paused += 1,
            DeliveryOutcome::Skipped => self.skipped += 1,
            DeliveryOutcome::Unknown => self.unknown += 1,
            DeliveryOutcome::Failed => self.failed += 1,
            DeliveryOutcome::Superseded => self.superseded += 1,
            DeliveryOutcome::NotClaimed(_) => {}
        }
        self
    }

    /// The counts with the outcomes of a record's notices.
    pub(crate) fn with_notices(mut self, notices: NoticeCounts) -> Self {
        let NoticeCounts { sent, failed, waiting: _, paused, skipped } = notices;
        self.notices_sent += sent;
        self.notices_failed += failed;
        self.paused += paused;
        self.skipped += u32::from(skipped);
        self
    }

    /// The metrics.
    pub(crate) fn figures(self) -> [Figure; 10] {
        [
            Figure::count("sent", self.sent),
            Figure::count("refused", self.refused),
            Figure::count("deferred", self.deferred),
            Figure::count("paused", self.paused),
            Figure::count("skipped", self.skipped),
            Figure::count("unknown", self.unknown),
            Figure::count("failed", self.failed),
            Figure::count("superseded", self.superseded),
            Figure::count("noticesSent", self.notices_sent),
            Figure::count("noticesFailed", self.notices_failed),
        ]
    }
}
