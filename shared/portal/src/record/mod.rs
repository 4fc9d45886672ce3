//! The portal record: one per patient, three facets that are never folded into one.
//!
//! * [`guards`] decides whether a command is allowed; the status panel asks the same functions.
//! * [`invitation`], [`delivery`], [`account`] and [`choice`] are the transitions, by the facet they move; [`notices`]
//!   those of what its patient is yet to be told.
//!
//! A transition takes the record as it was read and gives a [`Change`]: the record before, after, and the one
//! timeline event. Nothing else makes a record, so every change raises the version by one and leaves one event.

pub mod account;
pub mod choice;
pub mod delivery;
pub mod guards;
pub mod invitation;
pub mod notices;

use chrono::{DateTime, Utc};

use crate::{
    email::EmailAddress,
    idempotency::RememberedRequest,
    ids::{AccountId, EventId, InvitationId, MessageId, RecordKey},
    link::Link,
    profile::Profile,
    record::notices::Notice,
    timeline::{AccountFacet, Act, Actor, ChoiceFacet, EventKind, FacetStates, InvitationFacet, TimelineEvent},
};

/// First facet: whether the patient wants access to health information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing was said against it.
    In,
    /// *Patient does not want to receive access to health information.*
    OptedOut {
        /// Since when.
        at: DateTime<Utc>,
        /// Who recorded it; the role tells whether the patient did so in person.
        by: Actor,
    },
}

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

/// Why an invitation was taken back.
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

/// What became of a mail that SES accepted. Ordered by rank: a later or repeated event never lowers it.
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

    /// Whether no more mail may go to this address for this invitation.
    #[must_use]
    pub const fn suppresses_address(self) -> bool {
        match self {
            Self::Accepted | Self::Delayed | Self::Delivered => false,
            Self::Complained | Self::Bounced | Self::Rejected | Self::Suppressed => true,
        }
    }
}

/// SES's word that it accepted a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// When.
    pub at: DateTime<Utc>,
    /// Under which id.
    pub message: MessageId,
}

/// Where the current invitation stands. `Expired` is not a state: it is `Sent` seen late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvitationState {
    /// The mail waits to be handed to SES.
    Queued,
    /// One sender is handing it over.
    Sending {
        /// Until when nobody else may.
        lease_until: DateTime<Utc>,
        /// When the link in this mail stops working.
        expires_at: DateTime<Utc>,
    },
    /// SES accepted the mail.
    Sent {
        /// Its word.
        receipt: Receipt,
        /// What became of it since.
        delivery: Delivery,
        /// When the newest link stops working.
        expires_at: DateTime<Utc>,
    },
    /// The mail could not be sent.
    Failed {
        /// Why.
        reason: FailReason,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Taken back: links are dead and the address is free.
    Revoked {
        /// Why.
        reason: RevokeReason,
        /// Since when.
        at: DateTime<Utc>,
        /// SES's word, if a mail had been accepted.
        receipt: Option<Receipt>,
    },
    /// The patient registered with it.
    Consumed {
        /// When.
        at: DateTime<Utc>,
        /// SES's word, once it has come.
        receipt: Option<Receipt>,
    },
}

impl InvitationState {
    /// The state without its data; expiry is the reader's to compute.
    #[must_use]
    pub const fn facet(&self) -> InvitationFacet {
        match self {
            Self::Queued => InvitationFacet::Queued,
            Self::Sending { .. } => InvitationFacet::Sending,
            Self::Sent { .. } => InvitationFacet::Sent,
            Self::Failed { .. } => InvitationFacet::Failed,
            Self::Revoked { .. } => InvitationFacet::Revoked,
            Self::Consumed { .. } => InvitationFacet::Consumed,
        }
    }
}

/// Second facet: the current invitation. A reinvite supersedes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Which one.
    pub id: InvitationId,
    /// Where it goes.
    pub email: EmailAddress,
    /// Since when it waits to be sent.
    pub queued_at: DateTime<Utc>,
    /// Tries to hand its mail to SES so far; tags the mail.
    pub attempt: u32,
    /// Tries left whose outcome may stay unknown before the invitation has failed.
    pub tries_left: u8,
    /// Times that what the record waits for was moved to a later time.
    pub reschedules: u32,
    /// Reminders that led to it; by hand it begins at 0 again.
    pub reminders_sent: u8,
    /// Where it stands.
    pub state: InvitationState,
}

