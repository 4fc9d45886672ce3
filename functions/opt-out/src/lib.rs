//! Opts a patient out of access to health information, and in again.

use portal::email::Pepper;
use portal::{
    operations::choice::{opt_in, opt_out},
    ports::{Clock, PortalStore},
};
use portal_aws::config::{AwsEnvironment, ClaimNames, TableName};
use portal_aws::http::{
    Answer, Handler, Problem, Request,
    routes::{OPT_IN, OPT_OUT},
};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, ClaimNames);

/// The function, over its ports. It has no way to the sender: neither choice sends anything.
#[derive(Debug)]
pub struct OptOut<S, C> {
    /// The records.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: PortalStore, C: Clock> Handler for OptOut<S, C> {
    const FUNCTION: &'static str = "opt-out";

    async fn handle(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        request.says_nothing()?;
        let command = request.command(&patient)?;
        let panel = match request.operation() {
            OPT_OUT => opt_out(&self.store, &self.clock, &command).await?,
            OPT_IN => opt_in(&self.store, &self.clock, &command).await?,
            _ => return Err(Problem::NotFound),
        };
        Answer::command(&panel)
    }
}
