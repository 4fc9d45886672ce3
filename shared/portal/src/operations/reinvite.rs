//! Inviting a patient again. Three round trips, like inviting.

use super::{Command, Hinted, OperationError, invite::queue_invitation};
use crate::{
    email::EmailAddress,
    ports::{Clock, Entropy, PortalStore, Queue},
    practice::Practice,
    record::PortalRecord,
};

/// Staff invite a patient again, to this address or else the one before. Another address is never saved to the
/// profile; it kills every earlier link and takes the claim along, in one transaction.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_reinvite`] and the email rule say,
/// [`OperationError::Store`].
pub async fn reinvite(
    store: &impl PortalStore,
    queue: &impl Queue,
    clock: &impl Clock,
    entropy: &impl Entropy,
    command: &Command<'_>,
    email: Option<&EmailAddress>,
) -> Result<Hinted, OperationError> {
    let decide = |record: &PortalRecord, practice: &Practice, id, act| record.reinvite(practice, email, id, act);
    queue_invitation(store, queue, clock, entropy, command, decide).await
}