/// Third facet: the patient's portal login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// Not registered.
    None,
    /// Registered.
    Active {
        /// The opaque id that the identity provider keeps.
        id: AccountId,
        /// The login's address; changes only by Customer Care.
        email: EmailAddress,
        /// When the patient registered.
        registered_at: DateTime<Utc>,
        /// The latest login; registering counts as the first.
        last_login_at: DateTime<Utc>,
        /// The event that reported it; `None` for registering.
        last_login_event: Option<EventId>,
    },
    /// Registered once, and closed.
    Deactivated {
        /// The opaque id that the identity provider keeps.
        id: AccountId,
        /// The login's address, still claimed.
        email: EmailAddress,
        /// When the patient registered.
        registered_at: DateTime<Utc>,
        /// The latest login.
        last_login_at: DateTime<Utc>,
        /// The event that reported it; `None` for registering.
        last_login_event: Option<EventId>,
    },
}

/// What a record is waiting for; it has at most one such thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NextActionKind {
    /// The current invitation's mail is to go out.
    Deliver,
    /// A reminder is to go out.
    Remind,
    /// Notices are to go out; as long as there are any, and no longer.
    Notify,
}

/// The record's place in the calendar that the sweep works off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAction {
    /// What.
    pub kind: NextActionKind,
    /// Not before.
    pub at: DateTime<Utc>,
}

/// Everything about one patient's access to the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalRecord {
    /// Whose.
    pub key: RecordKey,
    /// Raised by one with every change.
    pub version: u64,
    /// Raised by one whenever a sender claims the mail; a sender whose fence has passed may write nothing.
    pub fence: u64,
    /// What the practice knows of the patient.
    pub profile: Profile,
    /// First facet.
    pub choice: Choice,
    /// Second facet; `None` before any invitation.
    pub invitation: Option<Invitation>,
    /// Third facet.
    pub account: Account,
    /// The links that work, while any does.
    pub link: Option<Link>,
    /// When the first invitation's mail was accepted by SES: *Activated on*. Never moves once set.
    pub first_sent_at: Option<DateTime<Utc>>,
    /// When the patient was last reinvited.
    pub last_reinvited_at: Option<DateTime<Utc>>,
    /// Reinvitations by hand within [`crate::policy::REINVITE_WINDOW`], oldest first.
    pub recent_reinvites: Vec<DateTime<Utc>>,
    /// What clients asked for under a key of their own within [`crate::policy::REMEMBER_FOR`], oldest first.
    pub recent_requests: Vec<RememberedRequest>,
    /// The patient asked for no more reminders.
    pub reminders_stopped: bool,
    /// What is yet to be told of the account, oldest first; at most [`crate::policy::MOST_NOTICES`].
    pub notices: Vec<Notice>,
    /// What it is waiting for.
    pub next_action: Option<NextAction>,
}

/// One step of a record: what a store commits, all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The record as it was read; `None` if there was none.
    pub before: Option<PortalRecord>,
    /// The record as it shall be.
    pub after: PortalRecord,
    /// The step's entry in the history.
    pub event: TimelineEvent,
}

impl PortalRecord {
    /// A patient's profile is saved: begins the record, or changes its profile and nothing else.
    ///
    /// `None` if the profile is what it was: saving the same again is no change.
    #[must_use]
    pub fn save_profile(before: Option<&Self>, key: RecordKey, profile: Profile, act: Act) -> Option<Change> {
        let Some(record) = before else {
            let after = Self {
                key,
                version: 1,
                fence: 0,
                profile,
                choice: Choice::In,
                invitation: None,
                account: Account::None,
                link: None,
                first_sent_at: None,
                last_reinvited_at: None,
                recent_reinvites: Vec::new(),
                recent_requests: Vec::new(),
                reminders_stopped: false,
                notices: Vec::new(),
                next_action: None,
            };
            let event = TimelineEvent {
                version: 1,
                act,
                kind: EventKind::ProfileSaved,
                before: None,
                after: after.facet_states(),
            };
            return Some(Change { before: None, after, event });
        };
        // Addresses are equal by their canonical form; a new spelling of the same one is still worth keeping.
        let typed = |profile: &Profile| profile.email.as_ref().map(|email| email.typed().to_owned());
        if record.profile == profile && typed(&record.profile) == typed(&profile) {
            return None;
        }
        Some(record.change(act, EventKind::ProfileSaved, |after| {
            after.profile = profile;
        }))
    }

