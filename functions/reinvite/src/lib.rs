//! Invites a patient again.

use portal::email::Pepper;
use portal::{
    operations::reinvite::reinvite,
    ports::{Clock, Entropy, PortalStore, Ports, Queue},
};
use portal_aws::config::{AwsEnvironment, ClaimNames, QueueUrl, TableName};
use portal_aws::http::{Answer, Handler, Problem, Request, routes::ReinviteOperation};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, ClaimNames);

/// The function, over its ports.
#[derive(Debug)]
pub struct Reinvite<S, Q, C, E> {
    /// The records.
    pub store: S,
    /// The queue to the sender.
    pub queue: Q,
    /// The time.
    pub clock: C,
    /// Randomness for invitation ids.
    pub entropy: E,
}

impl<S: PortalStore, Q: Queue, C: Clock, E: Entropy> Handler for Reinvite<S, Q, C, E> {
    type Operation = ReinviteOperation;

    async fn handle(&self, operation: ReinviteOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            ReinviteOperation::ReinvitePatient => self.reinvite(request).await,
        }
    }
}

impl<S: PortalStore, Q: Queue, C: Clock, E: Entropy> Reinvite<S, Q, C, E> {
    async fn reinvite(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let recipient = request.recipient()?;
        let command = request.command(&patient)?;
        let ports = Ports { store: &self.store, clock: &self.clock };
        let invited = reinvite(&ports, &self.queue, &self.entropy, &command, &recipient).await?;
        Answer::accepted(&invited, request.id())
    }
}
