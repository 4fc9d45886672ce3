//! Every key of the table, and nowhere else.
//!
//! `#` separates the parts of a key and is in no identifier, so no identifier can reach into another's key. An
//! address is in a key only as its fingerprint.

use portal::{
    directory::{DirectoryPlace, NameEntry},
    email::Fingerprint,
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
pub const DUE_ATTRIBUTES: [&str; 4] = ["invitation_id", "next_action", "nudges", "queued_at"];

/// The index from a mailed link to its record: hash `link_id`.
pub const LINK_INDEX: &str = "link";

/// The key of one item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    partition: String,
    /// A row's of a directory has words of a name in it, or a date of birth.
    sort: Redacted<String>,
}

impl Key {
    fn new(partition: String, sort: impl Into<String>) -> Self {
        Self { partition, sort: Redacted::new(sort.into()) }
    }

    /// The key as a request names it.
    pub(super) fn to_item(&self) -> Item {
        Item::from([(PARTITION.to_owned(), text(&self.partition)), (SORT.to_owned(), text(self.sort.expose()))])
    }

    /// Whether it is this item's.
    pub(super) fn is_of(&self, item: &Item) -> bool {
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

/// A record that nobody can have: practices and patients have no empty ids.
#[must_use]
pub fn nobodys_record() -> Key {
    Key::new("PRACTICE##PATIENT#".to_owned(), "PORTAL")
}

/// Reads a patient's partition back.
#[must_use]
pub fn parse_record_partition(partition: &str) -> Option<RecordKey> {
    let (practice, patient) = partition.strip_prefix("PRACTICE#")?.split_once("#PATIENT#")?;
    Some(RecordKey { practice: PracticeId::parse(practice).ok()?, patient: PatientId::parse(patient).ok()? })
}

/// The event that brought a record to this version. Ten digits, so that events sort by version.
#[must_use]
pub fn event(key: &RecordKey, version: u64) -> Key {
    Key::new(record_partition(key), format!("{EVENTS}{version:010}"))
}

/// What the sort keys of a record's events begin with.
pub const EVENTS: &str = "EVENT#";

/// What is known of one address.
#[must_use]
pub fn email(fingerprint: &Fingerprint) -> Key {
    Key::new(format!("EMAIL#{}", fingerprint.as_str()), "EMAIL")
}

/// A practice's settings.
#[must_use]
pub fn practice(id: &PracticeId) -> Key {
    Key::new(format!("PRACTICE#{id}"), "SETTINGS")
}

/// The partition of all directory entries of a practice.
#[must_use]
pub fn directory_partition(practice: &PracticeId) -> String {
    format!("PRACTICE#{practice}#DIRECTORY")
}

/// A row of a practice's directory.
#[must_use]
pub fn directory(practice: &PracticeId, place: &DirectoryPlace) -> Key {
    Key::new(directory_partition(practice), directory_place(place))
}

/// A place in a directory. Rows sort by it as [`DirectoryPlace`] is ordered: no part of it has a character that sorts
/// before the separator.
#[must_use]
pub fn directory_place(place: &DirectoryPlace) -> String {
    match place {
        DirectoryPlace::Name { entry: NameEntry { token, rest }, patient } => {
            format!("NAME#{}#{}#{patient}", token.expose(), rest.expose())
        }
        DirectoryPlace::Born { on, patient } => format!("{BORN}{}#{patient}", on.expose()),
    }
}

/// Reads a place back.
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
        "BORN" => Some(DirectoryPlace::Born { on: Redacted::new(under.parse().ok()?), patient }),
        _ => None,
    }
}

/// What the places under dates of birth begin with.
pub const BORN: &str = "BORN#";

/// What the places that a query reaches begin with.
#[must_use]
pub fn directory_beginning(query: &DirectoryQuery) -> String {
    match query {
        DirectoryQuery::Born(on) => format!("{BORN}{}#", on.expose()),
        DirectoryQuery::Name(name) => format!("NAME#{}", name.lead().expose()),
    }
}

