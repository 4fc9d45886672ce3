//! Every key of the table. No other code builds keys.
//!
//! `#` separates the parts of a key. No identifier contains it, so keys of different identifiers cannot collide. Keys
//! contain fingerprints instead of email addresses.

use portal::{
    directory::{DirectoryPlace, NameEntry},
    email::Fingerprint,
    history::HistoryPlace,
    ids::{JobId, JobKey, PatientId, PracticeId, RecordKey},
    ports::DueShard,
    redacted::Redacted,
    search::DirectoryQuery,
};
use sha2::{Digest as _, Sha256};

use super::{Item, expression::text};

/// Name of the partition key.
pub const PARTITION: &str = "PK";
/// Name of the sort key.
pub const SORT: &str = "SK";
/// The index of due actions: hash `due_shard`, range `due_at`.
pub const DUE_INDEX: &str = "due";
/// The attributes that [`DUE_INDEX`] projects beside the keys. A sweep reads all of them and no others.
pub const DUE_ATTRIBUTES: [&str; 4] = ["invitation_id", "next_action", "queued_at", "reschedules"];

/// The index of mailed links: hash `link_id`.
pub const LINK_INDEX: &str = "link";

/// The key of one item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    partition: String,
    /// Redacted, because the sort key of a directory entry contains names or a date of birth.
    sort: Redacted<String>,
}

impl Key {
    fn new(partition: String, sort: impl Into<String>) -> Self {
        Self { partition, sort: Redacted::new(sort.into()) }
    }

    /// The key as attributes.
    pub(super) fn to_item(&self) -> Item {
        Item::from([(PARTITION.to_owned(), text(&self.partition)), (SORT.to_owned(), text(self.sort.expose()))])
    }

    /// Whether the item has this key.
    pub(super) fn matches(&self, item: &Item) -> bool {
        item.get(PARTITION) == Some(&text(&self.partition)) && item.get(SORT) == Some(&text(self.sort.expose()))
    }
}

/// The partition of a patient's record and its timeline.
#[must_use]
pub fn record_partition(key: &RecordKey) -> String {
    format!("PRACTICE#{}#PATIENT#{}", key.practice, key.patient)
}

/// A patient's record.
#[must_use]
pub fn record(key: &RecordKey) -> Key {
    Key::new(record_partition(key), "PORTAL")
}

/// The key of a record that cannot exist, because ids are not empty.
#[must_use]
pub fn absent_record() -> Key {
    Key::new("PRACTICE##PATIENT#".to_owned(), "PORTAL")
}

/// Parses [`record_partition`].
#[must_use]
pub fn parse_record_partition(partition: &str) -> Option<RecordKey> {
    let (practice, patient) = partition.strip_prefix("PRACTICE#")?.split_once("#PATIENT#")?;
    Some(RecordKey { practice: PracticeId::parse(practice).ok()?, patient: PatientId::parse(patient).ok()? })
}

/// The event that led to this version of a record. Ten digits make events sort by version.
#[must_use]
pub fn event(key: &RecordKey, version: u64) -> Key {
    Key::new(record_partition(key), format!("{EVENTS}{version:010}"))
}

/// The prefix of the sort keys of events.
pub const EVENTS: &str = "EVENT#";

/// The item of an email address.
#[must_use]
pub fn email(fingerprint: &Fingerprint) -> Key {
    Key::new(format!("EMAIL#{}", fingerprint.as_str()), "EMAIL")
}

/// The profiles of a practice that have an email address.
#[must_use]
pub fn profiles(practice: &PracticeId, fingerprint: &Fingerprint) -> Key {
    Key::new(format!("PRACTICE#{practice}#EMAIL#{}", fingerprint.as_str()), "PROFILES")
}

/// The refusals of addresses to a practice.
#[must_use]
pub fn refusals(practice: &PracticeId) -> Key {
    Key::new(format!("PRACTICE#{practice}#REFUSALS"), "REFUSALS")
}

/// The settings of a practice.
#[must_use]
pub fn practice(id: &PracticeId) -> Key {
    Key::new(format!("PRACTICE#{id}"), "SETTINGS")
}

/// The partition of the history of a practice.
#[must_use]
pub fn history_partition(practice: &PracticeId) -> String {
    format!("PRACTICE#{practice}#HISTORY")
}

/// An event of the history of a practice.
#[must_use]
pub fn practice_event(practice: &PracticeId, place: &HistoryPlace) -> Key {
    Key::new(history_partition(practice), format!("{EVENTS}{}", place.to_text()))
}

/// The partition of the accesses to a patient. It is not the record's, so that who records accesses cannot write records.
#[must_use]
pub fn access_partition(key: &RecordKey) -> String {
    format!("PRACTICE#{}#ACCESS#{}", key.practice, key.patient)
}

/// An access to a patient.
#[must_use]
pub fn access(key: &RecordKey, place: &HistoryPlace) -> Key {
    Key::new(access_partition(key), format!("{ACCESSES}{}", place.to_text()))
}

