//! Reads a patient's status panel and timeline.

pub mod events;

use http::StatusCode;
use portal::{
    operations::{status::status, timeline::timeline},
    ports::{Clock, PortalReader, Ports, TimelineReader},
    timeline::TimelinePlace,
};
use portal_aws::config::{AwsEnvironment, ClaimNames, TableName};
use portal_aws::http::{Answer, Handler, Problem, Request, problem::Malformed, routes::StatusOperation};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, ClaimNames);

/// The problem's detail for a cursor that is not valid for this timeline.
pub const MALFORMED_CURSOR: &str =
    "The cursor must be the next of an answer about the same patient: leave it out to begin again.";

/// The function, over its ports.
#[derive(Debug)]
pub struct Status<S, C> {
    /// The records and their timelines.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: PortalReader + TimelineReader, C: Clock> Handler for Status<S, C> {
    type Operation = StatusOperation;

    async fn handle(&self, operation: StatusOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            StatusOperation::ReadStatus => self.status(request).await,
            StatusOperation::ReadTimeline => self.timeline(request).await,
        }
    }
}

impl<S: PortalReader + TimelineReader, C: Clock> Status<S, C> {
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
        Answer::document(StatusCode::OK, &events::TimelineJson::from_page(&page))
    }
}

/// Where the page begins. The cursor is a version in plain digits: it contains no personal data, and is used only within the
/// timeline of the patient in the path.
fn place_from_cursor(request: &Request) -> Result<Option<TimelinePlace>, Problem> {
    let Some(cursor) = request.query("cursor") else { return Ok(None) };
    Ok(Some(TimelinePlace::parse(cursor).ok_or(Malformed::Query(MALFORMED_CURSOR))?))
}
