//! Reads a patient's status panel and timeline, and who of Customer Care had access to the patient.

pub mod accesses;

use http::StatusCode;
use portal::{
    operations::{accesses::accesses, status::status, timeline::timeline},
    ports::{AccessLogReader, Clock, PortalReader, Ports, TimelineReader},
};
use portal_aws::config::{AwsEnvironment, ClaimNames, TableName};
use portal_aws::http::{
    Answer, Handler, Problem, Request, history_cursor,
    routes::StatusOperation,
    timeline::{TimelineJson, place_from_cursor},
};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, ClaimNames);

/// The function, over its ports.
#[derive(Debug)]
pub struct Status<S, C> {
    /// The records and their timelines.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: PortalReader + TimelineReader + AccessLogReader, C: Clock> Handler for Status<S, C> {
    type Operation = StatusOperation;

    async fn handle(&self, operation: StatusOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            StatusOperation::ReadStatus => self.status(request).await,
            StatusOperation::ReadTimeline => self.timeline(request).await,
            StatusOperation::ReadAccesses => self.accesses(request).await,
        }
    }
}

impl<S: PortalReader + TimelineReader + AccessLogReader, C: Clock> Status<S, C> {
    fn ports(&self) -> Ports<'_, S> {
        Ports { store: &self.store, clock: &self.clock }
    }

    async fn status(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let panel = status(&self.ports(), request.scope()?, &patient).await?;
        Answer::panel(&panel)
    }

    async fn timeline(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let page = timeline(&self.ports(), request.scope()?, &patient, place_from_cursor(request)?).await?;
        Answer::document(StatusCode::OK, &TimelineJson::from_page(&page))
    }

    async fn accesses(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let before = history_cursor::place_from_cursor(request)?;
        let page = accesses(&self.ports(), request.scope()?, &patient, before.as_ref()).await?;
        Answer::document(StatusCode::OK, &accesses::AccessPageJson::from_page(&page))
    }
}
