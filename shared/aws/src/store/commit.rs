//! Writing a change: one transaction, all of it or nothing.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use portal::{
    email::Pepper,
    ledger::{self, EmailMove, MOST_HOLDERS, ProfileMove},
    ports::{ChangeStore, CommitOutcome, StoreError},
    record::Change,
};

use super::{
    DynamoStore, Item, emails,
    errors::{CONDITION_FAILED, Trouble, corrupt},
    expression::{millis, names, number, values},
    items,
    keys::{self, Key},
    retry,
};

/// One item of a transaction, and what it is for, so that a failed condition can be told by its place.
struct Part<'change> {
    of: PartOf<'change>,
    write: TransactWriteItem,
}

enum PartOf<'change> {
    Record,
    Event(Item),
    Email(EmailMove<'change>),
    Directory,
}

/// What a cancelled transaction means.
enum Verdict {
    Outcome(CommitOutcome),
    /// The list of an address's profiles is full: the same again, noting that it is shared.
    Crowded,
}

/// Two of our own items contradict each other.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Contradiction(pub(super) &'static str);

impl ChangeStore for DynamoStore<Pepper> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        for crowded in [false, true] {
            let parts = self.parts(change, crowded)?;
            let writes: Vec<_> = parts.iter().map(|part| part.write.clone()).collect();
            let cancelled = retry::patiently(|| self.transact(writes.clone())).await?;
            let Some(reasons) = cancelled else { return Ok(CommitOutcome::Committed) };
            match verdict(change, &parts, &reasons)? {
                Verdict::Outcome(outcome) => return Ok(outcome),
                Verdict::Crowded => {}
            }
        }
        Err(corrupt(Contradiction("an address has too many profiles even for being shared")))
    }
}

impl DynamoStore<Pepper> {
    fn parts<'change>(&self, change: &'change Change, crowded: bool) -> Result<Vec<Part<'change>>, StoreError> {
        let key = &change.after.key;
        let event = items::event::encode(key, &change.event)?;
        let mut parts = vec![
            Part { of: PartOf::Record, write: self.put_record(change)? },
            Part { write: self.put_event(event.clone())?, of: PartOf::Event(event) },
        ];
        for email in ledger::moves(change) {
            let email_key = keys::email(&self.pepper.fingerprint(email.email));
            let update = emails::update(&self.table, &email_key, &email, key, crowded)?;
            parts.push(Part { of: PartOf::Email(email), write: TransactWriteItem::builder().update(update).build() });
        }
        for write in self.directory_writes(change)? {
            parts.push(Part { of: PartOf::Directory, write });
        }
        Ok(parts)
    }

    fn put_record(&self, change: &Change) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(items::record::encode(&change.after)?));
        let put = match &change.before {
            None => {
                let condition = "attribute_not_exists(#PK)";
                put.set_expression_attribute_names(Some(names(&[condition]))).condition_expression(condition)
            }
            Some(before) => {
                // A login raises neither: it is a fact of the portal's that this write must not take back.
                let condition = match before.last_login_at() {
                    None => "#version = :version AND #fence = :fence",
                    Some(_) => "#version = :version AND #fence = :fence AND #login_at = :login_at",
                };
                let all = [
                    (":version", number(before.version)),
                    (":fence", number(before.fence)),
                    (":login_at", millis(before.last_login_at().unwrap_or_default())),
                ];
                put.set_expression_attribute_names(Some(names(&[condition])))
                    .set_expression_attribute_values(Some(values(&[condition], all)))
                    .condition_expression(condition)
            }
        };
        Ok(TransactWriteItem::builder().put(put.build().map_err(corrupt)?).build())
    }

    fn put_event(&self, event: Item) -> Result<TransactWriteItem, StoreError> {
        let condition = "attribute_not_exists(#PK)";
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(event))
            .set_expression_attribute_names(Some(names(&[condition])))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().put(put.build().map_err(corrupt)?).build())
    }

    /// The difference between the directory entries of the profile before and after.
    fn directory_writes(&self, change: &Change) -> Result<Vec<TransactWriteItem>, StoreError> {
        // Nearly every change leaves the profile alone.
        if change.before.as_ref().is_some_and(|before| before.profile == change.after.profile) {
            return Ok(Vec::new());
        }
        let before = change.before.as_ref().map(items::directory::entries).transpose()?.unwrap_or_default();
        let after = items::directory::entries(&change.after)?;
        let (gone, written) = difference(before, after);
        let deletes = gone.into_iter().map(|key| {
            let delete =
                Delete::builder().table_name(&self.table).set_key(Some(key.to_item())).build().map_err(corrupt)?;
            Ok(TransactWriteItem::builder().delete(delete).build())
        });
        let puts = written.into_iter().map(|item| {
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(corrupt)?;
            Ok(TransactWriteItem::builder().put(put).build())
        });
        deletes.chain(puts).collect()
    }
}

