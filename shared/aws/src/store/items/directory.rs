//! What a search shows of a patient, under each word of the name and under the date of birth.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use portal::{directory::name_entries, ports::StoreError, record::PortalRecord};
use serde::Serialize;

use super::Item;
use crate::store::keys::{self, Key};

#[derive(Serialize)]
struct DirectoryItem<'record> {
    patient: &'record str,
    given: &'record str,
    family: &'record str,
    born: Option<NaiveDate>,
}

/// All entries of a patient.
pub(in crate::store) fn entries(record: &PortalRecord) -> Result<BTreeMap<Key, Item>, StoreError> {
    let (key, profile) = (&record.key, &record.profile);
    let born = profile.date_of_birth.map(|born| *born.expose());
    let body = DirectoryItem {
        patient: key.patient.as_str(),
        given: profile.given_name.expose(),
        family: profile.family_name.expose(),
        born,
    };
    let by_name = name_entries(profile).into_iter().map(|entry| keys::directory_name(key, &entry));
    let by_birth = born.map(|born| keys::directory_born(key, born));
    by_name.chain(by_birth).map(|key| super::encode(&key, &body).map(|item| (key, item))).collect()
}
