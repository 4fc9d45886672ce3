//! Answers where a patient stands: the status panel. Reads only.

use portal::{
    operations::status::status,
    ports::{Clock, PortalReader},
};
use portal_aws::http::{Answer, Handler, Problem, Request};

/// The function, over its ports.
#[derive(Debug)]
pub struct Status<S, C> {
    /// The records.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: PortalReader, C: Clock> Handler for Status<S, C> {
    const FUNCTION: &'static str = "status";

    async fn handle(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let panel = status(&self.store, &self.clock, request.scope()?, &patient).await?;
        Answer::panel(&panel)
    }
}
