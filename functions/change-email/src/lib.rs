//! Changes the address of a patient's account, for Customer Care.

use portal::email::Pepper;
use portal::{
    operations::change_email::change_email,
    ports::{Clock, PortalStore, Queue},
};
use portal_aws::config::{AwsEnvironment, ClaimNames, QueueUrl, TableName};
use portal_aws::http::{Answer, Handler, Problem, Request};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, ClaimNames);

/// The function, over its ports.
#[derive(Debug)]
pub struct ChangeEmail<S, Q, C> {
    /// The records.
    pub store: S,
    /// The way to the sender.
    pub queue: Q,
    /// The time.
    pub clock: C,
}

impl<S: PortalStore, Q: Queue, C: Clock> Handler for ChangeEmail<S, Q, C> {
    const FUNCTION: &'static str = "change-email";

    async fn handle(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let email = request.email()?;
        let command = request.command(&patient)?;
        let changed = change_email(&self.store, &self.queue, &self.clock, &command, &email).await?;
        Answer::hinted(&changed, request.id())
    }
}
