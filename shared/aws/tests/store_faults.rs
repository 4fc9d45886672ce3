//! The store on errors of DynamoDB and of the connection to it. Delays between attempts are skipped.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the failure")]

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, http::HttpResponse},
    operation::{
        batch_get_item::BatchGetItemOutput,
        get_item::GetItemOutput,
        put_item::PutItemError,
        transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput, TransactWriteItemsOutput},
        update_item::{UpdateItemError, UpdateItemInput, UpdateItemOutput},
    },
    types::{
        AttributeValue, CancellationReason, KeysAndAttributes,
        error::{ConditionalCheckFailedException, TransactionCanceledException},
    },
};
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use aws_smithy_types::body::SdkBody;
use portal::{
    access::AccessKind,
    bulk::{Audience, BulkJob, BulkOutcome, BulkResult, Slice, SliceProgress},
    email::Pepper,
    ledger::AddressRefusal,
    policy::{SEND_GRACE, SEND_LEASE},
    ports::{
        AccessLog as _, BulkStore as _, ChangeStore as _, ClaimOutcome, CommitOutcome, Consistency, DeliveryStore as _,
        JobPart, LoginOutcome, LoginStore as _, PortalReader as _, PracticeStore as _, StoreError,
    },
    profile::Profile,
    record::guards::Recipient,
    record::{Change, PortalRecord, account::Registration, delivery::Unclaimable},
    testing::samples,
    text::PersonName,
    timeline::Role,
};
use portal_aws::store::{DynamoStore, keys};

type Item = std::collections::HashMap<String, AttributeValue>;
type Transaction = MockResponse<TransactWriteItemsOutput, TransactWriteItemsError>;
type Update = MockResponse<UpdateItemOutput, UpdateItemError>;

const RECORD: usize = 0;
const EVENT: usize = 1;
const EMAIL: usize = 2;

fn store(rules: &[&Rule]) -> DynamoStore<Pepper> {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, rules);
    DynamoStore::new(&client, "table").with_pepper(Pepper::new("a pepper for tests".into()))
}

fn transactions(script: impl Fn(usize, &TransactWriteItemsInput) -> Transaction + Send + Sync + 'static) -> Rule {
    let calls = AtomicUsize::new(0);
    mock!(Client::transact_write_items)
        .then_compute_response(move |request| script(calls.fetch_add(1, Ordering::SeqCst) + 1, request))
}

fn updates(script: impl Fn(usize, &UpdateItemInput) -> Update + Send + Sync + 'static) -> Rule {
    let calls = AtomicUsize::new(0);
    mock!(Client::update_item)
        .then_compute_response(move |request| script(calls.fetch_add(1, Ordering::SeqCst) + 1, request))
}

fn written() -> Transaction {
    MockResponse::Output(TransactWriteItemsOutput::builder().build())
}

fn http<O, E>(status: u16, code: &str) -> MockResponse<O, E> {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"irrelevant"}}"#);
    MockResponse::Http(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body)))
}

/// A cancelled transaction, with the code and the stored item for some of its writes.
fn cancelled(request: &TransactWriteItemsInput, at: &[(usize, &str, Option<Item>)]) -> Transaction {
    let reason = |place: usize| {
        let found = at.iter().find(|(other, ..)| *other == place);
        let code = found.map_or("None", |(_, code, _)| code);
        CancellationReason::builder().code(code).set_item(found.and_then(|(.., item)| item.clone())).build()
    };
    let reasons = (0..request.transact_items().len()).map(reason).collect();
    let exception = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons)).build();
    MockResponse::Error(TransactWriteItemsError::TransactionCanceledException(exception))
}

const FAILED: &str = "ConditionalCheckFailed";

fn event_of(request: &TransactWriteItemsInput) -> Item {
    request.transact_items()[EVENT].put().unwrap().item().clone()
}

