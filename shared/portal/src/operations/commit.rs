//! Commits the result of an event that has happened, despite races and faults of the store.

use super::{MAX_ROUNDS, unexpected_address_refusal};
use crate::{
    ports::{CommitOutcome, DeliveryStore, StoreError},
    record::{Change, PortalRecord},
};

/// Commits the change that `decide` makes of the record. If another write was first, it reads the record and decides again.
/// If the store has a fault, it repeats the write, because SES's answer about a mail cannot be requested again. A repeated
/// write is safe: `decide` makes the same change of the same record, so the store recognises it.
///
/// Returns the record after the change; `None` if there is nothing to write.
pub(super) async fn commit_with_retry<S: DeliveryStore>(
    store: &S,
    mut record: PortalRecord,
    decide: impl Fn(&PortalRecord) -> Option<Change>,
) -> Result<Option<PortalRecord>, StoreError> {
    let mut fault = StoreError::Busy;
    for _ in 0..MAX_ROUNDS {
        let Some(change) = decide(&record) else {
            return Ok(None);
        };
        match store.commit(&change).await {
            Ok(CommitOutcome::Committed) => return Ok(Some(change.after)),
            Ok(CommitOutcome::Stale) => {}
            Ok(CommitOutcome::AddressRefused(_)) => return Err(unexpected_address_refusal()),
            Err(corrupt @ StoreError::Corrupt(_)) => return Err(corrupt),
            Err(transient @ (StoreError::Busy | StoreError::Unavailable(_))) => {
                fault = transient;
                continue;
            }
        }
        let Some(newer) = store.record(&record.key).await? else {
            return Ok(None);
        };
        record = newer;
    }
    Err(fault)
}
