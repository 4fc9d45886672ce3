//! A search costs the same in a directory of any size: one query, and a bounded number of rows.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex},
};

use dynoxide::{ImportOptions, types::AttributeValue as Stored};
use portal::{
    directory::{DirectoryRow, rows},
    email::Pepper,
    ids::PracticeId,
    operations::search::search,
    ports::{ChangeStore as _, CommitOutcome, Ports},
    profile::Profile,
    redacted::Redacted,
    search::{DirectoryQuery, MAX_HITS},
    testing::{TestClock, samples},
    text::PersonName,
};
use portal_aws::{
    aws_sdk_dynamodb::{
        Client,
        config::{
            ConfigBag, Intercept, RuntimeComponents,
            interceptors::{BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef},
        },
        error::BoxError,
        operation::query::{QueryInput, QueryOutput},
        types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
    },
    store::{DynamoStore, keys},
};

use crate::table::{local_client, local_dynamodb};

const PATIENTS: usize = 100_000;
const SYLLABLES: [&str; 20] = [
    "jo", "ma", "ri", "an", "el", "so", "ka", "lu", "pe", "te", "vi", "ro", "ha", "ni", "do", "ce", "ba", "mo", "fi",
    "gu",
];

/// Records the limit of each query, and the number of rows that DynamoDB read for it.
#[derive(Clone, Debug, Default)]
struct QueryRecorder(Arc<Mutex<QueryCounts>>);

#[derive(Debug, Default)]
struct QueryCounts {
    calls: usize,
    limits: Vec<Option<i32>>,
    scanned: Vec<i32>,
}

impl QueryRecorder {
    /// The counts since the last call of this function.
    fn take(&self) -> QueryCounts {
        mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Intercept for QueryRecorder {
    fn name(&self) -> &'static str {
        "query recorder"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut counts = self.0.lock().unwrap();
        counts.calls += 1;
        counts.limits.extend(context.input().downcast_ref::<QueryInput>().map(QueryInput::limit));
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let output = context.output_or_error().and_then(Result::ok);
        let output = output.and_then(|output| output.downcast_ref::<QueryOutput>());
        self.0.lock().unwrap().scanned.extend(output.map(QueryOutput::scanned_count));
        Ok(())
    }
}

/// The patient with this number. There are 8,000 family names, 400 given names, and 20,000 dates of birth.
fn patient(number: usize) -> Profile {
    let syllable = |place: u32| SYLLABLES[(number * 7_919 / 20_usize.pow(place)) % 20];
    let name = |text: String| PersonName::parse(&text).unwrap();
    let born = samples::date_of_birth() + chrono::TimeDelta::days(i64::try_from(number * 31 % 20_000).unwrap());
    Profile {
        family_name: name(format!("{}{}{}", syllable(0), syllable(1), syllable(2))),
        given_name: name(format!("{}{}", syllable(3), syllable(0))),
        date_of_birth: Some(Redacted::new(born)),
        ..samples::profile(None)
    }
}

/// The stored row of another patient, made from a template.
fn stored(template: &HashMap<String, Stored>, row: &DirectoryRow) -> HashMap<String, Stored> {
    let mut item = template.clone();
    for (name, text) in [
        (keys::SORT, keys::directory_place(&row.place)),
        ("given", row.given_name.expose().to_owned()),
        ("family", row.family_name.expose().to_owned()),
        ("born", row.date_of_birth.unwrap().expose().to_string()),
    ] {
        let before = item.insert(name.to_owned(), Stored::S(text));
        assert!(matches!(before, Some(Stored::S(_))), "rows have no {name}");
    }
    item
}

/// A table without the indexes. A search does not need them, and they would take most of the time of filling the table.
async fn bare_table(client: &Client) -> String {
    let name = format!("contract-{}-large", std::process::id());
    let mut create = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in [(keys::PARTITION, KeyType::Hash), (keys::SORT, KeyType::Range)] {
        let definition = AttributeDefinition::builder().attribute_name(attribute);
        create = create
            .attribute_definitions(definition.attribute_type(ScalarAttributeType::S).build().unwrap())
            .key_schema(KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build().unwrap());
    }
    create.send().await.unwrap();
    name
}

/// A stored row of a practice's directory.
async fn any_row(client: &Client, table: &str, practice: &PracticeId) -> HashMap<String, Stored> {
    let query = client
        .query()
        .table_name(table)
        .key_condition_expression("PK = :partition")
        .expression_attribute_values(":partition", AttributeValue::S(keys::directory_partition(practice)))
        .limit(1);
    let row = query.send().await.unwrap().items.unwrap().remove(0);
    let stored = |value: AttributeValue| {
        let text = value.as_s().map(|text| Stored::S(text.clone()));
        text.unwrap_or_else(|other| Stored::N(other.as_n().unwrap().clone()))
    };
    row.into_iter().map(|(name, value)| (name, stored(value))).collect()
}

/// The expected first page of a search, from the rows that the query reaches, and whether there are more.
fn expected<'rows>(all: &'rows [DirectoryRow], query: &DirectoryQuery) -> (Vec<&'rows DirectoryRow>, bool) {
    let mut reached: Vec<&DirectoryRow> = all.iter().filter(|row| query.matches_place(&row.place)).collect();
    reached.sort_by(|one, other| one.place.cmp(&other.place));
    let (mut hits, mut scanned) = (Vec::new(), 0);
    while scanned < usize::from(query.rows_per_page()).min(reached.len()) && hits.len() < MAX_HITS {
        hits.extend(Some(reached[scanned]).filter(|row| query.is_hit(row)));
        scanned += 1;
    }
    (hits, scanned < reached.len())
}

