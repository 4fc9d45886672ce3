//! Inviting a patient. Three round trips: one read, one transaction, one queue message.

use super::{Command, OperationError};
use crate::{
    email::EmailAddress,
    panel::StatusPanel,
    ports::{Clock, Entropy, InvitationMessage, PortalStore, Queue, QueueError},
    refusal::Refusal,
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
    let id = entropy.invitation_id(clock.now());
    let decided = command.carry_out(store, clock, |record, practice, act| {
        record.invite(practice.ok_or(Refusal::PortalNotActivated)?, email, id.clone(), act)
    });
    let (change, panel) = decided.await?;
    Ok(Invited::hinting(queue, InvitationMessage { key: change.after.key, invitation: id }, panel).await)
}

impl Invited {
    /// Tells the sender of an invitation that is committed.
    pub(super) async fn hinting(queue: &impl Queue, message: InvitationMessage, panel: StatusPanel) -> Self {
        Self { panel, unqueued: queue.send(&[message]).await.err() }
    }
}
