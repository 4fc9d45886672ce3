//! The address items that a change touches: read before it, and written with it if they are still the same.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portal::{
    email::{EmailAddress, Pepper},
    ids::PracticeId,
    ledger::{AddressBook, RefusalBudget},
    ports::{Consistency, StoreError},
    record::Change,
};
use sha2::{Digest as _, Sha256};

use super::{
    DynamoStore, Item,
    errors::corrupt,
    expression::{names, text, values},
    items,
    keys::{self, Key},
    retry,
};

/// The address items that a change touches, as they were read.
pub(super) struct ReadAddresses {
    pub(super) book: AddressBook,
    /// The stamps of the items that exist.
    stamps: HashMap<Key, String>,
}

/// A condition on an item, with its values.
type Condition = (&'static str, Option<HashMap<String, AttributeValue>>);

impl DynamoStore<Pepper> {
    /// Reads the items in one call, or in none if the change touches no address.
    pub(super) async fn read_addresses(
        &self,
        change: &Change,
        consistency: Consistency,
    ) -> Result<ReadAddresses, StoreError> {
        let mut read = ReadAddresses { book: AddressBook::touched_by(change), stamps: HashMap::new() };
        if read.book.is_empty() {
            return Ok(read);
        }
        let practice = &change.after.key.practice;
        let claims: HashMap<Key, EmailAddress> = keyed(&read.book.claims, |email| self.claim_key(email));
        let profiles: HashMap<Key, EmailAddress> =
            keyed(&read.book.profiles, |email| self.profile_key(practice, email));
        let refusals = keys::refusals(practice);
        let all: Vec<Key> =
            claims.keys().chain(profiles.keys()).chain(read.book.budget.map(|_| &refusals)).cloned().collect();
        for item in self.get_all(&all, consistency).await? {
            let found = all.iter().find(|key| key.matches(&item));
            let Some(key) = found else { continue };
            if let Some(email) = claims.get(key) {
                let (entry, stamp) = items::email::decode(item)?;
                read.stamps.insert(key.clone(), stamp);
                read.book.claims.insert(email.clone(), entry);
            } else if let Some(email) = profiles.get(key) {
                let (entry, stamp) = items::email::decode_profiles(item)?;
                read.stamps.insert(key.clone(), stamp);
                read.book.profiles.insert(email.clone(), entry);
            } else {
                read.book.budget = Some(items::email::decode_budget(item)?);
            }
        }
        Ok(read)
    }

    /// The writes that turn the items as read into those after the change.
    pub(super) fn address_writes(
        &self,
        change: &Change,
        read: &ReadAddresses,
        after: &AddressBook,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let (practice, stamp) = (&change.after.key.practice, stamp(change));
        let mut writes = Vec::new();
        for (email, entry) in after.claims.iter().filter(|(email, entry)| read.book.claims.get(email) != Some(entry)) {
            let key = self.claim_key(email);
            let item = (!entry.is_empty()).then(|| items::email::encode(&key, entry, &stamp)).transpose()?;
            writes.extend(self.write_if_unchanged(&key, item, read)?);
        }
        for (email, entry) in
            after.profiles.iter().filter(|(email, entry)| read.book.profiles.get(email) != Some(entry))
        {
            let key = self.profile_key(practice, email);
            let item = (!entry.is_empty()).then(|| items::email::encode_profiles(&key, entry, &stamp)).transpose()?;
            writes.extend(self.write_if_unchanged(&key, item, read)?);
        }
        Ok(writes)
    }

    /// Puts or deletes an item if it is as it was read. Nothing to do for an item that did not exist and is not put.
    fn write_if_unchanged(
        &self,
        key: &Key,
        item: Option<Item>,
        read: &ReadAddresses,
    ) -> Result<Option<TransactWriteItem>, StoreError> {
        let stamp = read.stamps.get(key);
        let (condition, values): Condition = match stamp {
            None => ("attribute_not_exists(#PK)", None),
            Some(stamp) => ("#stamp = :stamp", Some(values(&["#stamp = :stamp"], [(":stamp", text(stamp))]))),
        };
        let names = names(&[condition]);
        let write = TransactWriteItem::builder();
        Ok(match item {
            Some(item) => {
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(item))
                    .condition_expression(condition)
                    .set_expression_attribute_names(Some(names))
                    .set_expression_attribute_values(values);
                Some(write.put(put.build().map_err(corrupt)?).build())
            }
            None if stamp.is_none() => None,
            None => {
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(key.to_item()))
                    .condition_expression(condition)
                    .set_expression_attribute_names(Some(names))
                    .set_expression_attribute_values(values);
                Some(write.delete(delete.build().map_err(corrupt)?).build())
            }
        })
    }

    /// Counts a refusal, if no other was counted since `before` was read. Returns whether it was counted.
    pub(super) async fn count_refusal(
        &self,
        practice: &PracticeId,
        before: RefusalBudget,
        after: RefusalBudget,
    ) -> Result<bool, StoreError> {
        let item = items::email::encode_budget(practice, after)?;
        let stored = items::email::encode_budget(practice, before)?;
        let condition = "attribute_not_exists(#PK) OR (#day = :day AND #refusals = :refusals)";
        let value = |name| stored.get(name).cloned().unwrap_or(AttributeValue::Null(true));
        let values = values(&[condition], [(":day", value("day")), (":refusals", value("refusals"))]);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .set_expression_attribute_values(Some(values));
        // A transaction of one write: functions that write records have no other call for a put, and it is rare.
        let writes = vec![TransactWriteItem::builder().put(put.build().map_err(corrupt)?).build()];
        Ok(retry::with_retries(|| self.transact(writes.clone())).await?.is_none())
    }

    pub(super) fn claim_key(&self, email: &EmailAddress) -> Key {
        keys::email(&self.pepper.fingerprint(email))
    }

    pub(super) fn profile_key(&self, practice: &PracticeId, email: &EmailAddress) -> Key {
        keys::profiles(practice, &self.pepper.fingerprint(email))
    }
}

fn keyed<T>(
    entries: &std::collections::BTreeMap<EmailAddress, T>,
    key: impl Fn(&EmailAddress) -> Key,
) -> HashMap<Key, EmailAddress> {
    entries.keys().map(|email| (key(email), email.clone())).collect()
}

/// A text that no other change has: a hash of the record's key and version. It names no patient.
fn stamp(change: &Change) -> String {
    let hash = Sha256::digest(format!("{}#{}", keys::record_partition(&change.after.key), change.after.version));
    let (first, _) = hash.as_chunks::<12>();
    URL_SAFE_NO_PAD.encode(first.first().unwrap_or(&[0; 12]))
}
