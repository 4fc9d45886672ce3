//! Directory entries: the search results for a patient, under each word of the name and under the date of birth.

use std::{borrow::Cow, collections::BTreeMap};

use chrono::NaiveDate;
use portal::{
    directory::{DirectoryRow, rows},
    ports::StoreError,
    record::PortalRecord,
    redacted::Redacted,
    text::PersonName,
};
use serde::{Deserialize, Serialize};

use super::{Item, corrupt, need, parsed};
use crate::store::keys::{self, Key};

/// The key identifies the patient.
#[derive(Serialize, Deserialize)]
struct DirectoryItem<'row> {
    given: Cow<'row, str>,
    family: Cow<'row, str>,
    born: Option<NaiveDate>,
}

/// Encodes all entries of a patient.
pub(in crate::store) fn entries(record: &PortalRecord) -> Result<BTreeMap<Key, Item>, StoreError> {
    let encode = |row: DirectoryRow| {
        let key = keys::directory(&record.key.practice, &row.place);
        let body = DirectoryItem {
            given: row.given_name.expose().into(),
            family: row.family_name.expose().into(),
            born: row.date_of_birth.map(|born| *born.expose()),
        };
        super::encode(&key, &body).map(|item| (key, item))
    };
    rows(&record.key.patient, &record.profile).into_iter().map(encode).collect()
}

/// Decodes an entry.
pub(in crate::store) fn decode(item: Item) -> Result<DirectoryRow, StoreError> {
    let sort = item.get(keys::SORT).and_then(|sort| sort.as_s().ok());
    let place = need(sort.and_then(|sort| keys::parse_directory_place(sort)), keys::SORT);
    let row = place.and_then(|place| {
        let DirectoryItem { given, family, born } = super::decode(item)?;
        Ok(DirectoryRow {
            place,
            given_name: parsed(PersonName::parse(&given), "given")?,
            family_name: parsed(PersonName::parse(&family), "family")?,
            date_of_birth: born.map(Redacted::new),
        })
    });
    row.map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use portal::{profile::Profile, testing::samples};

    use super::*;
    use crate::store::expression::text;

    fn items(profile: Profile) -> Vec<Item> {
        entries(&samples::new_patient(&samples::key("lake", "p-1"), profile).after).unwrap().into_values().collect()
    }

    #[test]
    fn every_entry_can_be_decoded() {
        for profile in [samples::profile(None), Profile { date_of_birth: None, ..samples::profile(None) }] {
            let mut read: Vec<DirectoryRow> =
                items(profile.clone()).into_iter().map(|item| decode(item).unwrap()).collect();
            let mut written = rows(&samples::patient_id("p-1"), &profile);
            for rows in [&mut read, &mut written] {
                rows.sort_by(|one, other| one.place.cmp(&other.place));
            }
            assert_eq!(read, written);
        }
    }

    #[test]
    fn an_unreadable_entry_is_an_error_without_personal_data() {
        let good = items(samples::profile(None)).remove(0);
        for (name, value) in [
            (keys::SORT, "NAME#secretname"),
            ("given", "Secretname\u{202e}"),
            ("family", ""),
            ("born", "1980-02-31secret"),
            ("schema", "secret"),
        ] {
            let mut item = good.clone();
            item.insert(name.to_owned(), text(value));
            let error = decode(item).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt(_)), "{name}");
            assert!(!format!("{error:?}").to_lowercase().contains("secret"), "{error:?}");
        }
    }
}
