//! Searches in a practice's directory.

use portal::{
    operations::search::search,
    ports::{ChangeStore as _, CommitOutcome, DirectoryStore as _, Ports},
    profile::Profile,
    record::PortalRecord,
    redacted::Redacted,
    search::{DirectoryQuery, MAX_HITS},
    testing::{TestClock, samples},
    text::PersonName,
    timeline::Role,
};

use crate::{backend::Backend, test_patient::TestPatient};

fn named(given: &str, family: &str) -> Profile {
    let name = |text| PersonName::parse(text).unwrap();
    Profile { given_name: name(given), family_name: name(family), ..samples::profile(None) }
}

async fn admit(backend: &impl Backend, practice: &str, patient: &str, profile: Profile) {
    let change = samples::new_patient(&samples::key(practice, patient), profile);
    let outcome = backend.store().commit(&change).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed);
}

/// The hits of each page of a search, by their ids.
async fn pages(backend: &impl Backend, practice: &str, text: &str) -> Vec<Vec<String>> {
    let (scope, query) = (samples::scope(practice), DirectoryQuery::parse(text).unwrap());
    let (mut pages, mut place) = (Vec::new(), None);
    loop {
        let ports = Ports { store: &**backend.store(), clock: &TestClock::default() };
        let page = search(&ports, &scope, &query, place.as_ref()).await.unwrap();
        pages.push(page.hits.iter().map(|row| row.place.patient().to_string()).collect());
        place = page.next;
        if place.is_none() {
            return pages;
        }
    }
}

/// All hits of a search.
async fn found(backend: &impl Backend, practice: &str, text: &str) -> Vec<String> {
    pages(backend, practice, text).await.concat()
}

pub(crate) async fn the_first_letters_of_each_word_find_a_patient(backend: &impl Backend) {
    admit(backend, "lake", "p-1", named("José", "Núñez")).await;
    admit(backend, "lake", "p-2", named("Mary Jo", "O'Brien-Smith")).await;
    admit(backend, "lake", "p-3", named("李", "王")).await;
    admit(backend, "lake", "p-4", named("Jo José", "Johnson")).await;
    for (text, hits) in [
        ("jo", vec!["p-4", "p-2", "p-1"]),
        ("jos", vec!["p-4", "p-1"]),
        ("JOSE NÚ", vec!["p-1"]),
        ("smith jo", vec!["p-2"]),
        ("ob", vec!["p-2"]),
        ("王", vec!["p-3"]),
        ("josefa", vec![]),
        ("zz", vec![]),
    ] {
        assert_eq!(found(backend, "lake", text).await, hits, "{text}");
    }
    // The rows have the saved names.
    let (scope, query) = (samples::scope("lake"), DirectoryQuery::parse("nu").unwrap());
    let rows = backend.store().search(&scope, &query, None, 10).await.unwrap();
    let patient = samples::patient_id("p-1");
    let saved = portal::directory::rows(&patient, &named("José", "Núñez"));
    assert_eq!(rows, saved.into_iter().filter(|row| query.matches_place(&row.place)).collect::<Vec<_>>());
}

pub(crate) async fn only_patients_of_the_practice_are_found(backend: &impl Backend) {
    admit(backend, "lake", "p-1", named("Jo", "Lake")).await;
    admit(backend, "hill", "p-2", named("Jo", "Hill")).await;
    admit(backend, "lake:1", "p-3", named("Jo", "Other")).await;
    for text in ["jo", "1980-02-29"] {
        assert_eq!(found(backend, "lake", text).await, ["p-1"], "{text}");
        assert_eq!(found(backend, "hill", text).await, ["p-2"], "{text}");
        assert_eq!(found(backend, "sea", text).await, Vec::<String>::new(), "{text}");
    }
}

