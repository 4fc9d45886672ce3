//! The function `practice`, from the gateway's events to its answers.

use portal::testing::{MemoryStore, TestClock, samples};
use portal_aws::http::{
    Edge,
    testing::{Bad, Sample, assert_refused, bad_bodies, bad_callers, edge},
};
use practice::Practice;
use serde_json::json;

type Function = Edge<Practice<MemoryStore, TestClock>>;

fn function() -> Function {
    edge(Practice { store: MemoryStore::default(), clock: TestClock::default() })
}

#[tokio::test]
async fn settings_are_saved_and_read_again() {
    let function = function();
    insta::assert_json_snapshot!("not_set_up", Sample::new("practice/read").ask(&function).await);
    let saved = Sample::new("practice/save").ask(&function).await;
    insta::assert_json_snapshot!("saved", saved);
    assert_eq!(Sample::new("practice/read").ask(&function).await, saved);
}

#[tokio::test]
async fn missing_members_have_defaults_and_the_portal_is_not_activated() {
    let minimal =
        json!({ "name": "Lakeside", "senderName": "Lakeside", "supportPhone": "555-0100", "timeZone": "UTC" });
    let answer = Sample::new("practice/save").json(&minimal).ask(&function()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["linkDays"], 7);
    assert_eq!(answer.body["reminders"], json!({ "afterDays": [3, 7, 14], "daytime": ["09:00", "18:00"] }));
    assert_eq!(answer.body["portal"], json!({ "termsAccepted": false }));
}

#[tokio::test]
async fn each_member_of_the_reminders_has_its_own_default() {
    let function = function();
    let reminders = async |reminders: serde_json::Value| {
        let save = Sample::new("practice/save").request(&format!("save-{}", reminders.to_string().len()));
        let answer = save.member("reminders", reminders).ask(&function).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["reminders"].clone()
    };
    assert_eq!(reminders(json!({})).await, json!({ "afterDays": [3, 7, 14], "daytime": ["09:00", "18:00"] }));
    assert_eq!(reminders(json!({ "afterDays": [] })).await, json!({ "afterDays": [], "daytime": ["09:00", "18:00"] }));
    assert_eq!(
        reminders(json!({ "daytime": ["07:30", "12:00"] })).await,
        json!({ "afterDays": [3, 7, 14], "daytime": ["07:30", "12:00"] })
    );
}

#[tokio::test]
async fn an_activation_is_permanent() {
    let function = function();
    let save = Sample::new("practice/save");
    let activated = save.ask(&function).await.body["portal"].clone();
    let later = save.request("request-2").member("portal", json!({ "termsAccepted": false })).ask(&function).await;
    assert_eq!(later.body["portal"], activated);
    assert_eq!(later.body["version"], 2);
}

#[tokio::test]
async fn a_practice_reads_only_its_own_settings() {
    let function = function();
    assert_eq!(Sample::new("practice/save").ask(&function).await.status, 200);
    let hillside = Sample::new("practice/read").claim("practice_id", "hillside").ask(&function).await;
    assert_eq!(hillside.code(), "practice_not_set_up");
    let contents = function.handler().store.contents();
    assert_eq!(contents.practices.into_keys().collect::<Vec<_>>(), [samples::practice_id("lakeside")]);
}

#[tokio::test]
async fn each_invalid_member_has_an_error_with_its_pointer() {
    let function = function();
    for (name, value, pointer, code) in [
        ("name", json!(null), "/name", "required"),
        ("name", json!("a <b>"), "/name", "invalid"),
        ("senderName", json!("x\r\nBcc: y"), "/senderName", "invalid"),
        ("supportPhone", json!("call me"), "/supportPhone", "invalid"),
        ("supportPhone", json!(5_550_100), "/supportPhone", "wrong_type"),
        ("timeZone", json!("Mars/Olympus"), "/timeZone", "invalid"),
        ("timeZone", json!(""), "/timeZone", "invalid"),
        ("portal", json!(true), "/portal", "wrong_type"),
        ("portal", json!({ "termsAccepted": "yes" }), "/portal/termsAccepted", "wrong_type"),
        ("portal", json!({ "activatedAt": "2026-01-01T00:00:00Z" }), "/portal", "unknown_field"),
        ("linkDays", json!(0), "/linkDays", "invalid"),
        ("linkDays", json!(31), "/linkDays", "invalid"),
        ("linkDays", json!(7.5), "/linkDays", "invalid"),
        ("linkDays", json!(-1), "/linkDays", "invalid"),
        ("linkDays", json!("7"), "/linkDays", "wrong_type"),
        ("reminders", json!([]), "/reminders", "wrong_type"),
        ("reminders", json!({ "afterDays": [7, 3] }), "/reminders", "invalid"),
        ("reminders", json!({ "afterDays": [1, 2, 3, 4] }), "/reminders", "invalid"),
        ("reminders", json!({ "afterDays": 3 }), "/reminders/afterDays", "wrong_type"),
        ("reminders", json!({ "afterDays": [300] }), "/reminders/afterDays", "invalid"),
        ("reminders", json!({ "daytime": ["09:00"] }), "/reminders/daytime", "invalid"),
        ("reminders", json!({ "daytime": ["9:00", "18:00"] }), "/reminders/daytime", "invalid"),
        ("reminders", json!({ "daytime": ["09:00", "24:00"] }), "/reminders/daytime", "invalid"),
        ("reminders", json!({ "daytime": ["18:00", "09:00"] }), "/reminders", "invalid"),
        ("version", json!(1), "", "unknown_field"),
    ] {
        let answer = Sample::new("practice/save").member(name, value.clone()).ask(&function).await;
        assert_eq!((answer.status, answer.code()), (422, "invalid_fields"), "{name} {value}");
        assert_eq!(answer.body["errors"], json!([{ "pointer": pointer, "code": code }]), "{name} {value}");
    }
    assert!(function.handler().store.contents().practices.is_empty());
}

