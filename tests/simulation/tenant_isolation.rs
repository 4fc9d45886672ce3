//! A great number of requests by staff about patients of other practices.
//!
//! The functions are the real ones, behind the real edge, on stores in memory. All requests have the same id, so that whole
//! answers can be compared, byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use change_email::ChangeEmail;
use invite::Invite;
use opt_out::OptOut;
use patients::Patients;
use portal::{
    email::Pepper,
    testing::{MemoryQueue, MemoryStore, TestClock, TestEntropy, samples},
};
use portal_aws::http::{
    DirectoryCursors, Edge, Handler,
    routes::{FunctionOperation as _, Operation},
    testing::{Sample, edge},
};
use reinvite::Reinvite;
use status::Status;
use strum::IntoEnumIterator as _;
use support::Support;

use crate::chance::Seed;

/// Requests about patients of other practices, for all operations together.
const FOREIGN_REQUESTS: u64 = 100_000;
const PRACTICES: u64 = 8;
/// Patients of each practice.
const PATIENTS: u64 = 50;

/// The operations on one patient, by function. A save is left out: it creates an unknown patient in the practice itself.
fn samples_by_function() -> BTreeMap<&'static str, Vec<Sample>> {
    let load = |names: &[&str]| names.iter().map(|name| Sample::new(name)).collect();
    BTreeMap::from([
        ("patients", load(&["patients/read"])),
        ("status", load(&["status/read", "status/timeline", "status/accesses"])),
        ("invite", load(&["invite/profile-email", "invite/another-email", "invite/revoke"])),
        ("reinvite", load(&["reinvite/same-email", "reinvite/another-email"])),
        ("opt-out", load(&["opt-out/opt-out", "opt-out/opt-in"])),
        (
            "change-email",
            load(&[
                "change-email/change",
                "change-email/close",
                "change-email/close-for-practice",
                "change-email/reopen",
            ]),
        ),
        ("support", load(&["support/status", "support/timeline"])),
    ])
}

fn practice(number: u64) -> String {
    format!("practice-{number}")
}

/// An id that only one practice has.
fn patient(practice: u64, number: u64) -> String {
    format!("p-{practice}-{number}")
}

/// Eight practices. Half of each practice's patients are invited.
fn store() -> MemoryStore {
    let store = MemoryStore::with_practices((0..PRACTICES).map(|number| samples::practice(&practice(number))));
    for owner in 0..PRACTICES {
        for number in 0..PATIENTS {
            let key = samples::key(&practice(owner), &patient(owner, number));
            let address = format!("{}@example.com", key.patient.as_str());
            if number % 2 == 0 {
                store.mail_invitation(&key, &address);
            } else {
                store.put(samples::new_patient(&key, samples::profile(Some(&address))).after);
            }
        }
    }
    store
}

/// A request of a practice about a patient.
fn request(sample: &Sample, practice: &str, patient: &str) -> Sample {
    // The practice of staff is in their token, that of Customer Care in the path.
    sample.clone().claim("practice_id", practice).practice(practice).patient(patient)
}

async fn answer_to<H: Handler>(edge: &Edge<H>, request: &Sample) -> String {
    serde_json::to_string(&edge.answer(request.event()).await).unwrap()
}

/// Sends that many foreign requests to each of the function's operations. Returns the number of requests.
async fn send_foreign<H: Handler>(edge: Edge<H>, store: impl Fn(&H) -> &MemoryStore, seed: Seed, each: u64) -> u64 {
    let mut sent = 0;
    for (number, sample) in samples_by_function()[H::Operation::FUNCTION].iter().enumerate() {
        let missing = answer_to(&edge, &request(sample, &practice(0), "p-missing")).await;
        assert!(missing.contains("patient_not_found"), "{missing}");
        let before = store(edge.handler()).contents();
        for attempt in 0..each {
            let draw = |what: &str| seed.draw(&format!("{} {number} {attempt} {what}", H::Operation::FUNCTION));
            let caller = draw("practice") % PRACTICES;
            let owner = (caller + 1 + draw("owner") % (PRACTICES - 1)) % PRACTICES;
            let patient = patient(owner, draw("patient") % PATIENTS);
            let foreign = answer_to(&edge, &request(sample, &practice(caller), &patient)).await;
            assert_eq!(foreign, missing, "{} by practice {caller} about {patient}", H::Operation::FUNCTION);
            sent += 1;
        }
        let after = store(edge.handler()).contents();
        assert!(after == before, "{}: a foreign request changed a record", H::Operation::FUNCTION);
        // The patient's own practice gets another answer.
        let own = answer_to(&edge, &request(sample, &practice(1), &patient(1, 0))).await;
        assert!(!own.contains("patient_not_found"), "{} {number}: {own}", H::Operation::FUNCTION);
    }
    sent
}

#[test]
fn the_foreign_requests_cover_every_operation_on_a_patient() {
    let about =
        |operation: &Operation| operation.path().contains("{patientId}") && *operation != Operation::SavePatient;
    let expected: BTreeSet<String> = Operation::iter().filter(about).map(Operation::route_key).collect();
    let covered: BTreeSet<String> =
        samples_by_function().values().flatten().map(|sample| sample.event().payload.route_key.unwrap()).collect();
    assert_eq!(covered, expected);
}

#[tokio::test]
async fn a_foreign_patient_is_answered_like_a_missing_one_in_a_hundred_thousand_requests() {
    let seed = Seed::from_env_or(20_260_301);
    let operations: u64 = samples_by_function().values().map(|samples| u64::try_from(samples.len()).unwrap()).sum();
    let each = FOREIGN_REQUESTS.div_ceil(operations);
    let (clock, entropy, queue) = (TestClock::default, TestEntropy::default, MemoryQueue::default);
    let cursors = DirectoryCursors::new(Pepper::new("a pepper for tests".into()));
    let patients = edge(Patients { store: store(), clock: clock(), cursors });
    let status = edge(Status { store: store(), clock: clock() });
    let opt_out = edge(OptOut { store: store(), clock: clock() });
    let invite = edge(Invite { store: store(), queue: queue(), clock: clock(), entropy: entropy() });
    let reinvite = edge(Reinvite { store: store(), queue: queue(), clock: clock(), entropy: entropy() });
    let support = edge(Support { store: store(), clock: clock() });
    let change_email = edge(ChangeEmail { store: store(), queue: queue(), clock: clock() });
    let sent = [
        send_foreign(patients, |it| &it.store, seed, each).await,
        send_foreign(status, |it| &it.store, seed, each).await,
        send_foreign(opt_out, |it| &it.store, seed, each).await,
        Box::pin(send_foreign(invite, |it| &it.store, seed, each)).await,
        Box::pin(send_foreign(reinvite, |it| &it.store, seed, each)).await,
        send_foreign(change_email, |it| &it.store, seed, each).await,
        send_foreign(support, |it| &it.store, seed, each).await,
    ];
    let sent: u64 = sent.iter().sum();
    assert!(sent >= FOREIGN_REQUESTS, "{sent}");
    eprintln!("{sent} requests about foreign patients, all answered as for a missing patient ({seed:?})");
}
