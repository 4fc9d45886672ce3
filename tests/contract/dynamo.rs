//! DynamoDB's adapter as a store under test: on an in-process DynamoDB, or on an external one.

use std::sync::Arc;

use portal::{email::Pepper, ids::RecordKey};
use portal_aws::{
    aws_sdk_dynamodb::{Client, config::BehaviorVersion, types::AttributeValue},
    store::{DynamoStore, keys},
};

use crate::{
    backend::Backend,
    table::{self, Table, local_client},
};

/// A table in a DynamoDB that lives in this process.
pub(crate) async fn in_process(case: &str) -> Option<Table> {
    Some(table::in_process(case).await)
}

/// A table wherever the environment says; `None`, and a line that says so, if it says nothing.
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
        let sorted = |event: std::collections::HashMap<String, AttributeValue>| {
            event.into_iter().collect::<std::collections::BTreeMap<_, _>>()
        };
        events.into_iter().map(|event| format!("{:?}", sorted(event))).collect()
    }
}