impl<P> DynamoStore<P> {
    /// Tries once. The reasons, if conditions did not hold.
    pub(super) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Option<Vec<CancellationReason>>, Trouble> {
        let Err(error) = self.client.transact_write_items().set_transact_items(Some(writes)).send().await else {
            return Ok(None);
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Err(Trouble::of(error));
        };
        let reasons = cancelled.cancellation_reasons();
        Trouble::of_cancellation(reasons).map_or_else(|| Ok(Some(reasons.to_vec())), Err)
    }
}

/// The keys that are gone and the items that are new or different.
fn difference(before: BTreeMap<Key, Item>, mut after: BTreeMap<Key, Item>) -> (Vec<Key>, Vec<Item>) {
    let mut gone = Vec::new();
    for (key, item) in before {
        match after.get(&key) {
            None => gone.push(key),
            Some(same) if *same == item => {
                after.remove(&key);
            }
            Some(_) => {}
        }
    }
    (gone, after.into_values().collect())
}

/// Decides what failed conditions mean. Our own write comes first, since after it every other condition fails too;
/// then the record, since a decision on a record that has changed is void; then the address.
fn verdict(change: &Change, parts: &[Part<'_>], reasons: &[CancellationReason]) -> Result<Verdict, StoreError> {
    if reasons.len() != parts.len() {
        return Err(corrupt(Contradiction("a cancelled transaction has another number of reasons than of items")));
    }
    let failed = || parts.iter().zip(reasons).filter(|(_, reason)| reason.code() == Some(CONDITION_FAILED));
    let own =
        failed().any(|(part, reason)| matches!(&part.of, PartOf::Event(event) if reason.item.as_ref() == Some(event)));
    if own {
        return Ok(Verdict::Outcome(CommitOutcome::Committed));
    }
    if failed().any(|(part, _)| matches!(part.of, PartOf::Record)) {
        return Ok(Verdict::Outcome(CommitOutcome::Stale));
    }
    let mut crowded = false;
    for (part, reason) in failed() {
        match &part.of {
            PartOf::Record | PartOf::Directory => {}
            PartOf::Event(_) => return Err(corrupt(Contradiction("a record is older than its timeline"))),
            PartOf::Email(email) => {
                let entry = items::email::decode(reason.item.clone().unwrap_or_default())?;
                match entry.clone().after(email, &change.after.key) {
                    Err(taken) => return Ok(Verdict::Outcome(CommitOutcome::EmailInUse { holder: taken.holder })),
                    Ok(_) if email.profile == ProfileMove::Add && entry.profiles.len() >= MOST_HOLDERS => {
                        crowded = true;
                    }
                    Ok(_) => {
                        return Err(corrupt(Contradiction("an address's owner is not whom the owner's record says")));
                    }
                }
            }
        }
    }
    if crowded {
        Ok(Verdict::Crowded)
    } else {
        Err(corrupt(Contradiction("a transaction was cancelled for no reason")))
    }
}
