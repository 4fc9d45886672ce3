//! The timeline of the function `status`, from the gateway's events to its answers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that cannot go on is a failed test"
)]

use portal::{
    ports::ChangeStore as _,
    testing::{MemoryStore, TestClock, samples},
};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, Shown, assert_refused, bad_callers, bad_patients, edge},
};
use serde_json::{Value, json};
use status::Status;

type Function = Edge<Status<MemoryStore, TestClock>>;

fn function() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    edge(Status { store, clock: TestClock::default() })
}

/// The function, and a patient who was mailed an invitation and has made this many choices, alternately out and in.
async fn function_with_timeline(practice: &str, choices: u32) -> Function {
    let function = function();
    let (key, store) = (samples::key(practice, "p-1001"), &function.handler().store);
    store.mail_invitation(&key, "jose@example.com");
    let mut record = store.stored_record(&key).unwrap();
    for number in 0..choices {
        let context = samples::staff_context(samples::noon(), &format!("request-{number}"));
        let change = if number % 2 == 0 { record.opt_out(context).unwrap() } else { record.opt_in(context).unwrap() };
        store.commit(&change).await.unwrap();
        record = change.after;
    }
    function
}

fn versions(answer: &Shown) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["events"].as_array().unwrap().iter().map(|event| event["version"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_timeline_is_sorted_newest_first() {
    let function = function_with_timeline("lakeside", 1).await;
    insta::assert_json_snapshot!("history", Sample::new("status/timeline").ask(&function).await);
}

#[tokio::test]
async fn a_page_has_twenty_events() {
    let timeline = Sample::new("status/timeline");
    let function = function_with_timeline("lakeside", 40).await;
    let (mut found, mut cursors, mut sample) = (Vec::new(), Vec::new(), timeline.clone());
    loop {
        let answer = sample.ask(&function).await;
        found.push(versions(&answer));
        let Some(next) = answer.body.get("next").and_then(Value::as_str) else { break };
        cursors.push(next.to_owned());
        sample = timeline.clone().query("cursor", next);
    }
    let descending = |from: u64, to: u64| (to..=from).rev().collect::<Vec<_>>();
    assert_eq!(found, [descending(43, 24), descending(23, 4), descending(3, 1)]);
    assert_eq!(cursors, ["24", "4"]);

    let exactly_a_page = function_with_timeline("lakeside", 17).await;
    let answer = timeline.ask(&exactly_a_page).await;
    assert_eq!((versions(&answer), answer.body.get("next")), (descending(20, 1), None));
    let from_the_future = timeline.query("cursor", "9999999999").ask(&exactly_a_page).await;
    assert_eq!(from_the_future.body, answer.body);
}

#[tokio::test]
async fn on_every_page_a_patient_of_another_practice_is_answered_like_an_unknown_one() {
    let foreign = function_with_timeline("hillside", 30).await;
    let bytes = async |function: &Function, sample: &Sample| {
        serde_json::to_string(&function.answer(sample.event()).await).unwrap()
    };
    let timeline = Sample::new("status/timeline");
    let missing = bytes(&function(), &Sample::new("status/read")).await;
    assert!(missing.contains("patient_not_found"), "{missing}");
    for sample in [timeline.clone(), timeline.clone().query("cursor", "14"), timeline.clone().query("cursor", "2")] {
        assert_eq!(bytes(&foreign, &sample).await, missing);
        assert_eq!(bytes(&function(), &sample).await, missing);
        assert_eq!(bytes(&function(), &sample.patient("no such")).await, missing);
    }
}

#[tokio::test]
async fn an_invalid_timeline_request_is_refused() {
    let function = function_with_timeline("lakeside", 30).await;
    let timeline = Sample::new("status/timeline");
    let mut bad = [bad_callers(&timeline), bad_patients(&timeline)].concat();
    bad.push(Bad::new("another operation's scope", timeline.clone().claim("scope", "portal/invite"), 403, "forbidden"));
    for cursor in ["", "0", "1", "01", "+2", "-1", "2.5", "x", " 2", "10000000000", "99999999999999999999", "EVENT#2"] {
        bad.push(Bad::new(format!("cursor={cursor}"), timeline.clone().query("cursor", cursor), 400, "malformed"));
    }
    assert_refused(&function, bad, |status| status.store.contents()).await;
}

#[tokio::test]
async fn a_timeline_contains_no_personal_data() {
    let function = function_with_timeline("lakeside", 3).await;
    let answer = Sample::new("status/timeline").ask(&function).await;
    for personal_data in ["jose@", "example.com", "José", "Núñez", "1980"] {
        assert!(!answer.body.to_string().contains(personal_data), "{}", answer.body);
    }
    assert_eq!(answer.body["events"][0]["actor"], json!({ "role": "staff", "subject": "staff-7" }));
}
