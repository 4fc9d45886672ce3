//! Invites a patient to open an account, and takes the invitation back.

use portal::email::Pepper;
use portal::{
    operations::{invite::invite, revoke::revoke},
    ports::{Clock, Entropy, PortalStore, Queue},
};
use portal_aws::config::{AwsEnvironment, ClaimNames, QueueUrl, TableName};
use portal_aws::http::{
    Answer, Handler, Problem, Request,
    routes::{INVITE, REVOKE},
};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, ClaimNames);

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
        match request.operation() {
            INVITE => self.invite(request).await,
            REVOKE => self.revoke(request).await,
            _ => Err(Problem::NotFound),
        }
    }
}

impl<S: PortalStore, Q: Queue, C: Clock, E: Entropy> Invite<S, Q, C, E> {
    async fn invite(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let email = request.email_if_given()?;
        let command = request.command(&patient)?;
        let invited = invite(&self.store, &self.queue, &self.clock, &self.entropy, &command, email.as_ref());
        Answer::hinted(&invited.await?, request.id())
    }

    async fn revoke(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        request.says_nothing()?;
        Answer::command(&revoke(&self.store, &self.clock, &request.command(&patient)?).await?)
    }
}
