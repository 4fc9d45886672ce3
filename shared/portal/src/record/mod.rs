//! The portal record: one per patient, with three independent facets.
//!
//! * [`guards`] decides whether a command is allowed; the status panel calls the same functions.
//! * [`invitation`], [`delivery`], [`account`] and [`choice`] are the transitions, by facet; [`notices`] has those of
//!   notices that wait to be sent, and [`requests`] remembers the keyed commands that were executed.
//!
//! A transition takes a record and returns a [`Change`]: the record before and after, and one timeline event. Records are
//! changed in no other way, so every change raises the version by one and adds one event.

pub mod account;
pub mod choice;
pub mod delivery;
pub mod guards;
pub mod invitation;
pub mod notices;
pub mod requests;
pub mod suppression;

pub use self::suppression::SuppressedAddress;

use account::Login;
use chrono::{DateTime, Utc};

use crate::{
    email::EmailAddress,
    idempotency::RememberedRequest,
    ids::{AccountId, InvitationId, MessageId, RecordKey},
    link::Link,
    policy::LONGEST_DEFERRAL,
    profile::Profile,
    states::{
        AccountFacet, ChoiceFacet, Delivery, FacetStates, FailReason, InvitationFacet, NoticeKind, RevokeReason,
        SuppressionReason,
    },
    timeline::{Actor, ChangeContext, EventKind, TimelineEvent},
};

/// First facet: whether the patient wants access to health information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The patient has not opted out.
    In,
    /// *Patient does not want to receive access to health information.*
    OptedOut {
        /// When the patient opted out.
        at: DateTime<Utc>,
        /// Who recorded it.
        by: Actor,
    },
}

/// The proof that SES accepted a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// When SES accepted it.
    pub at: DateTime<Utc>,
    /// SES's message id.
    pub message: MessageId,
}

/// The state of the current invitation. There is no state `Expired`: it is `Sent` after `expires_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvitationState {
    /// The mail waits to be handed to SES.
    Queued,
    /// A sender has claimed the mail and hands it to SES.
    Sending {
        /// Until when no other sender may claim it.
        lease_until: DateTime<Utc>,
        /// When the link in this mail stops working.
        expires_at: DateTime<Utc>,
    },
    /// SES accepted the mail.
    Sent {
        /// The receipt.
        receipt: Receipt,
        /// The mail's delivery state.
        delivery: Delivery,
        /// When the newest link stops working.
        expires_at: DateTime<Utc>,
    },
    /// The mail could not be sent.
    Failed {
        /// The reason.
        reason: FailReason,
        /// When it failed.
        at: DateTime<Utc>,
    },
    /// The invitation was revoked: links do not work, and the address is free.
    Revoked {
        /// The reason.
        reason: RevokeReason,
        /// When it was revoked.
        at: DateTime<Utc>,
        /// The receipt, if SES accepted a mail.
        receipt: Option<Receipt>,
    },
    /// The patient registered with it.
    Consumed {
        /// When the patient registered.
        at: DateTime<Utc>,
        /// The receipt, once it is known.
        receipt: Option<Receipt>,
    },
}

impl InvitationState {
    /// The state without its data. It does not include expiry.
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
    /// The invitation's id.
    pub id: InvitationId,
    /// The address that it is sent to.
    pub email: EmailAddress,
    /// When the invitation was queued.
    pub queued_at: DateTime<Utc>,
    /// Number of attempts to hand its mail to SES so far. It is in the mail's tags.
    pub attempt: u32,
    /// Number of tries left before the invitation fails. A deferred try is given back.
    pub tries_left: u8,
    /// How often the record's next action was moved to a later time.
    pub reschedules: u32,
    /// Number of reminders sent since the last manual invitation.
    pub reminders_sent: u8,
    /// The invitation's state.
    pub state: InvitationState,
}

/// Third facet: the patient's portal login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// Not registered.
    None,
    /// Registered.
    Active {
        /// The opaque id that the identity provider stores.
        id: AccountId,
        /// The login's address. Only Customer Care can change it.
        email: EmailAddress,
        /// When the patient registered.
        registered_at: DateTime<Utc>,
        /// The latest login that was reported. Registering is no login.
        last_login: Option<Login>,
    },
    /// The account was closed.
    Deactivated {
        /// The opaque id that the identity provider stores.
        id: AccountId,
        /// The login's address, still claimed.
        email: EmailAddress,
        /// When the patient registered.
        registered_at: DateTime<Utc>,
        /// The latest login that was reported.
        last_login: Option<Login>,
    },
}