    /// The one address that this record holds the claim of, if any: the account's, else that of an invitation
    /// that is not revoked.
    #[must_use]
    pub fn claimed_email(&self) -> Option<&EmailAddress> {
        match &self.account {
            Account::Active { email, .. } | Account::Deactivated { email, .. } => Some(email),
            Account::None => {
                let invitation = self.invitation.as_ref()?;
                let revoked = matches!(invitation.state, InvitationState::Revoked { .. });
                (!revoked).then_some(&invitation.email)
            }
        }
    }

    /// The latest login, if there is an account.
    #[must_use]
    pub const fn last_login_at(&self) -> Option<DateTime<Utc>> {
        match &self.account {
            Account::None => None,
            Account::Active { last_login_at, .. } | Account::Deactivated { last_login_at, .. } => Some(*last_login_at),
        }
    }

    /// The states of the three facets, without their data.
    #[must_use]
    pub fn facet_states(&self) -> FacetStates {
        FacetStates {
            choice: match self.choice {
                Choice::In => ChoiceFacet::In,
                Choice::OptedOut { .. } => ChoiceFacet::OptedOut,
            },
            invitation: self.invitation.as_ref().map_or(InvitationFacet::None, |invitation| invitation.state.facet()),
            account: match self.account {
                Account::None => AccountFacet::None,
                Account::Active { .. } => AccountFacet::Active,
                Account::Deactivated { .. } => AccountFacet::Deactivated,
            },
        }
    }

    /// Makes the one step from this record to the next version.
    fn change(&self, act: Act, kind: EventKind, apply: impl FnOnce(&mut Self)) -> Change {
        let mut after = self.clone();
        apply(&mut after);
        after.version = self.version + 1;
        let event = TimelineEvent {
            version: after.version,
            act,
            kind,
            before: Some(self.facet_states()),
            after: after.facet_states(),
        };
        Change { before: Some(self.clone()), after, event }
    }

    /// Moves what it waits for to a later time: of several who have seen an entry of the calendar, one does so. Like a
    /// claim it raises no version and leaves no event; it raises no fence either. `None` if it waits for nothing.
    #[must_use]
    pub fn rescheduled(&self, next: DateTime<Utc>) -> Option<Self> {
        let mut after = self.clone();
        after.next_action.as_mut()?.at = next;
        after.invitation.as_mut()?.reschedules += 1;
        Some(after)
    }

    /// Waits for nothing any more: what it waited for will never happen. Like [`PortalRecord::rescheduled`] no change.
    #[must_use]
    pub fn unscheduled(&self) -> Self {
        Self { next_action: None, ..self.clone() }
    }

    /// Puts the current invitation into a state.
    fn set_invitation_state(&mut self, state: InvitationState) {
        if let Some(invitation) = &mut self.invitation {
            invitation.state = state;
        }
    }

    /// Takes the current invitation back: links die, the claim is released, nothing more goes out.
    fn revoke_invitation(&mut self, reason: RevokeReason, at: DateTime<Utc>) {
        let receipt = self.invitation.as_ref().and_then(Invitation::receipt).cloned();
        self.set_invitation_state(InvitationState::Revoked { reason, at, receipt });
        self.link = None;
        self.next_action = None;
    }
}

impl Invitation {
    /// SES's word that it accepted this invitation's mail, if it has.
    #[must_use]
    pub const fn receipt(&self) -> Option<&Receipt> {
        match &self.state {
            InvitationState::Sent { receipt, .. } => Some(receipt),
            InvitationState::Revoked { receipt, .. } | InvitationState::Consumed { receipt, .. } => receipt.as_ref(),
            InvitationState::Queued | InvitationState::Sending { .. } | InvitationState::Failed { .. } => None,
        }
    }

    /// Whether it was sent and its newest link has stopped working.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        matches!(self.state, InvitationState::Sent { expires_at, .. } if now >= expires_at)
    }
}
