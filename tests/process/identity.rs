//! Permissions: only the token decides what a caller may do.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use ureq::http::header::CONTENT_TYPE;
use xtask::{
    issuer::SigningKey,
    token::{self, Claims, Role},
};

use crate::client::{Answer, Practice, profile, send, settings};

/// Operations with valid bodies.
fn operations() -> [(&'static str, &'static str, Value); 6] {
    let mut changed = profile(None);
    changed["givenName"] = "Changed".into();
    [
        ("PUT", "/v1/patients/p-1", changed),
        ("GET", "/v1/patients/p-1", Value::Null),
        ("GET", "/v1/practice", Value::Null),
        ("PUT", "/v1/practice", settings()),
        ("GET", "/v1/patients/p-1/portal", Value::Null),
        ("POST", "/v1/patients/p-1/portal/invite", json!({})),
    ]
}

fn open(name: &str) -> Option<Practice> {
    let practice = Practice::open(name)?;
    practice.save_patient("p-1", Some(&practice.address("p-1")));
    Some(practice)
}

fn ask(practice: &Practice, token: Option<&str>, (method, path, body): &(&str, &str, Value)) -> Answer {
    let request = match token {
        Some(token) => practice.request_by(token, method, path),
        None => practice.anonymous(method, path),
    };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into() };
    send(request.header(CONTENT_TYPE, "application/json").body(body).unwrap())
}

fn key(practice: &Practice) -> SigningKey {
    SigningKey::load(&practice.stack.issuer.key_file).unwrap()
}

/// The claims of an administrator, who has all permissions, as JSON that a test changes.
fn claims(practice: &Practice) -> Value {
    serde_json::to_value(Claims::new(&practice.stack.issuer, Role::Admin, &practice.id).unwrap()).unwrap()
}

/// A token whose header says that it is not signed.
fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({ "alg": "none", "typ": "JWT" })), part(claims))
}

#[test]
fn a_token_that_the_issuer_did_not_sign_is_refused() {
    let Some(practice) = open("forged") else { return };
    let before = practice.snapshot("p-1");
    let (good, key) = (claims(&practice), key(&practice));
    let with_claim = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        token::sign(&claims, &key).unwrap()
    };
    let expired = good["iat"].as_u64().unwrap() - 3_600;
    let signed = token::sign(&good, &key).unwrap();
    let tokens = [
        ("none", None),
        ("empty", Some(String::new())),
        ("no token", Some("nonsense".to_owned())),
        ("expired", Some(with_claim("exp", expired.into()))),
        ("for another audience", Some(with_claim("aud", "another-api".into()))),
        ("of another issuer", Some(with_claim("iss", "http://127.0.0.1:9/other".into()))),
        ("signed with another key", Some(token::sign(&good, &SigningKey::generate().unwrap()).unwrap())),
        ("unsigned", Some(unsigned(&good))),
        ("signature cut off", Some(signed.rsplit_once('.').unwrap().0.to_owned() + ".")),
    ];
    for (case, token) in tokens {
        for operation in operations() {
            let answer = ask(&practice, token.as_deref(), &operation);
            // The answer is the gateway's own, which is not a problem document.
            assert_eq!(
                (answer.status, answer.json()),
                (401, json!({ "message": "Unauthorized" })),
                "{case}: {operation:?}"
            );
        }
    }
    assert_eq!(practice.snapshot("p-1"), before);
    // The unchanged token is valid.
    assert_eq!(ask(&practice, Some(&signed), &operations()[4]).status, 200);
}

