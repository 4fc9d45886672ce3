//! Inviting a patient. Three round trips: one read, one transaction, one queue message.

use super::{Command, Enqueued, OperationError};
use crate::{
    email::EmailAddress,
    ids::InvitationId,
    ports::{Entropy, Hint, InvitationMessage, PortalStore, Ports, Queue},
    practice::Practice,
    record::{Change, PortalRecord},
    refusal::{InvitationBarred, InviteRefusal, PatientCommandRefusal},
    timeline::Act,
};

/// Staff invite a patient, to this address or else the profile's.
///
/// # Errors
/// [`OperationError::Refused`] as [`crate::record::PortalRecord::may_invite`] and the email rule say,
/// [`OperationError::Precondition`], [`OperationError::Store`].
pub async fn invite(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    entropy: &dyn Entropy,
    command: &Command<'_>,
    email: Option<&EmailAddress>,
) -> Result<Enqueued, OperationError<InviteRefusal>> {
    let decide = |record: &PortalRecord, practice: &Practice, id, act| record.invite(practice, email, id, act);
    queue_invitation(ports, queue, entropy, command, decide).await
}

/// Carries out a decision that queues a new invitation, and hints the sender once it is committed.
pub(super) async fn queue_invitation<R: PatientCommandRefusal + From<InvitationBarred>>(
    ports: &Ports<'_, impl PortalStore>,
    queue: &impl Queue,
    entropy: &dyn Entropy,
    command: &Command<'_>,
    decide: impl Fn(&PortalRecord, &Practice, InvitationId, Act) -> Result<Change, R>,
) -> Result<Enqueued, OperationError<R>> {
    let id = entropy.invitation_id(ports.clock.now());
    let decide = |record: &PortalRecord, practice: Option<&Practice>, act| {
        decide(record, practice.ok_or(InvitationBarred::PortalNotActivated)?, id.clone(), act).map(Some)
    };
    let hint = |key| Hint::Invitation(InvitationMessage { key, invitation: id.clone() });
    command.carry_out_and_hint(ports, queue, decide, hint).await
}
