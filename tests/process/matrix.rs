//! Every operation of the API's description, called by every role for every kind of patient.
//!
//! The operations and their permissions (`security`) come from the description. The tests fail for a new operation until it
//! has a sample below.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use system_tests::openapi::{Document, Operation, child};
use ureq::http::header::CONTENT_TYPE;
use xtask::token::Role;

use crate::client::{Answer, BORN, Practice, profile, random, send, settings, token_of};

/// A caller without a token, and every role.
const CALLERS: [Option<Role>; 6] =
    [None, Some(Role::Read), Some(Role::Staff), Some(Role::Admin), Some(Role::Support), Some(Role::Portal)];
/// A link that was never mailed.
const UNKNOWN_LINK: &str = "link-unknown.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Requests about another practice's patients, over HTTP.
const FOREIGN_REQUESTS: u32 = 300;
/// Malformed patient ids, as they are written in a path.
const MALFORMED: [&str; 4] = ["a%20b", "a%23b", "%C3%A9", "p-1%0A"];

/// A valid request of an operation, and the answers to callers with the permission.
struct Sample {
    /// The operation's id in the description.
    operation: &'static str,
    /// What it acts on.
    target: Target,
    /// Its body. Null for none.
    body: Value,
    /// The answers if the practice has the target.
    own: &'static [u16],
    /// The answer if the target does not exist.
    missing: u16,
    /// The answer if the request names the target with a malformed id.
    malformed: u16,
}

/// What an operation acts on. A request can name a target that is another practice's, missing or malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The patient in its path.
    Patient,
    /// The patients that its query finds.
    Search,
    /// The bulk job in its path.
    Job,
    /// The practice of the token. A request cannot name another.
    Practice,
    /// The account with the address in its body.
    Account,
    /// The link in its body.
    Link,
    /// The link in its query.
    LinkInQuery,
}

/// The kind of id in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Own,
    Foreign,
    Missing,
    Malformed,
}

/// A sample of every operation.
fn samples() -> Vec<Sample> {
    use Target::{Account, Job, Link, LinkInQuery, Patient, Practice, Search};
    let none = || Value::Null;
    let email = || json!({ "email": "new@example.com" });
    let dated = json!({ "dateOfBirth": BORN });
    let login = json!({ "at": "2026-01-01T00:00:00.000Z", "eventId": "matrix" });
    let reason = json!({ "reason": "a test" });
    let sample = |operation, target, body, (own, missing, malformed)| Sample {
        operation,
        target,
        body,
        own,
        missing,
        malformed,
    };
    vec![
        sample("searchPatients", Search, none(), (&[200], 200, 400)),
        // A save under a free id, or under another practice's id, creates a patient of the caller's practice.
        sample("savePatient", Patient, profile(None), (&[200], 201, 404)),
        sample("readPatient", Patient, none(), (&[200], 404, 404)),
        sample("readStatus", Patient, none(), (&[200], 404, 404)),
        sample("readTimeline", Patient, none(), (&[200], 404, 404)),
        sample("invitePatient", Patient, json!({}), (&[202], 404, 404)),
        // The patient exists and has been neither invited nor registered. Callers with the permission get that answer.
        sample("reinvitePatient", Patient, json!({}), (&[409], 404, 404)),
        sample("revokeInvitation", Patient, json!({}), (&[409], 404, 404)),
        sample("optOutPatient", Patient, json!({}), (&[200], 404, 404)),
        sample("optInPatient", Patient, json!({}), (&[409], 404, 404)),
        sample("changeAccountEmail", Patient, email(), (&[409], 404, 404)),
        sample("readAccesses", Patient, none(), (&[200], 404, 404)),
        sample("lookUpPatient", Account, reason, (&[200], 200, 422)),
        sample("readStatusForSupport", Patient, none(), (&[200], 404, 404)),
        sample("readTimelineForSupport", Patient, none(), (&[200], 404, 404)),
        sample("closeAccount", Patient, json!({ "reason": "Asked for." }), (&[409], 404, 404)),
        sample("closeAccountForPractice", Patient, json!({ "reason": "Asked for." }), (&[409], 404, 404)),
        sample("reopenAccount", Patient, json!({}), (&[409], 404, 404)),
        sample("beginBulkJob", Practice, json!({ "patientIds": ["p-unknown"] }), (&[202], 202, 202)),
        sample("readBulkJob", Job, none(), (&[200], 404, 404)),
        sample("readBulkResults", Job, none(), (&[200], 404, 404)),
        sample("cancelBulkJob", Job, json!({}), (&[200], 404, 404)),
        sample("readPractice", Practice, none(), (&[200], 200, 200)),
        sample("savePractice", Practice, settings(), (&[200], 200, 200)),
        sample("readPracticeTimeline", Practice, none(), (&[200], 200, 200)),
        sample("readMe", Practice, none(), (&[200], 200, 200)),
        sample("reportLogin", Account, login, (&[204], 409, 422)),
        sample("checkLink", Link, json!({}), (&[200], 200, 200)),
        sample("register", Link, dated, (&[201], 409, 409)),
        sample("declineInvitation", Link, json!({}), (&[204], 409, 409)),
        sample("reportWrongPerson", Link, json!({}), (&[204], 409, 409)),
        // If the link was mailed less than a minute ago, the holder has to wait.
        sample("requestNewLink", Link, json!({}), (&[202, 429], 409, 409)),
        sample("stopReminders", LinkInQuery, none(), (&[204], 204, 204)),
    ]
}

