//! The records in one DynamoDB table.
//!
//! * [`keys`] builds every key, `items` defines the item of each key
//! * `bulk` stores bulk jobs and reads many records in one call
//! * `commit` writes changes, `delivery` claims mails and reads due entries, `links` finds the record of a mailed link,
//!   `logins` records logins, `lists` reads timelines and directories; this module has the other reads
//! * `history` stores the histories of practices and the accesses of Customer Care
//! * `errors` classifies SDK errors, `retry` repeats calls that may succeed later
//!
//! Index rows are candidates only, because an index accepts duplicates and is eventually consistent. A unique value has
//! an item of its own, written in the same transaction as the record.

#[cfg(feature = "testing")]
pub mod attributes;
mod bulk;
mod commit;
mod delivery;
mod emails;
mod errors;
mod expression;
mod history;
mod items;
pub mod keys;
mod links;
mod lists;
mod logins;
mod retry;
mod update;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::{
    Client,
    config::retry::RetryConfig,
    operation::{put_item::PutItemError, query::builders::QueryFluentBuilder},
    types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure},
};
use portal::{
    email::Pepper,
    ids::{PatientId, PracticeId, RecordKey},
    ports::{CommitOutcome, Consistency, Loaded, PortalReader, PracticeStore, StoreError},
    practice::Practice,
    practice_history::PracticeEvent,
    scope::TenantScope,
};
use tokio::time::Instant;

use self::{
    errors::{CallError, corrupt},
    keys::Key,
};

/// The attributes of an item.
type Item = HashMap<String, AttributeValue>;

/// The table, and optionally the secret that keys email addresses in it.
///
/// Without a [`Pepper`] the store reads records, and reads and writes practices and bulk jobs. A function that handles
/// no addresses therefore does not receive the secret.
#[derive(Clone, Debug)]
pub struct DynamoStore<P = ()> {
    client: Client,
    table: String,
    pepper: P,
    practices: Arc<Mutex<HashMap<PracticeId, (Instant, Practice)>>>,
}

impl DynamoStore {
    /// A store over this table. SDK retries are off: the store retries calls itself, with one budget for throttles and
    /// conflicts, and recognises its own earlier writes.
    #[must_use]
    pub fn new(client: &Client, table: impl Into<String>) -> Self {
        let once = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        Self { client: Client::from_conf(once), table: table.into(), pepper: (), practices: Arc::default() }
    }

    /// Adds the secret that keys email addresses.
    #[must_use]
    pub fn with_pepper(self, pepper: Pepper) -> DynamoStore<Pepper> {
        DynamoStore { client: self.client, table: self.table, pepper, practices: self.practices }
    }
}

impl<P> DynamoStore<P> {
    async fn get(&self, key: &Key, consistent: bool) -> Result<Option<Item>, StoreError> {
        retry::with_retries(|| async {
            let request =
                self.client.get_item().table_name(&self.table).set_key(Some(key.to_item())).consistent_read(consistent);
            Ok(request.send().await.map_err(CallError::from_sdk)?.item)
        })
        .await
    }

    /// Rows of an index in index order, from the beginning or after a key. The index is eventually consistent, so the
    /// rows are candidates.
    async fn query_index(
        &self,
        index: &str,
        condition: &str,
        values: &HashMap<String, AttributeValue>,
        after: Option<&Item>,
        limit: u16,
    ) -> Result<Vec<Item>, StoreError> {
        self.query(condition, values, limit, |query| query.index_name(index).set_exclusive_start_key(after.cloned()))
            .await
    }

    /// One query. Every `limit` is far below DynamoDB's page size of 1 MB, so the answer is complete.
    async fn query(
        &self,
        condition: &str,
        values: &HashMap<String, AttributeValue>,
        limit: u16,
        configure: impl Fn(QueryFluentBuilder) -> QueryFluentBuilder,
    ) -> Result<Vec<Item>, StoreError> {
        retry::with_retries(|| async {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression(condition)
                .set_expression_attribute_names(Some(expression::names(&[condition])))
                .set_expression_attribute_values(Some(values.clone()))
                .limit(limit.into());
            Ok(configure(query).send().await.map_err(CallError::from_sdk)?.items.unwrap_or_default())
        })
        .await
    }

