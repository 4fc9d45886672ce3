//! Every operation of the document, asked by every role about every kind of patient.
//!
//! The operations, and who may ask for each, are the document's: its `security`. An operation that is new there fails
//! here until it has a sample below.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use system_tests::openapi::{Document, Operation, child};
use ureq::http::header::CONTENT_TYPE;
use xtask::token::Role;

use crate::client::{Answer, BORN, Practice, profile, random, send, settings, token_of};

/// Nobody, and every role.
const CALLERS: [Option<Role>; 6] =
    [None, Some(Role::Read), Some(Role::Staff), Some(Role::Admin), Some(Role::Support), Some(Role::Portal)];
/// A link that nobody was sent.
const NO_LINK: &str = "link-nobody.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// How many requests about another practice's patients go over HTTP.
const STRANGERS: u32 = 300;
/// What no patient is called, as a path spells it.
const MALFORMED: [&str; 4] = ["a%20b", "a%23b", "%C3%A9", "p-1%0A"];

/// A request that an operation takes, and its answers to who may ask.
struct Sample {
    /// The operation, as the document calls it.
    operation: &'static str,
    /// What it is about.
    about: About,
    /// Its body; null for none.
    body: Value,
    /// The answers about what is there.
    own: &'static [u16],
    /// The answer about what is not there.
    missing: u16,
    /// The answer about what can never be there.
    malformed: u16,
}

/// What an operation is about, and so what can be another's, missing, or malformed in its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// The patient in its path.
    Patient,
    /// The patients that its query finds.
    Found,
    /// The bulk job in its path.
    Job,
    /// The practice of the token, and nothing that a request could name.
    Practice,
    /// The account with the address in its body.
    Account,
    /// The link in its body.
    Link,
    /// The link in its query.
    LinkInQuery,
}

/// What a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Own,
    Foreign,
    Missing,
    Malformed,
}

/// A sample of every operation.
fn samples() -> Vec<Sample> {
    use About::{Account, Found, Job, Link, LinkInQuery, Patient, Practice};
    let none = || Value::Null;
    let email = || json!({ "email": "new@example.com" });
    let dated = json!({ "dateOfBirth": BORN });
    let login = json!({ "at": "2026-01-01T00:00:00.000Z", "eventId": "matrix" });
    let sample =
        |operation, about, body, (own, missing, malformed)| Sample { operation, about, body, own, missing, malformed };
    vec![
        sample("searchPatients", Found, none(), (&[200], 200, 400)),
        // Under an id that is free, or another practice's, a practice begins a patient of its own.
        sample("savePatient", Patient, profile(None), (&[200], 201, 404)),
        sample("readPatient", Patient, none(), (&[200], 404, 404)),
        sample("readStatus", Patient, none(), (&[200], 404, 404)),
        sample("readTimeline", Patient, none(), (&[200], 404, 404)),
        sample("invitePatient", Patient, json!({}), (&[202], 404, 404)),
        // The patient is there and has been neither invited nor registered: who may ask learns that.
        sample("reinvitePatient", Patient, json!({}), (&[409], 404, 404)),
        sample("revokeInvitation", Patient, json!({}), (&[409], 404, 404)),
        sample("optOutPatient", Patient, json!({}), (&[200], 404, 404)),
        sample("optInPatient", Patient, json!({}), (&[409], 404, 404)),
        sample("changeAccountEmail", Patient, email(), (&[409], 404, 404)),
        sample("beginBulkJob", Practice, json!({ "patientIds": ["p-nobody"] }), (&[202], 202, 202)),
        sample("readBulkJob", Job, none(), (&[200], 404, 404)),
        sample("readBulkResults", Job, none(), (&[200], 404, 404)),
        sample("cancelBulkJob", Job, json!({}), (&[200], 404, 404)),
        sample("readPractice", Practice, none(), (&[200], 200, 200)),
        sample("savePractice", Practice, settings(), (&[200], 200, 200)),
        sample("reportLogin", Account, login, (&[204], 409, 422)),
        sample("checkLink", Link, json!({}), (&[200], 200, 200)),
        sample("register", Link, dated, (&[201], 409, 409)),
        sample("declineInvitation", Link, json!({}), (&[204], 409, 409)),
        sample("reportWrongPerson", Link, json!({}), (&[204], 409, 409)),
        // Of a link that was mailed less than a minute ago, the holder is asked to wait.
        sample("requestNewLink", Link, json!({}), (&[202, 429], 409, 409)),
        sample("stopReminders", LinkInQuery, none(), (&[204], 204, 204)),
    ]
}

