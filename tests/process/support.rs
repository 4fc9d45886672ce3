//! Customer Care finds and reads patients of all practices, and the practices see it; practices see their own history; and
//! every caller can ask who they are.

use serde_json::{Value, json};
use ureq::http::header::CONTENT_TYPE;
use xtask::token::Role;

use crate::client::{Answer, GIVEN, Practice, send, settings};

fn get_as(practice: &Practice, role: Role, path: &str) -> Answer {
    send(practice.request_by(&practice.token(role), "GET", path).body(Vec::new()).unwrap())
}

fn look_up(practice: &Practice, role: Role, body: &Value) -> Answer {
    let request = practice.request_by(&practice.token(role), "POST", "/v1/support/lookups");
    send(request.header(CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap())
}

/// One member of each entry of a list.
fn each(answer: &Answer, list: &str, member: &str) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()[list].as_array().unwrap().iter().map(|entry| entry[member].clone()).collect()
}

#[test]
fn customer_care_reads_a_patient_of_any_practice_and_the_practice_sees_it() {
    let (Some(ours), Some(theirs)) = (Practice::open("cared-for"), Practice::open("cared-for-other")) else { return };
    ours.save_and_invite("p-1");
    let (email, portal) = (ours.address("p-1"), format!("/v1/practices/{}/patients/p-1/portal", ours.id));
    // The practice of the token does not matter: Customer Care belongs to none.
    let found = look_up(&theirs, Role::Support, &json!({ "email": email, "reason": "a lookup" }));
    let patient = json!([{
        "practiceId": ours.id, "practiceName": settings()["name"], "patientId": "p-1", "invitation": "sent",
        "account": "none",
    }]);
    assert_eq!((found.status, &found.json()["patients"]), (200, &patient));
    for personal in [email.as_str(), GIVEN, "1980"] {
        assert!(!found.body.contains(personal), "{found:?}");
    }
    let by_id = json!({ "practiceId": ours.id, "patientId": "p-1", "reason": "a lookup by id" });
    assert_eq!(look_up(&theirs, Role::Support, &by_id).json()["patients"], patient);
    let no_match = look_up(&theirs, Role::Support, &json!({ "email": theirs.address("p-1"), "reason": "a lookup" }));
    assert_eq!((no_match.status, no_match.json()), (200, json!({ "patients": [] })));

    let panel = get_as(&theirs, Role::Support, &format!("{portal}?reason=a%20panel"));
    assert_eq!((panel.status, &panel.json()["invitation"]["email"]), (200, &json!(email)));
    let timeline = get_as(&theirs, Role::Support, &format!("{portal}/timeline?reason=a%20timeline"));
    assert_eq!(each(&timeline, "events", "version"), [3, 2, 1]);
    get_as(&theirs, Role::Support, &portal).assert_problem(400, "malformed", "no reason");
    for role in [Role::Read, Role::Staff, Role::Admin] {
        let refused = get_as(&ours, role, &format!("{portal}?reason=x"));
        refused.assert_problem(403, "support_only", "the practice itself");
        look_up(&ours, role, &by_id).assert_problem(403, "support_only", "the practice itself");
    }

    let accesses = get_as(&ours, Role::Admin, "/v1/patients/p-1/portal/access");
    assert_eq!(each(&accesses, "accesses", "kind"), ["timeline", "status", "lookup", "lookup"]);
    assert_eq!(each(&accesses, "accesses", "reason"), ["a timeline", "a panel", "a lookup by id", "a lookup"]);
    let foreign = get_as(&theirs, Role::Admin, "/v1/patients/p-1/portal/access");
    foreign.assert_problem(404, "patient_not_found", "another practice");
    get_as(&ours, Role::Staff, "/v1/patients/p-1/portal/access").assert_problem(403, "forbidden", "no administrator");
}

#[test]
fn a_practices_history_has_its_settings_and_its_bulk_jobs() {
    let (Some(ours), Some(theirs)) = (Practice::open("history"), Practice::open("history-other")) else { return };
    let job = ours.post("/v1/invitations/bulk", &json!({ "patientIds": ["p-unknown"], "dryRun": true }));
    assert_eq!(job.status, 202, "{job:?}");
    let history = get_as(&ours, Role::Admin, "/v1/practice/timeline");
    assert_eq!(each(&history, "events", "kind"), ["bulk-job-begun", "terms-accepted", "practice-created"]);
    assert_eq!(history.json()["events"][0]["jobId"], job.json()["jobId"]);
    let other = get_as(&theirs, Role::Admin, "/v1/practice/timeline");
    assert_eq!(each(&other, "events", "kind"), ["terms-accepted", "practice-created"]);
    get_as(&ours, Role::Staff, "/v1/practice/timeline").assert_problem(403, "forbidden", "no administrator");
}

#[test]
fn a_caller_is_told_who_they_are() {
    let Some(practice) = Practice::open("who-am-i") else { return };
    let staff = get_as(&practice, Role::Read, "/v1/me");
    assert_eq!(staff.json()["practice"], json!({ "practiceId": practice.id, "name": settings()["name"] }));
    assert_eq!(staff.json()["scopes"], json!(["portal/read"]));
    let permissions = |answer: &Answer| answer.json()["permissions"].as_array().unwrap().clone();
    assert!(permissions(&staff).contains(&json!("readStatus")));
    assert!(!permissions(&staff).contains(&json!("invitePatient")));
    let care = get_as(&practice, Role::Support, "/v1/me");
    assert!(permissions(&care).contains(&json!("lookUpPatient")), "{care:?}");
    assert!(!permissions(&care).contains(&json!("readStatus")), "{care:?}");
}
