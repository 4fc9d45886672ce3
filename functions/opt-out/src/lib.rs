//! Opts a patient out of access to health information, and in again.

use portal::email::Pepper;
use portal::{
    operations::choice::{opt_in, opt_out},
    ports::{Clock, PortalStore, Ports},
};
use portal_aws::config::{AwsEnvironment, ClaimNames, TableName};
use portal_aws::http::{Answer, Handler, Problem, Request, routes::OptOutOperation};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, ClaimNames);

/// The function, over its ports. It has no queue to the sender, because neither choice sends anything.
#[derive(Debug)]
pub struct OptOut<S, C> {
    /// The records.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: PortalStore, C: Clock> Handler for OptOut<S, C> {
    type Operation = OptOutOperation;

    async fn handle(&self, operation: OptOutOperation, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        request.require_empty_body()?;
        let command = request.command(&patient)?;
        let ports = Ports { store: &self.store, clock: &self.clock };
        let panel = match operation {
            OptOutOperation::OptOutPatient => opt_out(&ports, &command).await?,
            OptOutOperation::OptInPatient => opt_in(&ports, &command).await?,
        };
        Answer::command(&panel)
    }
}
