//! Inviting a patient. Three round trips: one read, one transaction, one queue message.

use super::{Command, Hinted, OperationError};
use crate::{
    email::EmailAddress,
    ids::InvitationId,
    ports::{Clock, Entropy, Hint, InvitationMessage, PortalStore, Queue},
    practice::Practice,
    record::{Change, PortalRecord},
    refusal::Refusal,
    timeline::Act,
};

/// Staff invite a patient, to this address or else the profile's.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_invite`] and the email rule say,
/// [`OperationError::Store`].
pub async fn invite(
    store: &impl PortalStore,
    queue: &impl Queue,
    clock: &impl Clock,
    entropy: &impl Entropy,
    command: &Command<'_>,
    email: Option<&EmailAddress>,
) -> Result<Hinted, OperationError> {
    let decide = |record: &PortalRecord, practice: &Practice, id, act| record.invite(practice, email, id, act);
    queue_invitation(store, queue, clock, entropy, command, decide).await
}

/// Carries out a decision that queues a new invitation, and hints the sender once it is committed.
pub(super) async fn queue_invitation(
    store: &impl PortalStore,
    queue: &impl Queue,
    clock: &impl Clock,
    entropy: &impl Entropy,
    command: &Command<'_>,
    decide: impl Fn(&PortalRecord, &Practice, InvitationId, Act) -> Result<Change, Refusal>,
) -> Result<Hinted, OperationError> {
    let id = entropy.invitation_id(clock.now());
    let decide = |record: &PortalRecord, practice: Option<&Practice>, act| {
        decide(record, practice.ok_or(Refusal::PortalNotActivated)?, id.clone(), act).map(Some)
    };
    let hint = |key| Hint::Invitation(InvitationMessage { key, invitation: id.clone() });
    command.carry_out_and_hint(store, queue, clock, decide, hint).await
}