#[tokio::test]
async fn one_query_finds_a_page_among_a_hundred_thousand_patients() {
    let (endpoint, database) = local_dynamodb();
    let client = local_client(endpoint, "us-east-1");
    let table = bare_table(&client).await;
    let recorder = QueryRecorder::default();
    let observed = Client::from_conf(client.config().to_builder().interceptor(recorder.clone()).build());
    let store = DynamoStore::new(&observed, &table).with_pepper(Pepper::new("a pepper for tests".into()));
    let (scope, clock) = (samples::scope("lake"), TestClock::default());

    // One patient is saved by a commit. Its row is the template of all others.
    let first = samples::new_patient(&samples::key("lake", "p-0"), patient(0));
    assert_eq!(store.commit(&first).await.unwrap(), CommitOutcome::Committed);
    let template = any_row(&client, &table, scope.practice()).await;
    let all: Vec<DirectoryRow> =
        (0..PATIENTS).flat_map(|number| rows(&samples::patient_id(&format!("p-{number}")), &patient(number))).collect();
    let items = all.iter().map(|row| stored(&template, row)).collect();
    database.import_items(&table, items, ImportOptions::default()).unwrap();
    recorder.take();

    for (text, limit) in [("jo", 21), ("joma", 21), ("joma mace", 201), ("mace", 21), ("06/07/1985", 21), ("xx", 21)] {
        let query = DirectoryQuery::parse(text).unwrap();
        let page = search(&Ports { store: &store, clock: &clock }, &scope, &query, None).await.unwrap();
        let counts = recorder.take();
        assert_eq!((counts.calls, counts.limits.as_slice()), (1, [Some(limit)].as_slice()), "{text}");
        assert!(matches!(counts.scanned.as_slice(), [rows] if *rows <= limit), "{text}: {counts:?}");
        let (hits, more) = expected(&all, &query);
        assert_eq!(hits.is_empty(), text == "xx", "{text}");
        assert_eq!(page.hits.iter().collect::<Vec<_>>(), hits, "{text}");
        assert_eq!(page.next.is_some(), more, "{text}");
    }
}