/// Two practices and the targets of the requests.
struct World {
    ours: Practice,
    theirs: Practice,
    /// Mailed links that are not used yet.
    links: Vec<String>,
    /// The address of an account.
    account: String,
    /// How many patients have been created.
    patients: u32,
}

/// A request of a sample.
struct Request {
    path: String,
    body: Value,
    /// The patient that it names, whose id an answer may repeat.
    patient: String,
}

impl World {
    /// Opens the practices, with this many mailed links.
    fn open(links: usize) -> Option<Self> {
        let (ours, theirs) = (Practice::open("matrix")?, Practice::open("matrix-other")?);
        let invited: Vec<String> = (0..links).map(|number| format!("link-{number}")).collect();
        for patient in &invited {
            let email = ours.address(patient);
            ours.save_patient(patient, Some(&email));
            assert_eq!(ours.invite(patient, &json!({})).status, 202);
        }
        ours.save_and_register("account");
        let links = invited.iter().map(|patient| {
            ours.await_sent(patient);
            token_of(&ours.mails(&ours.address(patient))[0])
        });
        let (links, account) = (links.collect(), ours.address("account"));
        theirs.put_as(Role::Staff, "/v1/patients/found", &named("Zacharias"));
        ours.put_as(Role::Staff, "/v1/patients/found", &named("Yolanda"));
        Some(Self { ours, theirs, links, account, patients: 0 })
    }

    /// A new patient of this kind. All ids have the same length, so that answers do not differ in length.
    fn patient(&mut self, id: Id) -> String {
        self.patients += 1;
        let patient = format!("p-{:04}", self.patients);
        match id {
            Id::Own => self.ours.save_patient(&patient, Some(&self.ours.address(&patient))),
            Id::Foreign => self.theirs.save_patient(&patient, Some(&self.theirs.address(&patient))),
            Id::Missing | Id::Malformed => {}
        }
        patient
    }