pub(crate) async fn a_date_of_birth_finds_its_patients(backend: &impl Backend) {
    let born = |date: &str| Some(Redacted::new(date.parse().unwrap()));
    admit(backend, "lake", "p-2", Profile { date_of_birth: born("1980-02-29"), ..named("Ana", "Li") }).await;
    admit(backend, "lake", "p-1", Profile { date_of_birth: born("1980-02-29"), ..named("Zoe", "Xu") }).await;
    admit(backend, "lake", "p-3", Profile { date_of_birth: born("1980-02-28"), ..named("Ana", "Li") }).await;
    admit(backend, "lake", "p-4", Profile { date_of_birth: None, ..named("Ana", "Li") }).await;
    for (text, hits) in [
        ("02/29/1980", vec!["p-1", "p-2"]),
        ("1980-02-29", vec!["p-1", "p-2"]),
        ("02/28/1980", vec!["p-3"]),
        ("1980-02-27", vec![]),
    ] {
        assert_eq!(found(backend, "lake", text).await, hits, "{text}");
    }
}

pub(crate) async fn a_new_name_replaces_the_old_one(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", None).await;
    assert_eq!(found(backend, "lake", "nu").await, ["p-1"]);
    let context = patient.context(Role::Staff);
    let born = Some(Redacted::new("1990-12-31".parse().unwrap()));
    let profile = Profile { date_of_birth: born, ..named("José", "Smith") };
    let change = PortalRecord::save_profile(Some(&patient.record), patient.key.clone(), profile, context).unwrap();
    patient.step(change).await;
    for (text, hits) in [
        ("nu", vec![]),
        ("1980-02-29", vec![]),
        ("jo", vec!["p-1"]),
        ("sm", vec!["p-1"]),
        ("jo sm", vec!["p-1"]),
        ("1990-12-31", vec!["p-1"]),
    ] {
        assert_eq!(found(backend, "lake", text).await, hits, "{text}");
    }
}

pub(crate) async fn the_pages_of_a_search_have_each_patient_once(backend: &impl Backend) {
    // The alphabetical order is not the order of the ids. One name is the prefix of another.
    let names = ["Jo", "Jo Ann", "Jo-An", "Joan", "José", "Jö Zz"];
    for number in 0..48 {
        let given = names[number % names.len()];
        admit(backend, "lake", &format!("p-{number:02}"), named(given, &format!("Johnson {number:02}"))).await;
    }
    let pages = pages(backend, "lake", "jo").await;
    // Each patient has two or three rows that are read. The first one is the hit.
    assert_eq!(pages.len(), 5, "{pages:?}");
    assert!(pages.iter().all(|page| page.len() <= MAX_HITS), "{pages:?}");
    let all = pages.concat();
    let mut each_once = all.clone();
    each_once.sort();
    assert_eq!(each_once, (0..48).map(|number| format!("p-{number:02}")).collect::<Vec<_>>());
    let given = |id: &String| names[id[2..].parse::<usize>().unwrap() % names.len()];
    let mut order: Vec<&str> = all.iter().map(given).collect();
    order.dedup();
    assert_eq!(*order.last().unwrap(), "José", "{order:?}");
    // The in-memory store has the same pages.
    let reference = crate::backend::Memory::start("").await.unwrap();
    for number in 0..48 {
        let given = names[number % names.len()];
        admit(&reference, "lake", &format!("p-{number:02}"), named(given, &format!("Johnson {number:02}"))).await;
    }
    assert_eq!(self::pages(&reference, "lake", "jo").await, pages);
}

pub(crate) async fn a_search_of_several_words_reads_a_limited_number_of_rows(backend: &impl Backend) {
    for number in 0..204 {
        admit(backend, "lake", &format!("p-{number:03}"), named("Maria", &format!("Ab{number:03}"))).await;
    }
    for number in 0..22 {
        admit(backend, "lake", &format!("z-{number:02}"), named("Maria", &format!("Zo{number:02}"))).await;
    }
    let sizes = async |text| pages(backend, "lake", text).await.iter().map(Vec::len).collect::<Vec<_>>();
    // A page ends after two hundred rows, even without a hit, or after twenty hits.
    assert_eq!(sizes("maria zo").await, [0, 20, 2]);
    assert_eq!(sizes("zo m").await, [20, 2]);
    assert_eq!(sizes("maria ab00").await, [10, 0]);
    assert_eq!(sizes("maria zo07").await, [0, 1]);
}
