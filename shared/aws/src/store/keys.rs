//! Every key of the table, and nowhere else.
//!
//! `#` separates the parts of a key and is in no identifier, so no identifier can reach into another's key. An
//! address is in a key only as its fingerprint.

use chrono::NaiveDate;
use portal::{
    directory::NameEntry,
    email::Fingerprint,
    ids::{PatientId, PracticeId, RecordKey},
    ports::DueShard,
};
use sha2::{Digest as _, Sha256};

use super::{Item, expression::text};

/// Name of the partition key.
pub const PARTITION: &str = "PK";
/// Name of the sort key.
pub const SORT: &str = "SK";
/// The index that is the calendar: hash `due_shard`, range `due_at`.
pub const DUE_INDEX: &str = "due";

/// The index from a mailed link to its record: hash `link_id`.
pub const LINK_INDEX: &str = "link";

/// The key of one item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    partition: String,
    sort: String,
}

impl Key {
    /// The key as a request names it.
    pub(super) fn to_item(&self) -> Item {
        Item::from([(PARTITION.to_owned(), text(&self.partition)), (SORT.to_owned(), text(&self.sort))])
    }

    /// Whether it is this item's.
    pub(super) fn is_of(&self, item: &Item) -> bool {
        item.get(PARTITION) == Some(&text(&self.partition)) && item.get(SORT) == Some(&text(&self.sort))
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
    Key { partition: record_partition(key), sort: "PORTAL".to_owned() }
}

/// A record that nobody can have: practices and patients have no empty ids.
#[must_use]
pub fn nobodys_record() -> Key {
    Key { partition: "PRACTICE##PATIENT#".to_owned(), sort: "PORTAL".to_owned() }
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
    Key { partition: record_partition(key), sort: format!("EVENT#{version:010}") }
}

/// What is known of one address.
#[must_use]
pub fn email(fingerprint: &Fingerprint) -> Key {
    Key { partition: format!("EMAIL#{}", fingerprint.as_str()), sort: "EMAIL".to_owned() }
}

/// A practice's settings.
#[must_use]
pub fn practice(id: &PracticeId) -> Key {
    Key { partition: format!("PRACTICE#{id}"), sort: "SETTINGS".to_owned() }
}

/// The partition of all directory entries of a practice.
#[must_use]
pub fn directory_partition(practice: &PracticeId) -> String {
    format!("PRACTICE#{practice}#DIRECTORY")
}

/// A patient under one word of the name.
#[must_use]
pub fn directory_name(key: &RecordKey, entry: &NameEntry) -> Key {
    let sort = format!("NAME#{}#{}#{}", entry.token.expose(), entry.rest.expose(), key.patient);
    Key { partition: directory_partition(&key.practice), sort }
}

/// A patient under the date of birth.
#[must_use]
pub fn directory_born(key: &RecordKey, born: NaiveDate) -> Key {
    Key { partition: directory_partition(&key.practice), sort: format!("BORN#{born}#{}", key.patient) }
}

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
    use portal::testing::samples;

    use super::*;

    #[test]
    fn keys_are_what_the_data_design_says() {
        let key = samples::key("lake:1", "p-1001");
        let parts = |key: Key| (key.partition, key.sort);
        let pair = |partition: &str, sort: &str| (partition.to_owned(), sort.to_owned());
        assert_eq!(parts(record(&key)), pair("PRACTICE#lake:1#PATIENT#p-1001", "PORTAL"));
        assert_eq!(parts(event(&key, 12)), pair("PRACTICE#lake:1#PATIENT#p-1001", "EVENT#0000000012"));
        assert_eq!(parts(practice(&key.practice)), pair("PRACTICE#lake:1", "SETTINGS"));
        assert_eq!(
            parts(directory_born(&key, samples::date_of_birth())),
            pair("PRACTICE#lake:1#DIRECTORY", "BORN#1980-02-29#p-1001")
        );
        assert_eq!(due_shard(DueShard::of(7)), "DUE#07");
    }

    #[test]
    fn keys_read_back() {
        let key = samples::key("lake:1", "p-1001");
        assert_eq!(parse_record_partition(&record_partition(&key)), Some(key.clone()));
        assert_eq!(parse_holder(&holder(&key)), Some(key));
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
