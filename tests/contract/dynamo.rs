//! The DynamoDB store under test: on an in-process DynamoDB, or on an external one.

use std::{collections::HashMap, sync::Arc};

use portal::{email::Pepper, ids::RecordKey};
use portal_aws::{
    aws_sdk_dynamodb::{
        Client,
        config::BehaviorVersion,
        types::{AttributeValue, PutRequest, WriteRequest},
    },
    store::{DynamoStore, keys},
};

use crate::{
    backend::Backend,
    counts::Counts,
    table::{self, Table, local_client, local_dynamodb},
};

/// A table in the in-process DynamoDB.
pub(crate) async fn in_process(case: &str) -> Option<Table> {
    Some(table::in_process(case).await)
}

/// The same with counted calls.
pub(crate) async fn counted(case: &str) -> (Table, Counts) {
    let counts = Counts::default();
    let (endpoint, _) = local_dynamodb();
    let client = local_client(endpoint, "us-east-1");
    let counting = client.config().to_builder().interceptor(counts.clone()).build();
    (Table::create(Client::from_conf(counting), case).await, counts)
}

/// A table in the DynamoDB that the environment names. Without one, returns `None` and prints a line.
#[expect(clippy::disallowed_methods, reason = "the tests' configuration is the environment")]
pub(crate) async fn external(case: &str) -> Option<Table> {
    if let Ok(endpoint) = std::env::var("PORTAL_CONTRACT_ENDPOINT") {
        let config = aws_config::defaults(BehaviorVersion::latest()).endpoint_url(endpoint).load().await;
        return Some(Table::create(Client::new(&config), case).await);
    }
    let stack = system_tests::stack()?;
    let client = local_client(&stack.aws_endpoint, &stack.region);
    Some(Table::create(client, case).await)
}

impl Table {
    /// A stored record.
    pub(crate) async fn item(&self, key: &RecordKey) -> HashMap<String, AttributeValue> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(keys::PARTITION, AttributeValue::S(keys::record_partition(key)));
        let get = get.key(keys::SORT, AttributeValue::S("PORTAL".to_owned()));
        get.send().await.unwrap().item.unwrap()
    }

    /// Puts items unchanged, with as few calls as possible.
    pub(crate) async fn put(&self, items: Vec<HashMap<String, AttributeValue>>) {
        for items in items.chunks(25) {
            let put = |item: &HashMap<_, _>| PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
            let writes = items.iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect();
            let answer = self.client.batch_write_item().request_items(&self.name, writes).send().await.unwrap();
            assert!(answer.unprocessed_items.is_none_or(|left| left.is_empty()));
        }
    }
}

impl Backend for Table {
    type Store = DynamoStore<Pepper>;

    fn store(&self) -> &Arc<Self::Store> {
        &self.store
    }

    async fn history(&self, key: &RecordKey) -> Vec<String> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("PK = :partition AND begins_with(SK, :event)")
            .expression_attribute_values(":partition", AttributeValue::S(keys::record_partition(key)))
            .expression_attribute_values(":event", AttributeValue::S("EVENT#".to_owned()))
            .consistent_read(true)
            .limit(100);
        let events = query.send().await.unwrap().items.unwrap();
        let sorted =
            |event: HashMap<String, AttributeValue>| event.into_iter().collect::<std::collections::BTreeMap<_, _>>();
        events.into_iter().map(|event| format!("{:?}", sorted(event))).collect()
    }
}
