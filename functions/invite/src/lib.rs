//! Invites a patient to open an account, and revokes the invitation.

use portal::email::Pepper;
use portal::{
    operations::{invite::invite, revoke::revoke},
    ports::{Clock, Entropy, PortalStore, Ports, Queue},
};
use portal_aws::config::{AwsEnvironment, ClaimNames, QueueUrl, TableName};
use portal_aws::http::{Answer, Handler, Problem, Request, routes::InviteOperation};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, ClaimNames);

/// The function, over its ports.
#[derive(Debug)]
pub struct Invite<S, Q, C, E> {
    /// The records.
    pub store: S,
    /// The queue to the sender.
    pub queue: Q,
    /// The time.
    pub clock: C,
    /// Randomness for invitation ids.
    pub entropy: E,
}

impl<S: PortalStore, Q: Queue, C: Clock, E: Entropy> Handler for Invite<S, Q, C, E> {
    type Operation = InviteOperation;

    async fn handle(&self, operation: InviteOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            InviteOperation::InvitePatient => self.invite(request).await,
            InviteOperation::RevokeInvitation => self.revoke(request).await,
        }
    }
}

impl<S: PortalStore, Q: Queue, C: Clock, E: Entropy> Invite<S, Q, C, E> {
    fn ports(&self) -> Ports<'_, S> {
        Ports { store: &self.store, clock: &self.clock }
    }

    async fn invite(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let recipient = request.recipient()?;
        let command = request.command(&patient)?;
        let invited = invite(&self.ports(), &self.queue, &self.entropy, &command, &recipient).await?;
        Answer::accepted(&invited, request.id())
    }

    async fn revoke(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        request.require_empty_body()?;
        Answer::command(&revoke(&self.ports(), &request.command(&patient)?).await?)
    }
}
