//! What operations cost in a practice of a thousand patients, and of as many as one likes: the same.
//!
//! `PORTAL_SCALE_PATIENTS=1000000 cargo test -p system-tests --test contract growth -- --nocapture` fills the table with
//! a million; without it ten thousand are enough to tell a cost that grows.

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

/// Items of some partition, as they are stored.
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

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK may add kinds; no item has others than these")]
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

/// Everything that is stored of a patient of this number, made of what is stored of the first.
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

/// What operations cost in a practice of so many patients.
async fn costs(patients: usize) -> Vec<(&'static str, Counted)> {
    let (endpoint, database) = local_dynamodb();
    let counts = Counts::default();
    let counting = local_client(endpoint, "us-east-1").config().to_builder().interceptor(counts.clone()).build();
    let table = Table::create(Client::from_conf(counting), &format!("growth-{patients}")).await;
    let store = &**table.store();
    let scope = samples::scope("lake");
    store.save_practice(&scope, &samples::practice("lake")).await.unwrap();
    let first = samples::new_patient(&key(0), samples::profile(None));
    assert_eq!(store.commit(&first).await.unwrap(), CommitOutcome::Committed);
    let record = stored(&table, &keys::record_partition(&key(0))).await;
    let mut directory = stored(&table, &keys::directory_partition(scope.practice())).await;
    let profile = samples::profile(None);
    let places: Vec<String> =
        rows(&key(0).patient, &profile).iter().map(|row| keys::directory_place(&row.place)).collect();
    directory.sort_by_key(|item| places.iter().position(|place| item[keys::SORT] == Stored::S(place.clone())));
    let begun = clock::now();
    for numbers in (1..patients).collect::<Vec<_>>().chunks(10_000) {
        let items = numbers.iter().flat_map(|number| copies(&record, &directory, *number)).collect();
        database.import_items(&table.name, items, ImportOptions::default()).unwrap();
    }
    eprintln!("{patients} patients put in {} s", begun.elapsed().as_secs());

    let (queue, clock, entropy) = (MemoryQueue::default(), TestClock::default(), TestEntropy::default());
    let ports = Ports { store, clock: &clock };
    let patient = key(patients / 2).patient;
    let mut costs = Vec::new();
    counts.take();
    let mut note = |operation, counted: Counted| {
        eprintln!("{patients} patients, {operation}: {counted:?}");
        costs.push((operation, counted));
    };
    status(&ports, &scope, &patient).await.unwrap();
    note("status", counts.take());
    let hits =
        search(&ports, &scope, &DirectoryQuery::parse(profile.family_name.expose()).unwrap(), None).await.unwrap();
    assert!(hits.next.is_some(), "there are more than a page of them");
    note("search", counts.take());
    let request = samples::request_id("invite");
    let command = Command { scope: &scope, patient: &patient, request: &request, if_match: None, keyed: None };
    let address = EmailAddress::parse("growth@example.com").unwrap();
    invite(&ports, &queue, &entropy, &command, Some(&address)).await.unwrap();
    note("invite", counts.take());
    // Its hint is taken for lost.
    clock.advance(TimeDelta::minutes(3));
    let (deadline, run) = (samples::noon() + TimeDelta::days(1), samples::request_id("sweep"));
    assert_eq!(Box::pin(sweep(&ports, &queue, &entropy, deadline, &run)).await.unwrap().queued, 1);
    note("sweep", counts.take());
    table.end().await;
    costs
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the tests' configuration is the environment")]
async fn a_practice_of_any_size_costs_the_same() {
    let many = std::env::var("PORTAL_SCALE_PATIENTS").map_or(10_000, |patients| patients.parse().unwrap());
    assert_eq!(Box::pin(costs(1_000)).await, Box::pin(costs(many)).await);
}