    /// The items that exist under these keys, in one call and in no order.
    async fn get_all(&self, keys: &[Key], consistency: Consistency) -> Result<Vec<Item>, StoreError> {
        let keys = keys.iter().map(Key::to_item).collect();
        let all = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(consistency == Consistency::Strong)
            .build()
            .map_err(corrupt)?;
        retry::with_retries(|| async {
            let request = self.client.batch_get_item().request_items(&self.table, all.clone());
            let answer = request.send().await.map_err(CallError::from_sdk)?;
            // There are few keys, so all of them are read again instead of only the unprocessed ones.
            if answer.unprocessed_keys.is_some_and(|left| !left.is_empty()) {
                return Err(CallError::Busy);
            }
            Ok(answer.responses.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default())
        })
        .await
    }

    /// A record and its practice, read in one call.
    async fn load_both(&self, key: &RecordKey, consistency: Consistency) -> Result<Loaded, StoreError> {
        let record_key = keys::record(key);
        let items = self.get_all(&[record_key.clone(), keys::practice(&key.practice)], consistency).await?;
        let mut loaded = Loaded { practice: None, record: None };
        for item in items {
            if record_key.matches(&item) {
                loaded.record = Some(items::record::decode(item)?);
            } else {
                loaded.practice = Some(items::practice::decode(item)?);
            }
        }
        Ok(loaded)
    }

    /// Puts an item if the stored one has the previous version, or if there is none and this is the first version.
    async fn put_next(&self, item: &Item, version: u64) -> Result<CommitOutcome, StoreError> {
        self.put_one(item, version_condition(version)).await
    }

    /// Puts an item if there is none under its key.
    async fn put_new(&self, item: &Item) -> Result<CommitOutcome, StoreError> {
        self.put_one(item, version_condition(1)).await
    }

    async fn put_one(
        &self,
        item: &Item,
        (condition, values): (&str, Option<Item>),
    ) -> Result<CommitOutcome, StoreError> {
        retry::with_retries(|| async {
            let sent = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item.clone()))
                .condition_expression(condition)
                .set_expression_attribute_names(Some(expression::names(&[condition])))
                .set_expression_attribute_values(values.clone())
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match sent {
                Ok(_) => Ok(CommitOutcome::Committed),
                Err(error) => match error.as_service_error() {
                    // The first attempt wrote it and its answer was lost.
                    Some(PutItemError::ConditionalCheckFailedException(failed))
                        if failed.item.as_ref() == Some(item) =>
                    {
                        Ok(CommitOutcome::Committed)
                    }
                    Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(CommitOutcome::Stale),
                    _ => Err(CallError::from_sdk(error)),
                },
            }
        })
        .await
    }
}

/// The condition for writing an item of this version, with its values.
fn version_condition(version: u64) -> (&'static str, Option<Item>) {
    let Some(before) = version.checked_sub(1).filter(|before| *before > 0) else {
        return ("attribute_not_exists(#PK)", None);
    };
    let condition = "#version = :version";
    (condition, Some(expression::values(&[condition], [(":version", expression::number(before))])))
}

impl<P: Sync> PortalReader for DynamoStore<P> {
    async fn load(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        consistency: Consistency,
    ) -> Result<Loaded, StoreError> {
        self.load_both(&scope.record(patient), consistency).await
    }
}

impl<P: Sync> PracticeStore for DynamoStore<P> {
    async fn practice(&self, scope: &TenantScope) -> Result<Option<Practice>, StoreError> {
        self.get(&keys::practice(scope.practice()), true).await?.map(items::practice::decode).transpose()
    }

    async fn save_practice(
        &self,
        scope: &TenantScope,
        practice: &Practice,
        events: &[PracticeEvent],
    ) -> Result<CommitOutcome, StoreError> {
        check_practice(scope, &practice.id)?;
        history::check_events(scope, events)?;
        self.save_with_events(practice, events).await
    }
}

/// A change belongs to another practice than the request's scope.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a change belongs to another practice than the request")]
struct WrongPractice;

fn check_practice(scope: &TenantScope, practice: &PracticeId) -> Result<(), StoreError> {
    if scope.practice() == practice { Ok(()) } else { Err(corrupt(WrongPractice)) }
}
