//! The in-memory store: the reference for every other store.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound::{Excluded, Included},
    sync::Mutex,
};

use chrono::{DateTime, Utc};

use crate::{
    access::AccessEntry,
    bulk::{BulkJob, Slice, SlicePlace},
    directory::{self, DirectoryPlace, DirectoryRow},
    email::EmailAddress,
    history::HistoryPlace,
    ids::{JobId, JobKey, LinkId, PatientId, PracticeId, RecordKey},
    ledger::{AddressBook, EmailEntry, ProfileEntry, RefusalBudget},
    ports::{
        AccessLog, AccessLogReader, BulkRunStore, BulkStore, ChangeStore, ClaimOutcome, CommitOutcome, Consistency,
        DeliveryStore, DirectoryStore, DueEntry, DueShard, JobPart, LinkStore, Loaded, LoadedAll, LoginOutcome,
        LoginStore, PortalReader, PracticeHistory, PracticeStore, StoreError, SupportStore, TimelineReader,
    },
    practice::Practice,
    practice_history::PracticeEvent,
    record::{
        Change, NextAction, PortalRecord,
        account::{Login, Registration},
        delivery::{ClaimRequest, Unclaimable},
        guards::Recipient,
    },
    scope::TenantScope,
    search::DirectoryQuery,
    testing::samples,
    timeline::{Role, TimelineEvent, TimelinePlace},
};

/// The whole contents of a store. Tests compare it to show that nothing has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The portal records.
    pub records: BTreeMap<RecordKey, PortalRecord>,
    /// The timelines, by record and version.
    pub timeline: BTreeMap<(RecordKey, u64), TimelineEvent>,
    /// The claims of the email addresses.
    pub emails: BTreeMap<EmailAddress, EmailEntry>,
    /// The profiles of each practice by address.
    pub profiles: BTreeMap<(PracticeId, EmailAddress), ProfileEntry>,
    /// The refusals of addresses, by practice.
    pub budgets: BTreeMap<PracticeId, RefusalBudget>,
    /// The practices.
    pub practices: BTreeMap<PracticeId, Practice>,
    /// The bulk jobs, with the patients that each one names.
    pub jobs: BTreeMap<JobKey, (BulkJob, Vec<PatientId>)>,
    /// The slices of the bulk jobs, by job and number.
    pub slices: BTreeMap<(JobKey, u32), Slice>,
    /// The histories of the practices.
    pub practice_events: BTreeMap<(PracticeId, HistoryPlace), PracticeEvent>,
    /// The accesses of Customer Care to patients.
    pub accesses: BTreeMap<(RecordKey, HistoryPlace), AccessEntry>,
}

/// A fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// [`StoreError::Busy`]; nothing is done.
    Busy,
    /// [`StoreError::Unavailable`]; nothing is done.
    Unavailable,
    /// [`StoreError::Corrupt`]; nothing is done.
    Corrupt,
    /// [`StoreError::Unavailable`], although the call was executed.
    LostReply,
}

/// An in-memory store into which tests inject faults. Every call is atomic.
#[derive(Debug, Default)]
pub struct MemoryStore {
    contents: Mutex<Contents>,
    faults: Mutex<VecDeque<Option<Fault>>>,
}

impl MemoryStore {
    /// A store with these practices.
    #[must_use]
    pub fn with_practices(practices: impl IntoIterator<Item = Practice>) -> Self {
        let store = Self::default();
        for practice in practices {
            store.contents.lock().unwrap().practices.insert(practice.id.clone(), practice);
        }
        store
    }

    /// Adds a patient of one of the practices who was invited and mailed, all at [`samples::noon`]. The mailed token is
    /// [`samples::token`] with seed 1.
    pub fn mail_invitation(&self, key: &RecordKey, address: &str) {
        let mut contents = self.contents.lock().unwrap();
        let practice = contents.practices.get(&key.practice).cloned().unwrap();
        let (now, id) = (samples::noon(), samples::invitation_id("invitation-1"));
        let created = samples::new_patient(key, samples::profile(Some(address)));
        let invited = created
            .after
            .invite(&practice, &Recipient::default(), id.clone(), samples::staff_context(now, "invite"))
            .unwrap();
        let sending = invited.after.claim(&samples::claim_request(&id, now, 1)).unwrap();
        let context = samples::context_as(Role::Sender, now, "send");
        let sent = sending.stamp(&practice, &id, sending.fence, samples::message_id(1), context).unwrap();
        for change in [&created, &invited] {
            assert_eq!(contents.commit(change).unwrap(), CommitOutcome::Committed);
        }
        contents.records.insert(key.clone(), sending);
        assert_eq!(contents.commit(&sent).unwrap(), CommitOutcome::Committed);
    }