/// The partition of a bulk job.
#[must_use]
pub fn job_partition(key: &JobKey) -> String {
    format!("PRACTICE#{}#JOB#{}", key.practice, key.job)
}

/// Reads a bulk job's partition back.
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

/// One of a bulk job's slices. Ten digits, so that they sort by number.
#[must_use]
pub fn slice(key: &JobKey, number: u32) -> Key {
    Key::new(job_partition(key), format!("{SLICES}{number:010}"))
}

/// What the sort keys of a bulk job's slices begin with.
pub const SLICES: &str = "SLICE#";

/// A patient as an address's item names them.
#[must_use]
pub fn holder(key: &RecordKey) -> String {
    format!("{}#{}", key.practice, key.patient)
}

/// Reads a holder back.
#[must_use]
pub fn parse_holder(text: &str) -> Option<RecordKey> {
    let (practice, patient) = text.split_once('#')?;
    Some(RecordKey { practice: PracticeId::parse(practice).ok()?, patient: PatientId::parse(patient).ok()? })
}

/// A shard of the calendar.
#[must_use]
pub fn due_shard(shard: DueShard) -> String {
    format!("DUE#{:02}", shard.number())
}

/// The shard that a record's entries are in: always the same one, and even over all records.
#[must_use]
pub fn shard_of(key: &RecordKey) -> DueShard {
    let hash: [u8; 32] = Sha256::digest(record_partition(key)).into();
    let (first, _) = hash.as_chunks::<8>();
    DueShard::of(first.first().copied().map_or(0, u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use portal::{directory, profile::Profile, testing::samples, text::PersonName};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_sort_as_their_keys_do_and_read_back(names in prop::collection::vec(("\\PC{1,20}", "[a-c ]{1,8}"), 1..4)) {
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
            // Those of names and those of dates are never asked for together.
            let of = |keys: Vec<String>, kind: &str| keys.into_iter().filter(|key| key.starts_with(kind)).collect::<Vec<_>>();
            for kind in ["NAME", "BORN"] {
                prop_assert_eq!(of(keys.clone(), kind), of(keys_of(&places), kind));
            }
        }
    }

    #[test]
    fn what_is_no_place_is_not_read_as_one() {
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
    fn a_query_reaches_the_places_that_begin_with_its_key() {
        let rows = directory::rows(&samples::patient_id("p-1"), &samples::profile(None));
        for text in ["jo", "nu", "nunez", "josefa", "1980-02-29", "02/28/1980", "jose nu"] {
            let query = DirectoryQuery::parse(text).unwrap();
            for row in &rows {
                let begins = directory_place(&row.place).starts_with(&directory_beginning(&query));
                assert_eq!(begins, query.reaches(&row.place), "{text}");
            }
        }
    }

    #[test]
    fn keys_are_what_the_data_design_says() {
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
        assert_eq!(due_shard(DueShard::of(7)), "DUE#07");
        let job = samples::scope("lake:1").job(&samples::job_id("job-1"));
        assert_eq!(parts(super::job(&job)), pair("PRACTICE#lake:1#JOB#job-1", "JOB"));
        assert_eq!(parts(job_patients(&job)), pair("PRACTICE#lake:1#JOB#job-1", "PATIENTS"));
        assert_eq!(parts(slice(&job, 12)), pair("PRACTICE#lake:1#JOB#job-1", "SLICE#0000000012"));
    }

    #[test]
    fn a_key_does_not_print_the_words_of_a_name() {
        let key = samples::key("lake", "p-1001");
        for row in directory::rows(&key.patient, &samples::profile(None)) {
            let shown = format!("{:?}", super::directory(&key.practice, &row.place));
            assert!(!["nunez", "jose", "1980"].iter().any(|word| shown.contains(word)), "{shown}");
        }
    }

    #[test]
    fn keys_read_back() {
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
    fn records_spread_evenly_over_the_calendar() {
        let mut counts = [0_u32; 16];
        for number in 0..16_000 {
            counts[usize::from(shard_of(&samples::key("lake", &format!("p-{number}"))).number())] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }
}
