//! A separate table for each test, in an in-process DynamoDB or in the DynamoDB of a client.

use std::{
    sync::{Arc, OnceLock, mpsc},
    thread,
};

use dynoxide::Database;
use portal::email::Pepper;
use portal_aws::aws_sdk_dynamodb::{
    self, Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType, TableStatus,
    },
};
use portal_aws::store::{DynamoStore, keys};

/// A table, and the store over it.
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) store: Arc<DynamoStore<Pepper>>,
}

/// A table in the in-process DynamoDB.
pub(crate) async fn in_process(test: &str) -> Table {
    let (endpoint, _) = local_dynamodb();
    Table::create(local_client(endpoint, "us-east-1"), test).await
}

/// The endpoint and the database of the in-process DynamoDB.
pub(crate) fn local_dynamodb() -> &'static (String, Database) {
    static LOCAL: OnceLock<(String, Database)> = OnceLock::new();
    LOCAL.get_or_init(|| {
        let (send, receive) = mpsc::channel();
        let database = Database::memory().unwrap();
        let served = database.clone();
        // It has its own runtime, because the server continues after the test that starts it.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                send.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
                dynoxide::server::serve_on(listener, served).await;
            });
        });
        (receive.recv().unwrap(), database)
    })
}

/// A client of a DynamoDB on this machine.
pub(crate) fn local_client(endpoint: &str, region: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "contract"))
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

impl Table {
    /// Creates a table like that of the template.
    pub(crate) async fn create(client: Client, test: &str) -> Self {
        let name = format!("test-{}-{test}", std::process::id());
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
                    .set_non_key_attributes(Some(keys::DUE_ATTRIBUTES.map(String::from).to_vec()))
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

    async fn status(&self) -> Option<TableStatus> {
        self.client.describe_table().table_name(&self.name).send().await.unwrap().table?.table_status
    }

    pub(crate) async fn end(self) {
        self.client.delete_table().table_name(&self.name).send().await.unwrap();
    }
}
