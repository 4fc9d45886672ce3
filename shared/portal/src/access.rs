//! The accesses of Customer Care to patients. Each is recorded before it is answered, so that the practice can see it.

use crate::{history::HistoryPlace, text::AccessReason, timeline::ChangeContext};

/// What Customer Care read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "kebab-case")]
pub enum AccessKind {
    /// Which patient has an address, or whether there is a patient.
    Lookup,
    /// The status panel.
    Status,
    /// The timeline.
    Timeline,
}

impl AccessKind {
    /// The kind's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One access to a patient. It contains nothing about the patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    /// When, by whom and with which request.
    pub context: ChangeContext,
    /// What was read.
    pub kind: AccessKind,
    /// Why, in the words of the actor.
    pub reason: AccessReason,
}

impl AccessEntry {
    /// The entry's place in the history of accesses. A request reads one thing of one patient.
    #[must_use]
    pub fn place(&self) -> HistoryPlace {
        HistoryPlace::from_context(&self.context, 0)
    }
}
