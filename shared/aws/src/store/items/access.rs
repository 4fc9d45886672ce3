//! An access of Customer Care to a patient. It is written once and never changed.

use std::borrow::Cow;

use portal::{access::AccessEntry, ids::RecordKey, ports::StoreError, text::AccessReason};
use serde::{Deserialize, Serialize};

use super::{Item, Unreadable, change_context::Context, corrupt, named, parsed};
use crate::store::keys;

#[derive(Serialize, Deserialize)]
struct AccessItem<'entry> {
    kind: Cow<'entry, str>,
    reason: Cow<'entry, str>,
    #[serde(flatten)]
    context: Context<'entry>,
}

/// Encodes the item.
pub(in crate::store) fn encode(key: &RecordKey, entry: &AccessEntry) -> Result<Item, StoreError> {
    let AccessEntry { context, kind, reason } = entry;
    let body = AccessItem { kind: kind.name().into(), reason: reason.expose().into(), context: context.into() };
    super::encode(&keys::access(key, &entry.place()), &body)
}

/// Decodes the item.
pub(in crate::store) fn decode(item: Item) -> Result<AccessEntry, StoreError> {
    super::decode(item).and_then(entry).map_err(corrupt)
}

fn entry(item: AccessItem<'_>) -> Result<AccessEntry, Unreadable> {
    let AccessItem { kind, reason, context } = item;
    Ok(AccessEntry {
        context: context.decode()?,
        kind: named(&kind, "kind")?,
        reason: parsed(AccessReason::parse(&reason), "reason")?,
    })
}

#[cfg(test)]
mod tests {
    use portal::{access::AccessKind, testing::samples};
    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn every_kind_of_access_can_be_decoded_and_a_broken_item_cannot() {
        let key = samples::key("lake", "p-1");
        for kind in AccessKind::iter() {
            let entry = samples::access(kind, samples::noon(), "request-1");
            let item = encode(&key, &entry).unwrap();
            assert_eq!(decode(item.clone()).unwrap(), entry);
            for name in ["kind", "reason", "at", "role", "request", "schema"] {
                let mut broken = item.clone();
                assert!(broken.remove(name).is_some(), "{name}");
                assert!(matches!(decode(broken), Err(StoreError::Corrupt(_))), "{name}");
            }
        }
    }
}