/// The prefix of the sort keys of accesses.
pub const ACCESSES: &str = "ACCESS#";

/// The partition of the directory of a practice.
#[must_use]
pub fn directory_partition(practice: &PracticeId) -> String {
    format!("PRACTICE#{practice}#DIRECTORY")
}

/// An entry of a directory.
#[must_use]
pub fn directory(practice: &PracticeId, place: &DirectoryPlace) -> Key {
    Key::new(directory_partition(practice), directory_place(place))
}

/// A place in a directory as a sort key. Keys sort like [`DirectoryPlace`], because no part contains a character that
/// sorts before the separator.
#[must_use]
pub fn directory_place(place: &DirectoryPlace) -> String {
    match place {
        DirectoryPlace::Name { entry: NameEntry { token, rest }, patient } => {
            format!("NAME#{}#{}#{patient}", token.expose(), rest.expose())
        }
        DirectoryPlace::BirthDate { date, patient } => format!("{BORN}{}#{patient}", date.expose()),
    }
}

/// Parses [`directory_place`].
#[must_use]
pub fn parse_directory_place(text: &str) -> Option<DirectoryPlace> {
    let (kind, place) = text.split_once('#')?;
    let (under, patient) = place.rsplit_once('#')?;
    let patient = PatientId::parse(patient).ok()?;
    match kind {
        "NAME" => {
            let (token, rest) = under.split_once('#')?;
            let [token, rest] = [token, rest].map(|words| Redacted::new(words.to_owned()));
            Some(DirectoryPlace::Name { entry: NameEntry { token, rest }, patient })
        }
        "BORN" => Some(DirectoryPlace::BirthDate { date: Redacted::new(under.parse().ok()?), patient }),
        _ => None,
    }
}

/// The prefix of the places under dates of birth.
pub const BORN: &str = "BORN#";

/// The prefix of the places that a query matches.
#[must_use]
pub fn directory_prefix(query: &DirectoryQuery) -> String {
    match query {
        DirectoryQuery::BirthDate(date) => format!("{BORN}{}#", date.expose()),
        DirectoryQuery::Name(name) => format!("NAME#{}", name.lead().expose()),
    }
}

/// The partition of a bulk job.
#[must_use]
pub fn job_partition(key: &JobKey) -> String {
    format!("PRACTICE#{}#JOB#{}", key.practice, key.job)
}

/// Parses [`job_partition`].
#[must_use]
pub fn parse_job_partition(partition: &str) -> Option<JobKey> {
    let (practice, job) = partition.strip_prefix("PRACTICE#")?.split_once("#JOB#")?;
    Some(JobKey { practice: PracticeId::parse(practice).ok()?, job: JobId::parse(job).ok()? })
}

/// A bulk job.
#[must_use]
pub fn job(key: &JobKey) -> Key {
    Key::new(job_partition(key), "JOB")
}

/// The patients that a bulk job names.
#[must_use]
pub fn job_patients(key: &JobKey) -> Key {
    Key::new(job_partition(key), "PATIENTS")
}

/// A slice of a bulk job. Ten digits make slices sort by number.
#[must_use]
pub fn slice(key: &JobKey, number: u32) -> Key {
    Key::new(job_partition(key), format!("{SLICES}{number:010}"))
}

/// The prefix of the sort keys of slices.
pub const SLICES: &str = "SLICE#";

/// A patient as an address item names them.
#[must_use]
pub fn holder(key: &RecordKey) -> String {
    format!("{}#{}", key.practice, key.patient)
}

/// Parses [`holder`].
#[must_use]
pub fn parse_holder(text: &str) -> Option<RecordKey> {
    let (practice, patient) = text.split_once('#')?;
    Some(RecordKey { practice: PracticeId::parse(practice).ok()?, patient: PatientId::parse(patient).ok()? })
}

/// The hash key of a shard in [`DUE_INDEX`].
#[must_use]
pub fn due_shard(shard: DueShard) -> String {
    format!("DUE#{:02}", shard.number())
}