/// Two practices, and what the requests are about.
struct World {
    ours: Practice,
    theirs: Practice,
    /// Links that were mailed and not used yet.
    links: Vec<String>,
    /// The address of an account.
    account: String,
    /// How many patients there are.
    patients: u32,
}

/// A request, and what in its answer is its own.
struct Request {
    path: String,
    body: Value,
    /// The patient that it names, whose id an answer may repeat.
    patient: String,
}

impl World {
    /// Opens the practices, with a link for each caller of each operation that takes one.
    fn open(links: usize) -> Option<Self> {
        let (ours, theirs) = (Practice::open("matrix")?, Practice::open("matrix-other")?);
        let invited: Vec<String> = (0..links).map(|number| format!("link-{number}")).collect();
        for patient in &invited {
            let email = ours.address(patient);
            ours.admit(patient, Some(&email));
            assert_eq!(ours.invite(patient, &json!({})).status, 202);
        }
        ours.admit_and_register("account");
        let links = invited.iter().map(|patient| {
            ours.await_sent(patient);
            token_of(&ours.mails(&ours.address(patient))[0])
        });
        let (links, account) = (links.collect(), ours.address("account"));
        theirs.put_as(Role::Staff, "/v1/patients/found", &named("Zacharias"));
        ours.put_as(Role::Staff, "/v1/patients/found", &named("Yolanda"));
        Some(Self { ours, theirs, links, account, patients: 0 })
    }

    /// A patient of this kind, new. All ids are of one length, so that no answer differs by that.
    fn patient(&mut self, id: Id) -> String {
        self.patients += 1;
        let patient = format!("p-{:04}", self.patients);
        match id {
            Id::Own => self.ours.admit(&patient, Some(&self.ours.address(&patient))),
            Id::Foreign => self.theirs.admit(&patient, Some(&self.theirs.address(&patient))),
            Id::Missing | Id::Malformed => {}
        }
        patient
    }

    /// The requests of a sample that name this; none if it can name no such thing.
    fn requests(&mut self, operation: &Operation, sample: &Sample, id: Id) -> Vec<Request> {
        let with = |path: String, member: &str, value: &str| {
            let mut body = sample.body.clone();
            body[member] = value.into();
            Request { path, body, patient: String::new() }
        };
        let bare = |path: String| Request { path, body: sample.body.clone(), patient: String::new() };
        let path = operation.path.clone();
        match (sample.about, id) {
            (About::Patient, Id::Malformed) => {
                let ours = self.ours.id.clone();
                let patients = MALFORMED.map(|patient| fill(&path, &ours, patient));
                let practices = MALFORMED.map(|practice| fill(&path, practice, "p-none"));
                let named = path.contains("{practiceId}");
                patients.into_iter().chain(practices.into_iter().filter(|_| named)).map(bare).collect()
            }
            (About::Patient, _) => {
                let patient = self.patient(id);
                let path = fill(&path, &self.ours.id, &patient);
                vec![Request { path, body: sample.body.clone(), patient }]
            }
            (About::Job, Id::Malformed) => MALFORMED.map(|job| bare(path.replace("{jobId}", job))).into(),
            (About::Job, _) => {
                let job = match id {
                    Id::Own => begin_job(&self.ours),
                    Id::Foreign => begin_job(&self.theirs),
                    Id::Missing | Id::Malformed => "0199c0de-7c3a-7d2e-9f00-0123456789ab".to_owned(),
                };
                vec![bare(path.replace("{jobId}", &job))]
            }
            (About::Found, Id::Own) => vec![bare(path + "?q=yolanda")],
            (About::Found, Id::Foreign) => vec![bare(path + "?q=zacharias")],
            (About::Found, Id::Missing) => vec![bare(path + "?q=xenophon")],
            (About::Found, Id::Malformed) => vec![bare(path.clone()), bare(path + "?q=z")],
            (About::Practice, Id::Own) => vec![bare(path)],
            (About::Account, Id::Own) => vec![with(path, "email", &self.account)],
            (About::Account, Id::Missing) => vec![with(path, "email", "nobody@nowhere.example.com")],
            (About::Account, Id::Malformed) => vec![with(path, "email", "nobody")],
            (About::Link, Id::Own) => vec![with(path, "token", &self.links.pop().unwrap())],
            (About::Link, Id::Missing) => vec![with(path, "token", NO_LINK)],
            (About::Link, Id::Malformed) => {
                vec![with(path.clone(), "token", "a b"), with(path, "token", "\u{e9}.\u{e9}")]
            }
            (About::LinkInQuery, Id::Own) => {
                vec![bare(format!("{path}?t={}", self.links.pop().unwrap().split_once('.').unwrap().0))]
            }
            (About::LinkInQuery, Id::Missing) => vec![bare(format!("{path}?t={NO_LINK}"))],
            (About::LinkInQuery, Id::Malformed) => vec![bare(path.clone() + "?t=%20"), bare(path + "?t=%C3%A9")],
            // A link and an account are their holders', of whatever practice; and no request names a practice.
            (About::Practice, Id::Foreign | Id::Missing | Id::Malformed)
            | (About::Account | About::Link | About::LinkInQuery, Id::Foreign) => Vec::new(),
        }
    }