/// A mail about an account that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The kind of notice.
    pub kind: NoticeKind,
    /// The recipient.
    pub to: EmailAddress,
    /// When the change happened.
    pub at: DateTime<Utc>,
}

impl Notice {
    /// Whether the notice has waited for so long that it fails after the next try.
    #[must_use]
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.at + LONGEST_DEFERRAL <= now
    }
}

/// The kind of action that a record waits for. A record has at most one next action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NextActionKind {
    /// The current invitation's mail must be sent.
    Deliver,
    /// A reminder must be sent.
    Remind,
    /// Notices must be sent. A record has this kind exactly as long as it has notices.
    Notify,
}

/// The next action of a record: its place in the calendar that the sweep processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAction {
    /// The kind of action.
    pub kind: NextActionKind,
    /// When the action is due.
    pub at: DateTime<Utc>,
}

/// Everything about one patient's access to the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalRecord {
    /// The record's key.
    pub key: RecordKey,
    /// Raised by one with every change.
    pub version: u64,
    /// Raised by one whenever a sender claims the mail or gives the claim back. Writes of a sender with an older fence fail.
    pub fence: u64,
    /// The patient's profile.
    pub profile: Profile,
    /// First facet.
    pub choice: Choice,
    /// Second facet; `None` before any invitation.
    pub invitation: Option<Invitation>,
    /// Third facet.
    pub account: Account,
    /// The activation link, if there is one.
    pub link: Option<Link>,
    /// When SES accepted the first invitation's mail: *Activated on*. Once set, it never changes.
    pub first_sent_at: Option<DateTime<Utc>>,
    /// When the patient was last reinvited.
    pub last_reinvited_at: Option<DateTime<Utc>>,
    /// Since when this record has claimed its address; `None` without a claim.
    pub claimed_since: Option<DateTime<Utc>>,
    /// Invitations by staff within [`crate::policy::MAIL_WINDOW`], oldest first.
    pub staff_mails: Vec<DateTime<Utc>>,
    /// New links that the holder of a link asked for within [`crate::policy::MAIL_WINDOW`], oldest first.
    pub holder_mails: Vec<DateTime<Utc>>,
    /// Dates of birth compared within [`crate::policy::MAIL_WINDOW`], with all links together, oldest first.
    pub recent_birth_date_attempts: Vec<DateTime<Utc>>,
    /// Addresses to which this patient is not invited again, oldest first; at most
    /// [`crate::policy::MAX_SUPPRESSED_ADDRESSES`].
    pub suppressed: Vec<SuppressedAddress>,
    /// Keyed requests within [`crate::policy::IDEMPOTENCY_WINDOW`], oldest first.
    pub recent_requests: Vec<RememberedRequest>,
    /// Whether the patient has stopped the reminders.
    pub reminders_stopped: bool,
    /// Notices that wait to be sent, oldest first; at most [`crate::policy::MAX_NOTICES`].
    pub notices: Vec<Notice>,
    /// The next action, if any.
    pub next_action: Option<NextAction>,
}

/// One change of a record. A store commits all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The record before the change; `None` for a new record.
    pub before: Option<PortalRecord>,
    /// The record after the change.
    pub after: PortalRecord,
    /// The change's timeline event.
    pub event: TimelineEvent,
}

