//! Forged tokens, and foreign or forged cursors and idempotency keys.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use ureq::http;
use xtask::{
    issuer::SigningKey,
    token::{self, Claims, Role},
};

use super::{
    Case, Expected,
    Expected::{Problem, Unauthorized},
    PATIENT, check_cases, save_patient, send_json,
};
use crate::client::{Answer, Practice, exchange, profile, send};

/// The claims of an administrator, who has all permissions in the practice.
fn claims(practice: &Practice) -> Value {
    serde_json::to_value(Claims::new(&practice.stack.issuer, Role::Admin, &practice.id).unwrap()).unwrap()
}

fn key(practice: &Practice) -> SigningKey {
    SigningKey::load(&practice.stack.issuer.key_file).unwrap()
}

fn invite_with(practice: &Practice, token: &str) -> Answer {
    send_json(practice.request_by(token, "POST", "/v1/patients/p-1/portal/invite"), "{}")
}

/// An invite with the token that `make` returns.
fn token(name: &str, expected: Expected, make: impl Fn(&Practice) -> String + Sync + 'static) -> Case {
    Case::new(name, expected, move |practice| invite_with(practice, &make(practice)))
}

/// An invite with a correctly signed token, in which one claim is replaced. A null value removes the claim.
fn claim(
    name: &str,
    expected: Expected,
    claim: &'static str,
    value: impl Fn(&Practice) -> Value + Sync + 'static,
) -> Case {
    token(name, expected, move |practice| {
        let mut claims = claims(practice);
        let members = claims.as_object_mut().unwrap();
        let value = value(practice);
        if value.is_null() {
            members.remove(claim)
        } else {
            members.insert(claim.to_owned(), value)
        };
        token::sign(&claims, &key(practice)).unwrap()
    })
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with an attacker's header and signature.
fn forged(practice: &Practice, header: &Value, sign: impl Fn(&str) -> Vec<u8>) -> String {
    let content = format!("{}.{}", part(header), part(&claims(practice)));
    let signature = URL_SAFE_NO_PAD.encode(sign(&content));
    format!("{content}.{signature}")
}

fn hmac(key: &[u8], content: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(content).finalize().into_bytes().to_vec()
}

/// The issuer's public keys, which anyone may read.
fn public_keys(practice: &Practice) -> String {
    let url = format!("{}/.well-known/jwks.json", practice.stack.issuer.url);
    exchange(http::Request::get(url).body(Vec::new()).unwrap()).body
}

/// A cursor of a search with more than one page.
fn cursor(practice: &Practice) -> String {
    let answer = practice.get("/v1/patients?q=pag");
    answer.json()["next"].as_str().unwrap_or_else(|| unreachable!("{answer:?}")).to_owned()
}

fn save(practice: &Practice, patient: &str) {
    let mut saved = profile(None);
    saved["familyName"] = "Pages".into();
    let answer = practice.put_as(Role::Staff, &format!("/v1/patients/{patient}"), &saved);
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[test]
fn a_bad_token_is_refused() {
    let none = |alg: &'static str| {
        token(alg, Unauthorized, move |practice| forged(practice, &json!({ "alg": alg, "typ": "JWT" }), |_| Vec::new()))
    };
    let confused = |name: &str, secret: fn(&str) -> Vec<u8>| {
        token(name, Unauthorized, move |practice| {
            let secret = secret(&public_keys(practice));
            forged(practice, &json!({ "alg": "HS256", "typ": "JWT", "kid": "local" }), |content| hmac(&secret, content))
        })
    };
    let forbidden = Problem(403, "forbidden");
    let cases = [
        none("none"),
        none("None"),
        none(""),
        confused("key confusion: the document", |keys| keys.as_bytes().to_vec()),
        confused("key confusion: the modulus", |keys| {
            let keys: Value = serde_json::from_str(keys).unwrap();
            URL_SAFE_NO_PAD.decode(keys["keys"][0]["n"].as_str().unwrap()).unwrap()
        }),
        confused("key confusion: an empty key", |_| Vec::new()),
        token("the attacker's own key", Unauthorized, |practice| {
            token::sign(&claims(practice), &SigningKey::generate().unwrap()).unwrap()
        }),
        token("a key in the header", Unauthorized, |practice| {
            let header = json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "a2V5" }, "jku": "http://127.0.0.1:9/" });
            forged(practice, &header, |content| hmac(b"key", content))
        }),
        token("no signature", Unauthorized, |practice| {
            let signed = token::sign(&claims(practice), &key(practice)).unwrap();
            format!("{}.", signed.rsplit_once('.').unwrap().0)
        }),
        token("changed claims under a valid signature", Unauthorized, |practice| {
            let signed = token::sign(&claims(practice), &key(practice)).unwrap();
            let [header, _, signature] = signed.split('.').collect::<Vec<_>>()[..] else { unreachable!("three parts") };
            let mut other = claims(practice);
            other["sub"] = "root".into();
            format!("{header}.{}.{signature}", part(&other))
        }),
        token("no token", Unauthorized, |_| "nonsense".to_owned()),
        claim("another audience", Unauthorized, "aud", |_| json!("another-api")),
        claim("another issuer", Unauthorized, "iss", |_| json!("http://127.0.0.1:9/other")),
        claim("expired", Unauthorized, "exp", |_| json!(1_000_000_000)),
        claim("no practice", forbidden, "practice_id", |_| Value::Null),
        claim("an empty practice", forbidden, "practice_id", |_| json!("")),
        claim("a list of one practice", forbidden, "practice_id", |practice| json!([practice.id])),
        claim("a list of practices", forbidden, "practice_id", |practice| json!([practice.id, "another"])),
        claim("an object for a practice", forbidden, "practice_id", |practice| json!({ "id": practice.id })),
        claim("a practice with a patient", forbidden, "practice_id", |practice| {
            json!(format!("{}#PATIENT#p-1", practice.id))
        }),
        claim("no subject", forbidden, "sub", |_| Value::Null),
        claim("a scope within another", forbidden, "scope", |_| json!("xportal/invite portal/invites")),
    ];
    check_cases("tokens", save_patient, &cases);
}