    /// The requests of a sample with this kind of id. Empty if its requests cannot have such an id.
    fn requests(&mut self, operation: &Operation, sample: &Sample, id: Id) -> Vec<Request> {
        let with = |path: String, member: &str, value: &str| {
            let mut body = sample.body.clone();
            body[member] = value.into();
            Request { path, body, patient: String::new() }
        };
        let bare = |path: String| Request { path, body: sample.body.clone(), patient: String::new() };
        let reason = if sample.operation.ends_with("ForSupport") { "?reason=a%20test" } else { "" };
        let path = format!("{}{reason}", operation.path);
        match (sample.target, id) {
            (Target::Patient, Id::Malformed) => {
                let ours = self.ours.id.clone();
                let patients = MALFORMED.map(|patient| fill(&path, &ours, patient));
                let practices = MALFORMED.map(|practice| fill(&path, practice, "p-none"));
                let named = path.contains("{practiceId}");
                patients.into_iter().chain(practices.into_iter().filter(|_| named)).map(bare).collect()
            }
            (Target::Patient, _) => {
                let patient = self.patient(id);
                let path = fill(&path, &self.ours.id, &patient);
                vec![Request { path, body: sample.body.clone(), patient }]
            }
            (Target::Job, Id::Malformed) => MALFORMED.map(|job| bare(path.replace("{jobId}", job))).into(),
            (Target::Job, _) => {
                let job = match id {
                    Id::Own => begin_job(&self.ours),
                    Id::Foreign => begin_job(&self.theirs),
                    Id::Missing | Id::Malformed => "0199c0de-7c3a-7d2e-9f00-0123456789ab".to_owned(),
                };
                vec![bare(path.replace("{jobId}", &job))]
            }
            (Target::Search, Id::Own) => vec![bare(path + "?q=yolanda")],
            (Target::Search, Id::Foreign) => vec![bare(path + "?q=zacharias")],
            (Target::Search, Id::Missing) => vec![bare(path + "?q=xenophon")],
            (Target::Search, Id::Malformed) => vec![bare(path.clone()), bare(path + "?q=z")],
            (Target::Practice, Id::Own) => vec![bare(path)],
            (Target::Account, Id::Own) => vec![with(path, "email", &self.account)],
            (Target::Account, Id::Missing) => vec![with(path, "email", "unknown@nowhere.example.com")],
            (Target::Account, Id::Malformed) => vec![with(path, "email", "no-address")],
            (Target::Link, Id::Own) => vec![with(path, "token", &self.links.pop().unwrap())],
            (Target::Link, Id::Missing) => vec![with(path, "token", UNKNOWN_LINK)],
            (Target::Link, Id::Malformed) => {
                vec![with(path.clone(), "token", "a b"), with(path, "token", "\u{e9}.\u{e9}")]
            }
            (Target::LinkInQuery, Id::Own) => {
                vec![bare(format!("{path}?t={}", self.links.pop().unwrap().split_once('.').unwrap().0))]
            }
            (Target::LinkInQuery, Id::Missing) => vec![bare(format!("{path}?t={UNKNOWN_LINK}"))],
            (Target::LinkInQuery, Id::Malformed) => vec![bare(path.clone() + "?t=%20"), bare(path + "?t=%C3%A9")],
            // A link and an account do not belong to a practice, and no request names a practice.
            (Target::Practice, Id::Foreign | Id::Missing | Id::Malformed)
            | (Target::Account | Target::Link | Target::LinkInQuery, Id::Foreign) => Vec::new(),
        }
    }

    fn ask(&self, operation: &Operation, caller: Option<Role>, request: &Request) -> Answer {
        let builder = match caller {
            Some(role) => self.ours.request_by(&self.ours.token(role), &operation.method, &request.path),
            None => self.ours.anonymous(&operation.method, &request.path),
        };
        let body = if request.body.is_null() { Vec::new() } else { request.body.to_string().into() };
        send(builder.header(CONTENT_TYPE, "application/json").body(body).unwrap())
    }
}

/// Begins a bulk job of a practice and returns its id.
fn begin_job(practice: &Practice) -> String {
    let begun = practice.post("/v1/invitations/bulk", &json!({ "patientIds": ["p-unknown"] }));
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

/// The scope that the description requires: `Some("")` if any token is enough, `None` if it requires no token.
fn scope<'document>(document: &'document Document, operation: &Operation) -> Option<&'document str> {
    let security = document.at(&child(&operation.pointer, "security"));
    let schemes = security.as_array().unwrap_or_else(|| unreachable!("{operation:?} has no `security`"));
    let scopes = &schemes.first()?["accessToken"];
    let scopes = scopes.as_array().unwrap_or_else(|| unreachable!("{operation:?}: {schemes:?}"));
    Some(scopes.first().and_then(Value::as_str).unwrap_or_default())
}

/// The permitted statuses of an answer.
fn expected(scope: Option<&str>, caller: Option<Role>, sample: &Sample, id: Id) -> Vec<u16> {
    let permitted = |role: Role| {
        scope.is_some_and(|scope| scope.is_empty() || role.scope().split(' ').any(|granted| granted == scope))
    };
    match (scope, caller, id) {
        (Some(_), None, _) => vec![401],
        (Some(_), Some(role), _) if !permitted(role) => vec![403],
        (_, _, Id::Own) => sample.own.to_vec(),
        (_, _, Id::Foreign | Id::Missing) => vec![sample.missing],
        (_, _, Id::Malformed) => vec![sample.malformed],
    }
}

/// The part of an answer that could reveal a difference: everything but the ids and times of the request and the header
/// `connection`, because the gateway closes connections at any time.
fn comparable(answer: &Answer, patient: &str) -> String {
    let varying = ["date", "apigw-requestid", "connection"];
    let headers: Vec<_> = answer.headers.iter().filter(|(name, _)| !varying.contains(&name.as_str())).collect();
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
    let covered: Vec<&str> = samples.iter().map(|sample| sample.operation).collect();
    assert_eq!(BTreeSet::from_iter(&documented), BTreeSet::from_iter(&covered));
    assert_eq!((documented.len(), covered.len()), (operations.len(), operations.len()), "each has one sample");
    for operation in &operations {
        let sample = sample_of(document, operation, &samples);
        assert_eq!(sample.target == Target::Patient, operation.path.contains("{patientId}"), "{operation:?}");
        assert_eq!(sample.target == Target::Job, operation.path.contains("{jobId}"), "{operation:?}");
    }
}

