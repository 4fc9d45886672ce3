//! The histories of practices, and the accesses of Customer Care to patients.

use aws_sdk_dynamodb::types::CancellationReason;
use portal::{
    access::AccessEntry,
    email::{EmailAddress, Pepper},
    history::HistoryPlace,
    ids::{PatientId, RecordKey},
    ports::{
        AccessLog, AccessLogReader, CommitOutcome, Consistency, Loaded, PracticeHistory, StoreError, SupportStore,
    },
    practice::Practice,
    practice_history::PracticeEvent,
    scope::TenantScope,
};

use super::{
    DynamoStore, Item, check_practice,
    commit::Contradiction,
    errors::{CONDITION_FAILED, corrupt},
    items,
    keys::{self, ACCESSES, EVENTS},
    lists::{Order, Page},
    retry, version_condition,
};

impl<P> DynamoStore<P> {
    /// Writes a practice and the events of the change, if the stored practice has the previous version.
    ///
    /// Failed conditions mean, in this order:
    /// 1. An event is our own: an earlier attempt had committed.
    /// 2. The practice has changed.
    pub(super) async fn save_with_events(
        &self,
        practice: &Practice,
        events: &[PracticeEvent],
    ) -> Result<CommitOutcome, StoreError> {
        let events: Vec<Item> = events.iter().map(items::practice_event::encode).collect::<Result<_, _>>()?;
        let settings = self.put_if(items::practice::encode(practice)?, version_condition(practice.version))?;
        let mut writes = vec![settings];
        for event in &events {
            writes.push(self.put_if(event.clone(), version_condition(1))?);
        }
        let Some(reasons) = retry::with_retries(|| self.transact(writes.clone())).await? else {
            return Ok(CommitOutcome::Committed);
        };
        let has_failed = |reason: &CancellationReason| reason.code() == Some(CONDITION_FAILED);
        let [of_practice, of_events @ ..] = reasons.as_slice() else {
            return Err(corrupt(Contradiction("a cancelled transaction has no reasons")));
        };
        let own = |(event, reason): (&Item, &CancellationReason)| has_failed(reason) && reason.item() == Some(event);
        if events.iter().zip(of_events).any(own) {
            Ok(CommitOutcome::Committed)
        } else if has_failed(of_practice) {
            Ok(CommitOutcome::Stale)
        } else {
            Err(corrupt(Contradiction("a history has another event at this place")))
        }
    }
}

impl<P: Sync> PracticeHistory for DynamoStore<P> {
    async fn practice_events(
        &self,
        scope: &TenantScope,
        before: Option<&HistoryPlace>,
        limit: u16,
    ) -> Result<Vec<PracticeEvent>, StoreError> {
        let practice = scope.practice();
        let page = Page {
            partition: keys::history_partition(practice),
            prefix: EVENTS.to_owned(),
            order: Order::Descending,
            after: before.map(|place| keys::practice_event(practice, place)),
            limit,
        };
        self.page(page).await?.into_iter().map(items::practice_event::decode).collect()
    }
}

impl<P: Sync> AccessLogReader for DynamoStore<P> {
    async fn accesses(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        before: Option<&HistoryPlace>,
        limit: u16,
    ) -> Result<Vec<AccessEntry>, StoreError> {
        let key = scope.record(patient);
        let page = Page {
            partition: keys::access_partition(&key),
            prefix: ACCESSES.to_owned(),
            order: Order::Descending,
            after: before.map(|place| keys::access(&key, place)),
            limit,
        };
        self.page(page).await?.into_iter().map(items::access::decode).collect()
    }
}

impl<P: Sync> AccessLog for DynamoStore<P> {
    async fn record_access(&self, key: &RecordKey, entry: &AccessEntry) -> Result<(), StoreError> {
        match self.put_new(&items::access::encode(key, entry)?).await? {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Stale | CommitOutcome::AddressRefused(_) => {
                Err(corrupt(Contradiction("there is another access at this place")))
            }
        }
    }
}

impl SupportStore for DynamoStore<Pepper> {
    async fn find_owner(&self, email: &EmailAddress) -> Result<Option<RecordKey>, StoreError> {
        let entry = self.get(&keys::email(&self.pepper.fingerprint(email)), true).await?;
        Ok(entry.map(items::email::decode).transpose()?.and_then(|(entry, _)| entry.owner))
    }

    async fn load_by_key(&self, key: &RecordKey) -> Result<Loaded, StoreError> {
        self.load_both(key, Consistency::Strong).await
    }
}

/// Refuses events of another practice than the scope's.
pub(super) fn check_events(scope: &TenantScope, events: &[PracticeEvent]) -> Result<(), StoreError> {
    events.iter().try_for_each(|event| check_practice(scope, &event.practice))
}