fn email_item(attributes: &[(&str, AttributeValue)]) -> Item {
    let with_schema = [("schema", AttributeValue::N("1".into()))];
    with_schema.iter().chain(attributes).map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn owned_by(holder: &str) -> Item {
    email_item(&[("owner", AttributeValue::S(holder.into())), ("stamp", AttributeValue::S("s".into()))])
}

fn patient() -> PortalRecord {
    samples::new_patient(&samples::key("lake", "p-1"), samples::profile(Some("jose@example.com"))).after
}

fn invitation() -> Change {
    let (practice, context) = (samples::practice("lake"), samples::staff_context(samples::noon(), "request-1"));
    patient().invite(&practice, &Recipient::default(), samples::invitation_id("invitation-1"), context).unwrap()
}

/// Answers reads of address items, and of a record and its event after a refusal. Of each kind there is one item or none.
fn reads(claim: Option<Item>, record: Option<Item>) -> Rule {
    mock!(Client::batch_get_item).then_compute_output(move |request| {
        let asked = request.request_items().unwrap()["table"].keys();
        assert!(!format!("{asked:?}").contains("jose"), "{asked:?}");
        let stored = |key: &Item| {
            let (partition, sort) = (key["PK"].as_s().unwrap(), key["SK"].as_s().unwrap());
            let item = if partition.starts_with("EMAIL#") { &claim } else { &record };
            let found = item.as_ref().filter(|_| sort == "EMAIL" || sort == "PORTAL")?;
            Some(found.iter().chain(key).map(|(name, value)| (name.clone(), value.clone())).collect())
        };
        let items: Vec<Item> = asked.iter().filter_map(stored).collect();
        BatchGetItemOutput::builder().responses("table", items).build()
    })
}

async fn commit(rule: &Rule, change: &Change) -> Result<CommitOutcome, StoreError> {
    store(&[&reads(None, None), rule]).commit(change).await
}

/// A claim of this patient until long after the tests.
fn claimed_by(holder: &str) -> Item {
    let until = samples::noon() + chrono::TimeDelta::days(1);
    let until = AttributeValue::N(until.timestamp_millis().to_string());
    email_item(&[
        ("owner", AttributeValue::S(holder.into())),
        ("until", until),
        ("stamp", AttributeValue::S("s".into())),
    ])
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_retried_until_it_is_over() {
    let rule =
        transactions(
            |call, request| {
                if call < 5 { cancelled(request, &[(EMAIL, "TransactionConflict", None)]) } else { written() }
            },
        );
    assert_eq!(commit(&rule, &invitation()).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(rule.num_calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn lasting_conflicts_and_throttles_are_busy_and_not_an_address_in_use() {
    for code in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
        let rule = transactions(move |_, request| {
            cancelled(request, &[(RECORD, code, None), (EMAIL, FAILED, Some(owned_by("lake#p-2")))])
        });
        let outcome = commit(&rule, &invitation()).await;
        assert!(matches!(outcome, Err(StoreError::Busy)), "{code}: {outcome:?}");
        assert_eq!(rule.num_calls(), 5, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_exceptions_are_busy() {
    for code in [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TransactionConflictException",
        "TransactionInProgressException",
    ] {
        let rule = transactions(move |_, _| http(400, code));
        let outcome = commit(&rule, &invitation()).await;
        assert!(matches!(outcome, Err(StoreError::Busy)), "{code}: {outcome:?}");
        assert_eq!(rule.num_calls(), 5, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn server_errors_are_retried() {
    let rule = transactions(|call, _| if call == 1 { http(500, "InternalServerError") } else { written() });
    assert_eq!(commit(&rule, &invitation()).await.unwrap(), CommitOutcome::Committed);
    let rule = transactions(|_, _| http(503, "ServiceUnavailable"));
    assert!(matches!(commit(&rule, &invitation()).await, Err(StoreError::Unavailable(_))));
    assert_eq!(rule.num_calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn permanent_errors_are_not_retried() {
    for code in ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"] {
        let rule = transactions(move |_, _| http(400, code));
        assert!(matches!(commit(&rule, &invitation()).await, Err(StoreError::Unavailable(_))), "{code}");
        assert_eq!(rule.num_calls(), 1, "{code}");
    }
    let rule = transactions(|_, request| cancelled(request, &[(EMAIL, "ValidationError", None)]));
    assert!(matches!(commit(&rule, &invitation()).await, Err(StoreError::Unavailable(_))));
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn an_unreachable_endpoint_is_unavailable() {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .region(Region::new("us-east-1"))
        .endpoint_url("http://127.0.0.1:9");
    let store = DynamoStore::new(&Client::from_conf(config.build()), "table");
    assert!(matches!(store.practice(&samples::scope("lake")).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_reply_was_lost_is_recognised_by_its_event() {
    let rule = transactions(|call, request| match call {
        1 => http(500, "InternalServerError"),
        _ => cancelled(
            request,
            &[
                (RECORD, FAILED, None),
                (EVENT, FAILED, Some(event_of(request))),
                (EMAIL, FAILED, Some(owned_by("hill#p-1"))),
            ],
        ),
    });
    assert_eq!(commit(&rule, &invitation()).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(rule.num_calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_request_is_a_lost_race_even_if_the_address_is_taken() {
    let rule = transactions(|_, request| {
        let mut event = event_of(request);
        event.insert("request".into(), AttributeValue::S("request-2".into()));
        cancelled(
            request,
            &[(RECORD, FAILED, None), (EVENT, FAILED, Some(event)), (EMAIL, FAILED, Some(owned_by("lake#p-2")))],
        )
    });
    assert_eq!(commit(&rule, &invitation()).await.unwrap(), CommitOutcome::Stale);
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn unprocessed_keys_are_read_again() {
    let calls = AtomicUsize::new(0);
    let rule = mock!(Client::batch_get_item).then_compute_output(move |request| {
        let asked = request.request_items().unwrap()["table"].clone();
        assert!(asked.consistent_read().unwrap() && asked.keys().len() == 2);
        let answer = BatchGetItemOutput::builder();
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            let left = KeysAndAttributes::builder().keys(asked.keys()[0].clone()).build().unwrap();
            return answer.unprocessed_keys("table", left).build();
        }
        answer.responses("table", Vec::new()).build()
    });
    let loaded =
        store(&[&rule]).load(&samples::scope("lake"), &samples::patient_id("p-1"), Consistency::Strong).await.unwrap();
    assert_eq!((loaded.practice, loaded.record), (None, None));
    assert_eq!(rule.num_calls(), 2);
}

/// The item that a commit writes for a record.
async fn stored(change: &Change) -> Item {
    let (send, receive) = std::sync::mpsc::channel();
    let rule = transactions(move |_, request| {
        send.send(request.transact_items()[RECORD].put().unwrap().item().clone()).unwrap();
        written()
    });
    let read = reads(Some(claimed_by("lake#p-1")), None);
    assert_eq!(store(&[&read, &rule]).commit(change).await.unwrap(), CommitOutcome::Committed);
    receive.recv().unwrap()
}

#[tokio::test]
async fn an_unreadable_item_is_an_error_without_personal_data() {
    let good = stored(&invitation()).await;
    for (name, value) in [
        ("schema", AttributeValue::N("2".into())),
        ("family", AttributeValue::S("Secretname\u{202e}".into())),
        ("email", AttributeValue::S("secret at example.com".into())),
        ("born", AttributeValue::S("1980-02-31secret".into())),
        ("version", AttributeValue::S("secret".into())),
        ("invitation_state", AttributeValue::S("secret".into())),
        ("next_action", AttributeValue::S("secret".into())),
        ("due_at", AttributeValue::Bool(true)),
        ("tries_left", AttributeValue::N("256".into())),
    ] {
        let mut item = good.clone();
        item.insert(name.to_owned(), value);
        let rule =
            mock!(Client::get_item).then_output(move || GetItemOutput::builder().set_item(Some(item.clone())).build());
        let Err(StoreError::Corrupt(source)) = store(&[&rule]).record(&samples::key("lake", "p-1")).await else {
            unreachable!("{name} was read");
        };
        assert!(!format!("{source:?} {source}").to_lowercase().contains("secret"), "{name}: {source:?}");
        assert!(source.source().is_none());
    }
}

#[tokio::test]
async fn a_stored_record_has_no_attributes_that_do_not_apply() {
    let item = stored(&samples::new_patient(&samples::key("lake", "p-1"), samples::profile(None))).await;
    let mut names: Vec<_> = item.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["PK", "SK", "born", "family", "fence", "given", "language", "schema", "version"]);
}

fn condition_failed(item: Option<Item>) -> Update {
    let exception = ConditionalCheckFailedException::builder().set_item(item).build();
    MockResponse::Error(UpdateItemError::ConditionalCheckFailedException(exception))
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_reply_was_lost_is_recognised_by_its_secret() {
    let record = invitation().after;
    let request = samples::claim_request(&samples::invitation_id("invitation-1"), samples::noon(), 7);
    let claimed = record.claim(&request).unwrap();
    let item = stored(&Change { after: claimed.clone(), ..invitation() }).await;
    let rule = updates(
        move |call, _| if call == 1 { http(500, "InternalServerError") } else { condition_failed(Some(item.clone())) },
    );
    let outcome = store(&[&rule]).claim(&record.key, &request).await.unwrap();
    assert_eq!(outcome, ClaimOutcome::Claimed(Box::new(claimed)));
    assert_eq!(rule.num_calls(), 2);
    let rival = samples::claim_request(&samples::invitation_id("invitation-1"), samples::noon(), 8);
    let outcome = store(&[&rule]).claim(&record.key, &rival).await.unwrap();
    assert_eq!(outcome, ClaimOutcome::Refused(Unclaimable::Held));
}

#[tokio::test]
async fn a_claim_writes_the_lease_and_the_due_time() {
    let rule = updates(|_, request| {
        let values = request.expression_attribute_values().unwrap();
        let millis = |at: chrono::DateTime<chrono::Utc>| AttributeValue::N(at.timestamp_millis().to_string());
        assert_eq!(values[":lease_until"], millis(samples::noon() + SEND_LEASE));
        assert_eq!(values[":due_at"], millis(samples::noon() + SEND_LEASE + SEND_GRACE));
        assert_eq!(values[":lease_over"], millis(samples::noon() - SEND_GRACE));
        assert_eq!(values[":shard"], AttributeValue::S(keys::due_shard(keys::shard_of(&samples::key("lake", "p-1")))));
        condition_failed(None)
    });
    let request = samples::claim_request(&samples::invitation_id("invitation-1"), samples::noon(), 7);
    let outcome = store(&[&rule]).claim(&samples::key("lake", "p-1"), &request).await.unwrap();
    assert_eq!(outcome, ClaimOutcome::Refused(Unclaimable::Done));
}

#[tokio::test(start_paused = true)]
async fn a_stale_conditional_update_is_false_and_a_throttled_one_is_an_error() {
    let request = samples::claim_request(&samples::invitation_id("invitation-1"), samples::noon(), 7);
    let claimed = invitation().after.claim(&request).unwrap();
    let waiting = claimed.defer(claimed.fence, samples::noon()).unwrap();
    let stale = updates(|_, _| condition_failed(None));
    assert!(!store(&[&stale]).defer(&waiting).await.unwrap());
    let throttled = updates(|_, _| http(400, "ThrottlingException"));
    assert!(matches!(store(&[&throttled]).defer(&waiting).await, Err(StoreError::Busy)));
    assert_eq!(throttled.num_calls(), 5);
}

/// A registration of the patient with the address `jose@example.com`.
fn registration() -> Change {
    let request = samples::claim_request(&samples::invitation_id("invitation-1"), samples::noon(), 7);
    let mailed = invitation().after.claim(&request).unwrap();
    let context = samples::context_as(Role::Patient, samples::noon(), "request-2");
    let account = samples::account_id("account-1");
    let Registration::Registered(opened) = mailed.register(samples::date_of_birth(), account, None, context) else {
        unreachable!("the date of birth is right")
    };
    *opened
}

/// A consistent read of an address item.
fn address_of(item: Option<Item>) -> Rule {
    mock!(Client::get_item)
        .match_requests(|request| request.consistent_read() == Some(true))
        .then_output(move || GetItemOutput::builder().set_item(item.clone()).build())
}

async fn record_login(rules: &[&Rule]) -> Result<LoginOutcome, StoreError> {
    let login = samples::login("event-1", samples::noon() + chrono::TimeDelta::hours(1));
    store(rules).record_login(&samples::email("jose@example.com"), &login).await
}

#[tokio::test]
async fn a_login_is_one_read_and_one_conditional_update_of_two_attributes() {
    let address = address_of(Some(owned_by("lake#p-1")));
    let update = updates(|_, request| {
        let (change, condition) = (request.update_expression().unwrap(), request.condition_expression().unwrap());
        assert_eq!(change, "SET #login_at = :login_at, #login_event = :login_event");
        assert!(condition.contains("#login_at < :login_at") && condition.contains("#login_event <> :login_event"));
        assert_eq!(request.key().unwrap()["PK"], AttributeValue::S("PRACTICE#lake#PATIENT#p-1".into()));
        assert!(!format!("{request:?}").contains("jose"), "{request:?}");
        MockResponse::Output(UpdateItemOutput::builder().build())
    });
    assert_eq!(record_login(&[&address, &update]).await.unwrap(), LoginOutcome::Recorded);
    assert_eq!((address.num_calls(), update.num_calls()), (1, 1), "two calls");
}

#[tokio::test]
async fn an_address_without_an_account_needs_one_read() {
    for item in [None, Some(email_item(&[("stamp", AttributeValue::S("s".into()))]))] {
        let address = address_of(item);
        assert_eq!(record_login(&[&address]).await.unwrap(), LoginOutcome::NoAccount);
        assert_eq!(address.num_calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_whose_reply_was_lost_is_known() {
    let mut item = stored(&registration()).await;
    let login_at = samples::noon() + chrono::TimeDelta::hours(1);
    item.insert("login_at".into(), AttributeValue::N(login_at.timestamp_millis().to_string()));
    item.insert("login_event".into(), AttributeValue::S("event-1".into()));
    let address = address_of(Some(owned_by("lake#p-1")));
    let update =
        updates(
            move |call, _| {
                if call == 1 { http(500, "InternalServerError") } else { condition_failed(Some(item.clone())) }
            },
        );
    assert_eq!(record_login(&[&address, &update]).await.unwrap(), LoginOutcome::Known);
    assert_eq!((address.num_calls(), update.num_calls()), (1, 2));
}

#[tokio::test]
async fn the_time_of_a_registration_that_an_earlier_version_wrote_is_no_login() {
    let mut item = stored(&registration()).await;
    item.insert("login_at".into(), AttributeValue::N(samples::noon().timestamp_millis().to_string()));
    let address = address_of(Some(owned_by("lake#p-1")));
    let update = updates(move |_, request| {
        // The condition must hold for such an item, so it asks for the event, and only then for the time.
        let condition = request.condition_expression().unwrap();
        assert!(condition.contains("(attribute_not_exists(#login_event) OR (#login_at < :login_at"), "{condition}");
        condition_failed(Some(item.clone()))
    });
    // The item has no login. So the rules would record this one, and the outcome is not "no account".
    assert_eq!(record_login(&[&address, &update]).await.unwrap(), LoginOutcome::Known);
}

#[tokio::test(start_paused = true)]
async fn a_failed_login_update_is_no_account_only_if_there_is_none() {
    let invited = stored(&invitation()).await;
    let mut newer = stored(&registration()).await;
    newer.insert("schema".into(), AttributeValue::N("2".into()));
    let mut unreadable = stored(&registration()).await;
    unreadable.insert("login_event".into(), AttributeValue::S("no event".into()));
    for (item, expected) in [
        (None, Some(LoginOutcome::NoAccount)),
        (Some(invited), Some(LoginOutcome::NoAccount)),
        (Some(newer), None),
        (Some(unreadable), None),
    ] {
        let (address, update) =
            (address_of(Some(owned_by("lake#p-1"))), updates(move |_, _| condition_failed(item.clone())));
        match (record_login(&[&address, &update]).await, expected) {
            (Ok(outcome), Some(expected)) => assert_eq!(outcome, expected),
            (outcome, expected) => {
                assert!(expected.is_none() && matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
            }
        }
    }
    let throttled = updates(|_, _| http(400, "ThrottlingException"));
    let outcome = record_login(&[&address_of(Some(owned_by("lake#p-1"))), &throttled]).await;
    assert!(matches!(outcome, Err(StoreError::Busy)), "{outcome:?}");
    assert_eq!(throttled.num_calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_practice_is_cached_for_a_minute() {
    let practice = samples::practice("lake");
    let (send, receive) = std::sync::mpsc::channel();
    let saving = transactions(move |_, request| {
        send.send(request.transact_items()[0].put().unwrap().item().clone()).unwrap();
        written()
    });
    assert_eq!(
        store(&[&saving]).save_practice(&samples::scope("lake"), &practice, &[]).await.unwrap(),
        CommitOutcome::Committed
    );
    let item = receive.recv().unwrap();
    let reading =
        mock!(Client::get_item).then_output(move || GetItemOutput::builder().set_item(Some(item.clone())).build());
    let store = store(&[&reading]);
    for (seconds, calls) in [(0, 1), (59, 1), (1, 2), (30, 2)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        assert_eq!(store.practice_by_id(&practice.id).await.unwrap().as_ref(), Some(&practice));
        assert_eq!(reading.num_calls(), calls, "after {seconds} s more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_saved_practice_whose_reply_was_lost_is_recognised() {
    let practice = samples::practice("lake");
    let events = samples::settings_saved(None, &practice, "request-1");
    let save = async |script: fn(usize, &TransactWriteItemsInput) -> Transaction| {
        store(&[&transactions(script)]).save_practice(&samples::scope("lake"), &practice, &events).await
    };
    let own = save(|call, request| match call {
        1 => http(500, "InternalServerError"),
        _ => cancelled(request, &[(0, FAILED, None), (1, FAILED, Some(event_of(request)))]),
    });
    assert_eq!(own.await.unwrap(), CommitOutcome::Committed);
    // The same settings, saved by another request: this one has left no event, and is decided again.
    let another = save(|_, request| {
        let stored = request.transact_items()[0].put().unwrap().item().clone();
        cancelled(request, &[(0, FAILED, Some(stored))])
    });
    assert_eq!(another.await.unwrap(), CommitOutcome::Stale);
    let contradictory = save(|_, request| cancelled(request, &[(1, FAILED, None)])).await;
    assert!(matches!(contradictory, Err(StoreError::Corrupt(_))), "{contradictory:?}");
}

#[tokio::test(start_paused = true)]
async fn an_access_is_recorded_once_and_never_altered() {
    let record = async |stored: fn(&Item) -> Item| {
        let rule = mock!(Client::put_item).then_compute_response(move |request| {
            assert_eq!(request.condition_expression(), Some("attribute_not_exists(#PK)"));
            let there = stored(request.item().unwrap());
            let exception = ConditionalCheckFailedException::builder().set_item(Some(there)).build();
            MockResponse::Error(PutItemError::ConditionalCheckFailedException(exception))
        });
        let entry = samples::access(AccessKind::Lookup, samples::noon(), "request-1");
        store(&[&rule]).record_access(&samples::key("lake", "p-1"), &entry).await
    };
    // The first attempt wrote it and its answer was lost.
    record(Item::clone).await.unwrap();
    let another = record(|item| {
        let mut item = item.clone();
        item.insert("reason".to_owned(), AttributeValue::S("Another".into()));
        item
    });
    assert!(matches!(another.await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn directory_entries_follow_the_profile() {
    let key = samples::key("lake", "p-1");
    let named = |given: &str, family: &str| Profile {
        given_name: PersonName::parse(given).unwrap(),
        family_name: PersonName::parse(family).unwrap(),
        ..samples::profile(None)
    };
    let directory = |change: Change| {
        let (send, receive) = std::sync::mpsc::channel();
        let rule = transactions(move |_, request| {
            let partition = |item: &Item| item["PK"] == AttributeValue::S("PRACTICE#lake#DIRECTORY".into());
            let sort = |item: &Item| item["SK"].as_s().unwrap().clone();
            for write in request.transact_items() {
                if let Some(put) = write.put().filter(|put| partition(put.item())) {
                    send.send(format!("+{}", sort(put.item()))).unwrap();
                }
                if let Some(delete) = write.delete().filter(|delete| partition(delete.key())) {
                    send.send(format!("-{}", sort(delete.key()))).unwrap();
                }
            }
            written()
        });
        async move {
            assert_eq!(commit(&rule, &change).await.unwrap(), CommitOutcome::Committed);
            drop(rule);
            receive.into_iter().collect::<Vec<_>>()
        }
    };
    let begun = samples::new_patient(&key, named("José", "Núñez"));
    let context = samples::staff_context(samples::noon(), "request-2");
    let saved =
        |profile| PortalRecord::save_profile(Some(&begun.after), key.clone(), profile, context.clone()).unwrap();
    assert_eq!(
        directory(begun.clone()).await,
        ["+BORN#1980-02-29#p-1", "+NAME#jose#nunez#p-1", "+NAME#nunez#jose#p-1"]
    );
    // Another spelling has the same keys and new items.
    assert_eq!(
        directory(saved(named("Jose", "Nunez"))).await,
        ["+BORN#1980-02-29#p-1", "+NAME#jose#nunez#p-1", "+NAME#nunez#jose#p-1"]
    );
    assert_eq!(
        directory(saved(Profile { date_of_birth: None, ..named("José", "Ruiz") })).await,
        [
            "-BORN#1980-02-29#p-1",
            "-NAME#jose#nunez#p-1",
            "-NAME#nunez#jose#p-1",
            "+NAME#jose#ruiz#p-1",
            "+NAME#ruiz#jose#p-1"
        ]
    );
    assert_eq!(directory(saved(samples::profile(Some("jose@example.com")))).await, Vec::<String>::new());
}

/// A job after its first slice, and the slice.
fn job_and_slice() -> (BulkJob, Slice) {
    let run = samples::request_id("run-1");
    let claimed = samples::bulk_job("lake", "job-1", 2).claim(&run, samples::noon()).unwrap();
    let result = BulkResult { patient: samples::patient_id("p-1"), outcome: BulkOutcome::Invited };
    let seen =
        SliceProgress { audience: Audience::Named { total: 2, processed: 1 }, complete: false, results: vec![result] };
    let (job, slice) = claimed.advance(&run, seen, samples::noon()).unwrap();
    (job, slice.unwrap())
}

/// The job item as a concurrent run would have written it.
fn written_by_another_run(request: &TransactWriteItemsInput) -> Item {
    let mut item = request.transact_items()[0].put().unwrap().item().clone();
    item.insert("slices".to_owned(), AttributeValue::N("7".into()));
    item
}

#[tokio::test(start_paused = true)]
async fn a_saved_job_whose_reply_was_lost_is_recognised() {
    let (job, slice) = job_and_slice();
    let script = |call: usize, request: &TransactWriteItemsInput| match call {
        1 => cancelled(request, &[(0, "TransactionConflict", None)]),
        2 => http(500, "InternalServerError"),
        _ => {
            let own = request.transact_items()[0].put().unwrap().item().clone();
            cancelled(request, &[(0, FAILED, Some(own))])
        }
    };
    let rule = transactions(script);
    let saved = store(&[&rule]).save_job(&job.scope, &job, Some(JobPart::Slice(&slice))).await.unwrap();
    assert_eq!((saved, rule.num_calls()), (CommitOutcome::Committed, 3));
    let rule = transactions(script);
    let begun = store(&[&rule])
        .begin_job(&job.scope, &job, &[samples::patient_id("p-1")], &samples::job_begun(&job))
        .await
        .unwrap();
    assert_eq!((begun, rule.num_calls()), (None, 3));
}

#[tokio::test]
async fn a_job_that_has_changed_is_not_overwritten() {
    let (job, slice) = job_and_slice();
    let rule = transactions(|_, request| cancelled(request, &[(0, FAILED, Some(written_by_another_run(request)))]));
    let saved = store(&[&rule]).save_job(&job.scope, &job, Some(JobPart::Slice(&slice))).await.unwrap();
    assert_eq!(saved, CommitOutcome::Stale);
    let there = store(&[&rule]).begin_job(&job.scope, &job, &[], &samples::job_begun(&job)).await.unwrap();
    assert_eq!(there.map(|job| job.slices), Some(7), "the stored job is returned");
    let gone = transactions(|_, request| cancelled(request, &[(0, FAILED, None)]));
    let saved = store(&[&gone]).save_job(&job.scope, &job, Some(JobPart::Slice(&slice))).await.unwrap();
    assert_eq!(saved, CommitOutcome::Stale);
    let contradictory = transactions(|_, request| cancelled(request, &[(1, FAILED, None)]));
    let saved = store(&[&contradictory]).save_job(&job.scope, &job, Some(JobPart::Slice(&slice))).await;
    assert!(matches!(saved, Err(StoreError::Corrupt(_))), "{saved:?}");
    let busy = transactions(|_, request| cancelled(request, &[(1, "ThrottlingError", None)]));
    let saved = store(&[&busy]).save_job(&job.scope, &job, Some(JobPart::Slice(&slice))).await;
    assert!(matches!(saved, Err(StoreError::Busy)), "{saved:?}");
}

#[tokio::test(start_paused = true)]
async fn contradicting_or_unreadable_items_are_corrupt() {
    for item in [
        [("schema".to_owned(), AttributeValue::N("2".into()))].into(),
        email_item(&[("owner", AttributeValue::S("no-holder".into())), ("stamp", AttributeValue::S("s".into()))]),
        email_item(&[("owner", AttributeValue::N("7".into()))]),
        Item::new(),
    ] {
        let read = reads(Some(item), None);
        let outcome = store(&[&read]).commit(&invitation()).await;
        assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
        assert_eq!(read.num_calls(), 1);
    }
    // An event that is newer than its record, and a cancellation without a reason.
    let rule = transactions(|_, request| cancelled(request, &[(EVENT, FAILED, None)]));
    assert!(matches!(commit(&rule, &invitation()).await, Err(StoreError::Corrupt(_))));
    let rule = transactions(|_, request| cancelled(request, &[]));
    assert!(matches!(commit(&rule, &invitation()).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn keys_and_conditions_contain_no_address() {
    let rule = transactions(|_, request| {
        let put = request.transact_items()[EMAIL].put().unwrap();
        assert!(!format!("{put:?}").contains("jose"), "{put:?}");
        assert_eq!(put.condition_expression(), Some("attribute_not_exists(#PK)"));
        assert_eq!(request.transact_items().len(), 3, "the record, the event, one address");
        written()
    });
    assert_eq!(commit(&rule, &invitation()).await.unwrap(), CommitOutcome::Committed);
}

#[tokio::test(start_paused = true)]
async fn an_address_item_that_has_changed_is_read_again() {
    let (read, rule) = (
        reads(Some(claimed_by("lake#p-1")), None),
        transactions(|call, request| {
            let put = request.transact_items()[EMAIL].put().unwrap();
            assert_eq!(put.condition_expression(), Some("#stamp = :stamp"));
            if call == 1 { cancelled(request, &[(EMAIL, FAILED, None)]) } else { written() }
        }),
    );
    assert_eq!(store(&[&read, &rule]).commit(&invitation()).await.unwrap(), CommitOutcome::Committed);
    assert_eq!((read.num_calls(), rule.num_calls()), (2, 2));
    let rule = transactions(|_, request| cancelled(request, &[(EMAIL, FAILED, None)]));
    assert!(matches!(commit(&rule, &invitation()).await, Err(StoreError::Busy)));
    assert_eq!(rule.num_calls(), 5);
}

/// Writes of the practice's count of refusals.
fn counts(script: impl Fn(usize, &TransactWriteItemsInput) -> Transaction + Send + Sync + 'static) -> Rule {
    transactions(move |call, request| {
        let [write] = request.transact_items() else { unreachable!("one write") };
        assert_eq!(write.put().unwrap().item()["SK"], AttributeValue::S("REFUSALS".into()));
        script(call, request)
    })
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_answered_only_after_it_was_counted() {
    let saved = samples::new_patient(&samples::key("lake", "p-1"), samples::profile(Some("jose@example.com")));
    let record = stored(&saved).await;
    let refused = || CommitOutcome::AddressRefused(AddressRefusal::InUse { holder: None });
    let read = || reads(Some(claimed_by("hill#p-2")), Some(record.clone()));
    let count = counts(|_, _| written());
    assert_eq!(store(&[&read(), &count]).commit(&invitation()).await.unwrap(), refused());
    assert_eq!(count.num_calls(), 1);
    // Another refusal was counted at the same time.
    let count = counts(|call, request| if call == 1 { cancelled(request, &[(0, FAILED, None)]) } else { written() });
    assert_eq!(store(&[&read(), &count]).commit(&invitation()).await.unwrap(), refused());
    assert_eq!(count.num_calls(), 2);
    let count = counts(|_, _| http(500, "InternalServerError"));
    assert!(store(&[&read(), &count]).commit(&invitation()).await.is_err());
    // Within the practice nothing is counted, and a decision on an old record is stale.
    let read = reads(Some(claimed_by("lake#p-2")), Some(record));
    let holder = Some(samples::patient_id("p-2"));
    assert_eq!(
        store(&[&read]).commit(&invitation()).await.unwrap(),
        CommitOutcome::AddressRefused(AddressRefusal::InUse { holder })
    );
    let read = reads(Some(claimed_by("hill#p-2")), None);
    assert_eq!(store(&[&read]).commit(&invitation()).await.unwrap(), CommitOutcome::Stale);
}
