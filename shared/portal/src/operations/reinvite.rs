//! Invites a patient again. Four round trips, like the first invitation.

use super::{Command, Enqueued, OperationError, invite::queue_invitation};
use crate::{
    ports::{Entropy, PortalStore, Ports, Queue},
    practice::Practice,
    record::{PortalRecord, guards::Recipient},
    refusal::ReinviteRefusal,
};

/// Invites a patient again, to the given address or by default to the previous one. A different address is never saved to
/// the profile. It ends every earlier link and moves the claim, in one transaction.
///
/// # Errors
/// [`OperationError::Refused`] by [`crate::record::PortalRecord::may_reinvite`] or the email rule,
/// [`OperationError::Precondition`], [`OperationError::Store`].
pub async fn reinvite(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    entropy: &dyn Entropy,
    command: &Command<'_>,
    recipient: &Recipient,
) -> Result<Enqueued, OperationError<ReinviteRefusal>> {
    let decide =
        |record: &PortalRecord, practice: &Practice, id, context| record.reinvite(practice, recipient, id, context);
    queue_invitation(ports, queue, entropy, command, decide).await
}
