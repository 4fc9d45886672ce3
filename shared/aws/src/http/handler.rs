//! What every HTTP function does around its handler: who asks for what, and how an outcome becomes an answer.

use std::convert::Infallible;

use lambda_http::{Error, LambdaEvent};
use portal::ids::RequestId;

use super::{
    HttpAnswer, HttpEvent, problem::Problem, request::Request, respond::Answer, routes::Operation, scope::tenant_scope,
};
use crate::{bootstrap::serve_events, config::ClaimNames};

/// The part of a function that is its own: from a request to an answer, by way of one operation.
pub trait Handler: Sync {
    /// The function's name in the table of operations.
    const FUNCTION: &'static str;

    /// Carries out a request for one of the function's operations.
    ///
    /// # Errors
    /// [`Problem`], which becomes the answer.
    fn handle(&self, request: &Request) -> impl Future<Output = Result<Answer, Problem>> + Send;
}

/// A handler behind what all of them share.
#[derive(Debug)]
pub struct Edge<H> {
    claims: ClaimNames,
    handler: H,
}

impl<H: Handler> Edge<H> {
    /// Puts a handler behind the edge. `claims` names the claims of the verified token.
    #[must_use]
    pub const fn new(claims: ClaimNames, handler: H) -> Self {
        Self { claims, handler }
    }

    /// The handler.
    #[must_use]
    pub const fn handler(&self) -> &H {
        &self.handler
    }

    /// Answers an event. There is no error: whatever goes wrong is an answer as well.
    pub async fn answer(&self, event: LambdaEvent<HttpEvent>) -> HttpAnswer {
        let Some(id) = request_id(&event) else {
            // Without an id of its own, a request could take another one's write for its own.
            return Problem::Internal("the event has no request id".into()).answer(None).into();
        };
        let answered = match self.admit(id.clone(), event.payload) {
            Ok(request) => self.handler.handle(&request).await,
            Err(problem) => Err(problem),
        };
        answered.unwrap_or_else(|problem| problem.answer(Some(&id))).into()
    }

    fn admit(&self, id: RequestId, event: HttpEvent) -> Result<Request, Problem> {
        let operation = event.route_key.as_deref().and_then(Operation::of_route_key);
        let operation = operation.filter(|operation| operation.function == H::FUNCTION).ok_or(Problem::NotFound)?;
        let scope = tenant_scope(&event.request_context, &self.claims, operation.permission)?;
        Ok(Request { id, operation, scope, event })
    }

    /// Answers the function's events, one after the other.
    ///
    /// # Errors
    /// If the Lambda runtime cannot be reached.
    pub async fn serve(self) -> Result<(), Error> {
        // Boxed, because the compiler gives up on futures that are nested as deeply as the SDK's within all of this.
        serve_events(async |event| Ok::<_, Infallible>(Box::pin(self.answer(event)).await)).await
    }
}

/// The gateway's id of a request, which its answer carries as well; failing that, Lambda's.
#[must_use]
pub fn request_id(event: &LambdaEvent<HttpEvent>) -> Option<RequestId> {
    let gateway = event.payload.request_context.request_id.as_deref();
    [gateway.unwrap_or_default(), &event.context.request_id].into_iter().find_map(|id| RequestId::parse(id).ok())
}