/// The shard of a record in [`DUE_INDEX`]. It never changes, and records spread evenly over the shards.
#[must_use]
pub fn shard_of(key: &RecordKey) -> DueShard {
    let hash: [u8; 32] = Sha256::digest(record_partition(key)).into();
    let (first, _) = hash.as_chunks::<8>();
    DueShard::from_hash(first.first().copied().map_or(0, u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use portal::{directory, profile::Profile, testing::samples, text::PersonName};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_sort_like_their_keys_and_can_be_parsed_back(names in prop::collection::vec(("\\PC{1,20}", "[a-c ]{1,8}"), 1..4)) {
            let mut places = Vec::new();
            for (number, (family, given)) in names.iter().enumerate() {
                let patient = samples::patient_id(&format!("p{}-{number}", ["", "."][number % 2]));
                let [Ok(given_name), Ok(family_name)] = [given, family].map(|name| PersonName::parse(name)) else { continue };
                let profile = Profile { given_name, family_name, ..samples::profile(None) };
                places.extend(directory::rows(&patient, &profile).into_iter().map(|row| row.place));
            }
            for place in &places {
                prop_assert_eq!(parse_directory_place(&directory_place(place)), Some(place.clone()));
            }
            let keys_of = |places: &[DirectoryPlace]| places.iter().map(directory_place).collect::<Vec<_>>();
            let mut keys = keys_of(&places);
            keys.sort();
            places.sort();
            // No query mixes names and dates.
            let only = |keys: Vec<String>, kind: &str| keys.into_iter().filter(|key| key.starts_with(kind)).collect::<Vec<_>>();
            for kind in ["NAME", "BORN"] {
                prop_assert_eq!(only(keys.clone(), kind), only(keys_of(&places), kind));
            }
        }
    }

    #[test]
    fn an_invalid_place_is_not_parsed() {
        for bad in [
            "",
            "NAME",
            "NAME#jo",
            "NAME#jo#smith",
            "NAME#jo#smith#",
            "BORN#1980-02-30#p-1",
            "BORN#p-1",
            "X#jo#smith#p",
        ] {
            assert_eq!(parse_directory_place(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_query_matches_exactly_the_places_with_its_prefix() {
        let rows = directory::rows(&samples::patient_id("p-1"), &samples::profile(None));
        for text in ["jo", "nu", "nunez", "josefa", "1980-02-29", "02/28/1980", "jose nu"] {
            let query = DirectoryQuery::parse(text).unwrap();
            for row in &rows {
                let matches = directory_place(&row.place).starts_with(&directory_prefix(&query));
                assert_eq!(matches, query.matches_place(&row.place), "{text}");
            }
        }
    }

    #[test]
    fn keys_have_the_documented_format() {
        let key = samples::key("lake:1", "p-1001");
        let parts = |key: Key| (key.partition, key.sort.expose().clone());
        let pair = |partition: &str, sort: &str| (partition.to_owned(), sort.to_owned());
        assert_eq!(parts(record(&key)), pair("PRACTICE#lake:1#PATIENT#p-1001", "PORTAL"));
        assert_eq!(parts(event(&key, 12)), pair("PRACTICE#lake:1#PATIENT#p-1001", "EVENT#0000000012"));
        assert_eq!(parts(practice(&key.practice)), pair("PRACTICE#lake:1", "SETTINGS"));
        let rows = directory::rows(&key.patient, &samples::profile(None));
        let places: Vec<_> = rows.iter().map(|row| parts(super::directory(&key.practice, &row.place))).collect();
        let expected = ["NAME#nunez#jose#p-1001", "NAME#jose#nunez#p-1001", "BORN#1980-02-29#p-1001"];
        assert_eq!(places, expected.map(|place| pair("PRACTICE#lake:1#DIRECTORY", place)));
        assert_eq!(due_shard(DueShard::from_hash(7)), "DUE#07");
        let job = samples::scope("lake:1").job(&samples::job_id("job-1"));
        assert_eq!(parts(super::job(&job)), pair("PRACTICE#lake:1#JOB#job-1", "JOB"));
        assert_eq!(parts(job_patients(&job)), pair("PRACTICE#lake:1#JOB#job-1", "PATIENTS"));
        assert_eq!(parts(slice(&job, 12)), pair("PRACTICE#lake:1#JOB#job-1", "SLICE#0000000012"));
    }

    #[test]
    fn debug_output_of_a_key_contains_no_personal_data() {
        let key = samples::key("lake", "p-1001");
        for row in directory::rows(&key.patient, &samples::profile(None)) {
            let shown = format!("{:?}", super::directory(&key.practice, &row.place));
            assert!(!["nunez", "jose", "1980"].iter().any(|word| shown.contains(word)), "{shown}");
        }
    }

    #[test]
    fn keys_can_be_parsed_back() {
        let key = samples::key("lake:1", "p-1001");
        assert_eq!(parse_record_partition(&record_partition(&key)), Some(key.clone()));
        assert_eq!(parse_holder(&holder(&key)), Some(key));
        let job = samples::scope("lake:1").job(&samples::job_id("job-1"));
        assert_eq!(parse_job_partition(&job_partition(&job)), Some(job));
        for bad in
            ["", "PRACTICE#a", "PRACTICE#a#JOB#", "PRACTICE##JOB#b", "PRACTICE#a#JOB#b#c", "PRACTICE#a#PATIENT#b"]
        {
            assert_eq!(parse_job_partition(bad), None, "{bad}");
        }
        for bad in
            ["", "PRACTICE#a", "PRACTICE#a#PATIENT#", "PRACTICE##PATIENT#b", "PRACTICE#a#PATIENT#b#c", "a#PATIENT#b"]
        {
            assert_eq!(parse_record_partition(bad), None, "{bad}");
        }
    }

    #[test]
    fn records_spread_evenly_over_the_shards() {
        let mut counts = [0_u32; 16];
        for number in 0..16_000 {
            counts[usize::from(shard_of(&samples::key("lake", &format!("p-{number}"))).number())] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }
}