    /// Adds a patient of one of the practices who was invited and has registered, all at [`samples::noon`].
    pub fn open_account(&self, key: &RecordKey, address: &str) {
        self.mail_invitation(key, address);
        let context = samples::context_as(Role::Patient, samples::noon(), "register");
        let account = samples::account_id("account-1");
        let Registration::Registered(opened) =
            self.stored_record(key).unwrap().register(samples::date_of_birth(), account, None, context)
        else {
            unreachable!("the date of birth is right")
        };
        assert_eq!(self.contents.lock().unwrap().commit(&opened).unwrap(), CommitOutcome::Committed);
    }

    /// A store with patient `p-1001` of the practice `lakeside`, whose `invitation-0001` was queued at noon.
    #[must_use]
    pub fn with_queued_invitation() -> Self {
        let practice = samples::practice("lakeside");
        let patient =
            samples::new_patient(&samples::key("lakeside", "p-1001"), samples::profile(Some("jose@example.com")));
        let id = samples::invitation_id("invitation-0001");
        let invited = patient
            .after
            .invite(&practice, &Recipient::default(), id, samples::staff_context(samples::noon(), "request-1"))
            .unwrap();
        let store = Self::with_practices([practice]);
        for change in [patient, invited] {
            let committed = store.contents.lock().unwrap().commit(&change).unwrap();
            assert_eq!(committed, CommitOutcome::Committed);
        }
        store
    }

    /// Removes a practice. No operation does that.
    pub fn remove_practice(&self, practice: &PracticeId) {
        self.contents.lock().unwrap().practices.remove(practice);
    }

    /// Writes a record without any check. No operation does that.
    pub fn put(&self, record: PortalRecord) {
        self.contents.lock().unwrap().records.insert(record.key.clone(), record);
    }

    /// Injects faults into the next calls, in this order; [`None`] lets a call succeed.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// Removes the faults that are left, and returns their number, including each [`None`].
    pub fn clear_faults(&self) -> usize {
        std::mem::take(&mut *self.faults.lock().unwrap()).len()
    }

    /// A copy of the whole contents.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.contents.lock().unwrap().clone()
    }

    /// One record, read without faults.
    #[must_use]
    pub fn stored_record(&self, key: &RecordKey) -> Option<PortalRecord> {
        self.contents.lock().unwrap().records.get(key).cloned()
    }

    /// A record's timeline, oldest event first.
    #[must_use]
    pub fn timeline(&self, key: &RecordKey) -> Vec<TimelineEvent> {
        let contents = self.contents.lock().unwrap();
        contents.timeline.range((key.clone(), 0)..=(key.clone(), u64::MAX)).map(|(_, event)| event.clone()).collect()
    }

    /// The entry of an email address.
    #[must_use]
    pub fn email_entry(&self, email: &EmailAddress) -> EmailEntry {
        self.contents.lock().unwrap().emails.get(email).cloned().unwrap_or_default()
    }

    fn call<T>(&self, work: impl FnOnce(&mut Contents) -> T) -> Result<T, StoreError> {
        let fault = self.faults.lock().unwrap().pop_front().flatten();
        let unavailable = || StoreError::Unavailable("injected by the test".into());
        match fault {
            None => Ok(work(&mut self.contents.lock().unwrap())),
            Some(Fault::Busy) => Err(StoreError::Busy),
            Some(Fault::Unavailable) => Err(unavailable()),
            Some(Fault::Corrupt) => Err(StoreError::Corrupt("injected by the test".into())),
            Some(Fault::LostReply) => {
                let _lost = work(&mut self.contents.lock().unwrap());
                Err(unavailable())
            }
        }
    }
}

