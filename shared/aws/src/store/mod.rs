//! The records in one DynamoDB table.
//!
//! * [`keys`] builds every key, `items` says what is stored under it
//! * `bulk` keeps bulk jobs and reads many records at once
//! * `commit` writes changes, `delivery` claims mails and works the calendar, `links` finds what a mail leads to,
//!   `logins` notes logins, `lists` reads histories and directories, this module reads
//! * `errors` classifies what the SDK reports, once; `retry` repeats what may succeed later
//!
//! An index is used for finding candidates only. What must be unique is an item of its own, written in the same
//! transaction as the record, because an index neither refuses a duplicate nor reads consistently.

mod bulk;
mod commit;
mod delivery;
mod emails;
mod errors;
mod expression;
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
    ports::{CommitOutcome, Loaded, PortalReader, PracticeStore, StoreError},
    practice::Practice,
    scope::TenantScope,
};
use tokio::time::Instant;

use self::{
    errors::{Trouble, corrupt},
    keys::Key,
};

/// An item as the SDK has it.
type Item = HashMap<String, AttributeValue>;

/// The table, and what is needed to find addresses in it.
///
/// Without a [`Pepper`] it reads records and reads and writes practices; with one it does everything. So a function
/// that never writes an address is never given the secret that addresses are found by.
#[derive(Clone, Debug)]
pub struct DynamoStore<P = ()> {
    client: Client,
    table: String,
    pepper: P,
    practices: Arc<Mutex<HashMap<PracticeId, (Instant, Practice)>>>,
}

impl DynamoStore {
    /// A store over this table. The SDK's own retries are turned off for it: the store repeats calls itself, with
    /// one budget for throttles and conflicts alike, and recognises its own writes.
    #[must_use]
    pub fn new(client: &Client, table: impl Into<String>) -> Self {
        let once = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        Self { client: Client::from_conf(once), table: table.into(), pepper: (), practices: Arc::default() }
    }

    /// The same with the secret that addresses are found by.
    #[must_use]
    pub fn with_pepper(self, pepper: Pepper) -> DynamoStore<Pepper> {
        DynamoStore { client: self.client, table: self.table, pepper, practices: self.practices }
    }
}

impl<P> DynamoStore<P> {
    async fn get(&self, key: &Key, consistent: bool) -> Result<Option<Item>, StoreError> {
        retry::patiently(|| async {
            let request =
                self.client.get_item().table_name(&self.table).set_key(Some(key.to_item())).consistent_read(consistent);
            Ok(request.send().await.map_err(Trouble::of)?.item)
        })
        .await
    }

    /// Rows of an index, in its order, from the beginning or after a place. An index lags behind the records: its rows
    /// are candidates.
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

    /// One query, whose answer is within one page of DynamoDB's: 1 MB, which no limit of ours comes near to.
    async fn query(
        &self,
        condition: &str,
        values: &HashMap<String, AttributeValue>,
        limit: u16,
        of_what: impl Fn(QueryFluentBuilder) -> QueryFluentBuilder,
    ) -> Result<Vec<Item>, StoreError> {
        retry::patiently(|| async {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression(condition)
                .set_expression_attribute_names(Some(expression::names(&[condition])))
                .set_expression_attribute_values(Some(values.clone()))
                .limit(limit.into());
            Ok(of_what(query).send().await.map_err(Trouble::of)?.items.unwrap_or_default())
        })
        .await
    }

    /// The items of some keys that there are, as last written, in no order and in one round trip.
    async fn get_all(&self, keys: &[Key]) -> Result<Vec<Item>, StoreError> {
        let keys = keys.iter().map(Key::to_item).collect();
        let all = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().map_err(corrupt)?;
        retry::patiently(|| async {
            let request = self.client.batch_get_item().request_items(&self.table, all.clone());
            let answer = request.send().await.map_err(Trouble::of)?;
            // With a few keys, reading all of them again is simpler than reading those that were left, and as good.
            if answer.unprocessed_keys.is_some_and(|left| !left.is_empty()) {
                return Err(Trouble::Busy);
            }
            Ok(answer.responses.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default())
        })
        .await
    }

    /// A record and its practice, as last written, in one round trip.
    async fn load_both(&self, key: &RecordKey) -> Result<Loaded, StoreError> {
        let record_key = keys::record(key);
        let items = self.get_all(&[record_key.clone(), keys::practice(&key.practice)]).await?;
        let mut loaded = Loaded { practice: None, record: None };
        for item in items {
            if record_key.is_of(&item) {
                loaded.record = Some(items::record::decode(item)?);
            } else {
                loaded.practice = Some(items::practice::decode(item)?);
            }
        }
        Ok(loaded)
    }

    /// Puts an item in place of the one that has the version before, or of none if this is the first.
    async fn put_next(&self, item: &Item, version: u64) -> Result<CommitOutcome, StoreError> {
        let (condition, values) = follows(version);
        retry::patiently(|| async {
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
                    // A retry finds what it wrote the first time.
                    Some(PutItemError::ConditionalCheckFailedException(failed))
                        if failed.item.as_ref() == Some(item) =>
                    {
                        Ok(CommitOutcome::Committed)
                    }
                    Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(CommitOutcome::Stale),
                    _ => Err(Trouble::of(error)),
                },
            }
        })
        .await
    }
}

/// The condition under which an item of this version may be put, with its values.
fn follows(version: u64) -> (&'static str, Option<Item>) {
    let Some(before) = version.checked_sub(1).filter(|before| *before > 0) else {
        return ("attribute_not_exists(#PK)", None);
    };
    let condition = "#version = :version";
    (condition, Some(expression::values(&[condition], [(":version", expression::number(before))])))
}

impl<P: Sync> PortalReader for DynamoStore<P> {
    async fn load(&self, scope: &TenantScope, patient: &PatientId) -> Result<Loaded, StoreError> {
        self.load_both(&scope.record(patient)).await
    }
}

impl<P: Sync> PracticeStore for DynamoStore<P> {
    async fn practice(&self, scope: &TenantScope) -> Result<Option<Practice>, StoreError> {
        self.get(&keys::practice(scope.practice()), true).await?.map(items::practice::decode).transpose()
    }

    async fn save_practice(&self, scope: &TenantScope, practice: &Practice) -> Result<CommitOutcome, StoreError> {
        same_practice(scope, &practice.id)?;
        self.put_next(&items::practice::encode(practice)?, practice.version).await
    }
}

/// A change of another practice than the scope's.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a change of another practice than the request's")]
struct ForeignChange;

fn same_practice(scope: &TenantScope, practice: &PracticeId) -> Result<(), StoreError> {
    if scope.practice() == practice { Ok(()) } else { Err(corrupt(ForeignChange)) }
}
