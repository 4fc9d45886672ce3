//! Operations cost the same in a small practice and in a large one.
//!
//! `PORTAL_SCALE_PATIENTS=1000000 cargo test -p system-tests --test contract growth -- --nocapture` fills the table with
//! a million patients. By default there are ten thousand, which is enough to find a cost that grows.

use std::collections::HashMap;

use chrono::TimeDelta;
use dynoxide::{ImportOptions, types::AttributeValue as Stored};
use portal::{
    directory::rows,
    email::EmailAddress,
    ids::RecordKey,
    operations::{Command, invite::invite, search::search, status::status, sweep::sweep},
    ports::{ChangeStore as _, CommitOutcome, Ports, PracticeStore as _},
    search::DirectoryQuery,
    testing::{MemoryQueue, TestClock, TestEntropy, samples},
};
use portal_aws::{
    aws_sdk_dynamodb::{Client, types::AttributeValue},
    store::keys,
};
use xtask::clock;

use crate::{
    backend::Backend as _,
    counts::{Counted, Counts},
    table::{Table, local_client, local_dynamodb},
};

/// The first stored items of a partition.
async fn stored(table: &Table, partition: &str) -> Vec<HashMap<String, Stored>> {
    let query = table
        .client
        .query()
        .table_name(&table.name)
        .key_condition_expression("PK = :partition")
        .expression_attribute_values(":partition", AttributeValue::S(partition.to_owned()))
        .limit(20);
    let items = query.send().await.unwrap().items.unwrap();
    items.into_iter().map(|item| item.into_iter().map(|(name, value)| (name, as_stored(value))).collect()).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK may add types, but no item has others than these")]
fn as_stored(value: AttributeValue) -> Stored {
    match value {
        AttributeValue::S(text) => Stored::S(text),
        AttributeValue::N(number) => Stored::N(number),
        AttributeValue::Bool(truth) => Stored::BOOL(truth),
        AttributeValue::B(bytes) => Stored::B(bytes.into_inner()),
        AttributeValue::L(list) => Stored::L(list.into_iter().map(as_stored).collect()),
        AttributeValue::M(map) => Stored::M(map.into_iter().map(|(name, value)| (name, as_stored(value))).collect()),
        AttributeValue::Ss(texts) => Stored::SS(texts),
        other => unreachable!("{other:?}"),
    }
}

fn key(number: usize) -> RecordKey {
    samples::key("lake", &format!("p-{number}"))
}

/// All items of the patient with this number, copied from those of the first patient.
fn copies(
    record: &[HashMap<String, Stored>],
    directory: &[HashMap<String, Stored>],
    number: usize,
) -> Vec<HashMap<String, Stored>> {
    let (key, profile) = (key(number), samples::profile(None));
    let with = |item: &HashMap<String, Stored>, name: &str, text: String| {
        let mut item = item.clone();
        item.insert(name.to_owned(), Stored::S(text));
        item
    };
    let own = record.iter().map(|item| with(item, keys::PARTITION, keys::record_partition(&key)));
    let rows = rows(&key.patient, &profile);
    assert_eq!(rows.len(), directory.len());
    let rows = rows.iter().zip(directory).map(|(row, item)| with(item, keys::SORT, keys::directory_place(&row.place)));
    own.chain(rows).collect()
}

/// The calls and units of operations in a practice with this number of patients.
async fn costs(patients: usize) -> Vec<(&'static str, Counted)> {
    let (endpoint, database) = local_dynamodb();
    let counts = Counts::default();
    let counting = local_client(endpoint, "us-east-1").config().to_builder().interceptor(counts.clone()).build();
    let table = Table::create(Client::from_conf(counting), &format!("growth-{patients}")).await;
    let store = &**table.store();
    let scope = samples::scope("lake");
    store.save_practice(&scope, &samples::practice("lake"), &[]).await.unwrap();
    let first = samples::new_patient(&key(0), samples::profile(None));
    assert_eq!(store.commit(&first).await.unwrap(), CommitOutcome::Committed);
    let record = stored(&table, &keys::record_partition(&key(0))).await;
    let mut directory = stored(&table, &keys::directory_partition(scope.practice())).await;
    let profile = samples::profile(None);
    let places: Vec<String> =
        rows(&key(0).patient, &profile).iter().map(|row| keys::directory_place(&row.place)).collect();
    directory.sort_by_key(|item| places.iter().position(|place| item[keys::SORT] == Stored::S(place.clone())));
    let started = clock::now();
    for numbers in (1..patients).collect::<Vec<_>>().chunks(10_000) {
        let items = numbers.iter().flat_map(|number| copies(&record, &directory, *number)).collect();
        database.import_items(&table.name, items, ImportOptions::default()).unwrap();
    }
    eprintln!("{patients} patients put in {} s", started.elapsed().as_secs());

    let (queue, clock, entropy) = (MemoryQueue::default(), TestClock::default(), TestEntropy::default());
    let ports = Ports { store, clock: &clock };
    let patient = key(patients / 2).patient;
    let mut costs = Vec::new();
    counts.take();
    let mut record_cost = |operation, counted: Counted| {
        eprintln!("{patients} patients, {operation}: {counted:?}");
        costs.push((operation, counted));
    };
    status(&ports, &scope, &patient).await.unwrap();
    record_cost("status", counts.take());
    let hits =
        search(&ports, &scope, &DirectoryQuery::parse(profile.family_name.expose()).unwrap(), None).await.unwrap();
    assert!(hits.next.is_some(), "there is more than one page");
    record_cost("search", counts.take());
    let request = samples::request_id("invite");
    let command = Command { scope: &scope, patient: &patient, request: &request, if_match: None, keyed: None };
    let address = EmailAddress::parse("growth@example.com").unwrap();
    invite(&ports, &queue, &entropy, &command, &Some(&address).into()).await.unwrap();
    record_cost("invite", counts.take());
    // The hint counts as lost.
    clock.advance(TimeDelta::minutes(3));
    let (deadline, run) = (samples::noon() + TimeDelta::days(1), samples::request_id("sweep"));
    assert_eq!(Box::pin(sweep(&ports, &queue, &entropy, deadline, &run)).await.unwrap().queued, 1);
    record_cost("sweep", counts.take());
    table.end().await;
    costs
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the tests' configuration is the environment")]
async fn operations_cost_the_same_in_a_practice_of_any_size() {
    let many = std::env::var("PORTAL_SCALE_PATIENTS").map_or(10_000, |patients| patients.parse().unwrap());
    assert_eq!(Box::pin(costs(1_000)).await, Box::pin(costs(many)).await);
}