impl Contents {
    fn commit(&mut self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let key = &change.after.key;
        let place = (key.clone(), change.event.version);
        let past = self.timeline.get(&place);
        if past == Some(&change.event) {
            return Ok(CommitOutcome::Committed);
        }
        let guard = |record: &PortalRecord| (record.version, record.fence, record.last_login().cloned());
        if self.records.get(key).map(guard) != change.before.as_ref().map(guard) {
            return Ok(CommitOutcome::Stale);
        }
        let addresses = match self.address_book(change).after(change) {
            Ok(after) => after,
            Err(refused) => {
                self.budgets.extend(refused.budget.map(|budget| (key.practice.clone(), budget)));
                return Ok(CommitOutcome::AddressRefused(refused.refusal));
            }
        };
        if past.is_some() {
            return Err(StoreError::Corrupt("a record is older than its timeline".into()));
        }
        self.put_addresses(&key.practice, addresses);
        self.timeline.insert(place, change.event.clone());
        self.records.insert(key.clone(), change.after.clone());
        Ok(CommitOutcome::Committed)
    }

    fn address_book(&self, change: &Change) -> AddressBook {
        let practice = &change.after.key.practice;
        let mut book = AddressBook::touched_by(change);
        for (email, entry) in &mut book.claims {
            *entry = self.emails.get(email).cloned().unwrap_or_default();
        }
        for (email, entry) in &mut book.profiles {
            *entry = self.profiles.get(&(practice.clone(), email.clone())).cloned().unwrap_or_default();
        }
        book.budget = book.budget.map(|empty| self.budgets.get(practice).copied().unwrap_or(empty));
        book
    }

    fn put_addresses(&mut self, practice: &PracticeId, book: AddressBook) {
        self.emails.extend(book.claims);
        self.emails.retain(|_, entry| !entry.is_empty());
        self.profiles.extend(book.profiles.into_iter().map(|(email, entry)| ((practice.clone(), email), entry)));
        self.profiles.retain(|_, entry| !entry.is_empty());
    }

    fn claim(&mut self, key: &RecordKey, request: &ClaimRequest) -> ClaimOutcome {
        let Some(record) = self.records.get_mut(key) else {
            return ClaimOutcome::Refused(Unclaimable::Done);
        };
        if record.claimed_by(request) {
            return ClaimOutcome::Claimed(Box::new(record.clone()));
        }
        match record.claim(request) {
            Ok(claimed) => {
                *record = claimed;
                ClaimOutcome::Claimed(Box::new(record.clone()))
            }
            Err(reason) => ClaimOutcome::Refused(reason),
        }
    }

    fn defer(&mut self, waiting: &PortalRecord) -> bool {
        let (Some(record), Some(next)) = (self.records.get_mut(&waiting.key), waiting.next_action) else {
            return false;
        };
        // Without a link the patient has opted out meanwhile: the lease runs out and the invitation is finalized.
        let defer = record.link.is_some().then(|| record.defer(waiting.fence.saturating_sub(1), next.at)).flatten();
        defer.map(|defer| *record = defer).is_some()
    }

    /// Moves or removes a record's calendar row, if the record still has this entry.
    fn move_entry(&mut self, entry: &DueEntry, to: impl FnOnce(&PortalRecord) -> Option<PortalRecord>) -> bool {
        let expected = NextAction { kind: entry.kind, at: entry.at };
        let Some(record) = self.records.get_mut(&entry.key) else { return false };
        let same = |record: &PortalRecord| {
            let invitation = record.invitation.as_ref();
            record.next_action == Some(expected) && invitation.is_some_and(|current| current.id == entry.invitation)
        };
        let moved = same(record).then(|| to(record)).flatten();
        moved.map(|moved| *record = moved).is_some()
    }

    fn add_event(&mut self, event: &PracticeEvent) {
        self.practice_events.insert((event.practice.clone(), event.place()), event.clone());
    }

    fn save_practice(&mut self, practice: &Practice, events: &[PracticeEvent]) -> Result<CommitOutcome, StoreError> {
        let stored_event = |event: &PracticeEvent| self.practice_events.get(&(event.practice.clone(), event.place()));
        if events.iter().any(|event| stored_event(event) == Some(event)) {
            return Ok(CommitOutcome::Committed);
        }
        if self.practices.get(&practice.id).map_or(0, |stored| stored.version) + 1 != practice.version {
            return Ok(CommitOutcome::Stale);
        }
        if events.iter().any(|event| stored_event(event).is_some()) {
            return Err(StoreError::Corrupt("a history has another event at this place".into()));
        }
        self.practices.insert(practice.id.clone(), practice.clone());
        for event in events {
            self.add_event(event);
        }
        Ok(CommitOutcome::Committed)
    }

