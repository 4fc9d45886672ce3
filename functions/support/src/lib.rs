//! Finds patients of all practices for Customer Care, and reads their status and timeline.

pub mod lookup;

use http::StatusCode;
use portal::{
    email::Pepper,
    operations::support::{SupportRequest, look_up, status_for_support, timeline_for_support},
    ports::{Clock, Ports, SupportStore},
    text::AccessReason,
    timeline::{Actor, Role},
};
use portal_aws::config::{AwsEnvironment, ClaimNames, TableName};
use portal_aws::http::{
    Answer, Handler, Problem, Request,
    problem::Malformed,
    routes::SupportOperation,
    timeline::{TimelineJson, place_from_cursor},
};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, ClaimNames);

/// The problem's detail for a missing or invalid reason in the query.
pub const MALFORMED_REASON: &str =
    "The parameter reason must say why you read this, in 1 to 200 visible characters: it is recorded.";

/// The function, over its ports.
#[derive(Debug)]
pub struct Support<S, C> {
    /// The records of all practices.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: SupportStore, C: Clock> Handler for Support<S, C> {
    type Operation = SupportOperation;

    async fn handle(&self, operation: SupportOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            SupportOperation::LookUpPatient => self.look_up(request).await,
            SupportOperation::ReadStatusForSupport => self.status(request).await,
            SupportOperation::ReadTimelineForSupport => self.timeline(request).await,
        }
    }
}

impl<S: SupportStore, C: Clock> Support<S, C> {
    fn ports(&self) -> Ports<'_, S> {
        Ports { store: &self.store, clock: &self.clock }
    }

    async fn look_up(&self, request: &Request) -> Result<Answer, Problem> {
        let (key, reason) = lookup::read(request.form()?)?;
        let actor = Actor { role: Role::Support, subject: Some(request.identity()?.subject().clone()) };
        let access = SupportRequest { actor: &actor, request: request.id(), reason };
        let found = look_up(&self.ports(), key, &access).await?;
        Answer::document(StatusCode::OK, &lookup::LookupJson::from_found(found.as_ref()))
    }

    async fn status(&self, request: &Request) -> Result<Answer, Problem> {
        let (patient, scope) = (request.patient()?, request.scope()?);
        let access = SupportRequest { actor: scope.actor(), request: request.id(), reason: reason(request)? };
        let panel = status_for_support(&self.ports(), scope, &patient, &access).await?;
        Answer::panel(&panel)
    }

    async fn timeline(&self, request: &Request) -> Result<Answer, Problem> {
        let (patient, scope) = (request.patient()?, request.scope()?);
        let access = SupportRequest { actor: scope.actor(), request: request.id(), reason: reason(request)? };
        let before = place_from_cursor(request)?;
        let page = timeline_for_support(&self.ports(), scope, &patient, before, &access).await?;
        Answer::document(StatusCode::OK, &TimelineJson::from_page(&page))
    }
}

/// The reason in the query.
fn reason(request: &Request) -> Result<AccessReason, Problem> {
    let reason = request.query_with_commas("reason").unwrap_or_default();
    Ok(AccessReason::parse(&reason).map_err(|_| Malformed::Query(MALFORMED_REASON))?)
}
