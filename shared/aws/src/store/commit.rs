//! Writing a change in one transaction.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use portal::{
    email::Pepper,
    ids::Subject,
    ledger::{AddressBook, Refused},
    ports::{ChangeStore, CommitOutcome, Consistency, StoreError},
    record::{Account, Change, PortalRecord},
};

use super::{
    DynamoStore, Item,
    emails::ReadAddresses,
    errors::{CONDITION_FAILED, CallError, corrupt},
    expression::{millis, names, number, values},
    items,
    keys::{self, Key},
    retry,
};

/// How often a commit reads the address items again that another change has written meanwhile.
const MAX_ROUNDS: u32 = 5;

/// One write of a transaction with its purpose. A cancellation reports its reasons in the order of the writes.
struct Part {
    purpose: Purpose,
    write: TransactWriteItem,
}

enum Purpose {
    Record,
    Event(Item),
    Address,
    Directory,
}

/// The meaning of a cancelled transaction.
enum Cancellation {
    Outcome(CommitOutcome),
    /// Another change has written an address item since it was read.
    AddressChanged,
}

/// Items of the table contradict each other.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Contradiction(pub(super) &'static str);

impl ChangeStore for DynamoStore<Pepper> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        for round in 0..MAX_ROUNDS {
            // The first read is an eventually consistent one, at half the price: what is written depends on what was read,
            // and a refusal is decided again.
            let consistency = if round == 0 { Consistency::Eventual } else { Consistency::Strong };
            let read = self.read_addresses(change, consistency).await?;
            let after = match read.book.after(change) {
                Ok(after) => after,
                Err(_) if consistency == Consistency::Eventual => continue,
                // Boxed, because it is rare, and would make every commit large.
                Err(refused) => match Box::pin(self.refuse(change, &read, refused)).await? {
                    Some(outcome) => return Ok(outcome),
                    None => continue,
                },
            };
            let parts = self.parts(change, &read, &after)?;
            let writes: Vec<_> = parts.iter().map(|part| part.write.clone()).collect();
            let cancelled = retry::with_retries(|| self.transact(writes.clone())).await?;
            let Some(reasons) = cancelled else { return Ok(CommitOutcome::Committed) };
            match interpret(&parts, &reasons)? {
                Cancellation::Outcome(outcome) => return Ok(outcome),
                Cancellation::AddressChanged => {}
            }
        }
        Err(StoreError::Busy)
    }
}

impl DynamoStore<Pepper> {
    /// The outcome of a change that an address refuses. `None` if the address items must be read again.
    ///
    /// The change may have been committed by an earlier attempt, which the entries now contain. And a decision on an old
    /// version of the record is stale, whatever the address says.
    async fn refuse(
        &self,
        change: &Change,
        read: &ReadAddresses,
        Refused { refusal, budget }: Refused,
    ) -> Result<Option<CommitOutcome>, StoreError> {
        let key = &change.after.key;
        let (record_key, event) = (keys::record(key), items::event::encode(key, &change.event)?);
        let mut record = None;
        for item in
            self.get_all(&[record_key.clone(), keys::event(key, change.event.version)], Consistency::Strong).await?
        {
            if item == event {
                return Ok(Some(CommitOutcome::Committed));
            }
            if record_key.matches(&item) {
                record = Some(items::record::decode(item)?);
            }
        }
        let guard = |record: &PortalRecord| (record.version, record.fence, record.last_login().cloned());
        if record.as_ref().map(guard) != change.before.as_ref().map(guard) {
            return Ok(Some(CommitOutcome::Stale));
        }
        if let Some(after) = budget {
            if !self.count_refusal(&key.practice, read.book.budget.unwrap_or_default(), after).await? {
                return Ok(None);
            }
            let subject = change.event.context.actor.subject.as_ref().map(Subject::as_str);
            let practice = key.practice.as_str();
            tracing::warn!(
                practice,
                subject,
                refusals = after.refusals,
                "refused an address of another practice's patient"
            );
        }
        Ok(Some(CommitOutcome::AddressRefused(refusal)))
    }

    fn parts(&self, change: &Change, read: &ReadAddresses, after: &AddressBook) -> Result<Vec<Part>, StoreError> {
        let event = items::event::encode(&change.after.key, &change.event)?;
        let mut parts = vec![
            Part { purpose: Purpose::Record, write: self.put_record(change)? },
            Part { write: self.put_event(event.clone())?, purpose: Purpose::Event(event) },
        ];
        let addresses = self.address_writes(change, read, after)?;
        parts.extend(addresses.into_iter().map(|write| Part { purpose: Purpose::Address, write }));
        let directory = self.directory_writes(change)?;
        parts.extend(directory.into_iter().map(|write| Part { purpose: Purpose::Directory, write }));
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
/// 3. An address item has changed since it was read.
fn interpret(parts: &[Part], reasons: &[CancellationReason]) -> Result<Cancellation, StoreError> {
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
    if failed().any(|(part, _)| matches!(part.purpose, Purpose::Event(_))) {
        return Err(corrupt(Contradiction("a timeline has an event that is newer than its record")));
    }
    if failed().any(|(part, _)| matches!(part.purpose, Purpose::Address)) {
        return Ok(Cancellation::AddressChanged);
    }
    Err(corrupt(Contradiction("a transaction was cancelled without a reason")))
}