    fn save_job(&mut self, job: &BulkJob, part: Option<JobPart<'_>>) -> CommitOutcome {
        let key = job.scope.job(&job.id);
        let Some((stored, _)) = self.jobs.get_mut(&key) else { return CommitOutcome::Stale };
        if stored == job {
            return CommitOutcome::Committed;
        }
        if stored.version + 1 != job.version {
            return CommitOutcome::Stale;
        }
        *stored = job.clone();
        match part {
            None => {}
            Some(JobPart::Slice(slice)) => {
                self.slices.insert((key, slice.number), slice.clone());
            }
            Some(JobPart::Event(event)) => self.add_event(event),
        }
        CommitOutcome::Committed
    }

    /// All rows of a practice's directory, in no particular order.
    fn rows(&self, practice: &PracticeId) -> impl Iterator<Item = DirectoryRow> {
        let own = self.records.values().filter(|record| record.key.practice == *practice);
        own.flat_map(|record| directory::rows(&record.key.patient, &record.profile))
    }

    fn search(
        &self,
        practice: &PracticeId,
        query: &DirectoryQuery,
        after: Option<&DirectoryPlace>,
        limit: u16,
    ) -> Vec<DirectoryRow> {
        let is_next = |place: &DirectoryPlace| query.matches_place(place) && after.is_none_or(|after| place > after);
        let mut rows: Vec<DirectoryRow> = self.rows(practice).filter(|row| is_next(&row.place)).collect();
        rows.sort_by(|one, other| one.place.cmp(&other.place));
        rows.truncate(limit.into());
        rows
    }

    fn due(&self, shard: DueShard, after: Option<&DueEntry>, until: DateTime<Utc>, limit: u16) -> Vec<DueEntry> {
        let is_due = |at, key| at <= until && after.is_none_or(|after| (after.at, &after.key) < (at, key));
        let mut due: Vec<_> = self
            .records
            .values()
            .filter_map(|record| Some((record.next_action?.at, record)))
            .filter(|(at, record)| is_due(*at, &record.key) && shard_of(&record.key) == shard)
            .collect();
        // The records are sorted by key, and a stable sort keeps that order for rows that are due at the same time.
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().filter_map(|(_, record)| DueEntry::from_record(record)).take(limit.into()).collect()
    }
}

/// Any distribution is correct: stores need not use the same one.
fn shard_of(key: &RecordKey) -> DueShard {
    let text = key.practice.as_str().bytes().chain(key.patient.as_str().bytes());
    DueShard::from_hash(text.fold(0, |hash, byte| hash * 31 % 1_000_003 + u64::from(byte)))
}

fn same_practice(scope: &TenantScope, practice: &PracticeId) -> Result<(), StoreError> {
    if scope.practice() == practice { Ok(()) } else { Err(StoreError::Corrupt("a change of another practice".into())) }
}

impl PortalReader for MemoryStore {
    async fn load(&self, scope: &TenantScope, patient: &PatientId, _: Consistency) -> Result<Loaded, StoreError> {
        self.call(|contents| Loaded {
            practice: contents.practices.get(scope.practice()).cloned(),
            record: contents.records.get(&scope.record(patient)).cloned(),
        })
    }
}

impl ChangeStore for MemoryStore {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        self.call(|contents| contents.commit(change))?
    }
}

impl TimelineReader for MemoryStore {
    async fn events(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        before: Option<TimelinePlace>,
        limit: u16,
    ) -> Result<Vec<TimelineEvent>, StoreError> {
        let key = scope.record(patient);
        let end = before.map_or(u64::MAX, TimelinePlace::version);
        self.call(|contents| {
            let events = contents.timeline.range((key.clone(), 0)..(key, end)).rev();
            events.take(limit.into()).map(|(_, event)| event.clone()).collect()
        })
    }
}

impl DirectoryStore for MemoryStore {
    async fn search(
        &self,
        scope: &TenantScope,
        query: &DirectoryQuery,
        after: Option<&DirectoryPlace>,
        limit: u16,
    ) -> Result<Vec<DirectoryRow>, StoreError> {
        self.call(|contents| contents.search(scope.practice(), query, after, limit))
    }
}

