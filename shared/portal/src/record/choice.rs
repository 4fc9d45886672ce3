//! Transitions of the choice: opting out and opting in. Declining an invitation is not an opt-out.

use super::{Change, Choice, InvitationState, PortalRecord};
use crate::{
    refusal::{OptInRefusal, OptOutRefusal},
    states::RevokeReason,
    timeline::{ChangeContext, EventKind},
};

impl PortalRecord {
    /// The patient does not want to receive access to health information: a queued mail is not sent, links stop working, and
    /// no reminder is sent. An account stays open.
    ///
    /// A mail that a sender has claimed may still arrive, with a link that does not work. The sender can still record its
    /// outcome.
    ///
    /// # Errors
    /// As [`PortalRecord::may_opt_out`].
    pub fn opt_out(&self, context: ChangeContext) -> Result<Change, OptOutRefusal> {
        self.may_opt_out()?;
        let (at, by) = (context.at, context.actor.clone());
        Ok(self.change(context, EventKind::OptedOut, |after| {
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

    /// The patient wants access again. Sends nothing by itself.
    ///
    /// # Errors
    /// As [`PortalRecord::may_opt_in`].
    pub fn opt_in(&self, context: ChangeContext) -> Result<Change, OptInRefusal> {
        self.may_opt_in()?;
        Ok(self.change(context, EventKind::OptedIn, |after| after.choice = Choice::In))
    }
}
