//! What the operations need from the world: a store, a queue, a mail service, a clock, randomness.
//!
//! The stores are split by who calls them. A request reaches [`PortalStore`] and [`PracticeStore`], each method of
//! which takes a [`TenantScope`]; only the functions that no client can call use [`DeliveryStore`], whose keys come
//! from the queue and the index.

mod bulk;

use std::{
    fmt::{self, Debug},
    future::Future,
};

use chrono::{DateTime, Utc};

pub use self::bulk::{BulkRunStore, BulkStore, JobQueue, LoadedAll};
use crate::{
    directory::{DirectoryPlace, DirectoryRow},
    email::EmailAddress,
    ids::{AccountId, InvitationId, JobId, LinkId, MessageId, PatientId, PracticeId, RecordKey},
    link::{LinkSecret, Token},
    practice::Practice,
    profile::Language,
    record::{
        Change, NextActionKind, PortalRecord,
        account::Login,
        delivery::{ClaimRequest, Unclaimable},
        notices::NoticeKind,
    },
    scope::TenantScope,
    search::DirectoryQuery,
    timeline::{HistoryPlace, TimelineEvent},
};

/// The store did not do what was asked, and it is not known to have changed anything.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many requests, or too many at once for one item: come again.
    #[error("the store is busy")]
    Busy,
    /// The store could not be reached or had a fault.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An item is not what this version can read. Never dropped: a newer version may have written it.
    #[error("an item cannot be read")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A practice and one of its patients, read at one go, each as last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The practice; `None` if it has not saved its settings yet.
    pub practice: Option<Practice>,
    /// The patient's record; `None` if there is no such patient in this practice.
    pub record: Option<PortalRecord>,
}

/// What came of a conditional write. Either all of it was written or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Written, now or by an earlier try of the same request.
    Committed,
    /// The record is no longer what it was when it was read: read it again and decide anew.
    Stale,
    /// The address is associated to another patient.
    EmailInUse {
        /// The other patient, only if of the same practice.
        holder: Option<PatientId>,
    },
}

/// The records of one practice, for reading. Who only reads needs no key to addresses.
pub trait PortalReader: Sync {
    /// Reads a practice and one of its patients, consistently, in one round trip.
    ///
    /// # Errors
    /// [`StoreError`]
    fn load(&self, scope: &TenantScope, patient: &PatientId)
    -> impl Future<Output = Result<Loaded, StoreError>> + Send;
}

/// Where changes are written. A change is made of a record that was read, so what may be read decides what may be
/// written.
pub trait ChangeStore: Sync {
    /// Writes a change, its event, and what it does to addresses and the directory, in one transaction, if the
    /// record still has the version, the fence and the latest login that it had before.
    ///
    /// # Errors
    /// [`StoreError`]
    fn commit(&self, change: &Change) -> impl Future<Output = Result<CommitOutcome, StoreError>> + Send;
}

/// The records of one practice.
pub trait PortalStore: PortalReader + ChangeStore {}

impl<S: PortalReader + ChangeStore> PortalStore for S {}

/// The histories of one practice's patients.
pub trait TimelineReader: Sync {
    /// A patient's events, newest first, at most `limit` of them: the newest, or those before a place. None if there is
    /// no such patient in this practice.
    ///
    /// # Errors
    /// [`StoreError`]
    fn events(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        before: Option<HistoryPlace>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<TimelineEvent>, StoreError>> + Send;
}

/// One practice's directory. It is changed with the profiles, by [`ChangeStore::commit`].
pub trait DirectoryStore: Sync {
    /// The rows that a query reaches, in the order of their places, at most `limit` of them: the first, or those after
    /// a place that the query reaches. One round trip, whatever the size of the directory.
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

