//! The parsers of HTTP requests: bodies and claims.

use bolero::check;
use patients::Patients;
use portal::{
    email::Pepper,
    testing::{MemoryStore, TestClock, samples},
};
use portal_aws::http::{
    DirectoryCursors, Edge,
    testing::{Sample, edge},
};
use serde_json::Value;

use crate::{Edits, ITERATIONS, spliced};

/// A text in the request that no refusal may contain.
const MARK: &str = "markmark";

fn function() -> Edge<Patients<MemoryStore, TestClock>> {
    let store = MemoryStore::with_practices([samples::practice("lakeside")]);
    let cursors = DirectoryCursors::new(Pepper::new("a pepper for tests".into()));
    edge(Patients { store, clock: TestClock::default(), cursors })
}

/// Sends a request, and checks the answer: it is not a fault of ours, and a refusal quotes nothing from the request.
fn check_answer(request: &Sample) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let function = function();
    let answer = runtime.block_on(request.ask(&function));
    assert!(answer.status < 500, "{answer:?}");
    if answer.status >= 400 {
        let body = answer.body.to_string().to_lowercase();
        assert!(!body.contains(MARK), "{answer:?}");
        assert_eq!(function.handler().store.contents().records.len(), 0, "a refusal changes nothing");
    }
}

/// A valid body, which the edits change.
fn profile() -> String {
    format!(
        r#"{{"givenName":"{MARK}","familyName":"{MARK}","dateOfBirth":"1980-02-29","email":"{MARK}@example.com","language":"es"}}"#
    )
}

#[test]
fn fuzz_body() {
    let save = Sample::new("patients/save");
    check!().with_iterations(ITERATIONS).for_each(|bytes: &[u8]| check_answer(&save.clone().bytes(bytes)));
}

#[test]
fn fuzz_body_like() {
    let (save, profile) = (Sample::new("patients/save"), profile());
    check!()
        .with_iterations(ITERATIONS)
        .with_type::<Edits>()
        .for_each(|edits| check_answer(&save.clone().bytes(spliced(profile.as_bytes(), edits))));
}

#[test]
fn fuzz_claims() {
    let read = Sample::new("patients/read");
    check!().with_iterations(ITERATIONS).with_type::<(String, String, Edits)>().for_each(|(practice, scope, edits)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let function = function();
        let claimed = read.clone().claim("practice_id", practice).claim("scope", scope);
        let answer = runtime.block_on(claimed.ask(&function));
        assert!([403, 404].contains(&answer.status), "{answer:?}");
        // A changed authorizer context never permits anything.
        let claims = br#"{"jwt":{"claims":{"practice_id":"lakeside","scope":"portal/invite","sub":"staff-7"}}}"#;
        let Ok(authorizer) = serde_json::from_slice::<Value>(&spliced(claims, edits)) else { return };
        if authorizer.is_object() {
            let answer = runtime.block_on(read.clone().authorizer(&authorizer).ask(&function));
            assert!([403, 404].contains(&answer.status), "{answer:?}");
        }
    });
}
