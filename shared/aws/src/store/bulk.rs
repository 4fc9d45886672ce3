//! Bulk jobs, and reads of many records or addresses in one call.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use portal::{
    bulk::{Audience, BulkJob, Slice, SlicePlace},
    directory::DirectoryPlace,
    email::{EmailAddress, Pepper},
    ids::{JobId, JobKey, PatientId},
    ledger::ProfileEntry,
    ports::{BulkRunStore, BulkStore, CommitOutcome, Consistency, JobPart, LoadedAll, StoreError},
    practice_history::PracticeEvent,
    scope::TenantScope,
};

use super::{
    DynamoStore, Item, check_practice,
    commit::Contradiction,
    errors::{CONDITION_FAILED, corrupt},
    expression::names,
    items,
    items::Unreadable,
    keys::{self, BORN, Key, SLICES},
    lists::{Order, Page},
    retry, version_condition,
};

impl<P: Sync> BulkStore for DynamoStore<P> {
    async fn begin_job(
        &self,
        scope: &TenantScope,
        job: &BulkJob,
        patients: &[PatientId],
        event: &PracticeEvent,
    ) -> Result<Option<BulkJob>, StoreError> {
        check_practice(scope, job.scope.practice())?;
        check_practice(scope, &event.practice)?;
        let key = scope.job(&job.id);
        let item = items::job::encode(job)?;
        let mut writes = vec![self.put_if(item.clone(), version_condition(job.version))?];
        match job.audience {
            Audience::Named { .. } => writes.push(self.put(items::job::encode_patients(&key, patients)?)?),
            Audience::NeverInvited { .. } => {}
        }
        writes.push(self.put(items::practice_event::encode(event)?)?);
        let Some(stored) = self.write_job(writes).await? else { return Ok(None) };
        // The first attempt wrote it and its answer was lost.
        if stored == item { Ok(None) } else { items::job::decode(stored).map(Some) }
    }

    async fn job(&self, scope: &TenantScope, job: &JobId) -> Result<Option<BulkJob>, StoreError> {
        self.read_job(&scope.job(job)).await
    }

    async fn save_job(
        &self,
        scope: &TenantScope,
        job: &BulkJob,
        part: Option<JobPart<'_>>,
    ) -> Result<CommitOutcome, StoreError> {
        check_practice(scope, job.scope.practice())?;
        let item = items::job::encode(job)?;
        let part = match part {
            None => return self.put_next(&item, job.version).await,
            Some(JobPart::Slice(slice)) => items::job::encode_slice(&scope.job(&job.id), slice)?,
            Some(JobPart::Event(event)) => {
                check_practice(scope, &event.practice)?;
                items::practice_event::encode(event)?
            }
        };
        let writes = vec![self.put_if(item.clone(), version_condition(job.version))?, self.put(part)?];
        Ok(match self.write_job(writes).await? {
            None => CommitOutcome::Committed,
            Some(stored) if stored == item => CommitOutcome::Committed,
            Some(_) => CommitOutcome::Stale,
        })
    }

    async fn slices(
        &self,
        scope: &TenantScope,
        job: &JobId,
        after: Option<SlicePlace>,
        limit: u16,
    ) -> Result<Vec<Slice>, StoreError> {
        let key = scope.job(job);
        let page = Page {
            partition: keys::job_partition(&key),
            prefix: SLICES.to_owned(),
            order: Order::Ascending,
            after: after.map(|place| keys::slice(&key, place.number())),
            limit,
        };
        self.page(page).await?.into_iter().map(items::job::decode_slice).collect()
    }
}

impl BulkRunStore for DynamoStore<Pepper> {
    async fn job_by_key(&self, key: &JobKey) -> Result<Option<BulkJob>, StoreError> {
        self.read_job(key).await
    }

    async fn named_patients(&self, scope: &TenantScope, job: &JobId) -> Result<Vec<PatientId>, StoreError> {
        let item = self.get(&keys::job_patients(&scope.job(job)), true).await?;
        item.map_or_else(|| Ok(Vec::new()), items::job::decode_patients)
    }

    async fn list_by_birth_date(
        &self,
        scope: &TenantScope,
        after: Option<&DirectoryPlace>,
        limit: u16,
    ) -> Result<Vec<DirectoryPlace>, StoreError> {
        let practice = scope.practice();
        let page = Page {
            partition: keys::directory_partition(practice),
            prefix: BORN.to_owned(),
            order: Order::Ascending,
            after: after.map(|place| keys::directory(practice, place)),
            limit,
        };
        let place = |item: &Item| {
            let sort = item.get(keys::SORT).and_then(|sort| sort.as_s().ok());
            sort.and_then(|sort| keys::parse_directory_place(sort)).ok_or(Unreadable::Attribute(keys::SORT))
        };
        self.page(page).await?.iter().map(|item| place(item).map_err(corrupt)).collect()
    }

    async fn load_all(&self, scope: &TenantScope, patients: &[PatientId]) -> Result<LoadedAll, StoreError> {
        let practice = keys::practice(scope.practice());
        let records = patients.iter().map(|patient| keys::record(&scope.record(patient)));
        let all: Vec<Key> = records.chain([practice.clone()]).collect();
        let mut loaded = LoadedAll { practice: None, records: BTreeMap::new() };
        for item in self.get_all(&all, Consistency::Strong).await? {
            if practice.matches(&item) {
                loaded.practice = Some(items::practice::decode(item)?);
            } else {
                let record = items::record::decode(item)?;
                loaded.records.insert(record.key.patient.clone(), record);
            }
        }
        Ok(loaded)
    }

    async fn profile_entries(
        &self,
        scope: &TenantScope,
        emails: &[EmailAddress],
    ) -> Result<BTreeMap<EmailAddress, ProfileEntry>, StoreError> {
        let all: Vec<Key> = emails.iter().map(|email| self.profile_key(scope.practice(), email)).collect();
        let mut entries = BTreeMap::new();
        for item in self.get_all(&all, Consistency::Strong).await? {
            if let Some((email, _)) = emails.iter().zip(&all).find(|(_, key)| key.matches(&item)) {
                let (entry, _) = items::email::decode_profiles(item)?;
                entries.insert(email.clone(), entry);
            }
        }
        Ok(entries)
    }
}

impl<P> DynamoStore<P> {
    async fn read_job(&self, key: &JobKey) -> Result<Option<BulkJob>, StoreError> {
        self.get(&keys::job(key), true).await?.map(items::job::decode).transpose()
    }

    /// Writes a job and the items that belong to it in one transaction. If the condition on the job fails, returns the
    /// stored job, or an empty item if there is none.
    async fn write_job(&self, writes: Vec<TransactWriteItem>) -> Result<Option<Item>, StoreError> {
        let Some(reasons) = retry::with_retries(|| self.transact(writes.clone())).await? else { return Ok(None) };
        let failed = |reason: &&CancellationReason| reason.code() == Some(CONDITION_FAILED);
        let job = reasons.first().filter(failed);
        let job = job.ok_or_else(|| corrupt(Contradiction("a job item has another state than its slices")))?;
        Ok(Some(job.item.clone().unwrap_or_default()))
    }

    pub(super) fn put_if(
        &self,
        item: Item,
        (condition, values): (&str, Option<Item>),
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().put(put.build().map_err(corrupt)?).build())
    }

    /// Puts an item that belongs to a job. The condition on the job covers it.
    fn put(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(corrupt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