#[test]
fn a_token_of_each_audience_is_accepted_and_of_no_other() {
    let Some(practice) = open("audiences") else { return };
    let (good, key) = (claims(&practice), key(&practice));
    // An access token of Cognito has a client in place of an audience.
    let status = |member: &str, value: &Value| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove("aud");
        claims[member] = value.clone();
        ask(&practice, Some(&token::sign(&claims, &key).unwrap()), &operations()[4]).status
    };
    let [first, second] = &practice.stack.issuer.audiences[..] else { unreachable!("two audiences") };
    let both = format!("{first},{second}");
    for (member, value, expected) in [
        ("aud", json!(first), 200),
        ("aud", json!(second), 200),
        ("aud", json!([both, second]), 200),
        ("client_id", json!(second), 200),
        ("aud", json!(both), 401),
        ("aud", json!(format!("{second}-test")), 401),
        ("aud", json!([]), 401),
        ("client_id", json!(both), 401),
    ] {
        assert_eq!(status(member, &value), expected, "{member}: {value}");
    }
}

#[test]
fn a_token_without_exactly_one_practice_is_forbidden() {
    let Some(practice) = open("practice-claim") else { return };
    let before = practice.snapshot("p-1");
    let (good, key) = (claims(&practice), key(&practice));
    let id = practice.id.as_str();
    for claim in [
        Value::Null,
        json!(""),
        json!([]),
        json!([id]),
        json!([id, "another"]),
        json!(format!("{id}#")),
        json!(format!("{id}#PATIENT")),
        json!({ "id": id }),
    ] {
        let mut claims = good.clone();
        if claim.is_null() {
            claims.as_object_mut().unwrap().remove("practice_id");
        } else {
            claims["practice_id"] = claim.clone();
        }
        let token = token::sign(&claims, &key).unwrap();
        for operation in operations() {
            let answer = ask(&practice, Some(&token), &operation);
            answer.assert_problem(403, "forbidden", &format!("{claim}: {operation:?}"));
        }
    }
    assert_eq!(practice.snapshot("p-1"), before);
}

#[test]
fn each_role_may_use_only_its_own_operations() {
    let Some(practice) = open("roles") else { return };
    let before = practice.snapshot("p-1");
    let [save, read, read_practice, save_practice, status, invite] = operations();
    for (role, forbidden) in [
        (Role::Read, vec![&save, &save_practice, &invite]),
        (Role::Staff, vec![&save_practice]),
        (Role::Support, vec![&save, &read, &read_practice, &save_practice, &status, &invite]),
        (Role::Portal, vec![&save, &read, &read_practice, &save_practice, &status, &invite]),
    ] {
        for operation in forbidden {
            let answer = ask(&practice, Some(&practice.token(role)), operation);
            answer.assert_problem(403, "forbidden", &format!("{role:?}: {operation:?}"));
        }
    }
    assert_eq!(practice.snapshot("p-1"), before);
    for operation in [&read, &read_practice, &status] {
        assert_eq!(ask(&practice, Some(&practice.token(Role::Read)), operation).status, 200, "{operation:?}");
    }
}

#[test]
fn another_practices_patient_is_answered_like_a_missing_one() {
    let (Some(ours), Some(theirs)) = (Practice::open("ours"), open("theirs")) else { return };
    let before = theirs.snapshot("p-1");
    // These headers differ in every answer.
    let varying = ["date", "apigw-requestid"];
    let comparable = |answer: &Answer| {
        let headers: Vec<_> = answer.headers.iter().filter(|(name, _)| !varying.contains(&name.as_str())).collect();
        let instance = answer.json()["instance"].as_str().unwrap().to_owned();
        format!("{} {headers:?} {}", answer.status, answer.body.replace(&instance, ""))
    };
    for (method, rest) in [("GET", ""), ("GET", "/portal"), ("POST", "/portal/invite")] {
        let ask = |patient: &str| {
            send(ours.request(method, &format!("/v1/patients/{patient}{rest}")).body(Vec::new()).unwrap())
        };
        let (foreign, missing) = (ask("p-1"), ask("p-9"));
        foreign.assert_problem(404, "patient_not_found", rest);
        assert_eq!(comparable(&foreign), comparable(&missing), "{method} {rest}");
    }
    // Two practices can use the same id for different patients.
    ours.save_patient("p-1", None);
    assert_eq!(theirs.snapshot("p-1"), before);
}
