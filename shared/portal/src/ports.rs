//! The ports: what the operations need from outside, namely a store, a queue, a mail service, a clock and randomness.
//!
//! The store traits are split by caller. A staff request uses [`PortalStore`] and [`PracticeStore`], whose read methods
//! take a [`TenantScope`]. Only functions that no client can call use [`DeliveryStore`], with keys from the queue and the
//! index.

mod bulk;
mod history;

use std::{
    fmt::{self, Debug},
    future::Future,
};

use chrono::{DateTime, Utc};

pub use self::{
    bulk::{BulkRunStore, BulkStore, JobPart, JobQueue, LoadedAll},
    history::{AccessLog, AccessLogReader, PracticeHistory, SupportStore},
};
use crate::{
    directory::{DirectoryPlace, DirectoryRow},
    email::EmailAddress,
    ids::{AccountId, InvitationId, JobId, LinkId, MessageId, PatientId, PracticeId, RecordKey},
    ledger::AddressRefusal,
    link::{LinkSecret, Token},
    practice::Practice,
    practice_history::PracticeEvent,
    profile::Language,
    record::{
        Change, NextActionKind, PortalRecord,
        account::Login,
        delivery::{ClaimRequest, Unclaimable},
    },
    scope::TenantScope,
    search::DirectoryQuery,
    states::NoticeKind,
    timeline::{TimelineEvent, TimelinePlace},
};

/// The store failed. It is not known whether it changed anything.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many requests, or too many concurrent requests for one item: try again later.
    #[error("the store is busy")]
    Busy,
    /// The store could not be reached or had a fault.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// This version cannot read an item. The item is never deleted, because a newer version may have written it.
    #[error("an item cannot be read")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A practice and one of its patients, read in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The practice; `None` if it has not saved its settings yet.
    pub practice: Option<Practice>,
    /// The patient's record; `None` if there is no such patient in this practice.
    pub record: Option<PortalRecord>,
}

/// The outcome of a conditional write. Either all of it was written or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Written, now or by an earlier try of the same request.
    Committed,
    /// The record has changed since it was read: read it and decide again.
    Stale,
    /// The address cannot be used.
    AddressRefused(AddressRefusal),
}

/// What a read must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// The latest writes may be missing. It costs half of a strong read. What depends on it must be written under the
    /// condition that nothing has changed, or decided again on a strong read.
    Eventual,
    /// Every earlier write.
    Strong,
}

/// The records of one practice, for reading. A reader does not need the key of the fingerprints.
pub trait PortalReader: Sync {
    /// Reads a practice and one of its patients in one round trip.
    ///
    /// # Errors
    /// [`StoreError`]
    fn load(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        consistency: Consistency,
    ) -> impl Future<Output = Result<Loaded, StoreError>> + Send;
}

/// Writes changes. A change is made from a record that was read, so a caller can only write records that it may read.
pub trait ChangeStore: Sync {
    /// Writes a change, its event, and its effects on addresses and the directory, in one transaction, if the record still
    /// has the version, the fence and the latest login that it had before.
    ///
    /// # Errors
    /// [`StoreError`]
    fn commit(&self, change: &Change) -> impl Future<Output = Result<CommitOutcome, StoreError>> + Send;
}

/// The records of one practice.
pub trait PortalStore: PortalReader + ChangeStore {}

impl<S: PortalReader + ChangeStore> PortalStore for S {}

/// The timelines of one practice's patients.
pub trait TimelineReader: Sync {
    /// A patient's events, newest first, at most `limit`: the newest, or those before a place. Empty if the practice has no
    /// such patient.
    ///
    /// # Errors
    /// [`StoreError`]
    fn events(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        before: Option<TimelinePlace>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<TimelineEvent>, StoreError>> + Send;
}

/// One practice's directory. [`ChangeStore::commit`] updates it with the profiles.
pub trait DirectoryStore: Sync {
    /// The rows whose places match a query, sorted by place, at most `limit`: the first, or those after a place that matches
    /// the query. One round trip, independent of the size of the directory.
    ///
    /// # Errors
    /// [`StoreError`]
    fn search(
        &self,
        scope: &TenantScope,
        query: &DirectoryQuery,
        after: Option<&DirectoryPlace>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<DirectoryRow>, StoreError>> + Send;
}

/// The settings of one practice.
pub trait PracticeStore: Sync {
    /// Reads the practice.
    ///
    /// # Errors
    /// [`StoreError`]
    fn practice(&self, scope: &TenantScope) -> impl Future<Output = Result<Option<Practice>, StoreError>> + Send;

