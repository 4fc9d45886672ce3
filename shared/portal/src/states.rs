//! The states and reasons that a record has and that its timeline and the edge name.

/// Why a mail was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "snake_case")]
pub enum FailReason {
    /// The mail service refused the address or the message permanently.
    Refused,
    /// The mail service did not take the mail within the number of tries, or deferred it for too long.
    Exhausted,
}

impl FailReason {
    /// The reason's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Why an invitation was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "snake_case")]
pub enum RevokeReason {
    /// Staff revoked it.
    Undone,
    /// The patient opted out before the mail was sent.
    OptedOut,
    /// Five wrong dates of birth were given.
    Locked,
    /// The holder of the link declined.
    Declined,
    /// The holder of the link is not the patient.
    WrongPerson,
}

impl RevokeReason {
    /// The reason's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The delivery state of a mail that SES accepted. Ordered by rank: a late or repeated event never lowers it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumIter, strum::EnumString, strum::IntoStaticStr,
)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "snake_case")]
pub enum Delivery {
    /// The mail service took it; nothing more is known yet.
    Accepted,
    /// The mailbox does not take it yet; the mail service keeps trying.
    Delayed,
    /// The mailbox's server took it.
    Delivered,
    /// The recipient reported it as unwanted. The invitation can only be sent again to another address.
    Complained,
    /// There is no such mailbox. The invitation can only be sent again to another address.
    Bounced,
    /// The mail service found it unacceptable after it took it. The invitation can only be sent again to another address.
    Rejected,
    /// Mail to this address has bounced before. The invitation can only be sent again to another address.
    Suppressed,
}

impl Delivery {
    /// The state's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Why no more mail may go to this address, if so.
    #[must_use]
    pub const fn suppression(self) -> Option<SuppressionReason> {
        match self {
            Self::Accepted | Self::Delayed | Self::Delivered => None,
            Self::Complained => Some(SuppressionReason::Complained),
            Self::Bounced | Self::Rejected | Self::Suppressed => Some(SuppressionReason::Bounced),
        }
    }

    /// Whether no more mail may go to this address for this invitation.
    #[must_use]
    pub const fn suppresses_address(self) -> bool {
        self.suppression().is_some()
    }
}

/// Why a patient is not invited to an address again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SuppressionReason {
    /// A mail to it bounced permanently, or the mail service refused or suppressed it. Staff who have confirmed the address
    /// with the patient may invite to it.
    Bounced,
    /// Its reader reported a mail as unwanted.
    Complained,
    /// Its reader said that the invitation is not for them.
    WrongPerson,
}

impl SuppressionReason {
    /// The reason's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The kind of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum NoticeKind {
    /// The recipient's address is no longer the account's.
    AddressRemoved,
    /// The recipient's address is the account's now.
    AddressAdded,
    /// The account was closed.
    AccountClosed,
    /// The account was opened again.
    AccountReopened,
}

impl NoticeKind {
    /// The kind's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The state of the first facet, without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[expect(missing_docs, reason = "named after the states that the record documents")]
pub enum ChoiceFacet {
    In,
    OptedOut,
}

/// The state of the second facet, without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[expect(missing_docs, reason = "named after the states that the record documents")]
pub enum InvitationFacet {
    None,
    Queued,
    Sending,
    Sent,
    Failed,
    Revoked,
    Consumed,
}

/// The state of the third facet, without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "kebab-case")]
pub enum AccountFacet {
    /// The patient has not registered.
    None,
    /// The patient has an account.
    Active,
    /// The patient had an account, and it is closed.
    Deactivated,
}

/// The states of the three facets at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FacetStates {
    /// First facet.
    pub choice: ChoiceFacet,
    /// Second facet.
    pub invitation: InvitationFacet,
    /// Third facet.
    pub account: AccountFacet,
}
