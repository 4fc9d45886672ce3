//! Inviting a patient. Three round trips: one read, one transaction, one queue message.

use super::{Command, OperationError};
use crate::{
    email::EmailAddress,
    ids::InvitationId,
    panel::StatusPanel,
    ports::{Clock, Entropy, Hint, InvitationMessage, PortalStore, Queue, QueueError},
    practice::Practice,
    record::{Change, PortalRecord},
    refusal::Refusal,
    timeline::Act,
};

/// What came of an invitation.
#[derive(Debug)]
pub struct Invited {
    /// Where the patient stands now.
    pub panel: StatusPanel,
    /// The queue did not take the message. The invitation is accepted all the same: the record is the truth, the
    /// queue is a hint, and the sweep queues it again within minutes. To be logged, not to be shown.
    pub unqueued: Option<QueueError>,
}

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
) -> Result<Invited, OperationError> {
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
) -> Result<Invited, OperationError> {
    let id = entropy.invitation_id(clock.now());
    let decided = command.carry_out(store, clock, |record, practice, act| {
        decide(record, practice.ok_or(Refusal::PortalNotActivated)?, id.clone(), act).map(Some)
    });
    let (change, panel) = decided.await?;
    // A repeat needs no hint: should the first one's have been lost, the sweep looks after it.
    let hint = change.map(|change| Hint::Invitation(InvitationMessage { key: change.after.key, invitation: id }));
    let unqueued = match hint {
        Some(hint) => queue.send(&[hint]).await.err(),
        None => None,
    };
    Ok(Invited { panel, unqueued })
}