    fn ask(&self, operation: &Operation, caller: Option<Role>, request: &Request) -> Answer {
        let asked = match caller {
            Some(role) => self.ours.request_by(&self.ours.token(role), &operation.method, &request.path),
            None => self.ours.anonymous(&operation.method, &request.path),
        };
        let body = if request.body.is_null() { Vec::new() } else { request.body.to_string().into() };
        send(asked.header(CONTENT_TYPE, "application/json").body(body).unwrap())
    }
}

/// A bulk job of a practice, new.
fn begin_job(practice: &Practice) -> String {
    let begun = practice.post("/v1/invitations/bulk", &json!({ "patientIds": ["p-nobody"] }));
    assert_eq!(begun.status, 202, "{begun:?}");
    begun.json()["jobId"].as_str().unwrap().to_owned()
}

fn named(given: &str) -> Value {
    let mut profile = profile(None);
    profile["givenName"] = given.into();
    profile
}

fn fill(path: &str, practice: &str, patient: &str) -> String {
    path.replace("{practiceId}", practice).replace("{patientId}", patient)
}

/// The scope that the document asks for; none where it asks for no token.
fn scope<'document>(document: &'document Document, operation: &Operation) -> Option<&'document str> {
    let security = document.at(&child(&operation.pointer, "security"));
    let scopes = security.as_array().unwrap_or_else(|| unreachable!("{operation:?} does not say who may ask"));
    let scope = scopes.first()?;
    Some(scope["accessToken"][0].as_str().unwrap_or_else(|| unreachable!("{operation:?}: {scope}")))
}

/// The statuses of which an answer must have one.
fn expected(scope: Option<&str>, caller: Option<Role>, sample: &Sample, id: Id) -> Vec<u16> {
    let permitted = |role: Role| scope.is_some_and(|scope| role.scope().split(' ').any(|has| has == scope));
    match (scope, caller, id) {
        (Some(_), None, _) => vec![401],
        (Some(_), Some(role), _) if !permitted(role) => vec![403],
        (_, _, Id::Own) => sample.own.to_vec(),
        (_, _, Id::Foreign | Id::Missing) => vec![sample.missing],
        (_, _, Id::Malformed) => vec![sample.malformed],
    }
}

/// Every byte of an answer that could tell one thing from another: all but the request's own marks, and what is said of
/// the connection, which the gateway closes when it likes.
fn bytes(answer: &Answer, patient: &str) -> String {
    let own = ["date", "apigw-requestid", "connection"];
    let headers: Vec<_> = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str())).collect();
    let instance = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
    let instance = instance["instance"].as_str().unwrap_or("no instance");
    let body = answer.body.replace(instance, "").replace(if patient.is_empty() { "no patient" } else { patient }, "");
    format!("{} {headers:?} {body}", answer.status)
}

#[test]
fn every_operation_has_a_sample() {
    let document = Document::load();
    let operations = document.operations();
    let documented: Vec<&str> = operations.iter().map(|operation| name(document, operation)).collect();
    let samples = samples();
    let asked: Vec<&str> = samples.iter().map(|sample| sample.operation).collect();
    assert_eq!(BTreeSet::from_iter(&documented), BTreeSet::from_iter(&asked));
    assert_eq!((documented.len(), asked.len()), (operations.len(), operations.len()), "each has one");
    for operation in &operations {
        let sample = sample_of(document, operation, &samples);
        assert_eq!(sample.about == About::Patient, operation.path.contains("{patientId}"), "{operation:?}");
        assert_eq!(sample.about == About::Job, operation.path.contains("{jobId}"), "{operation:?}");
    }
}

