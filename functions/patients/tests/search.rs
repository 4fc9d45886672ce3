//! The search of the function `patients`, from the gateway's events to its answers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that cannot go on is a failed test"
)]

use patients::Patients;
use portal::{
    email::Pepper,
    ports::ChangeStore as _,
    profile::Profile,
    testing::{Fault, MemoryStore, TestClock, samples},
    text::PersonName,
};
use portal_aws::http::{
    DirectoryCursors, Edge,
    testing::{Bad, Sample, Shown, assert_refused, bad_callers, edge},
};
use serde_json::{Value, json};

type Function = Edge<Patients<MemoryStore, TestClock>>;

fn function() -> Function {
    let store = MemoryStore::with_practices([samples::practice("lakeside"), samples::practice("hillside")]);
    let cursors = DirectoryCursors::new(Pepper::new("a pepper for tests".into()));
    edge(Patients { store, clock: TestClock::default(), cursors })
}

async fn add(function: &Function, practice: &str, patient: &str, given: &str, family: &str) {
    let name = |text| PersonName::parse(text).unwrap();
    let profile = Profile { given_name: name(given), family_name: name(family), ..samples::profile(None) };
    let change = samples::new_patient(&samples::key(practice, patient), profile);
    function.handler().store.commit(&change).await.unwrap();
}

fn search(text: &str) -> Sample {
    Sample::new("patients/search").query("q", text)
}

fn ids(answer: &Shown) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["patients"].as_array().unwrap().iter().map(|hit| hit["patientId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_first_letters_of_any_name_find_patients_of_the_same_practice() {
    let function = function();
    add(&function, "lakeside", "p-1", "José", "Núñez").await;
    add(&function, "lakeside", "p-2", "Mary Jo", "Smith").await;
    add(&function, "lakeside", "p-3", "Ana", "Li").await;
    add(&function, "hillside", "p-4", "Jo", "Foreign").await;
    insta::assert_json_snapshot!("found", search("jo").ask(&function).await);
    insta::assert_json_snapshot!("nobody", search("jox").ask(&function).await);
    for (text, found) in [
        ("JO", vec!["p-2", "p-1"]),
        ("nú", vec!["p-1"]),
        ("Smith, Jo", vec!["p-2"]),
        ("jo smith", vec!["p-2"]),
        ("02/29/1980", vec!["p-1", "p-2", "p-3"]),
        ("1980-02-29", vec!["p-1", "p-2", "p-3"]),
        ("02/28/1980", vec![]),
        ("fo", vec![]),
    ] {
        assert_eq!(ids(&search(text).ask(&function).await), found, "{text}");
    }
}

#[tokio::test]
async fn each_patient_is_on_exactly_one_page() {
    let function = function();
    for number in 0..45 {
        add(&function, "lakeside", &format!("p-{number:02}"), "Jo José", &format!("Johnson{number:02}")).await;
    }
    let (mut found, mut pages, mut sample) = (Vec::new(), 0, search("jo"));
    loop {
        let answer = sample.ask(&function).await;
        let hits = ids(&answer);
        assert!(hits.len() <= 20);
        found.extend(hits.into_iter().map(str::to_owned));
        pages += 1;
        let Some(next) = answer.body.get("next").and_then(Value::as_str) else { break };
        assert!(!next.to_lowercase().contains("johnson"), "{next}");
        sample = search("JO").query("cursor", next);
    }
    let expected: Vec<String> = (0..45).map(|number| format!("p-{number:02}")).collect();
    assert_eq!(found, expected);
    // Each patient has three rows, and each page reads twenty rows. Pages that are not full are allowed.
    assert_eq!(pages, 7);
}

#[tokio::test]
async fn a_cursor_of_another_query_or_practice_is_refused() {
    let function = function();
    for number in 0..21 {
        add(&function, "lakeside", &format!("p-{number}"), "Jo", "Li").await;
        add(&function, "hillside", &format!("p-{number}"), "Jo", "Li").await;
    }
    let answer = search("jo").ask(&function).await;
    let next = answer.body["next"].as_str().unwrap();
    let last = search("jo").query("cursor", next).ask(&function).await;
    assert_eq!((ids(&last).len(), last.body.get("next")), (1, None));

    let bad = |what: &str, sample| Bad::new(what, sample, 400, "malformed");
    let with = |cursor: &str| search("jo").query("cursor", cursor);
    let bad = vec![
        bad("an empty cursor", with("")),
        bad("no cursor", with("nonsense")),
        bad("a cursor in clear", with("TkFNRSNsaSNqbyNwLTE")),
        bad("a cursor cut off", with(&next[..next.len() - 1])),
        bad("a cursor with something after it", with(&format!("{next}AAAA"))),
        bad("a huge cursor", with(&"A".repeat(100_000))),
        bad("a cursor of another query", search("li").query("cursor", next)),
        bad("a cursor of another practice", with(next).claim("practice_id", "hillside")),
    ];
    assert_refused(&function, bad, |patients| patients.store.contents()).await;
}

#[tokio::test]
async fn an_invalid_search_request_is_refused() {
    let function = function();
    add(&function, "lakeside", "p-1", "José", "Núñez").await;
    let mut bad = bad_callers(&search("jo"));
    bad.push(Bad::new("write only", search("jo").claim("scope", "portal/patients"), 403, "forbidden"));
    for text in ["", " ", "j", "É", "#", "a b", "02/30/1980", "1980-13-01", "2/29/1980", "1980", &"x".repeat(101)] {
        bad.push(Bad::new(format!("q={text}"), search(text), 400, "malformed"));
    }
    assert_refused(&function, bad, |patients| patients.store.contents()).await;
    // The details do not repeat the submitted value, and say what to do.
    let details = async |text: &str| search(text).ask(&function).await.body["detail"].clone();
    assert_eq!(
        details("q").await,
        json!(
            "The parameter q must be at least two letters of a name, or a date of birth as mm/dd/yyyy or yyyy-mm-dd."
        )
    );
    assert_eq!(
        details("02/30/1980").await,
        json!("The date in the parameter q must be one of the calendar, as mm/dd/yyyy or yyyy-mm-dd.")
    );
    assert_eq!(details(&"x".repeat(101)).await, json!("The parameter q must have at most 100 characters."));
}

#[tokio::test]
async fn a_search_without_a_query_is_refused() {
    let function = function();
    let bare = Sample::new("patients/read").route("GET /v1/patients");
    assert_refused(&function, vec![Bad::new("no q", bare, 400, "malformed")], |patients| patients.store.contents())
        .await;
}

#[tokio::test]
async fn a_fault_of_the_store_is_answered_with_503() {
    let function = function();
    function.handler().store.fail_next([Some(Fault::Unavailable)]);
    let answer = search("jo").ask(&function).await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable"));
}
