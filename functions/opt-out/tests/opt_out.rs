//! The function `opt-out`, from the gateway's events to its answers.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on is a failed test")]

use opt_out::OptOut;
use portal::{
    ports::ChangeStore as _,
    record::guards::Recipient,
    testing::{MemoryStore, TestClock, samples},
};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, assert_refused, bad_bodies, bad_callers, bad_patients, edge},
};
use serde_json::json;

type Function = Edge<OptOut<MemoryStore, TestClock>>;

/// The function, and patient `p-1001`, whose invitation is queued.
async fn function_with_invited() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    let created = samples::new_patient(&samples::key("lakeside", "p-1001"), samples::profile(Some("jose@example.com")));
    store.commit(&created).await.unwrap();
    let context = samples::staff_context(samples::noon(), "invite");
    let invitation = samples::invitation_id("invitation-1");
    let invited =
        created.after.invite(&samples::practice("lakeside"), &Recipient::default(), invitation, context).unwrap();
    store.commit(&invited).await.unwrap();
    edge(OptOut { store, clock: TestClock::default() })
}

#[tokio::test]
async fn a_patient_is_opted_out_and_in_again() {
    let function = function_with_invited().await;
    insta::assert_json_snapshot!("opted_out", Sample::new("opt-out/opt-out").ask(&function).await);
    let opt_in = Sample::new("opt-out/opt-in").request("request-2");
    insta::assert_json_snapshot!("opted_in", opt_in.ask(&function).await);
}

#[tokio::test]
async fn no_body_and_an_empty_body_are_the_same() {
    for body in ["", "{}"] {
        let function = function_with_invited().await;
        let out = Sample::new("opt-out/opt-out").body(body).ask(&function).await;
        assert_eq!((out.status, &out.body["panel"]["optedOut"]), (200, &json!(true)));
        let back = Sample::new("opt-out/opt-in").request("request-2").body(body).ask(&function).await;
        assert_eq!((back.status, &back.body["panel"]["optedOut"]), (200, &json!(false)));
    }
}

#[tokio::test]
async fn a_repeated_choice_is_refused() {
    let function = function_with_invited().await;
    let (opt_out, opt_in) = (Sample::new("opt-out/opt-out"), Sample::new("opt-out/opt-in"));
    let bad = vec![Bad::new("not opted out", opt_in.clone(), 409, "not_opted_out")];
    assert_refused(&function, bad, |opt_out| opt_out.store.contents()).await;
    assert_eq!(opt_out.clone().request("request-2").ask(&function).await.status, 200);
    let bad = vec![
        Bad::new("opted out", opt_out, 409, "opted_out"),
        Bad::new("a stale version", opt_in.header("if-match", "\"2\""), 412, "version_conflict"),
    ];
    assert_refused(&function, bad, |opt_out| opt_out.store.contents()).await;
}

#[tokio::test]
async fn an_invalid_request_changes_nothing() {
    let function = function_with_invited().await;
    for request in [Sample::new("opt-out/opt-out"), Sample::new("opt-out/opt-in")] {
        let mut bad = [bad_callers(&request), bad_patients(&request), bad_bodies(&request)].concat();
        let no_permission = request.clone().claim("scope", "portal/read portal/patients");
        let elsewhere = request.clone().claim("practice_id", "hillside");
        bad.push(Bad::new("read only", no_permission, 403, "forbidden"));
        bad.push(Bad::new("no patient", request.clone().patient("p-4"), 404, "patient_not_found"));
        bad.push(Bad::new("another practice", elsewhere, 404, "patient_not_found"));
        bad.push(Bad::new("a reason", request.json(&json!({ "reason": "asked" })), 422, "invalid_fields"));
        assert_refused(&function, bad, |opt_out| opt_out.store.contents()).await;
    }
}
