//! Writing down what is known to have happened, whatever comes in between.

use super::MOST_ROUNDS;
use crate::{
    ports::{CommitOutcome, DeliveryStore, StoreError},
    record::{Change, PortalRecord},
};

/// Writes the change that `decide` makes of the record, reading it again whenever something else was first, and
/// repeating it when the store has a fault: what became of a mail cannot be asked for again. A repetition finds what an
/// earlier try has written, since `decide` makes the same change of the same record.
///
/// Gives the record as it is then; `None` if there was nothing to write, or nothing any more.
pub(super) async fn insist<S: DeliveryStore>(
    store: &S,
    mut record: PortalRecord,
    decide: impl Fn(&PortalRecord) -> Option<Change>,
) -> Result<Option<PortalRecord>, StoreError> {
    let mut fault = StoreError::Busy;
    for _ in 0..MOST_ROUNDS {
        let Some(change) = decide(&record) else {
            return Ok(None);
        };
        match store.commit_delivery(&change).await {
            Ok(CommitOutcome::Committed) => return Ok(Some(change.after)),
            Ok(CommitOutcome::Stale) => {}
            Ok(CommitOutcome::EmailInUse { .. }) => {
                return Err(StoreError::Corrupt("delivering claims no address".into()));
            }
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