impl BulkStore for MemoryStore {
    async fn begin_job(
        &self,
        scope: &TenantScope,
        job: &BulkJob,
        patients: &[PatientId],
        event: &PracticeEvent,
    ) -> Result<Option<BulkJob>, StoreError> {
        same_practice(scope, job.scope.practice())?;
        same_practice(scope, &event.practice)?;
        self.call(|contents| {
            let key = scope.job(&job.id);
            if let Some((existing, _)) = contents.jobs.get(&key) {
                return (existing != job).then(|| existing.clone());
            }
            contents.jobs.insert(key, (job.clone(), patients.to_vec()));
            contents.add_event(event);
            None
        })
    }

    async fn job(&self, scope: &TenantScope, job: &JobId) -> Result<Option<BulkJob>, StoreError> {
        self.job_by_key(&scope.job(job)).await
    }

    async fn save_job(
        &self,
        scope: &TenantScope,
        job: &BulkJob,
        part: Option<JobPart<'_>>,
    ) -> Result<CommitOutcome, StoreError> {
        same_practice(scope, job.scope.practice())?;
        if let Some(JobPart::Event(event)) = part {
            same_practice(scope, &event.practice)?;
        }
        self.call(|contents| contents.save_job(job, part))
    }

    async fn slices(
        &self,
        scope: &TenantScope,
        job: &JobId,
        after: Option<SlicePlace>,
        limit: u16,
    ) -> Result<Vec<Slice>, StoreError> {
        let (key, after) = (scope.job(job), after.map_or(0, SlicePlace::number));
        self.call(|contents| {
            let slices = contents.slices.range((Excluded((key.clone(), after)), Included((key.clone(), u32::MAX))));
            slices.take(limit.into()).map(|(_, slice)| slice.clone()).collect()
        })
    }
}

impl BulkRunStore for MemoryStore {
    async fn job_by_key(&self, key: &JobKey) -> Result<Option<BulkJob>, StoreError> {
        self.call(|contents| contents.jobs.get(key).map(|(job, _)| job.clone()))
    }

    async fn named_patients(&self, scope: &TenantScope, job: &JobId) -> Result<Vec<PatientId>, StoreError> {
        let key = scope.job(job);
        self.call(|contents| contents.jobs.get(&key).map(|(_, patients)| patients.clone()).unwrap_or_default())
    }

    async fn list_by_birth_date(
        &self,
        scope: &TenantScope,
        after: Option<&DirectoryPlace>,
        limit: u16,
    ) -> Result<Vec<DirectoryPlace>, StoreError> {
        self.call(|contents| {
            let is_next = |place: &DirectoryPlace| {
                matches!(place, DirectoryPlace::BirthDate { .. }) && after.is_none_or(|after| place > after)
            };
            let mut places: Vec<_> =
                contents.rows(scope.practice()).map(|row| row.place).filter(|place| is_next(place)).collect();
            places.sort();
            places.truncate(limit.into());
            places
        })
    }

    async fn load_all(&self, scope: &TenantScope, patients: &[PatientId]) -> Result<LoadedAll, StoreError> {
        self.call(|contents| LoadedAll {
            practice: contents.practices.get(scope.practice()).cloned(),
            records: patients
                .iter()
                .filter_map(|patient| contents.records.get(&scope.record(patient)))
                .map(|record| (record.key.patient.clone(), record.clone()))
                .collect(),
        })
    }

    async fn profile_entries(
        &self,
        scope: &TenantScope,
        emails: &[EmailAddress],
    ) -> Result<BTreeMap<EmailAddress, ProfileEntry>, StoreError> {
        self.call(|contents| {
            let stored = |email: &EmailAddress| contents.profiles.get(&(scope.practice().clone(), email.clone()));
            let entry = |email: &EmailAddress| Some((email.clone(), stored(email)?.clone()));
            emails.iter().filter_map(entry).collect()
        })
    }
}

impl PracticeStore for MemoryStore {
    async fn practice(&self, scope: &TenantScope) -> Result<Option<Practice>, StoreError> {
        self.call(|contents| contents.practices.get(scope.practice()).cloned())
    }

    async fn save_practice(
        &self,
        scope: &TenantScope,
        practice: &Practice,
        events: &[PracticeEvent],
    ) -> Result<CommitOutcome, StoreError> {
        same_practice(scope, &practice.id)?;
        events.iter().try_for_each(|event| same_practice(scope, &event.practice))?;
        self.call(|contents| contents.save_practice(practice, events))?
    }
}

impl PracticeHistory for MemoryStore {
    async fn practice_events(
        &self,
        scope: &TenantScope,
        before: Option<&HistoryPlace>,
        limit: u16,
    ) -> Result<Vec<PracticeEvent>, StoreError> {
        self.call(|contents| newest(&contents.practice_events, scope.practice(), before, limit))
    }
}

