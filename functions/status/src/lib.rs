//! Answers where a patient stands: the status panel and the history. Reads only.

pub mod events;

use http::StatusCode;
use portal::{
    operations::{status::status, timeline::timeline},
    ports::{Clock, PortalReader, TimelineReader},
    timeline::HistoryPlace,
};
use portal_aws::http::{
    Answer, Handler, Problem, Request,
    problem::Malformed,
    routes::{STATUS, TIMELINE},
};

/// What is said of a cursor that is not one of this history.
pub const MALFORMED_CURSOR: &str =
    "The cursor must be the next of an answer about the same patient: leave it out to begin again.";

/// The function, over its ports.
#[derive(Debug)]
pub struct Status<S, C> {
    /// The records and their histories.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: PortalReader + TimelineReader, C: Clock> Handler for Status<S, C> {
    const FUNCTION: &'static str = "status";

    async fn handle(&self, request: &Request) -> Result<Answer, Problem> {
        match request.operation() {
            STATUS => self.status(request).await,
            TIMELINE => self.timeline(request).await,
            _ => Err(Problem::NotFound),
        }
    }
}

impl<S: PortalReader + TimelineReader, C: Clock> Status<S, C> {
    async fn status(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let panel = status(&self.store, &self.clock, request.scope()?, &patient).await?;
        Answer::panel(&panel)
    }

    async fn timeline(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let page = timeline(&self.store, request.scope()?, &patient, place(request)?).await?;
        Answer::document(StatusCode::OK, &events::TimelineJson::of(&page))
    }
}

/// Where the page begins. A version in plain digits is cursor enough: it says nothing of anybody, and leads nowhere but
/// within the history of the patient that the path names.
fn place(request: &Request) -> Result<Option<HistoryPlace>, Problem> {
    let Some(cursor) = request.query("cursor") else { return Ok(None) };
    Ok(Some(HistoryPlace::parse(cursor).ok_or(Malformed::Query(MALFORMED_CURSOR))?))
}
