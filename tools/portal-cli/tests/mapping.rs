//! The mapping of a FHIR `Patient` to a profile: examples of each rule, and random input, which must not cause a panic.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "in a test a panic is the failure")]

use chrono::{DateTime, Utc};
use portal::ids::PatientId;
use portal_cli::fhir::{self, Mapped, Mapping, Note, Reason, Rejected};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn now() -> DateTime<Utc> {
    "2026-05-05T12:00:00Z".parse().unwrap()
}

fn map(resource: &Value) -> Result<Mapped, Rejected> {
    fhir::map(resource, &Mapping { identifier_system: None, now: now() })
}

/// A valid patient with these members changed; null removes a member.
fn patient(members: &Value) -> Value {
    let mut resource = json!({
        "resourceType": "Patient", "id": "p-1", "birthDate": "1980-02-29",
        "name": [{ "use": "official", "family": "Núñez", "given": ["José"] }],
    });
    for (name, value) in members.as_object().unwrap() {
        resource[name] = value.clone();
    }
    resource.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    resource
}

/// The body for the patient with these members.
fn saved(members: &Value) -> Value {
    let mapped = map(&patient(members));
    fhir::body(&mapped.unwrap_or_else(|rejected| unreachable!("{members}: {rejected:?}")).profile)
}

/// Why the patient with these members is rejected. Its id is known.
fn reason(members: &Value) -> Reason {
    let rejected = map(&patient(members)).map(drop);
    let Rejected { id, reason } = rejected.err().unwrap_or_else(|| unreachable!("{members} is saved"));
    assert_eq!(id, PatientId::parse("p-1").ok(), "{members}");
    reason
}

