//! The items of an email address: its claim across all practices, the profiles of one practice that have it, and the
//! refusals of addresses to one practice.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use portal::{
    ids::{PatientId, PracticeId, RecordKey},
    ledger::{EmailEntry, ProfileEntry, RefusalBudget},
    ports::StoreError,
};
use serde::{Deserialize, Serialize};

use super::{Item, Millis, Unreadable, corrupt, need, parsed};
use crate::store::keys::{self, Key};

#[derive(Serialize, Deserialize)]
struct EmailItem {
    /// Differs with each write, so that a write can depend on what was read.
    stamp: String,
    owner: Option<String>,
    until: Option<Millis>,
    terms: Option<BTreeMap<String, Millis>>,
    mails: Option<BTreeMap<String, Vec<Millis>>>,
    wrong_person: Option<BTreeMap<String, Millis>>,
}

#[derive(Serialize, Deserialize)]
struct ProfileItem {
    /// As in [`EmailItem`].
    stamp: String,
    listed: Vec<String>,
    unlisted: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct BudgetItem {
    day: NaiveDate,
    refusals: u32,
}

/// Encodes a claim.
pub(in crate::store) fn encode(key: &Key, entry: &EmailEntry, stamp: &str) -> Result<Item, StoreError> {
    let EmailEntry { owner, until, terms, mails, wrong_person } = entry;
    let by_practice = |times: &BTreeMap<PracticeId, _>| {
        let texts = times.iter().map(|(practice, at)| (practice.as_str().to_owned(), Millis(*at)));
        (!times.is_empty()).then(|| texts.collect())
    };
    let body = EmailItem {
        stamp: stamp.to_owned(),
        owner: owner.as_ref().map(keys::holder),
        until: until.map(Millis),
        terms: by_practice(terms),
        mails: (!mails.is_empty()).then(|| {
            let by_practice = |(practice, mails): (&PracticeId, &Vec<_>)| {
                (practice.as_str().to_owned(), mails.iter().copied().map(Millis).collect())
            };
            mails.iter().map(by_practice).collect()
        }),
        wrong_person: by_practice(wrong_person),
    };
    super::encode(key, &body)
}

/// Decodes a claim, with the stamp of its latest write.
pub(in crate::store) fn decode(item: Item) -> Result<(EmailEntry, String), StoreError> {
    super::decode(item).and_then(entry).map_err(corrupt)
}

fn entry(item: EmailItem) -> Result<(EmailEntry, String), Unreadable> {
    let owner: Option<RecordKey> = item.owner.map(|text| need(keys::parse_holder(&text), "owner")).transpose()?;
    let by_practice = |times: Option<BTreeMap<String, Millis>>, name| {
        let parse = |(practice, at): (String, Millis)| Ok((parsed(PracticeId::parse(&practice), name)?, at.into()));
        times.unwrap_or_default().into_iter().map(parse).collect::<Result<_, Unreadable>>()
    };
    let entry = EmailEntry {
        owner,
        until: item.until.map(Into::into),
        terms: by_practice(item.terms, "terms")?,
        mails: item
            .mails
            .unwrap_or_default()
            .into_iter()
            .map(|(practice, mails)| {
                let practice = parsed(PracticeId::parse(&practice), "mails")?;
                Ok((practice, mails.into_iter().map(Into::into).collect()))
            })
            .collect::<Result<_, Unreadable>>()?,
        wrong_person: by_practice(item.wrong_person, "wrong_person")?,
    };
    Ok((entry, item.stamp))
}

/// Encodes the profiles of a practice that have an address.
pub(in crate::store) fn encode_profiles(key: &Key, entry: &ProfileEntry, stamp: &str) -> Result<Item, StoreError> {
    let ProfileEntry { listed, unlisted } = entry;
    let body = ProfileItem {
        stamp: stamp.to_owned(),
        listed: listed.iter().map(|patient| patient.as_str().to_owned()).collect(),
        unlisted: (*unlisted > 0).then_some(*unlisted),
    };
    super::encode(key, &body)
}

/// Decodes the profiles of a practice that have an address, with the stamp of the latest write.
pub(in crate::store) fn decode_profiles(item: Item) -> Result<(ProfileEntry, String), StoreError> {
    super::decode(item).and_then(profiles).map_err(corrupt)
}

fn profiles(item: ProfileItem) -> Result<(ProfileEntry, String), Unreadable> {
    let listed = item.listed.iter().map(|text| parsed(PatientId::parse(text), "listed")).collect::<Result<_, _>>()?;
    Ok((ProfileEntry { listed, unlisted: item.unlisted.unwrap_or_default() }, item.stamp))
}

/// Encodes the refusals of a practice.
pub(in crate::store) fn encode_budget(practice: &PracticeId, budget: RefusalBudget) -> Result<Item, StoreError> {
    let RefusalBudget { day, refusals } = budget;
    super::encode(&keys::refusals(practice), &BudgetItem { day, refusals })
}

/// Decodes the refusals of a practice.
pub(in crate::store) fn decode_budget(item: Item) -> Result<RefusalBudget, StoreError> {
    let BudgetItem { day, refusals } = super::decode(item).map_err(corrupt)?;
    Ok(RefusalBudget { day, refusals })
}
