//! Invites a patient. Four round trips: two reads, one transaction, one queue message.

use super::{Command, Enqueued, OperationError};
use crate::{
    ids::InvitationId,
    ports::{Entropy, Hint, InvitationMessage, PortalStore, Ports, Queue},
    practice::Practice,
    record::{Change, PortalRecord, guards::Recipient},
    refusal::{InvitationBarred, InviteRefusal, PatientCommandRefusal},
    timeline::ChangeContext,
};

/// Invites a patient to the given address, or by default to the profile's.
///
/// # Errors
/// [`OperationError::Refused`] by [`crate::record::PortalRecord::may_invite`] or the email rule,
/// [`OperationError::Precondition`], [`OperationError::Store`].
pub async fn invite(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    entropy: &dyn Entropy,
    command: &Command<'_>,
    recipient: &Recipient,
) -> Result<Enqueued, OperationError<InviteRefusal>> {
    let decide =
        |record: &PortalRecord, practice: &Practice, id, context| record.invite(practice, recipient, id, context);
    queue_invitation(ports, queue, entropy, command, decide).await
}

/// Executes a command that queues a new invitation, and sends a hint to the sender after the commit.
pub(super) async fn queue_invitation<R: PatientCommandRefusal + From<InvitationBarred>>(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    entropy: &dyn Entropy,
    command: &Command<'_>,
    decide: impl Fn(&PortalRecord, &Practice, InvitationId, ChangeContext) -> Result<Change, R>,
) -> Result<Enqueued, OperationError<R>> {
    let id = entropy.invitation_id(ports.clock.now());
    let decide = |record: &PortalRecord, practice: Option<&Practice>, context| {
        decide(record, practice.ok_or(InvitationBarred::PortalNotActivated)?, id.clone(), context).map(Some)
    };
    let hint = |key| Hint::Invitation(InvitationMessage { key, invitation: id.clone() });
    command.execute_and_hint(ports, queue, decide, hint).await
}
