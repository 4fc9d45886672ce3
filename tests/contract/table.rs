//! A table of its own for each case, in an in-process DynamoDB or at an external endpoint.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, mpsc},
    thread,
};

use dynoxide::Database;
use portal::{email::Pepper, ids::RecordKey};
use portal_aws::aws_sdk_dynamodb::{
    self, Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, PutRequest, ScalarAttributeType, TableStatus, WriteRequest,
    },
};
use portal_aws::store::{DynamoStore, keys};

use crate::{backend::Backend, counts::Counts};

/// A table, and the adapter over it.
pub(crate) struct Table {
    client: Client,
    name: String,
    store: Arc<DynamoStore<Pepper>>,
}

/// A table in a DynamoDB that lives in this process.
pub(crate) async fn in_process(case: &str) -> Option<Table> {
    Some(Table::create(local_client(in_process_endpoint(), "us-east-1"), case).await)
}

/// The same, and all that is asked of it counted.
pub(crate) async fn counted(case: &str) -> (Table, Counts) {
    let counts = Counts::default();
    let client = local_client(in_process_endpoint(), "us-east-1");
    let counting = client.config().to_builder().interceptor(counts.clone()).build();
    (Table::create(Client::from_conf(counting), case).await, counts)
}

fn in_process_endpoint() -> &'static str {
    static ENDPOINT: OnceLock<String> = OnceLock::new();
    ENDPOINT.get_or_init(|| {
        let (send, receive) = mpsc::channel();
        // A runtime of its own: the server outlives the test that happens to start it.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                send.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
                dynoxide::server::serve_on(listener, Database::memory().unwrap()).await;
            });
        });
        receive.recv().unwrap()
    })
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

fn local_client(endpoint: &str, region: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "contract"))
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

impl Table {
    async fn create(client: Client, case: &str) -> Self {
        let name = format!("contract-{}-{case}", std::process::id());
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        let attribute = |name: &str, kind| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
        };
        let due = GlobalSecondaryIndex::builder()
            .index_name(keys::DUE_INDEX)
            .key_schema(key("due_shard", KeyType::Hash))
            .key_schema(key("due_at", KeyType::Range))
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::Include)
                    .set_non_key_attributes(Some(["invitation_id", "next_action", "nudges"].map(String::from).to_vec()))
                    .build(),
            );
        let link = GlobalSecondaryIndex::builder()
            .index_name("link")
            .key_schema(key("link_id", KeyType::Hash))
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
        client
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute(keys::PARTITION, ScalarAttributeType::S))
            .attribute_definitions(attribute(keys::SORT, ScalarAttributeType::S))
            .attribute_definitions(attribute("due_shard", ScalarAttributeType::S))
            .attribute_definitions(attribute("due_at", ScalarAttributeType::N))
            .attribute_definitions(attribute("link_id", ScalarAttributeType::S))
            .key_schema(key(keys::PARTITION, KeyType::Hash))
            .key_schema(key(keys::SORT, KeyType::Range))
            .global_secondary_indexes(due.build().unwrap())
            .global_secondary_indexes(link.build().unwrap())
            .send()
            .await
            .unwrap();
        let pepper = Pepper::new("a pepper for tests".into());
        let store = Arc::new(DynamoStore::new(&client, &name).with_pepper(pepper));
        let table = Self { client, name, store };
        while table.status().await != Some(TableStatus::Active) {}
        table
    }

    /// An item as it is stored.
    pub(crate) async fn item(&self, key: &RecordKey) -> HashMap<String, AttributeValue> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(keys::PARTITION, AttributeValue::S(keys::record_partition(key)));
        let get = get.key(keys::SORT, AttributeValue::S("PORTAL".to_owned()));
        get.send().await.unwrap().item.unwrap()
    }

    /// Puts items as they are, as many at a time as there may be in a call.
    pub(crate) async fn put(&self, items: Vec<HashMap<String, AttributeValue>>) {
        for items in items.chunks(25) {
            let put = |item: &HashMap<_, _>| PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
            let writes = items.iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect();
            let answer = self.client.batch_write_item().request_items(&self.name, writes).send().await.unwrap();
            assert!(answer.unprocessed_items.is_none_or(|left| left.is_empty()));
        }
    }

    async fn status(&self) -> Option<TableStatus> {
        self.client.describe_table().table_name(&self.name).send().await.unwrap().table?.table_status
    }

    pub(crate) async fn end(self) {
        self.client.delete_table().table_name(&self.name).send().await.unwrap();
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
