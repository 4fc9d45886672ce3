//! Writing what is known to have happened, despite races and faults of the store.

use super::{MOST_ROUNDS, claims_nothing};
use crate::{
    ports::{CommitOutcome, DeliveryStore, StoreError},
    record::{Change, PortalRecord},
};

/// Writes the change that `decide` makes of the record. It reads the record again whenever another write was first, and
/// repeats the write when the store has a fault: what became of a mail cannot be asked for again. A repetition finds what
/// an earlier try has written, since `decide` makes the same change of the same record.
///
/// Gives the record as it is then; `None` if there was nothing to write, or nothing any more.
pub(super) async fn commit_with_retry<S: DeliveryStore>(
    store: &S,
    mut record: PortalRecord,
    decide: impl Fn(&PortalRecord) -> Option<Change>,
) -> Result<Option<PortalRecord>, StoreError> {
    let mut fault = StoreError::Busy;
    for _ in 0..MOST_ROUNDS {
        let Some(change) = decide(&record) else {
            return Ok(None);
        };
        match store.commit(&change).await {
            Ok(CommitOutcome::Committed) => return Ok(Some(change.after)),
            Ok(CommitOutcome::Stale) => {}
            Ok(CommitOutcome::EmailInUse { .. }) => return Err(claims_nothing()),
            Err(corrupt @ StoreError::Corrupt(_)) => return Err(corrupt),
            Err(passing @ (StoreError::Busy | StoreError::Unavailable(_))) => {
                fault = passing;
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