#[test]
fn a_complete_patient_becomes_a_complete_profile() {
    let resource = patient(&json!({
        "meta": { "versionId": "7" }, "gender": "male", "active": true,
        "telecom": [{ "system": "phone", "value": "+1 555 0100" }, { "system": "email", "value": "Jose@example.com" }],
        "communication": [{ "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "es-MX" }] } }],
    }));
    let mapped = map(&resource).unwrap();
    assert_eq!((mapped.id.as_str(), mapped.note), ("p-1", None));
    let body = json!({
        "givenName": "José", "familyName": "Núñez", "dateOfBirth": "1980-02-29", "email": "Jose@example.com",
        "language": "es", "active": true,
    });
    assert_eq!(fhir::body(&mapped.profile), body);
}

#[test]
fn only_patients_with_a_usable_id_are_saved() {
    for (resource, expected) in [
        (json!(null), Reason::NotPatient),
        (json!([]), Reason::NotPatient),
        (json!("Patient"), Reason::NotPatient),
        (json!({}), Reason::NotPatient),
        (json!({ "resourceType": "Practitioner", "id": "d-1" }), Reason::NotPatient),
        (json!({ "resourceType": ["Patient"] }), Reason::NotPatient),
        (patient(&json!({ "id": null })), Reason::IdMissing),
        (patient(&json!({ "id": 7 })), Reason::IdMissing),
        (patient(&json!({ "id": " " })), Reason::IdMissing),
        (patient(&json!({ "id": "a b" })), Reason::IdUnusable),
        (patient(&json!({ "id": "a/b" })), Reason::IdUnusable),
        (patient(&json!({ "id": ".." })), Reason::IdUnusable),
        (patient(&json!({ "id": "." })), Reason::IdUnusable),
        (patient(&json!({ "id": "x".repeat(65) })), Reason::IdUnusable),
    ] {
        assert_eq!(map(&resource).map(drop), Err(Rejected { id: None, reason: expected }), "{resource}");
    }
}

#[test]
fn an_identifier_of_the_chosen_system_is_the_id() {
    let mrn = "https://example.com/mrn";
    let mapping = Mapping { identifier_system: Some(mrn.to_owned()), now: now() };
    let id = |identifiers: Value| {
        fhir::map(&patient(&json!({ "identifier": identifiers })), &mapping).map(|mapped| mapped.id.to_string())
    };
    let missing = Err(Rejected { id: None, reason: Reason::IdentifierMissing });
    for (identifiers, expected) in [
        (
            json!([{ "system": "https://example.com/ssn", "value": "1" }, { "system": mrn, "value": "MRN:2" }]),
            Ok("MRN:2".to_owned()),
        ),
        (json!([{ "system": mrn, "value": "1", "use": "old" }, { "system": mrn, "value": "2" }]), Ok("2".to_owned())),
        (
            json!([{ "system": mrn, "value": "1", "period": { "end": "2020" } }, { "system": mrn, "value": "2" }]),
            Ok("2".to_owned()),
        ),
        (json!([{ "system": mrn }]), missing.clone()),
        (json!([{ "value": "1" }]), missing.clone()),
        (json!(null), missing),
        (json!([{ "system": mrn, "value": "1 2" }]), Err(Rejected { id: None, reason: Reason::IdUnusable })),
    ] {
        assert_eq!(id(identifiers.clone()), expected, "{identifiers}");
    }
}

#[test]
fn the_official_name_is_used_or_else_the_usual_one_or_else_the_first_that_is_in_use() {
    let name = |usage: Value, family: &str| json!({ "use": usage, "family": family, "given": ["A"] });
    let ended = |end: &str| json!({ "use": "official", "family": "Ended", "given": ["A"], "period": { "end": end } });
    let (official, usual) = (name(json!("official"), "Official"), name(json!("usual"), "Usual"));
    let (old, maiden, temp) = (name(json!("old"), "Old"), name(json!("maiden"), "Maiden"), name(json!("temp"), "Temp"));
    let (none, nickname) = (name(json!(null), "None"), name(json!("nickname"), "Nickname"));
    for (names, expected) in [
        (json!([usual, official]), "Official"),
        (json!([none, usual]), "Usual"),
        (json!([old, maiden, temp, none, nickname]), "None"),
        (json!([nickname, none]), "Nickname"),
        (json!([ended("2026-05-03"), usual]), "Usual"),
        (json!([ended("2026-05-04T11:59:59Z"), usual]), "Usual"),
        (json!([ended("2026-04"), usual]), "Usual"),
        (json!([ended("2025"), usual]), "Usual"),
        (json!([ended("2026-05-05"), usual]), "Ended"),
        (json!([ended("2026-05-05T07:30:00-05:00"), usual]), "Ended"),
        (json!([ended("2026-05"), usual]), "Ended"),
        (json!([ended("2026"), usual]), "Ended"),
        (json!([ended("soon"), usual]), "Ended"),
        (
            json!([{ "use": "official", "family": "Coming", "given": ["A"], "period": { "start": "2026-05-07" } }, usual]),
            "Usual",
        ),
    ] {
        assert_eq!(saved(&json!({ "name": names }))["familyName"], expected, "{names}");
    }
    for names in [json!(null), json!([]), json!({}), json!([old, maiden, temp]), json!([ended("2020")]), json!([{}])] {
        assert_eq!(reason(&json!({ "name": names })), Reason::NameMissing, "{names}");
    }
}

#[test]
fn a_name_has_a_given_and_a_family_part() {
    let given = |given: Value| saved(&json!({ "name": [{ "family": " Li ", "given": given }] }))["givenName"].clone();
    assert_eq!(given(json!(["Ana", " Mary  Jo ", null, ""])), "Ana Mary  Jo");
    for (name, expected) in [
        (json!({ "text": "Ana Li" }), Reason::NameOnlyText),
        (json!({ "text": "Ana Li", "given": [] }), Reason::NameOnlyText),
        (json!({ "text": "Ana Li", "family": "Li" }), Reason::GivenNameMissing),
        (json!({ "family": "Li", "given": "Ana" }), Reason::GivenNameMissing),
        (json!({ "family": "Li", "given": [null, " "] }), Reason::GivenNameMissing),
        (json!({ "given": ["Ana"], "family": " " }), Reason::FamilyNameMissing),
        (json!({ "given": ["Ana"], "family": ["Li"] }), Reason::FamilyNameMissing),
        (json!({ "given": ["Ana"], "family": "a\u{202e}b" }), Reason::NameUnusable),
        (json!({ "given": ["x".repeat(101)], "family": "Li" }), Reason::NameUnusable),
    ] {
        assert_eq!(reason(&json!({ "name": [name] })), expected, "{name}");
    }
}

#[test]
fn a_birth_date_is_a_whole_date() {
    for (date, expected) in [
        (json!(null), Reason::BirthDateMissing),
        (json!(19_800_229), Reason::BirthDateMissing),
        (json!("1980"), Reason::BirthDatePartial),
        (json!("1980-02"), Reason::BirthDatePartial),
        (json!("1980-13"), Reason::BirthDateUnusable),
        (json!("abcd"), Reason::BirthDateUnusable),
        (json!("1981-02-29"), Reason::BirthDateUnusable),
        (json!("1879-12-31"), Reason::BirthDateUnusable),
        (json!("2026-05-07"), Reason::BirthDateUnusable),
        (json!("1980-02-29T00:00:00Z"), Reason::BirthDateUnusable),
        (json!("02/29/1980"), Reason::BirthDateUnusable),
    ] {
        assert_eq!(reason(&json!({ "birthDate": date })), expected, "{date}");
    }
    assert_eq!(saved(&json!({ "birthDate": "1999-12-31" }))["dateOfBirth"], "1999-12-31");
}

#[test]
fn the_address_with_the_best_rank_is_used() {
    let email = |value: &str, more: Value| {
        let mut contact = json!({ "system": "email", "value": value });
        contact.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        contact
    };
    let (a, b) = ("a@example.com", "b@example.com");
    for (telecom, expected) in [
        (json!(null), Value::Null),
        (json!([]), Value::Null),
        (json!([{ "system": "phone", "value": "a@example.com" }]), Value::Null),
        (json!([{ "system": "email" }, email(" ", json!({}))]), Value::Null),
        (json!([email(a, json!({})), email(b, json!({}))]), a.into()),
        (json!([email(a, json!({})), email(b, json!({ "rank": 9 }))]), b.into()),
        (json!([email(a, json!({ "rank": 2 })), email(b, json!({ "rank": 1 }))]), b.into()),
        (json!([email(a, json!({ "rank": 1 })), email(b, json!({ "rank": 1 }))]), a.into()),
        (json!([email(a, json!({ "rank": "1" })), email(b, json!({ "rank": 2 }))]), b.into()),
        (json!([email(a, json!({ "use": "old" })), email(b, json!({ "use": "work" }))]), b.into()),
        (json!([email(a, json!({ "period": { "end": "2020-01-01" } })), email(b, json!({}))]), b.into()),
        (json!([email(a, json!({ "use": "old" }))]), Value::Null),
        (json!([email(a, json!({ "rank": 1 })), email("no address", json!({ "rank": 2 }))]), a.into()),
    ] {
        assert_eq!(saved(&json!({ "telecom": telecom }))["email"], expected, "{telecom}");
    }
    assert_eq!(reason(&json!({ "telecom": [email("no address", json!({}))] })), Reason::EmailUnusable);
}

#[test]
fn the_language_is_the_preferred_one_or_else_the_only_one() {
    let speaks = |code: &str| json!({ "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": code }] } });
    let prefers = |code: &str| {
        let mut one = speaks(code);
        one["preferred"] = true.into();
        one
    };
    let (other, undecided) = (Some(Note::LanguageNotOffered), Some(Note::LanguageUndecided));
    for (communication, expected) in [
        (json!(null), ("en", None)),
        (json!([speaks("es")]), ("es", None)),
        (json!([speaks("ES-mx")]), ("es", None)),
        (json!([speaks("en-US")]), ("en", None)),
        (json!([speaks("en"), prefers("es")]), ("es", None)),
        (json!([prefers("en"), prefers("es")]), ("en", None)),
        (json!([speaks("es"), speaks("en")]), ("en", undecided)),
        (json!([speaks("pt-BR")]), ("en", other)),
        (json!([speaks("es"), prefers("zh")]), ("en", other)),
        (json!([speaks("es_MX")]), ("en", other)),
        (json!([{ "language": { "text": "Spanish" } }]), ("en", other)),
        (
            json!([{ "language": { "coding": [{ "code": "spa", "system": "x" }, { "code": "es", "system": "urn:ietf:bcp:47" }] } }]),
            ("es", None),
        ),
        (json!([{ "language": { "coding": [{ "code": "es" }] } }]), ("es", None)),
        (json!([{}]), ("en", other)),
    ] {
        let mapped = map(&patient(&json!({ "communication": communication }))).unwrap();
        assert_eq!((mapped.profile.language.tag(), mapped.note), expected, "{communication}");
    }
}

