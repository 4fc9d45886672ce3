//! Writing a change in one transaction.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use portal::{
    email::Pepper,
    ledger::{self, EmailMove, MAX_LISTED_PROFILES, ProfileMove},
    ports::{ChangeStore, CommitOutcome, StoreError},
    record::{Account, Change},
};

use super::{
    DynamoStore, Item, emails,
    errors::{CONDITION_FAILED, CallError, corrupt},
    expression::{millis, names, number, values},
    items,
    keys::{self, Key},
    retry,
};

/// One write of a transaction with its purpose. A cancellation reports its reasons in the order of the writes.
struct Part<'change> {
    purpose: Purpose<'change>,
    write: TransactWriteItem,
}

enum Purpose<'change> {
    Record,
    Event(Item),
    Email(EmailMove<'change>),
    Directory,
}

/// The meaning of a cancelled transaction.
enum Cancellation {
    Outcome(CommitOutcome),
    /// The profile list of an address is full. The change has to be written again with the address marked as shared.
    ProfileListFull,
}

/// Items of the table contradict each other.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Contradiction(pub(super) &'static str);

impl ChangeStore for DynamoStore<Pepper> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        for list_full in [false, true] {
            let parts = self.parts(change, list_full)?;
            let writes: Vec<_> = parts.iter().map(|part| part.write.clone()).collect();
            let cancelled = retry::with_retries(|| self.transact(writes.clone())).await?;
            let Some(reasons) = cancelled else { return Ok(CommitOutcome::Committed) };
            match interpret(change, &parts, &reasons)? {
                Cancellation::Outcome(outcome) => return Ok(outcome),
                Cancellation::ProfileListFull => {}
            }
        }
        Err(corrupt(Contradiction("a profile list is full although the address was to be marked as shared")))
    }
}

impl DynamoStore<Pepper> {
    fn parts<'change>(&self, change: &'change Change, list_full: bool) -> Result<Vec<Part<'change>>, StoreError> {
        let key = &change.after.key;
        let event = items::event::encode(key, &change.event)?;
        let mut parts = vec![
            Part { purpose: Purpose::Record, write: self.put_record(change)? },
            Part { write: self.put_event(event.clone())?, purpose: Purpose::Event(event) },
        ];
        for email in ledger::moves(change) {
            let email_key = keys::email(&self.pepper.fingerprint(email.email));
            let update = emails::update(&self.table, &email_key, &email, key, list_full)?;
            parts.push(Part {
                purpose: Purpose::Email(email),
                write: TransactWriteItem::builder().update(update).build(),
            });
        }
        for write in self.directory_writes(change)? {
            parts.push(Part { purpose: Purpose::Directory, write });
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
                // A login changes neither version nor fence, and this write must not overwrite it.
                let condition = match (&before.account, before.last_login()) {
                    (Account::None, _) => "#version = :version AND #fence = :fence",
                    (Account::Active { .. } | Account::Deactivated { .. }, None) => {
                        "#version = :version AND #fence = :fence AND attribute_not_exists(#login_event)"
                    }
                    (Account::Active { .. } | Account::Deactivated { .. }, Some(_)) => {
                        "#version = :version AND #fence = :fence AND #login_at = :login_at"
                    }
                };
                let all = [
                    (":version", number(before.version)),
                    (":fence", number(before.fence)),
                    (":login_at", millis(before.last_login().map(|login| login.at).unwrap_or_default())),
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

    /// The writes that turn the directory entries of the old profile into those of the new one.
    fn directory_writes(&self, change: &Change) -> Result<Vec<TransactWriteItem>, StoreError> {
        // Most changes do not affect the profile.
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
    /// One attempt. Returns the cancellation reasons if conditions failed.
    pub(super) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Option<Vec<CancellationReason>>, CallError> {
        let Err(error) = self.client.transact_write_items().set_transact_items(Some(writes)).send().await else {
            return Ok(None);
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Err(CallError::from_sdk(error));
        };
        let reasons = cancelled.cancellation_reasons();
        CallError::from_cancellation(reasons).map_or_else(|| Ok(Some(reasons.to_vec())), Err)
    }
}

/// The keys to delete, and the new or changed items to write.
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

/// Interprets failed conditions, in this order:
/// 1. The event is our own: an earlier attempt had committed, and every other condition fails because of it.
/// 2. The record has changed: the decision was made on an old version, so the other conditions do not matter.
/// 3. The address is in use.
fn interpret(change: &Change, parts: &[Part<'_>], reasons: &[CancellationReason]) -> Result<Cancellation, StoreError> {
    if reasons.len() != parts.len() {
        return Err(corrupt(Contradiction("a cancelled transaction has another number of reasons than of writes")));
    }
    let failed = || parts.iter().zip(reasons).filter(|(_, reason)| reason.code() == Some(CONDITION_FAILED));
    let own = failed()
        .any(|(part, reason)| matches!(&part.purpose, Purpose::Event(event) if reason.item.as_ref() == Some(event)));
    if own {
        return Ok(Cancellation::Outcome(CommitOutcome::Committed));
    }
    if failed().any(|(part, _)| matches!(part.purpose, Purpose::Record)) {
        return Ok(Cancellation::Outcome(CommitOutcome::Stale));
    }
    let mut list_full = false;
    for (part, reason) in failed() {
        match &part.purpose {
            Purpose::Record | Purpose::Directory => {}
            Purpose::Event(_) => {
                return Err(corrupt(Contradiction("a timeline has an event that is newer than its record")));
            }
            Purpose::Email(email) => {
                let entry = items::email::decode(reason.item.clone().unwrap_or_default())?;
                match entry.clone().apply(email, &change.after.key) {
                    Err(taken) => return Ok(Cancellation::Outcome(CommitOutcome::EmailInUse { holder: taken.holder })),
                    Ok(_) if email.profile == ProfileMove::Add && entry.profiles.len() >= MAX_LISTED_PROFILES => {
                        list_full = true;
                    }
                    Ok(_) => {
                        return Err(corrupt(Contradiction("an address item contradicts the record of its owner")));
                    }
                }
            }
        }
    }
    if list_full {
        Ok(Cancellation::ProfileListFull)
    } else {
        Err(corrupt(Contradiction("a transaction was cancelled without a reason")))
    }
}
