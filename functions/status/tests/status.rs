//! The function `status`, from the gateway's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use portal::{
    ports::ChangeStore as _,
    record::PortalRecord,
    record::guards::Recipient,
    testing::{MemoryStore, TestClock, samples},
    timeline::Role,
};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, assert_refused, bad_callers, bad_patients, edge},
};
use status::Status;

type Function = Edge<Status<MemoryStore, TestClock>>;

fn function() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    edge(Status { store, clock: TestClock::default() })
}

async fn function_with_patient(practice: &str) -> (Function, PortalRecord) {
    let function = function();
    let change = samples::new_patient(&samples::key(practice, "p-1001"), samples::profile(Some("jose@example.com")));
    function.handler().store.commit(&change).await.unwrap();
    (function, change.after)
}

#[tokio::test]
async fn the_panel_shows_the_patients_status() {
    let (function, record) = function_with_patient("lakeside").await;
    let (store, practice) = (&function.handler().store, samples::practice("lakeside"));
    insta::assert_json_snapshot!("not_invited", Sample::new("status/read").ask(&function).await);

    let id = samples::invitation_id("invitation-1");
    let invited = record
        .invite(&practice, &Recipient::default(), id.clone(), samples::staff_context(samples::noon(), "request-1"))
        .unwrap();
    store.commit(&invited).await.unwrap();
    insta::assert_json_snapshot!("queued", Sample::new("status/read").ask(&function).await);

    let claimed = invited.after.claim(&samples::claim_request(&id, samples::noon(), 1)).unwrap();
    let context = samples::context_as(Role::Sender, samples::noon(), "request-2");
    let sent = claimed.stamp(&practice, &id, claimed.fence, samples::message_id(1), context).unwrap();
    let elsewhere = MemoryStore::with_practices([practice]);
    for change in [samples::new_patient(&record.key, record.profile.clone()), invited] {
        elsewhere.commit(&change).await.unwrap();
    }
    assert_eq!(
        portal::ports::DeliveryStore::claim(&elsewhere, &record.key, &samples::claim_request(&id, samples::noon(), 1))
            .await
            .unwrap(),
        portal::ports::ClaimOutcome::Claimed(Box::new(claimed))
    );
    elsewhere.commit(&sent).await.unwrap();
    let function = edge(Status { store: elsewhere, clock: TestClock::default() });
    insta::assert_json_snapshot!("sent", Sample::new("status/read").ask(&function).await);
}

#[tokio::test]
async fn reading_changes_nothing() {
    let (function, _) = function_with_patient("lakeside").await;
    let before = function.handler().store.contents();
    assert_eq!(Sample::new("status/read").ask(&function).await.status, 200);
    assert_eq!(function.handler().store.contents(), before);
}

#[tokio::test]
async fn a_body_and_unknown_headers_of_a_read_are_ignored() {
    let (function, _) = function_with_patient("lakeside").await;
    let plain = Sample::new("status/read").ask(&function).await;
    let decorated = Sample::new("status/read")
        .body("{\"practiceId\":\"hillside\"")
        .header("x-practice-id", "hillside")
        .header("x-forwarded-proto", "not a scheme")
        .header("x-odd", "\u{e9}\u{1f600}");
    assert_eq!(decorated.ask(&function).await, plain);
}

#[tokio::test]
async fn a_patient_of_another_practice_is_answered_like_an_unknown_one() {
    let (foreign, _) = function_with_patient("hillside").await;
    let read = Sample::new("status/read");
    let bytes = async |function: &Function, sample: &Sample| {
        serde_json::to_string(&function.answer(sample.event()).await).unwrap()
    };
    let answer = bytes(&foreign, &read).await;
    assert_eq!(answer, bytes(&function(), &read).await);
    assert_eq!(answer, bytes(&function(), &read.patient("no such")).await);
    insta::assert_json_snapshot!("missing", Sample::new("status/read").ask(&foreign).await);
}

#[tokio::test]
async fn an_invalid_request_is_refused() {
    let (function, _) = function_with_patient("lakeside").await;
    let read = Sample::new("status/read");
    let mut bad = [bad_callers(&read), bad_patients(&read)].concat();
    bad.push(Bad::new("another operation's scope", read.claim("scope", "portal/invite"), 403, "forbidden"));
    assert_refused(&function, bad, |status| status.store.contents()).await;
}

#[tokio::test]
async fn a_request_without_an_id_gets_the_invocation_id() {
    let (function, _) = function_with_patient("hillside").await;
    for id in ["", "not an id", &"x".repeat(200)] {
        let answer = Sample::new("status/read").request(id).ask(&function).await;
        assert_eq!(answer.body["instance"], "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
    }
    let mut without_ids = Sample::new("status/read").request("").event();
    without_ids.context.request_id.clear();
    assert_eq!(function.answer(without_ids).await.status_code, 500);
}