impl PortalRecord {
    /// Saves a patient's profile: creates the record, or changes only its profile. `None` if the profile is the same.
    #[must_use]
    pub fn save_profile(
        before: Option<&Self>,
        key: RecordKey,
        profile: Profile,
        context: ChangeContext,
    ) -> Option<Change> {
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
                claimed_since: None,
                staff_mails: Vec::new(),
                holder_mails: Vec::new(),
                recent_birth_date_attempts: Vec::new(),
                suppressed: Vec::new(),
                recent_requests: Vec::new(),
                reminders_stopped: false,
                notices: Vec::new(),
                next_action: None,
            };
            let event = TimelineEvent {
                version: 1,
                context,
                kind: EventKind::ProfileSaved { changed: Vec::new() },
                before: None,
                after: after.facet_states(),
            };
            return Some(Change { before: None, after, event });
        };
        let changed = record.profile.changed_members(&profile);
        if changed.is_empty() {
            return None;
        }
        Some(record.change(context, EventKind::ProfileSaved { changed }, |after| {
            after.profile = profile;
        }))
    }

    /// The address that this record claims, if any: the account's, or without an account that of an invitation that is not
    /// revoked.
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

    /// The latest login, if there is an account and a login was reported.
    #[must_use]
    pub const fn last_login(&self) -> Option<&Login> {
        match &self.account {
            Account::None => None,
            Account::Active { last_login, .. } | Account::Deactivated { last_login, .. } => last_login.as_ref(),
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

    /// Makes a change from this record to the next version.
    fn change(&self, context: ChangeContext, kind: EventKind, apply: impl FnOnce(&mut Self)) -> Change {
        let mut after = self.clone();
        apply(&mut after);
        after.version = self.version + 1;
        if after.claimed_email() != self.claimed_email() {
            after.claimed_since = after.claimed_email().map(|_| context.at);
        }
        let event = TimelineEvent {
            version: after.version,
            context,
            kind,
            before: Some(self.facet_states()),
            after: after.facet_states(),
        };
        Change { before: Some(self.clone()), after, event }
    }

    /// The record with its next action moved to a later time. This raises neither version nor fence, and adds no event. `None`
    /// if there is no next action.
    #[must_use]
    pub fn rescheduled(&self, next: DateTime<Utc>) -> Option<Self> {
        let mut after = self.clone();
        after.next_action.as_mut()?.at = next;
        after.invitation.as_mut()?.reschedules += 1;
        Some(after)
    }

    /// The record without its next action, which can never happen. Like [`PortalRecord::rescheduled`], this is no change.
    #[must_use]
    pub fn unscheduled(&self) -> Self {
        Self { next_action: None, ..self.clone() }
    }

    /// Since when the current invitation is queued, if no sender has tried to send its mail.
    fn unsent_since(&self) -> Option<DateTime<Utc>> {
        let is_unsent =
            |invitation: &&Invitation| invitation.state == InvitationState::Queued && invitation.attempt == 0;
        self.invitation.as_ref().filter(is_unsent).map(|invitation| invitation.queued_at)
    }

    /// Sets the state of the current invitation.
    fn set_invitation_state(&mut self, state: InvitationState) {
        if let Some(invitation) = &mut self.invitation {
            invitation.state = state;
        }
    }

    /// Revokes the current invitation: links stop working, the claim is released, and nothing more is sent.
    fn revoke_invitation(&mut self, reason: RevokeReason, at: DateTime<Utc>) {
        let receipt = self.invitation.as_ref().and_then(Invitation::receipt).cloned();
        if let Some(unsent) = self.unsent_since() {
            // Staff who correct a mistake at once need not wait.
            self.staff_mails.pop_if(|mail| *mail == unsent);
        }
        if reason == RevokeReason::WrongPerson
            && let Some(email) = self.invitation.as_ref().map(|invitation| invitation.email.clone())
        {
            self.suppress(&email, SuppressionReason::WrongPerson);
        }
        self.set_invitation_state(InvitationState::Revoked { reason, at, receipt });
        self.link = None;
        self.next_action = None;
    }
}

impl Invitation {
    /// The receipt of this invitation's mail, if SES accepted it.
    #[must_use]
    pub const fn receipt(&self) -> Option<&Receipt> {
        match &self.state {
            InvitationState::Sent { receipt, .. } => Some(receipt),
            InvitationState::Revoked { receipt, .. } | InvitationState::Consumed { receipt, .. } => receipt.as_ref(),
            InvitationState::Queued | InvitationState::Sending { .. } | InvitationState::Failed { .. } => None,
        }
    }

    /// Whether the invitation was sent and its newest link has expired.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        matches!(self.state, InvitationState::Sent { expires_at, .. } if now >= expires_at)
    }
}
