//! Opting out and in. Declining one invitation is neither.

use super::{Change, Choice, InvitationState, PortalRecord, RevokeReason};
use crate::{
    refusal::{OptInRefusal, OptOutRefusal},
    timeline::{Act, EventKind},
};

impl PortalRecord {
    /// The patient does not want to receive access to health information: a queued mail is not sent, every link
    /// dies, no reminder goes out. An account stays.
    ///
    /// A mail that a sender holds at this moment may still arrive; its link is dead and the sender's word is kept.
    ///
    /// # Errors
    /// As [`PortalRecord::may_opt_out`].
    pub fn opt_out(&self, act: Act) -> Result<Change, OptOutRefusal> {
        self.may_opt_out()?;
        let (at, by) = (act.at, act.actor.clone());
        Ok(self.change(act, EventKind::OptedOut, |after| {
            after.choice = Choice::OptedOut { at, by };
            after.link = None;
            after.clear_reminder();
            let queued =
                after.invitation.as_ref().is_some_and(|invitation| invitation.state == InvitationState::Queued);
            if queued {
                after.revoke_invitation(RevokeReason::OptedOut, at);
            }
        }))
    }

    /// The patient changed their mind. Sends nothing by itself.
    ///
    /// # Errors
    /// As [`PortalRecord::may_opt_in`].
    pub fn opt_in(&self, act: Act) -> Result<Change, OptInRefusal> {
        self.may_opt_in()?;
        Ok(self.change(act, EventKind::OptedIn, |after| after.choice = Choice::In))
    }
}