#[test]
fn a_bad_cursor_is_refused() {
    let search = |name: &str, make: fn(&Practice) -> String| {
        Case::new(name, Problem(400, "malformed"), move |practice| {
            practice.get(&format!("/v1/patients?{}", make(practice)))
        })
    };
    let cases = [
        search("forged", |practice| {
            let cursor = cursor(practice);
            let first = if cursor.starts_with('A') { "B" } else { "A" };
            format!("q=pag&cursor={first}{}", &cursor[1..])
        }),
        search("cut off", |practice| format!("q=pag&cursor={}", &cursor(practice)[..20])),
        search("of another search", |practice| format!("q=mar&cursor={}", cursor(practice))),
        search("of another practice", |practice| {
            let other = Practice::open("cursors-other").unwrap();
            let first = (0..21).map(|number| save(&other, &format!("p-{number}"))).map(|()| 1).sum::<u32>();
            assert_eq!((first, practice.id == other.id), (21, false));
            format!("q=pag&cursor={}", cursor(&other))
        }),
        search("not encrypted", |_| format!("q=pag&cursor={}", URL_SAFE_NO_PAD.encode("NAME#pages#maria#p-1"))),
        search("huge", |_| format!("q=pag&cursor={}", "A".repeat(4_000))),
        Case::new("of a timeline", Problem(400, "malformed"), |practice| {
            practice.get("/v1/patients/p-1/portal/timeline?cursor=-1")
        }),
    ];
    let prepare = |practice: &Practice| (0..21).for_each(|number| save(practice, &format!("p-{number}")));
    check_cases("cursors", prepare, &cases);
}

/// For another patient or practice the key is new, and shows nothing of the first command.
#[test]
fn an_idempotency_key_is_known_for_one_patient_of_one_practice_only() {
    let (Some(ours), Some(theirs)) = (Practice::open("key-ours"), Practice::open("key-theirs")) else { return };
    save_patient(&theirs);
    let invite = |practice: &Practice, body: &str| {
        let request = practice.request("POST", "/v1/patients/p-1/portal/invite").header("idempotency-key", "one-key");
        send_json(request, body)
    };
    let accepted = invite(&theirs, "{}");
    assert_eq!(accepted.status, 202, "{accepted:?}");
    theirs.await_sent(PATIENT);
    let before = theirs.snapshot(PATIENT);
    invite(&ours, "{}").assert_problem(404, "patient_not_found", "the key finds no foreign patient");
    ours.save_patient(PATIENT, None);
    invite(&ours, "{}").assert_problem(409, "email_required", "the command is decided again");
    let body = json!({ "email": ours.address(PATIENT) }).to_string();
    assert_eq!(invite(&ours, &body).status, 202, "the key of a refused command is free");
    invite(&theirs, "{\"email\":null}").assert_problem(
        422,
        "idempotency_key_reused",
        "another body under the same key",
    );
    assert_eq!(theirs.snapshot(PATIENT), before);
    let anonymous = theirs.anonymous("POST", "/v1/patients/p-1/portal/invite").header("idempotency-key", "one-key");
    assert_eq!(send(anonymous.body(Vec::new()).unwrap()).status, 401);
    eprintln!("hostile: idempotency keys: 5 cases");
}
