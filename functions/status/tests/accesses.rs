//! The accesses of Customer Care, from the gateway's events to the answers.

use chrono::TimeDelta;
use portal::{
    access::AccessKind,
    ports::AccessLog as _,
    testing::{MemoryStore, TestClock, samples},
};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, assert_refused, bad_callers, bad_patients, edge},
};
use serde_json::json;
use status::Status;

/// With patients `p-1001` of two practices. Customer Care read the status of the one of `lakeside` this many times.
async fn function(accesses: i64) -> Edge<Status<MemoryStore, TestClock>> {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    let key = samples::key("lakeside", "p-1001");
    store.mail_invitation(&key, "jose@example.com");
    store.mail_invitation(&samples::key("hillside", "p-1001"), "ana@example.com");
    for number in 0..accesses {
        let at = samples::noon() + TimeDelta::seconds(number);
        let entry = samples::access(AccessKind::Status, at, &format!("request-{number}"));
        assert!(store.record_access(&key, &entry).await.is_ok());
    }
    edge(Status { store, clock: TestClock::default() })
}

#[tokio::test]
async fn a_practice_sees_who_had_access_to_its_own_patient() {
    let function = function(2).await;
    let accesses = Sample::new("status/accesses");
    insta::assert_json_snapshot!("accesses", accesses.ask(&function).await);
    let hillside = accesses.claim("practice_id", "hillside").ask(&function).await;
    assert_eq!((hillside.status, hillside.body), (200, json!({ "accesses": [] })));
}

#[tokio::test]
async fn a_page_has_twenty_accesses() {
    let (function, accesses) = (function(25).await, Sample::new("status/accesses"));
    let first = accesses.ask(&function).await.body;
    let second = accesses.query("cursor", first["next"].as_str().unwrap_or_default()).ask(&function).await.body;
    let length = |page: &serde_json::Value| page["accesses"].as_array().map(Vec::len);
    assert_eq!((length(&first), length(&second), second.get("next")), (Some(20), Some(5), None));
    assert_eq!(second["accesses"][0]["requestId"], "request-4");
}

#[tokio::test]
async fn an_invalid_request_for_accesses_is_refused() {
    let (function, accesses) = (function(1).await, Sample::new("status/accesses"));
    let mut bad = [bad_callers(&accesses), bad_patients(&accesses)].concat();
    bad.push(Bad::new("no administrator", accesses.clone().claim("scope", "portal/read"), 403, "forbidden"));
    bad.push(Bad::new("an unknown patient", accesses.clone().patient("p-9"), 404, "patient_not_found"));
    bad.push(Bad::new("a cursor", accesses.query("cursor", "x"), 400, "malformed"));
    assert_refused(&function, bad, |status| status.store.contents()).await;
}