    /// Writes the practice and the events of the change, in one transaction, if the stored practice has the previous version:
    /// [`CommitOutcome::Committed`] or [`CommitOutcome::Stale`]. A repeated write is recognised by its events.
    ///
    /// # Errors
    /// [`StoreError`], also if the practice or an event is not the scope's.
    fn save_practice(
        &self,
        scope: &TenantScope,
        practice: &Practice,
        events: &[PracticeEvent],
    ) -> impl Future<Output = Result<CommitOutcome, StoreError>> + Send;
}

/// The record of a mailed link. The link's secret is the permission to use the record; the operations check it first.
pub trait LinkStore: ChangeStore {
    /// Reads the record that has this link, and its practice; neither if no record has it. The number of round trips is the
    /// same in both cases, so that the time does not reveal whether the link exists.
    ///
    /// # Errors
    /// [`StoreError`]
    fn load_linked(&self, link: &LinkId) -> impl Future<Output = Result<Loaded, StoreError>> + Send;
}

/// The outcome of recording a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The login was recorded as the latest one.
    Recorded,
    /// This login, or another one at the same time or later, is recorded already.
    Known,
    /// No active account has this address.
    NoAccount,
}

/// The accounts, by email address.
pub trait LoginStore: Sync {
    /// Records a login by [`PortalRecord::track_login`], in two round trips: one read of the address, and one conditional
    /// write.
    ///
    /// # Errors
    /// [`StoreError`]
    fn record_login(
        &self,
        email: &EmailAddress,
        login: &Login,
    ) -> impl Future<Output = Result<LoginOutcome, StoreError>> + Send;
}

/// The outcome of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// This sender has claimed the mail. Contains the record after the claim.
    Claimed(Box<PortalRecord>),
    /// The mail was not claimed.
    Refused(Unclaimable),
}

/// One of the parts of the calendar, which is split so that no partition of the index holds all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueShard(u8);

impl DueShard {
    /// The number of shards.
    pub const COUNT: u8 = 16;

    /// The shard for a hash value.
    #[must_use]
    pub const fn from_hash(hash: u64) -> Self {
        let [low, ..] = hash.to_le_bytes();
        Self(low % Self::COUNT)
    }

    /// All shards, starting with this one.
    pub fn all_from(first: Self) -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(move |step| Self((first.0 + step) % Self::COUNT))
    }

    /// The shard's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A row of the calendar. It is only a candidate, because the record may have changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueEntry {
    /// The record's key.
    pub key: RecordKey,
    /// What the record waits for.
    pub kind: NextActionKind,
    /// Since when it is due.
    pub at: DateTime<Utc>,
    /// The record's current invitation.
    pub invitation: InvitationId,
    /// Since when that invitation has been queued.
    pub queued_at: DateTime<Utc>,
    /// How often the row was moved to a later time.
    pub reschedules: u32,
}

impl DueEntry {
    /// The calendar row of a record, if it has a next action.
    #[must_use]
    pub fn from_record(record: &PortalRecord) -> Option<Self> {
        let (next, invitation) = (record.next_action?, record.invitation.as_ref()?);
        Some(Self {
            key: record.key.clone(),
            kind: next.kind,
            at: next.at,
            invitation: invitation.id.clone(),
            queued_at: invitation.queued_at,
            reschedules: invitation.reschedules,
        })
    }
}

/// The records of all practices, for the functions that send mails and check their delivery.
pub trait DeliveryStore: ChangeStore {
    /// Claims a mail by [`PortalRecord::claim`], in one conditional write.
    ///
    /// # Errors
    /// [`StoreError`]
    fn claim(
        &self,
        key: &RecordKey,
        request: &ClaimRequest,
    ) -> impl Future<Output = Result<ClaimOutcome, StoreError>> + Send;

    /// Gives a claim back: writes the record that [`PortalRecord::defer`] returned, if the stored fence is still the previous
    /// one. Returns whether it was written.
    ///
    /// # Errors
    /// [`StoreError`]
    fn defer(&self, record: &PortalRecord) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Reads one record, consistently.
    ///
    /// # Errors
    /// [`StoreError`]
    fn record(&self, key: &RecordKey) -> impl Future<Output = Result<Option<PortalRecord>, StoreError>> + Send;

    /// Reads a practice. The result may be up to a minute old.
    ///
    /// # Errors
    /// [`StoreError`]
    fn practice_by_id(
        &self,
        practice: &PracticeId,
    ) -> impl Future<Output = Result<Option<Practice>, StoreError>> + Send;