#[tokio::test]
async fn an_invalid_save_request_changes_nothing() {
    let function = function();
    let save = Sample::new("practice/save");
    assert_eq!(save.ask(&function).await.status, 200);
    let mut bad = [bad_callers(&save), bad_bodies(&save)].concat();
    bad.push(Bad::new("no body", save.clone().body(""), 400, "malformed"));
    bad.push(Bad::new("no administrator", save.clone().claim("scope", "portal/read portal/invite"), 403, "forbidden"));
    bad.push(Bad::new("a stale version", save.clone().header("if-match", "\"9\""), 412, "version_conflict"));
    bad.push(Bad::new("any version", save.header("if-match", "*"), 400, "malformed"));
    assert_refused(&function, bad, |practice| practice.store.contents()).await;
    let read = Sample::new("practice/read");
    assert_refused(&function, bad_callers(&read), |practice| practice.store.contents()).await;
}

#[tokio::test]
async fn callers_are_told_who_they_are_and_what_they_may_do() {
    let function = function();
    let me = Sample::new("practice/me");
    assert_eq!(Sample::new("practice/save").ask(&function).await.status, 200);
    insta::assert_json_snapshot!("me", me.ask(&function).await);
    let care = me.clone().without_claim("practice_id").without_claim("name").claim("scope", "openid portal/support");
    insta::assert_json_snapshot!("me_without_practice", care.ask(&function).await);

    let hillside = me.clone().claim("practice_id", "hillside").ask(&function).await;
    assert_eq!(hillside.body["practice"], json!({ "practiceId": "hillside" }), "it has no settings");
    let unnamed = me.clone().without_claim("scope").ask(&function).await;
    assert_eq!(
        (unnamed.status, &unnamed.body["scopes"], &unnamed.body["permissions"]),
        (200, &json!([]), &json!(["readMe"]))
    );
}

#[tokio::test]
async fn a_caller_needs_an_access_token_to_be_told() {
    let function = function();
    let me = Sample::new("practice/me");
    let bad = vec![
        Bad::new("no token", me.clone().anonymous(), 401, "unauthenticated"),
        Bad::new("an ID token", me.clone().claim("token_use", "id"), 401, "not_an_access_token"),
        Bad::new("no subject", me.clone().without_claim("sub"), 403, "forbidden"),
        Bad::new("an invalid subject", me.claim("sub", "a b"), 403, "forbidden"),
        Bad::new("an ID token", Sample::new("practice/save").claim("token_use", "id"), 401, "not_an_access_token"),
    ];
    assert_refused(&function, bad, |practice| practice.store.contents()).await;
}

/// The operations that `GET /v1/me` names are those that a request with the same token reaches.
#[tokio::test]
async fn an_operation_that_is_not_named_is_forbidden() {
    let function = function();
    for (scope, saves) in [("portal/read", false), ("portal/read portal/admin", true), ("portal/support", false)] {
        let me = Sample::new("practice/me").claim("scope", scope).ask(&function).await;
        let named = me.body["permissions"].as_array().is_some_and(|named| named.contains(&json!("savePractice")));
        let answer = Sample::new("practice/save").claim("scope", scope).ask(&function).await;
        assert_eq!((named, answer.status != 403), (saves, saves), "{scope}");
    }
}

#[tokio::test]
async fn the_history_names_what_changed_and_by_whom() {
    let function = function();
    let save = Sample::new("practice/save");
    assert_eq!(save.ask(&function).await.status, 200);
    let renamed = save.member("name", json!("Lakeside Medicine")).request("request-2");
    assert_eq!(renamed.ask(&function).await.status, 200);
    let answer = Sample::new("practice/timeline").ask(&function).await;
    insta::assert_json_snapshot!("history", answer);
    assert!(!answer.body.to_string().contains("Lakeside"), "a value of a setting is not in it");
    let hillside = Sample::new("practice/timeline").claim("practice_id", "hillside").ask(&function).await;
    assert_eq!((hillside.status, hillside.body), (200, json!({ "events": [] })));
}

#[tokio::test]
async fn a_page_of_the_history_has_twenty_events() {
    let function = function();
    for number in 0..24 {
        let save = Sample::new("practice/save").request(&format!("request+{number:02}"));
        assert_eq!(save.ask(&function).await.status, 200);
    }
    let timeline = Sample::new("practice/timeline");
    let first = timeline.ask(&function).await.body;
    let cursor = first["next"].as_str().unwrap_or_default();
    let second = timeline.query("cursor", cursor).ask(&function).await.body;
    let pages = [&first, &second].map(|page| page["events"].as_array().map(Vec::as_slice).unwrap_or_default());
    assert_eq!((pages.map(<[_]>::len), second.get("next")), ([20, 5], None));
    let accepted = pages.into_iter().flatten().filter(|event| event["kind"] == "terms-accepted");
    assert_eq!(accepted.count(), 1);
}

#[tokio::test]
async fn an_invalid_request_for_the_history_is_refused() {
    let function = function();
    let timeline = Sample::new("practice/timeline");
    let mut bad = bad_callers(&timeline);
    bad.push(Bad::new("no administrator", timeline.clone().claim("scope", "portal/read"), 403, "forbidden"));
    for cursor in ["", "x", "MTc3Nzk4MjQwMDAwMCNhIzAw", "1777982400000#a#0", "//8"] {
        bad.push(Bad::new(format!("cursor={cursor}"), timeline.clone().query("cursor", cursor), 400, "malformed"));
    }
    assert_refused(&function, bad, |practice| practice.store.contents()).await;
}
