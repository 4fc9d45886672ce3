//! The item of an email address. It is written by update expressions only, because several patients share it.

use std::collections::BTreeSet;

use portal::{ids::RecordKey, ledger::EmailEntry, ports::StoreError};
use serde::Deserialize;

use super::{Item, Unreadable, corrupt, need};
use crate::store::keys;

#[derive(Deserialize)]
struct EmailItem {
    owner: Option<String>,
    #[serde(default)]
    profiles: Vec<String>,
    #[serde(default)]
    shared: bool,
}

/// Decodes the item.
pub(in crate::store) fn decode(item: Item) -> Result<EmailEntry, StoreError> {
    super::decode(item).and_then(entry).map_err(corrupt)
}

fn entry(item: EmailItem) -> Result<EmailEntry, Unreadable> {
    let holder = |text: &String, name| need(keys::parse_holder(text), name);
    let owner: Option<RecordKey> = item.owner.map(|text| holder(&text, "owner")).transpose()?;
    let profiles: BTreeSet<RecordKey> =
        item.profiles.iter().map(|text| holder(text, "profiles")).collect::<Result<_, _>>()?;
    Ok(EmailEntry { owner, profiles, shared: item.shared })
}