#[test]
fn every_role_gets_the_documented_answer_of_every_operation() {
    let (document, samples) = (Document::load(), samples());
    let takes_links = |sample: &&Sample| matches!(sample.target, Target::Link | Target::LinkInQuery);
    let Some(mut world) = World::open(samples.iter().filter(takes_links).count() * CALLERS.len()) else { return };
    let (mut counts, mut wrong) = (BTreeMap::new(), Vec::new());
    for operation in document.operations() {
        let sample = sample_of(document, &operation, &samples);
        let scope = scope(document, &operation);
        for caller in CALLERS {
            let mut answers = BTreeMap::new();
            for id in [Id::Own, Id::Foreign, Id::Missing, Id::Malformed] {
                for request in world.requests(&operation, sample, id) {
                    let cell = format!("{caller:?} {} {} ({id:?})", operation.method, request.path);
                    let answer = world.ask(&operation, caller, &request);
                    let expected = expected(scope, caller, sample, id);
                    if !expected.contains(&answer.status) {
                        wrong.push(format!("{cell}: not {expected:?}, but {answer:?}"));
                    }
                    *counts.entry(answer.status).or_insert(0) += 1;
                    answers.entry(id).or_insert_with(Vec::new).push((cell, comparable(&answer, &request.patient)));
                }
            }
            assert_same_as_missing(&answers, sample);
        }
    }
    let total: u32 = counts.values().sum();
    assert!(wrong.is_empty(), "{wrong:#?}");
    eprintln!("{total} cells by status: {counts:?}");
    assert!(world.links.is_empty(), "every link was used");
}

#[test]
fn a_foreign_patient_is_answered_like_a_missing_one_in_hundreds_of_requests() {
    let (Some(ours), Some(theirs)) = (Practice::open("isolation"), Practice::open("isolation-other")) else { return };
    let paths = ["", "/portal", "/portal/timeline", "/portal/invite", "/portal/opt-out"];
    let ask = |patient: &str, rest: &str| {
        let method = if rest.ends_with("invite") || rest.ends_with("out") { "POST" } else { "GET" };
        comparable(&send(ours.request(method, &format!("/v1/patients/{patient}{rest}")).body(Vec::new()).unwrap()), "")
    };
    let missing = paths.map(|rest| ask("p-none", rest));
    for number in 0..10 {
        theirs.save_patient(&format!("p-{number}"), Some(&theirs.address(&format!("p-{number}"))));
    }
    let before = theirs.snapshot("p-0");
    for attempt in 0..FOREIGN_REQUESTS {
        // Random, because a function that keeps data of one request for another would show it in some orders only.
        let draw = random().to_be_bytes();
        let (at, number) = (usize::from(draw[0]) % paths.len(), draw[1] % 10);
        let foreign = ask(&format!("p-{number}"), paths[at]);
        assert_eq!(foreign, missing[at], "attempt {attempt}: p-{number}{}", paths[at]);
    }
    assert_eq!(theirs.snapshot("p-0"), before);
}

/// Asserts that the answers for foreign and malformed ids are equal to the answer for a missing id.
fn assert_same_as_missing(answers: &BTreeMap<Id, Vec<(String, String)>>, sample: &Sample) {
    let Some([(_, missing)]) = answers.get(&Id::Missing).map(Vec::as_slice) else { return };
    let foreign = answers.get(&Id::Foreign).into_iter().flatten();
    let malformed = answers.get(&Id::Malformed).into_iter().flatten();
    let malformed = malformed.filter(|_| sample.malformed == sample.missing);
    for (cell, answer) in foreign.chain(malformed) {
        assert_eq!(answer, missing, "{cell}");
    }
}

/// The operation's id in the description.
fn name<'document>(document: &'document Document, operation: &Operation) -> &'document str {
    document.at(&child(&operation.pointer, "operationId")).as_str().unwrap_or("no operationId")
}

fn sample_of<'samples>(document: &Document, operation: &Operation, samples: &'samples [Sample]) -> &'samples Sample {
    let name = name(document, operation);
    let sample = samples.iter().find(|sample| sample.operation == name);
    sample.unwrap_or_else(|| unreachable!("{name} has no sample: its permissions are not tested"))
}
