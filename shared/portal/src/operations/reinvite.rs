//! Inviting a patient again. Three round trips, like inviting.

use super::{Command, OperationError, invite::Invited};
use crate::{
    email::EmailAddress,
    ports::{Clock, Entropy, InvitationMessage, PortalStore, Queue},
    refusal::Refusal,
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
) -> Result<Invited, OperationError> {
    let id = entropy.invitation_id(clock.now());
    let decided = command.carry_out(store, clock, |record, practice, act| {
        record.reinvite(practice.ok_or(Refusal::PortalNotActivated)?, email, id.clone(), act)
    });
    let (change, panel) = decided.await?;
    Ok(Invited::hinting(queue, InvitationMessage { key: change.after.key, invitation: id }, panel).await)
}
