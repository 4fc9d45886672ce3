//! Changes a patient's account: its address, for Customer Care; and closes it, and opens it again.
//!
//! The name is that of its first operation, because the name of a deployed function does not change.

use portal::email::Pepper;
use portal::{
    operations::{
        change_email::change_email,
        close::{close, reopen},
    },
    ports::{Clock, PortalStore, Ports, Queue},
};
use portal_aws::config::{AwsEnvironment, ClaimNames, QueueUrl, TableName};
use portal_aws::http::{Answer, Handler, Problem, Request, fields, routes::ChangeEmailOperation};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, ClaimNames);

/// The function, over its ports.
#[derive(Debug)]
pub struct ChangeEmail<S, Q, C> {
    /// The records.
    pub store: S,
    /// The queue to the sender.
    pub queue: Q,
    /// The time.
    pub clock: C,
}

impl<S: PortalStore, Q: Queue, C: Clock> Handler for ChangeEmail<S, Q, C> {
    type Operation = ChangeEmailOperation;

    async fn handle(&self, operation: ChangeEmailOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            ChangeEmailOperation::ChangeAccountEmail => self.change(request).await,
            ChangeEmailOperation::CloseAccount | ChangeEmailOperation::CloseAccountForPractice => {
                self.close(request).await
            }
            ChangeEmailOperation::ReopenAccount => self.reopen(request).await,
        }
    }
}

impl<S: PortalStore, Q: Queue, C: Clock> ChangeEmail<S, Q, C> {
    async fn change(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let email = request.email()?;
        let command = request.command(&patient)?;
        let ports = Ports { store: &self.store, clock: &self.clock };
        let changed = change_email(&ports, &self.queue, &command, &email).await?;
        Answer::accepted(&changed, request.id())
    }

    async fn close(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let reason = fields::close_reason(request.form()?)?;
        let command = request.command(&patient)?;
        let ports = Ports { store: &self.store, clock: &self.clock };
        let closed = close(&ports, &self.queue, &command, &reason).await?;
        Answer::accepted(&closed, request.id())
    }

    async fn reopen(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        request.require_empty_body()?;
        let command = request.command(&patient)?;
        let ports = Ports { store: &self.store, clock: &self.clock };
        let reopened = reopen(&ports, &self.queue, &command).await?;
        Answer::accepted(&reopened, request.id())
    }
}
