//! Inviting a patient again. Three round trips, like inviting.

use super::{Command, Enqueued, OperationError, invite::queue_invitation};
use crate::{
    email::EmailAddress,
    ports::{Entropy, PortalStore, Ports, Queue},
    practice::Practice,
    record::PortalRecord,
    refusal::ReinviteRefusal,
};

/// Staff invite a patient again, to this address or else the one before. Another address is never saved to the
/// profile; it ends every earlier link and moves the claim, in one transaction.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_reinvite`] and the email rule say,
/// [`OperationError::Precondition`], [`OperationError::Store`].
pub async fn reinvite(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    entropy: &dyn Entropy,
    command: &Command<'_>,
    email: Option<&EmailAddress>,
) -> Result<Enqueued, OperationError<ReinviteRefusal>> {
    let decide = |record: &PortalRecord, practice: &Practice, id, act| record.reinvite(practice, email, id, act);
    queue_invitation(ports, queue, entropy, command, decide).await
}
