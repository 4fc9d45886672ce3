//! Invites a patient to open an account.

use portal::{
    operations::invite::invite,
    ports::{Clock, Entropy, PortalStore, Queue},
};
use portal_aws::{
    cause,
    http::{Answer, Handler, Problem, Request, fields::email},
};

/// The function, over its ports.
#[derive(Debug)]
pub struct Invite<S, Q, C, E> {
    /// The records.
    pub store: S,
    /// The way to the sender.
    pub queue: Q,
    /// The time.
    pub clock: C,
    /// Ids for invitations.
    pub entropy: E,
}

impl<S: PortalStore, Q: Queue, C: Clock, E: Entropy> Handler for Invite<S, Q, C, E> {
    const FUNCTION: &'static str = "invite";

    async fn handle(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let mut form = request.form_or_empty()?;
        let given = form.optional("email", email);
        let given = form.finish(Some(given))?;
        let command = request.command(&patient)?;
        let invited = invite(&self.store, &self.queue, &self.clock, &self.entropy, &command, given.as_ref()).await?;
        if let Some(error) = &invited.unqueued {
            let (request_id, cause) = (request.id().as_str(), cause::of_queue(error));
            tracing::warn!(request_id, cause, "invitation accepted but not queued: the sweep will queue it");
        }
        Answer::command(&invited.panel)
    }
}
