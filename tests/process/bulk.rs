//! Inviting many patients at once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use ureq::http::header::CONTENT_TYPE;
use xtask::token::Role;

use crate::{
    client::{Answer, Practice, profile, send},
    wait::eventually,
};

const PATH: &str = "/v1/invitations/bulk";

/// Patients of the practice. One more id is unknown.
const PATIENTS: usize = 45;

fn id(number: usize) -> String {
    format!("p-{number:02}")
}

/// A practice with patients, of whom some cannot be invited, and each patient's expected outcome.
fn practice_with_reasons(name: &str) -> Option<(Practice, BTreeMap<String, &'static str>)> {
    let practice = Practice::open(name)?;
    let mut outcomes: BTreeMap<String, &str> = (0..=PATIENTS).map(|number| (id(number), "invited")).collect();
    for number in 0..PATIENTS {
        practice.save_patient(&id(number), Some(&practice.address(&id(number))));
    }
    let save = |number: usize, body: &Value| {
        let saved = practice.put_as(Role::Staff, &format!("/v1/patients/{}", id(number)), body);
        assert_eq!(saved.status, 200, "{saved:?}");
    };
    save(3, &profile(None));
    save(7, &profile(Some(&practice.address(&id(8)))));
    assert_eq!(practice.invite(&id(11), &json!({})).status, 202);
    assert_eq!(practice.command(&id(17), "opt-out").status, 200);
    let mut inactive = profile(Some(&practice.address(&id(23))));
    inactive["active"] = false.into();
    save(23, &inactive);
    practice.save_and_register("registered");
    for (patient, outcome) in [
        (id(3), "email_required"),
        (id(7), "email_in_use"),
        (id(8), "email_in_use"),
        (id(11), "already_invited"),
        (id(17), "opted_out"),
        (id(23), "patient_inactive"),
        (id(PATIENTS), "patient_not_found"),
        ("registered".to_owned(), "already_registered"),
    ] {
        outcomes.insert(patient, outcome);
    }
    Some((practice, outcomes))
}

fn begin(practice: &Practice, body: &Value) -> Value {
    let answer = practice.post(PATH, body);
    assert_eq!(answer.status, 202, "{answer:?}");
    let job = answer.json();
    assert_eq!(answer.header("location"), Some(path(&job).as_str()));
    job
}

fn begin_keyed(practice: &Practice, key: &str, body: &Value) -> Answer {
    let request = practice.request("POST", PATH).header("idempotency-key", key);
    send(request.header(CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap())
}

fn path(job: &Value) -> String {
    format!("{PATH}/{}", job["jobId"].as_str().unwrap())
}

/// Waits until the job is done, and returns it.
fn done(practice: &Practice, job: &Value) -> Value {
    eventually("the job is done", || Some(practice.get(&path(job)).json()).filter(|job| job["state"] == "done"))
}

/// Every result, page by page.
fn results(practice: &Practice, job: &Value) -> Vec<Value> {
    let (mut all, mut query) = (Vec::new(), String::new());
    loop {
        let page = practice.get(&format!("{}/results{query}", path(job))).json();
        all.extend(page["results"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return all };
        query = format!("?cursor={next}");
    }
}

fn outcomes(results: &[Value]) -> BTreeMap<String, String> {
    let text = |result: &Value, name: &str| result[name].as_str().unwrap().to_owned();
    results.iter().map(|result| (text(result, "patientId"), text(result, "outcome"))).collect()
}

/// How often each value occurs.
fn counted<'text>(outcomes: impl Iterator<Item = &'text str>) -> Value {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome).or_insert(0) += 1;
    }
    json!(counts)
}

