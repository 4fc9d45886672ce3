//! Search of patients by the first letters of their names or by their date of birth.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xtask::token::Role;

use crate::client::{Answer, BORN, GIVEN, Practice, send};

fn save_named(practice: &Practice, patient: &str, given: &str, family: &str) {
    let profile = json!({ "givenName": given, "familyName": family, "dateOfBirth": BORN });
    let saved = practice.put_as(Role::Staff, &format!("/v1/patients/{patient}"), &profile);
    assert_eq!(saved.status, 201, "{saved:?}");
}

/// The answer to a query, which is written as in a URL.
fn search(practice: &Practice, query: &str) -> Answer {
    practice.get(&format!("/v1/patients?{query}"))
}

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let hits = body["patients"].as_array().unwrap().iter();
    hits.map(|hit| hit["patientId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_first_letters_find_every_patient_with_such_a_name() {
    let (Some(practice), Some(other)) = (Practice::open("search"), Practice::open("search-other")) else { return };
    save_named(&practice, "p-1", "José", "Núñez");
    save_named(&practice, "p-2", "Mary Jo", "Smith");
    save_named(&practice, "p-3", "Ana", "Li");
    save_named(&other, "p-4", "Jo", "Núñez");

    let hit = |id: &str, given: &str, family: &str| json!({ "patientId": id, "givenName": given, "familyName": family, "dateOfBirth": BORN });
    let found = search(&practice, "q=jo");
    let patients = json!({ "patients": [hit("p-2", "Mary Jo", "Smith"), hit("p-1", "José", "Núñez")] });
    assert_eq!((found.status, found.json()), (200, patients));
    assert_eq!(found.header("cache-control"), Some("no-store"));
    for (query, patients) in [
        ("q=JOS%C3%89", vec!["p-1"]),
        ("q=nu", vec!["p-1"]),
        ("q=N%C3%9A%C3%91", vec!["p-1"]),
        ("q=smith%2C+jo", vec!["p-2"]),
        ("q=mary%20jo", vec!["p-2"]),
        ("q=02/29/1980", vec!["p-1", "p-2", "p-3"]),
        ("q=02%2F29%2F1980", vec!["p-1", "p-2", "p-3"]),
        ("q=1980-02-29", vec!["p-1", "p-2", "p-3"]),
        ("q=1980-02-28", vec![]),
        ("q=zz", vec![]),
    ] {
        assert_eq!(ids(&search(&practice, query)), patients, "{query}");
    }
    assert_eq!(ids(&search(&other, "q=nu")), ["p-4"], "each practice finds its own patients");

    let renamed = json!({ "givenName": "Josefa", "familyName": "Smith", "dateOfBirth": "1990-12-31" });
    assert_eq!(practice.put_as(Role::Staff, "/v1/patients/p-1", &renamed).status, 200);
    assert_eq!(ids(&search(&practice, "q=nu")), Vec::<String>::new());
    assert_eq!(ids(&search(&practice, "q=12/31/1990")), ["p-1"]);
}

#[test]
fn a_cursor_continues_its_own_search_only() {
    let (Some(practice), Some(other)) = (Practice::open("pages"), Practice::open("pages-other")) else { return };
    for number in 0..25 {
        save_named(&practice, &format!("p-{number}"), GIVEN, &format!("Pages{number:02}"));
    }
    let first = search(&practice, "q=pag");
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = search(&practice, &format!("q=PAG&cursor={next}"));
    assert_eq!(second.json()["next"], Value::Null);
    assert_eq!((ids(&first).len(), ids(&second).len()), (20, 5));
    let all: BTreeSet<String> = [ids(&first), ids(&second)].concat().into_iter().collect();
    assert_eq!(all.len(), 25, "each patient is on one page");

    let changed = if next.starts_with('A') { "B" } else { "A" };
    for (case, cursor) in [
        ("forged", format!("{changed}{}", &next[1..])),
        ("cut off", next[..next.len() - 4].to_owned()),
        ("in clear", "TkFNRSNwYWdlczAwI2NhbmFyeSNwLTA".to_owned()),
        ("huge", "A".repeat(4_000)),
    ] {
        search(&practice, &format!("q=pag&cursor={cursor}")).assert_problem(400, "malformed", case);
    }
    search(&practice, &format!("q=can&cursor={next}")).assert_problem(400, "malformed", "of another query");
    search(&other, &format!("q=pag&cursor={next}")).assert_problem(400, "malformed", "of another practice");
}

#[test]
fn an_invalid_query_is_refused_and_not_repeated() {
    let Some(practice) = Practice::open("no-query") else { return };
    for query in ["", "q=", "q=j", "q=%C3%89", "q=%23", "q=02/30/1980", "q=1980-13-01", "q=1980", "x=jo"] {
        search(&practice, query).assert_problem(400, "malformed", query);
    }
    let answer = search(&practice, &format!("q={}", "Canaryname".repeat(11)));
    answer.assert_problem(400, "malformed", "too long");
    assert!(!answer.body.contains("Canaryname"), "{answer:?}");
    let request = practice.request_by(&practice.token(Role::Portal), "GET", "/v1/patients?q=jo");
    send(request.body(Vec::new()).unwrap()).assert_problem(403, "forbidden", "without the permission to read");
}