    /// Writes the practice if it still has the version before: [`CommitOutcome::Committed`] or
    /// [`CommitOutcome::Stale`].
    ///
    /// # Errors
    /// [`StoreError`], also if it is another practice than the scope's.
    fn save_practice(
        &self,
        scope: &TenantScope,
        practice: &Practice,
    ) -> impl Future<Output = Result<CommitOutcome, StoreError>> + Send;
}

/// The one record that a mailed link leads to. Holding the link's secret is what permits to act on it; the operations
/// check that before they do anything.
pub trait LinkStore: ChangeStore {
    /// Reads the record that has this link, and its practice; nothing of either if no record has it. Takes the same
    /// round trips in either case, so that a stranger cannot tell by the time.
    ///
    /// # Errors
    /// [`StoreError`]
    fn load_linked(&self, link: &LinkId) -> impl Future<Output = Result<Loaded, StoreError>> + Send;
}

/// What came of a login's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// It is the latest login now.
    Noted,
    /// It was known, or one as late was.
    Known,
    /// No active account has this address.
    NoAccount,
}

/// The accounts, by their address.
pub trait LoginStore: Sync {
    /// Notes a login as [`PortalRecord::track_login`] says, in two round trips: whose address it is, and one
    /// conditional write.
    ///
    /// # Errors
    /// [`StoreError`]
    fn note_login(
        &self,
        email: &EmailAddress,
        login: &Login,
    ) -> impl Future<Output = Result<LoginOutcome, StoreError>> + Send;
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// This sender has the mail; the record is as it is now.
    Claimed(Box<PortalRecord>),
    /// It has not.
    Refused(Unclaimable),
}

/// One of the parts that the calendar is split into, so that no partition holds it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueShard(u8);

impl DueShard {
    /// How many there are.
    pub const COUNT: u8 = 16;

    /// The shard that a number falls into.
    #[must_use]
    pub const fn from_hash(hash: u64) -> Self {
        let [low, ..] = hash.to_le_bytes();
        Self(low % Self::COUNT)
    }

    /// All of them, beginning with this one.
    pub fn all_from(first: Self) -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(move |step| Self((first.0 + step) % Self::COUNT))
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A row of the calendar: a candidate, which the record may have outlived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueEntry {
    /// Whose record.
    pub key: RecordKey,
    /// What it waits for.
    pub kind: NextActionKind,
    /// Since when it is due.
    pub at: DateTime<Utc>,
    /// Its current invitation.
    pub invitation: InvitationId,
    /// Since when that one is to be mailed.
    pub queued_at: DateTime<Utc>,
    /// Times that it was moved to a later time.
    pub reschedules: u32,
}

impl DueEntry {
    /// The row that a record has in the calendar, if it waits for anything.
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

/// The records of all practices, for the functions that hand over mails and watch over them.
pub trait DeliveryStore: ChangeStore {
    /// Claims a mail as [`PortalRecord::claim`] says, in one conditional write.
    ///
    /// # Errors
    /// [`StoreError`]
    fn claim(
        &self,
        key: &RecordKey,
        request: &ClaimRequest,
    ) -> impl Future<Output = Result<ClaimOutcome, StoreError>> + Send;

    /// Gives a claim back: writes what [`PortalRecord::defer`] gave, if the record's fence is still the one before. Whether
    /// it was.
    ///
    /// # Errors
    /// [`StoreError`]
    fn defer(&self, record: &PortalRecord) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Reads one record, consistently.
    ///
    /// # Errors
    /// [`StoreError`]
    fn record(&self, key: &RecordKey) -> impl Future<Output = Result<Option<PortalRecord>, StoreError>> + Send;

    /// Reads a practice. May be a minute old.
    ///
    /// # Errors
    /// [`StoreError`]
    fn practice_of(&self, practice: &PracticeId) -> impl Future<Output = Result<Option<Practice>, StoreError>> + Send;

    /// What is due in a shard, oldest first, at most `limit` rows: from the beginning, or those `after` a row. Such a row
    /// need not be there any more.
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