#[test]
fn a_deceased_or_inactive_patient_is_saved_as_inactive() {
    for (members, active) in [
        (json!({}), true),
        (json!({ "active": true, "deceasedBoolean": false }), true),
        (json!({ "active": false }), false),
        (json!({ "deceasedBoolean": true }), false),
        (json!({ "deceasedDateTime": "2024" }), false),
        (json!({ "active": true, "deceasedDateTime": "2024-11-03T10:00:00Z" }), false),
    ] {
        assert_eq!(saved(&members)["active"], active, "{members}");
    }
    for members in [json!({ "active": "false" }), json!({ "deceasedBoolean": 1 }), json!({ "deceasedDateTime": true })]
    {
        assert_eq!(reason(&members), Reason::ActiveUnreadable, "{members}");
    }
}

#[test]
fn the_sample_has_rows_of_each_kind() {
    let outcomes: Vec<_> = include_str!("../sample.ndjson")
        .lines()
        .map(|line| map(&serde_json::from_str(line).unwrap()))
        .map(|mapped| mapped.map(|mapped| mapped.note).map_err(|rejected| rejected.reason))
        .collect();
    let fine = Ok(None);
    let expected = [
        fine,
        fine,
        fine,
        fine,
        fine,
        fine,
        Ok(Some(Note::LanguageNotOffered)),
        Err(Reason::BirthDatePartial),
        Err(Reason::NameOnlyText),
        Err(Reason::NotPatient),
    ];
    assert_eq!(outcomes, expected);
}

