//! A patient's timeline, as staff read it.

use serde_json::Value;

use crate::client::{Answer, GIVEN, Practice};

fn timeline(practice: &Practice, patient: &str, query: &str) -> Answer {
    practice.get(&format!("/v1/patients/{patient}/portal/timeline{query}"))
}

/// One member of each event.
fn each(answer: &Answer, member: &str) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["events"].as_array().unwrap().iter().map(|event| event[member].clone()).collect()
}

#[test]
fn a_timeline_is_newest_first_and_in_pages() {
    let Some(practice) = Practice::open("timeline") else { return };
    practice.save_and_register("p-1");
    let events = timeline(&practice, "p-1", "");
    assert_eq!(each(&events, "version"), [5, 4, 3, 2, 1]);
    let kinds = ["registered", "date-of-birth-checked", "invitation-sent", "invited", "profile-saved"];
    assert_eq!(each(&events, "kind"), kinds);
    let sentences = [
        "The patient registered and has a portal account.",
        "The holder of the link gave a date of birth: 1 of 5.",
        "The mail service accepted the invitation.",
        "Practice staff invited the patient.",
        "Practice staff saved the patient's profile for the first time.",
    ];
    assert_eq!(each(&events, "sentence"), sentences);
    let roles: Vec<Value> = each(&events, "actor").iter().map(|actor| actor["role"].clone()).collect();
    assert_eq!(roles, ["patient", "patient", "sender", "staff", "staff"]);
    assert_eq!(events.json()["next"], Value::Null);
    for personal in [practice.address("p-1").as_str(), GIVEN, "1980"] {
        assert!(!events.body.contains(personal), "{events:?}");
    }

    for command in ["opt-out", "opt-in"].repeat(9) {
        let done = practice.command("p-1", command);
        assert_eq!(done.status, 200, "{done:?}");
    }
    let first = timeline(&practice, "p-1", "");
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = timeline(&practice, "p-1", &format!("?cursor={next}"));
    let versions = [each(&first, "version"), each(&second, "version")].concat();
    assert_eq!(versions, (1..=23).rev().map(Value::from).collect::<Vec<_>>());
    assert_eq!((each(&first, "version").len(), second.json()["next"].clone()), (20, Value::Null));
    for cursor in ["0", "1", "04", "-4", "x", "99999999999"] {
        timeline(&practice, "p-1", &format!("?cursor={cursor}")).assert_problem(400, "malformed", cursor);
    }
}

#[test]
fn another_practices_patient_has_no_timeline() {
    let (Some(practice), Some(other)) = (Practice::open("no-timeline"), Practice::open("no-timeline-2")) else {
        return;
    };
    other.save_patient("p-1", None);
    assert_eq!(timeline(&other, "p-1", "").status, 200);
    let missing = practice.get("/v1/patients/p-2/portal");
    missing.assert_problem(404, "patient_not_found", "a missing patient");
    for (patient, query) in [("p-1", ""), ("p-1", "?cursor=2"), ("p-2", ""), ("p-2", "?cursor=9")] {
        let answer = timeline(&practice, patient, query);
        assert_eq!((answer.status, answer.without_instance()), (404, missing.without_instance()), "{patient} {query}");
    }
}