impl AccessLog for MemoryStore {
    async fn record_access(&self, key: &RecordKey, entry: &AccessEntry) -> Result<(), StoreError> {
        self.call(|contents| {
            let stored = contents.accesses.entry((key.clone(), entry.place())).or_insert_with(|| entry.clone());
            if stored == entry {
                Ok(())
            } else {
                Err(StoreError::Corrupt("there is another entry at this place".into()))
            }
        })?
    }
}

impl AccessLogReader for MemoryStore {
    async fn accesses(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        before: Option<&HistoryPlace>,
        limit: u16,
    ) -> Result<Vec<AccessEntry>, StoreError> {
        self.call(|contents| newest(&contents.accesses, &scope.record(patient), before, limit))
    }
}

impl SupportStore for MemoryStore {
    async fn find_owner(&self, email: &EmailAddress) -> Result<Option<RecordKey>, StoreError> {
        self.call(|contents| contents.emails.get(email).and_then(|entry| entry.owner.clone()))
    }

    async fn load_by_key(&self, key: &RecordKey) -> Result<Loaded, StoreError> {
        self.call(|contents| Loaded {
            practice: contents.practices.get(&key.practice).cloned(),
            record: contents.records.get(key).cloned(),
        })
    }
}

/// The entries of one history, newest first.
fn newest<K: Ord, E: Clone>(
    all: &BTreeMap<(K, HistoryPlace), E>,
    of: &K,
    before: Option<&HistoryPlace>,
    limit: u16,
) -> Vec<E> {
    let is_next = |place: &HistoryPlace| before.is_none_or(|before| place < before);
    let entries = all.iter().rev().filter(|((owner, place), _)| owner == of && is_next(place));
    entries.take(limit.into()).map(|(_, entry)| entry.clone()).collect()
}

impl LoginStore for MemoryStore {
    async fn record_login(&self, email: &EmailAddress, login: &Login) -> Result<LoginOutcome, StoreError> {
        self.call(|contents| {
            let owner = contents.emails.get(email).and_then(|entry| entry.owner.as_ref());
            let Some(record) = owner.and_then(|owner| contents.records.get_mut(owner)) else {
                return LoginOutcome::NoAccount;
            };
            match record.track_login(login) {
                Ok(Some(after)) => {
                    *record = after;
                    LoginOutcome::Recorded
                }
                Ok(None) => LoginOutcome::Known,
                Err(_) => LoginOutcome::NoAccount,
            }
        })
    }
}

impl LinkStore for MemoryStore {
    async fn load_linked(&self, link: &LinkId) -> Result<Loaded, StoreError> {
        self.call(|contents| {
            let has_link = |record: &&PortalRecord| record.link.as_ref().is_some_and(|its| its.id == *link);
            let record = contents.records.values().find(has_link).cloned();
            let practice = record.as_ref().and_then(|record| contents.practices.get(&record.key.practice)).cloned();
            Loaded { practice, record }
        })
    }
}

impl DeliveryStore for MemoryStore {
    async fn claim(&self, key: &RecordKey, request: &ClaimRequest) -> Result<ClaimOutcome, StoreError> {
        self.call(|contents| contents.claim(key, request))
    }

    async fn defer(&self, record: &PortalRecord) -> Result<bool, StoreError> {
        self.call(|contents| contents.defer(record))
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        self.call(|contents| contents.records.get(key).cloned())
    }

    async fn practice_by_id(&self, practice: &PracticeId) -> Result<Option<Practice>, StoreError> {
        self.call(|contents| contents.practices.get(practice).cloned())
    }

    async fn due(
        &self,
        shard: DueShard,
        after: Option<&DueEntry>,
        until: DateTime<Utc>,
        limit: u16,
    ) -> Result<Vec<DueEntry>, StoreError> {
        self.call(|contents| contents.due(shard, after, until, limit))
    }

    async fn reschedule(&self, entry: &DueEntry, next: DateTime<Utc>) -> Result<bool, StoreError> {
        self.call(|contents| contents.move_entry(entry, |record| record.rescheduled(next)))
    }

    async fn unschedule(&self, entry: &DueEntry) -> Result<bool, StoreError> {
        self.call(|contents| contents.move_entry(entry, |record| Some(record.unscheduled())))
    }
}