#[test]
fn every_role_gets_of_every_operation_what_the_document_says() {
    let (document, samples) = (Document::load(), samples());
    let takes_links = |sample: &&Sample| matches!(sample.about, About::Link | About::LinkInQuery);
    let Some(mut world) = World::open(samples.iter().filter(takes_links).count() * CALLERS.len()) else { return };
    let (mut cells, mut wrong) = (BTreeMap::new(), Vec::new());
    for operation in document.operations() {
        let sample = sample_of(document, &operation, &samples);
        let scope = scope(document, &operation);
        for caller in CALLERS {
            let mut seen = BTreeMap::new();
            for id in [Id::Own, Id::Foreign, Id::Missing, Id::Malformed] {
                for request in world.requests(&operation, sample, id) {
                    let cell = format!("{caller:?} {} {} ({id:?})", operation.method, request.path);
                    let answer = world.ask(&operation, caller, &request);
                    let expected = expected(scope, caller, sample, id);
                    if !expected.contains(&answer.status) {
                        wrong.push(format!("{cell}: not {expected:?}, but {answer:?}"));
                    }
                    *cells.entry(answer.status).or_insert(0) += 1;
                    seen.entry(id).or_insert_with(Vec::new).push((cell, bytes(&answer, &request.patient)));
                }
            }
            assert_alike(&seen, sample);
        }
    }
    let total: u32 = cells.values().sum();
    assert!(wrong.is_empty(), "{wrong:#?}");
    eprintln!("{total} cells by answer: {cells:?}");
    assert!(world.links.is_empty(), "every link was asked about");
}

#[test]
fn of_hundreds_of_strangers_none_learns_a_byte() {
    let (Some(ours), Some(theirs)) = (Practice::open("strangers"), Practice::open("strange")) else { return };
    let paths = ["", "/portal", "/portal/timeline", "/portal/invite", "/portal/opt-out"];
    let ask = |patient: &str, rest: &str| {
        let method = if rest.ends_with("invite") || rest.ends_with("out") { "POST" } else { "GET" };
        bytes(&send(ours.request(method, &format!("/v1/patients/{patient}{rest}")).body(Vec::new()).unwrap()), "")
    };
    let missing = paths.map(|rest| ask("p-none", rest));
    for number in 0..10 {
        theirs.admit(&format!("p-{number}"), Some(&theirs.address(&format!("p-{number}"))));
    }
    let before = theirs.see("p-0");
    for stranger in 0..STRANGERS {
        // Random, since a function that keeps something from one request for another would show it in some order only.
        let draw = random().to_be_bytes();
        let (at, number) = (usize::from(draw[0]) % paths.len(), draw[1] % 10);
        let foreign = ask(&format!("p-{number}"), paths[at]);
        assert_eq!(foreign, missing[at], "stranger {stranger}: p-{number}{}", paths[at]);
    }
    assert_eq!(theirs.see("p-0"), before);
}

/// What is another's, and what cannot be, is like what is missing.
fn assert_alike(seen: &BTreeMap<Id, Vec<(String, String)>>, sample: &Sample) {
    let Some([(_, missing)]) = seen.get(&Id::Missing).map(Vec::as_slice) else { return };
    let foreign = seen.get(&Id::Foreign).into_iter().flatten();
    let malformed = seen.get(&Id::Malformed).into_iter().flatten();
    let malformed = malformed.filter(|_| sample.malformed == sample.missing);
    for (cell, bytes) in foreign.chain(malformed) {
        assert_eq!(bytes, missing, "{cell}");
    }
}

/// The operation's name in the document.
fn name<'document>(document: &'document Document, operation: &Operation) -> &'document str {
    document.at(&child(&operation.pointer, "operationId")).as_str().unwrap_or("nameless")
}

fn sample_of<'samples>(document: &Document, operation: &Operation, samples: &'samples [Sample]) -> &'samples Sample {
    let name = name(document, operation);
    let sample = samples.iter().find(|sample| sample.operation == name);
    sample.unwrap_or_else(|| unreachable!("{name} has no sample: who may ask for it is not tested"))
}