    /// The due rows of a shard, oldest first, at most `limit`: from the beginning, or those `after` a row, which may have
    /// been removed since.
    ///
    /// # Errors
    /// [`StoreError`]
    fn due(
        &self,
        shard: DueShard,
        after: Option<&DueEntry>,
        until: DateTime<Utc>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<DueEntry>, StoreError>> + Send;

    /// Moves an entry to the time `next` by [`PortalRecord::rescheduled`], if the record still has this entry. Returns
    /// whether it was moved: of several concurrent callers, one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`]
    fn reschedule(
        &self,
        entry: &DueEntry,
        next: DateTime<Utc>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes an entry from the calendar by [`PortalRecord::unscheduled`], if the record still has this entry. Returns
    /// whether it was removed.
    ///
    /// # Errors
    /// [`StoreError`]
    fn unschedule(&self, entry: &DueEntry) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// The content of a hint that an invitation's mail may be due. Ids only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationMessage {
    /// The record's key.
    pub key: RecordKey,
    /// The invitation's id.
    pub invitation: InvitationId,
}

/// A hint to the sender that mails may be due. Ids only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The mail of an invitation.
    Invitation(InvitationMessage),
    /// The notices of a record.
    Notices(RecordKey),
}

/// The queue did not accept a message.
#[derive(Debug, thiserror::Error)]
#[error("the queue is unavailable")]
pub struct QueueError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The queue between commands and the sender.
pub trait Queue: Sync {
    /// Sends hints, up to ten in one call.
    ///
    /// # Errors
    /// [`QueueError`] if any hint was not accepted. No mail is lost: the sweep finds it in the records.
    fn send(&self, hints: &[Hint]) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// A store or a queue failed, and the operation cannot continue without it.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// An invitation's mail, ready to be rendered.
#[derive(Clone, Debug)]
pub struct InvitationMail {
    /// The record's key, for the mail's tags.
    pub key: RecordKey,
    /// The recipient.
    pub to: EmailAddress,
    /// The language of the mail.
    pub language: Language,
    /// The practice on whose behalf it is sent: name, sender name, phone and time zone.
    pub practice: Practice,
    /// The token in the mail's link.
    pub token: Token,
    /// When the link stops working.
    pub expires_at: DateTime<Utc>,
    /// The invitation's id, for the mail's tags.
    pub invitation: InvitationId,
    /// The number of the attempt, for the mail's tags.
    pub attempt: u32,
}

/// A notice, ready to be rendered.
#[derive(Clone, Debug)]
pub struct NoticeMail {
    /// The kind of notice, for the mail's tags.
    pub kind: NoticeKind,
    /// The recipient.
    pub to: EmailAddress,
    /// The language of the mail.
    pub language: Language,
    /// The practice on whose behalf it is sent: name, sender name, phone and time zone.
    pub practice: Practice,
    /// When the change happened.
    pub happened_at: DateTime<Utc>,
}

/// The outcome of handing a mail over. Each outcome needs a different reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The mail service accepted the mail.
    Accepted(MessageId),
    /// Not accepted: too many mails per second.
    Throttled,
    /// Not accepted, and no mail will be for a while: paused, suspended, not verified, out of quota.
    Paused,
    /// This mail is refused permanently.
    Refused,
    /// Perhaps accepted: no answer, or an answer that does not say.
    Unknown,
}

/// The mail service.
pub trait Mailer: Sync {
    /// Hands over one mail. Never retries, because a retry could send the mail twice.
    fn send(&self, mail: &InvitationMail) -> impl Future<Output = SendOutcome> + Send;

    /// Hands over one notice. Never retries.
    fn notify(&self, mail: &NoticeMail) -> impl Future<Output = SendOutcome> + Send;
}

/// The ports that every operation needs.
pub struct Ports<'world, S> {
    /// The records.
    pub store: &'world S,
    /// The time.
    pub clock: &'world dyn Clock,
}

impl<S> Debug for Ports<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ports")
    }
}

/// The time.
pub trait Clock: Sync {
    /// The current time in whole milliseconds, the precision of the store.
    fn now(&self) -> DateTime<Utc>;
}

/// Cryptographic randomness, and ids made from it.
pub trait Entropy: Sync {
    /// A new id. Ids are ordered by time.
    fn invitation_id(&self, now: DateTime<Utc>) -> InvitationId;
    /// A new id. Ids are ordered by time.
    fn job_id(&self, now: DateTime<Utc>) -> JobId;
    /// A new account id: 122 random bits.
    fn account_id(&self) -> AccountId;
    /// A new link id: 128 random bits.
    fn link_id(&self) -> LinkId;
    /// A new secret: 256 random bits.
    fn link_secret(&self) -> LinkSecret;
    /// A random number, to spread retries over time.
    fn jitter(&self) -> u32;
}
