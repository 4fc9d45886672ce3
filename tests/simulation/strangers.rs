//! Strangers, in great number: staff who ask about patients of other practices.
//!
//! The functions are the real ones, behind the real edge, on stores in memory. The request's id is the same in all
//! requests, so whole answers can be compared, byte for byte.

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

use crate::chance::Seed;

/// How many strangers there are, for all operations together.
const STRANGERS: u64 = 100_000;
const PRACTICES: u64 = 8;
/// Of each practice.
const PATIENTS: u64 = 50;

/// The operations that are about one patient. A save is none of them: whatever id it names is the practice's own.
fn samples_of_all() -> BTreeMap<&'static str, Vec<Sample>> {
    let of = |names: &[&str]| names.iter().map(|name| Sample::new(name)).collect();
    BTreeMap::from([
        ("patients", of(&["patients/read"])),
        ("status", of(&["status/read", "status/timeline"])),
        ("invite", of(&["invite/profile-email", "invite/another-email", "invite/revoke"])),
        ("reinvite", of(&["reinvite/same-email", "reinvite/another-email"])),
        ("opt-out", of(&["opt-out/opt-out", "opt-out/opt-in"])),
        ("change-email", of(&["change-email/change"])),
    ])
}

fn practice(number: u64) -> String {
    format!("practice-{number}")
}

/// An id that only one practice has.
fn patient(practice: u64, number: u64) -> String {
    format!("p-{practice}-{number}")
}

/// Eight practices, each with patients who are invited, and others who are not.
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

/// A request by a practice about a patient.
fn by(sample: &Sample, asking: &str, about: &str) -> Sample {
    // Staff are of the practice in their token; Customer Care act for the one in the path.
    sample.clone().claim("practice_id", asking).practice(asking).patient(about)
}

async fn bytes<H: Handler>(edge: &Edge<H>, request: &Sample) -> String {
    serde_json::to_string(&edge.answer(request.event()).await).unwrap()
}

/// Sends so many strangers to each of the operations. Returns how many there were.
async fn send_strangers<H: Handler>(edge: Edge<H>, store: impl Fn(&H) -> &MemoryStore, seed: Seed, each: u64) -> u64 {
    let mut asked = 0;
    for (number, sample) in samples_of_all()[H::Operation::FUNCTION].iter().enumerate() {
        let missing = bytes(&edge, &by(sample, &practice(0), "p-missing")).await;
        assert!(missing.contains("patient_not_found"), "{missing}");
        let before = store(edge.handler()).contents();
        for stranger in 0..each {
            let draw = |what: &str| seed.draw(&format!("{} {number} {stranger} {what}", H::Operation::FUNCTION));
            let asking = draw("practice") % PRACTICES;
            let owner = (asking + 1 + draw("owner") % (PRACTICES - 1)) % PRACTICES;
            let about = patient(owner, draw("patient") % PATIENTS);
            let foreign = bytes(&edge, &by(sample, &practice(asking), &about)).await;
            assert_eq!(foreign, missing, "{} by practice {asking} about {about}", H::Operation::FUNCTION);
            asked += 1;
        }
        assert!(store(edge.handler()).contents() == before, "{}: a stranger changed something", H::Operation::FUNCTION);
        // To its own practice the patient is there.
        let own = bytes(&edge, &by(sample, &practice(1), &patient(1, 0))).await;
        assert!(!own.contains("patient_not_found"), "{} {number}: {own}", H::Operation::FUNCTION);
    }
    asked
}

#[test]
fn the_strangers_try_every_operation_about_a_patient() {
    let about =
        |operation: &Operation| operation.path().contains("{patientId}") && *operation != Operation::SavePatient;
    let wanted: BTreeSet<String> = Operation::iter().filter(about).map(Operation::route_key).collect();
    let tried: BTreeSet<String> =
        samples_of_all().values().flatten().map(|sample| sample.event().payload.route_key.unwrap()).collect();
    assert_eq!(tried, wanted);
}

#[tokio::test]
async fn of_a_hundred_thousand_strangers_none_learns_a_byte() {
    let seed = Seed::or(20_260_301);
    let requests: u64 = samples_of_all().values().map(|samples| u64::try_from(samples.len()).unwrap()).sum();
    let each = STRANGERS.div_ceil(requests);
    let (clock, entropy, queue) = (TestClock::default, TestEntropy::default, MemoryQueue::default);
    let cursors = DirectoryCursors::new(Pepper::new("a pepper for tests".into()));
    let patients = edge(Patients { store: store(), clock: clock(), cursors });
    let status = edge(Status { store: store(), clock: clock() });
    let opt_out = edge(OptOut { store: store(), clock: clock() });
    let invite = edge(Invite { store: store(), queue: queue(), clock: clock(), entropy: entropy() });
    let reinvite = edge(Reinvite { store: store(), queue: queue(), clock: clock(), entropy: entropy() });
    let change_email = edge(ChangeEmail { store: store(), queue: queue(), clock: clock() });
    let asked = [
        send_strangers(patients, |it| &it.store, seed, each).await,
        send_strangers(status, |it| &it.store, seed, each).await,
        send_strangers(opt_out, |it| &it.store, seed, each).await,
        send_strangers(invite, |it| &it.store, seed, each).await,
        send_strangers(reinvite, |it| &it.store, seed, each).await,
        send_strangers(change_email, |it| &it.store, seed, each).await,
    ];
    let asked: u64 = asked.iter().sum();
    assert!(asked >= STRANGERS, "{asked}");
    eprintln!("{asked} strangers, all answered like {requests} requests about nobody ({seed:?})");
}