/// Random JSON with the names that the mapping reads, and with others.
fn any_json() -> impl Strategy<Value = Value> {
    let words = || {
        prop::sample::select(vec![
            "resourceType",
            "Patient",
            "id",
            "name",
            "use",
            "official",
            "old",
            "family",
            "given",
            "text",
            "birthDate",
            "telecom",
            "system",
            "email",
            "value",
            "rank",
            "period",
            "start",
            "end",
            "communication",
            "language",
            "coding",
            "code",
            "preferred",
            "active",
            "deceasedBoolean",
            "deceasedDateTime",
            "urn:ietf:bcp:47",
        ])
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9+-]{4}(-[0-9]{2}){0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((words().prop_map(str::to_owned), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn random_input_causes_no_panic_and_no_rejection_quotes_a_value(
        members in prop::collection::vec(any_json(), 8),
        secret in "[A-Z]{12}",
    ) {
        let names = ["name", "birthDate", "telecom", "communication", "active", "deceasedBoolean", "deceasedDateTime", "identifier"];
        let mut resource: Map<String, Value> = names.map(str::to_owned).into_iter().zip(members).collect();
        for (name, value) in [("resourceType", "Patient"), ("id", "p-1")] {
            resource.insert(name.to_owned(), value.into());
        }
        for identifier_system in [None, Some("value".to_owned())] {
            let mapping = Mapping { identifier_system, now: now() };
            drop(fhir::map(&resource.clone().into(), &mapping));
        }
        // Each member by itself in an otherwise valid patient, so that every rule is reached.
        for (name, value) in &resource {
            drop(map(&patient(&json!({ name: value }))));
        }
        let quoted = patient(&json!({ "name": [{ "text": secret }], "birthDate": secret, "telecom": [{ "system": "email", "value": secret }] }));
        let rejected = map(&quoted).unwrap_err();
        let message = format!("{rejected:?} {}", rejected.reason.detail());
        prop_assert!(!message.contains(&secret), "{}", message);
    }
}