    /// Moves an entry's next action to `next` as [`PortalRecord::rescheduled`] says, if the entry is still the record's: of
    /// several that see one entry, one is told `true`.
    ///
    /// # Errors
    /// [`StoreError`]
    fn reschedule(
        &self,
        entry: &DueEntry,
        next: DateTime<Utc>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Takes an entry out of the calendar as [`PortalRecord::unscheduled`] says, if it is still the record's. Whether it was.
    ///
    /// # Errors
    /// [`StoreError`]
    fn unschedule(&self, entry: &DueEntry) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// A hint to the sender that an invitation's mail may wait. Ids only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationMessage {
    /// Whose record.
    pub key: RecordKey,
    /// Which invitation.
    pub invitation: InvitationId,
}

/// A hint to the sender that mails may wait. Ids only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// An invitation's.
    Invitation(InvitationMessage),
    /// The notices of a record.
    Notices(RecordKey),
}

/// The queue did not take a message.
#[derive(Debug, thiserror::Error)]
#[error("the queue is unavailable")]
pub struct QueueError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The queue between commands and the sender.
pub trait Queue: Sync {
    /// Sends hints, at best all of them in one call for each ten.
    ///
    /// # Errors
    /// [`QueueError`] if any was not taken. Nothing is lost by it: the record is the truth and the sweep looks again.
    fn send(&self, hints: &[Hint]) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// A store or a queue did not do its part, and nothing can be done without it.
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
    /// Whose record; tags the mail.
    pub key: RecordKey,
    /// To whom.
    pub to: EmailAddress,
    /// In which language.
    pub language: Language,
    /// On whose behalf: name, sender name, phone and time zone.
    pub practice: Practice,
    /// The token that its link carries.
    pub token: Token,
    /// When the link stops working.
    pub expires_at: DateTime<Utc>,
    /// Which invitation; tags the mail.
    pub invitation: InvitationId,
    /// Which try; tags the mail.
    pub attempt: u32,
}

/// A notice, ready to be rendered.
#[derive(Clone, Debug)]
pub struct NoticeMail {
    /// What it tells; tags the mail.
    pub kind: NoticeKind,
    /// To whom.
    pub to: EmailAddress,
    /// In which language.
    pub language: Language,
    /// On whose behalf: name, sender name, phone and time zone.
    pub practice: Practice,
    /// When what it tells of happened.
    pub happened_at: DateTime<Utc>,
}

/// What came of handing a mail over. Each asks for another reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The mail service has it.
    Accepted(MessageId),
    /// It certainly has not: too fast.
    Throttled,
    /// It certainly has not and will not for a while: paused, suspended, not verified, out of quota.
    Paused,
    /// It refuses this mail for good.
    Refused,
    /// It may have it: no answer, or one that does not tell.
    Unknown,
}

/// The mail service.
pub trait Mailer: Sync {
    /// Hands over one mail, in one try: a second one could double it.
    fn send(&self, mail: &InvitationMail) -> impl Future<Output = SendOutcome> + Send;

    /// Hands over one notice, in one try.
    fn notify(&self, mail: &NoticeMail) -> impl Future<Output = SendOutcome> + Send;
}

/// What every operation needs of the world.
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
    /// Now, in whole milliseconds, which is what the store keeps.
    fn now(&self) -> DateTime<Utc>;
}

/// Randomness fit for secrets, and the ids made of it.
pub trait Entropy: Sync {
    /// A fresh id, ordered by time.
    fn invitation_id(&self, now: DateTime<Utc>) -> InvitationId;
    /// A fresh id, ordered by time.
    fn job_id(&self, now: DateTime<Utc>) -> JobId;
    /// A fresh account id: 122 random bits.
    fn account_id(&self) -> AccountId;
    /// A fresh link id: 128 random bits.
    fn link_id(&self) -> LinkId;
    /// A fresh secret: 256 random bits.
    fn link_secret(&self) -> LinkSecret;
    /// Any number, for spreading retries.
    fn jitter(&self) -> u32;
}