#[test]
fn a_dry_run_predicts_the_real_run_and_every_mail_is_sent_once() {
    let Some((practice, expected)) = practice_with_reasons("bulk") else { return };
    let ids: Vec<&String> = expected.keys().collect();
    let unchanged = ["p-00", "p-03"].map(|patient| practice.snapshot(patient));

    let dry = begin(&practice, &json!({ "patientIds": ids, "dryRun": true }));
    assert_eq!(
        (&dry["dryRun"], &dry["audience"], &dry["total"]),
        (&json!(true), &json!("patientIds"), &json!(ids.len()))
    );
    let dry = done(&practice, &dry);
    let previewed = |outcome: &&'static str| if *outcome == "invited" { "invitable" } else { *outcome };
    assert_eq!(dry["counts"], counted(expected.values().map(previewed)));
    let predicted = results(&practice, &dry);
    assert_eq!(predicted.len(), ids.len());
    let expected_dry = expected.iter().map(|(patient, outcome)| (patient.clone(), previewed(outcome).to_owned()));
    assert_eq!(outcomes(&predicted), expected_dry.collect());
    assert_eq!(["p-00", "p-03"].map(|patient| practice.snapshot(patient)), unchanged, "a dry run changes nothing");

    let real = done(&practice, &begin(&practice, &json!({ "patientIds": ids })));
    assert_eq!(real["processed"], ids.len());
    assert_eq!(real["counts"], counted(expected.values().copied()));
    let expected_real: BTreeMap<_, _> =
        expected.iter().map(|(patient, outcome)| (patient.clone(), (*outcome).to_owned())).collect();
    assert_eq!(outcomes(&results(&practice, &real)), expected_real);
    for (patient, _) in expected.iter().filter(|(_, outcome)| **outcome == "invited") {
        practice.await_sent(patient);
        assert_eq!(practice.mails(&practice.address(patient)).len(), 1, "{patient}");
        let timeline = practice.get(&format!("/v1/patients/{patient}/portal/timeline")).json();
        let invited: Vec<_> =
            timeline["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "invited").collect();
        assert_eq!(invited.len(), 1, "{timeline}");
        assert_eq!(invited[0]["actor"]["role"], "staff");
    }
}

#[test]
fn results_can_be_opened_in_a_spreadsheet() {
    let Some(practice) = Practice::open("bulk-table") else { return };
    let mut ids: Vec<String> = (0..120).map(|number| format!("x-{number}")).collect();
    ids[0] = "-1".to_owned();
    let job = done(&practice, &begin(&practice, &json!({ "patientIds": ids, "dryRun": true })));
    let (mut rows, mut next) = (Vec::new(), Some(format!("{}/results", path(&job))));
    while let Some(page) = next {
        let request = practice.request("GET", &page).header("accept", "text/csv");
        let answer = send(request.body(Vec::new()).unwrap());
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(answer.header("content-disposition"), Some("attachment"));
        let mut lines = answer.body.split("\r\n").filter(|line| !line.is_empty()).map(str::to_owned);
        assert_eq!(lines.next().as_deref(), Some("patientId,outcome,sentence"));
        rows.extend(lines);
        let link = answer.header("link").map(|link| link.strip_prefix('<').unwrap().to_owned());
        next = link.map(|link| link.split_once(">; rel=\"next\"").unwrap().0.to_owned());
    }
    assert_eq!(rows.len(), 120);
    assert_eq!(rows[0], "'-1,patient_not_found,There is no such patient in your practice: check the patient id.",);
    assert!(rows[119].starts_with("x-119,"), "{}", rows[119]);
}

#[test]
fn never_invited_finds_every_patient_without_an_invitation() {
    let Some((practice, expected)) = practice_with_reasons("bulk-never") else { return };
    let dry = done(&practice, &begin(&practice, &json!({ "neverInvited": true, "dryRun": true })));
    let job = begin(&practice, &json!({ "neverInvited": true }));
    assert_eq!(job.get("total"), None);
    let job = done(&practice, &job);
    // Patients who have no address, who were invited or registered, or who do not exist are left out.
    let left_out = ["email_required", "already_invited", "already_registered", "patient_not_found"];
    let included: BTreeMap<_, _> = expected.iter().filter(|(_, outcome)| !left_out.contains(*outcome)).collect();
    assert_eq!((&job["total"], &job["processed"]), (&json!(included.len()), &json!(included.len())));
    let found = outcomes(&results(&practice, &job));
    assert!(
        found.iter().map(|(patient, outcome)| (patient, outcome.as_str())).eq(included.iter().map(|(p, o)| (*p, **o)))
    );
    let previewed = outcomes(&results(&practice, &dry));
    assert_eq!(previewed.keys().collect::<BTreeSet<_>>(), found.keys().collect());
    let again = done(&practice, &begin(&practice, &json!({ "neverInvited": true })));
    assert_eq!(again["counts"].get("invited"), None, "{again}");
}

#[test]
fn one_key_begins_one_job() {
    let Some(practice) = Practice::open("bulk-key") else { return };
    let body = json!({ "patientIds": ["p-1"] });
    practice.save_patient("p-1", Some(&practice.address("p-1")));
    let begun = begin_keyed(&practice, "key-1", &body).json();
    for _ in 0..3 {
        let again = begin_keyed(&practice, "key-1", &body);
        assert_eq!((again.status, &again.json()["jobId"]), (202, &begun["jobId"]));
    }
    let other = begin_keyed(&practice, "key-1", &json!({ "patientIds": ["p-2"] }));
    other.assert_problem(422, "idempotency_key_reused", "another body");
    assert_eq!(done(&practice, &begun)["counts"], json!({ "invited": 1 }));
    assert_eq!(begin_keyed(&practice, "key-1", &body).json()["state"], "done");
    practice.await_sent("p-1");
    assert_eq!(practice.mails(&practice.address("p-1")).len(), 1);
}

#[test]
fn a_cancelled_job_stays_cancelled() {
    let Some(practice) = Practice::open("bulk-cancel") else { return };
    let ids: Vec<String> = (0..500).map(|number| format!("x-{number}")).collect();
    let job = begin(&practice, &json!({ "patientIds": ids }));
    eventually("the job has begun", || Some(practice.get(&path(&job)).json()).filter(|job| job["processed"] != 0));
    let cancelled = practice.post(&format!("{}/cancel", path(&job)), &json!({}));
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")));
    // A run that was in progress at the time still records the patients that it processed. Later answers show them.
    let again = practice.post(&format!("{}/cancel", path(&job)), &json!({})).json();
    assert_eq!(again["state"], "cancelled");
    let processed = again["processed"].as_u64().unwrap();
    assert!(processed < 500, "{again}");
    assert!(results(&practice, &job).len().is_multiple_of(20));
}

#[test]
fn another_practices_job_is_answered_like_a_missing_one() {
    let (Some(ours), Some(theirs)) = (Practice::open("bulk-ours"), Practice::open("bulk-theirs")) else { return };
    let job = begin(&theirs, &json!({ "patientIds": ["p-1"] }));
    let before = done(&theirs, &job);
    for (method, rest) in [("GET", ""), ("GET", "/results"), ("POST", "/cancel")] {
        let ask = |path: &str| send(ours.request(method, &format!("{path}{rest}")).body(Vec::new()).unwrap());
        let (foreign, missing) = (ask(&path(&job)), ask(&format!("{PATH}/0199c0de-7c3a-7d2e-9f00-0123456789ab")));
        foreign.assert_problem(404, "job_not_found", rest);
        assert_eq!(foreign.without_instance(), missing.without_instance());
    }
    assert_eq!(theirs.get(&path(&job)).json(), before);
}
