//! What every HTTP function does around its handler: it finds the operation and the caller's scope, and makes the answer.

use std::convert::Infallible;

use lambda_http::{Error, LambdaEvent};
use portal::ids::RequestId;

use super::{
    HttpAnswer, HttpEvent,
    answer::Answer,
    origin::require_firewall,
    problem::Problem,
    request::Request,
    routes::{FunctionOperation, Operation},
    scope::{Access, identity_of, scope_of},
};
use crate::{
    bootstrap::serve_events,
    config::{ClaimNames, OriginSecrets},
};

/// The part that differs between functions: it carries out one operation for a request, and makes the answer.
pub trait Handler: Sync {
    /// The operations of the function.
    type Operation: FunctionOperation + Send;

    /// Carries out a request for one of the function's operations.
    ///
    /// # Errors
    /// [`Problem`], which becomes the answer.
    fn handle(
        &self,
        operation: Self::Operation,
        request: &Request,
    ) -> impl Future<Output = Result<Answer, Problem>> + Send;
}

/// A handler and what all functions do around it.
#[derive(Debug)]
pub struct Edge<H> {
    gate: Gate,
    handler: H,
}

/// What a request must have to be handled.
#[derive(Debug)]
enum Gate {
    /// A verified token, with claims of these names.
    Token(ClaimNames),
    /// No token, but the firewall's header, if there is a firewall.
    Public(Option<OriginSecrets>),
}

impl<H: Handler> Edge<H> {
    /// Puts a handler behind the edge. `claims` names the claims of the verified token.
    #[must_use]
    pub const fn new(claims: ClaimNames, handler: H) -> Self {
        Self { gate: Gate::Token(claims), handler }
    }

    /// Puts a handler behind the edge all of whose operations are public. `secrets` are those of the firewall, if there
    /// is one.
    #[must_use]
    pub const fn public(secrets: Option<OriginSecrets>, handler: H) -> Self {
        Self { gate: Gate::Public(secrets), handler }
    }

    /// The handler.
    #[must_use]
    pub const fn handler(&self) -> &H {
        &self.handler
    }

    /// Answers an event. There is no error: every problem is an answer.
    pub async fn answer(&self, event: LambdaEvent<HttpEvent>) -> HttpAnswer {
        let Some(id) = request_id(&event) else {
            // A retried write is recognised by its request id. Without one, a write of another request could be mistaken
            // for it.
            return Problem::Internal("the event has no request id".into()).answer(None).into();
        };
        let answered = match self.admit(id.clone(), event.payload) {
            Ok((operation, request)) => self.handler.handle(operation, &request).await,
            Err(problem) => Err(problem),
        };
        answered.unwrap_or_else(|problem| problem.answer(Some(&id))).into()
    }

    fn admit(&self, id: RequestId, event: HttpEvent) -> Result<(H::Operation, Request), Problem> {
        let operation = event.route_key.as_deref().and_then(Operation::from_route_key).ok_or(Problem::NotFound)?;
        let own = H::Operation::from_operation(operation).ok_or(Problem::NotFound)?;
        let (scope, identity) = match (operation.access(), &self.gate) {
            (Access::Public, Gate::Public(secrets)) => {
                require_firewall(&event.headers, secrets.as_ref())?;
                (None, None)
            }
            (access @ (Access::With(_) | Access::CustomerCare | Access::Portal), Gate::Token(claims)) => {
                (scope_of(&event, claims, access)?, None)
            }
            (access @ (Access::SupportDesk | Access::AnyToken), Gate::Token(claims)) => {
                (scope_of(&event, claims, access)?, Some(identity_of(&event, claims)?))
            }
            (Access::Public, Gate::Token(_)) | (_, Gate::Public(_)) => {
                return Err(Problem::Internal("the function cannot tell whether the request is permitted".into()));
            }
        };
        Ok((own, Request { id, operation, scope, identity, event }))
    }

    /// Answers the function's events, one after the other.
    ///
    /// # Errors
    /// If the Lambda runtime API is unreachable.
    pub async fn serve(self) -> Result<(), Error> {
        // Boxed, because the compiler cannot handle futures that are nested as deeply as those of the SDK would be here.
        serve_events(async |event| Ok::<_, Infallible>(Box::pin(self.answer(event)).await)).await
    }
}

/// The gateway's id of a request, which is also in the answer. Lambda's id if the gateway gave none.
#[must_use]
pub fn request_id(event: &LambdaEvent<HttpEvent>) -> Option<RequestId> {
    let gateway = event.payload.request_context.request_id.as_deref();
    [gateway.unwrap_or_default(), &event.context.request_id].into_iter().find_map(|id| RequestId::parse(id).ok())
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use lambda_http::Context;
    use serde_json::json;

    use super::*;
    use crate::http::routes::{RegisterOperation, StatusOperation};

    /// Reads only the request's scope.
    struct ScopeReader<O>(PhantomData<O>);

    impl<O: FunctionOperation + Send + Sync> Handler for ScopeReader<O> {
        type Operation = O;

        async fn handle(&self, _: O, request: &Request) -> Result<Answer, Problem> {
            request.scope().map(|_| Answer::done())
        }
    }

    async fn status<O: FunctionOperation + Send + Sync>(edge: Edge<ScopeReader<O>>, route: &str) -> i64 {
        let claims = json!({ "practice_id": "lakeside", "scope": "portal/read", "sub": "staff-7" });
        let event = json!({
            "routeKey": route,
            "headers": {},
            "requestContext": {
                "http": { "method": "POST" }, "requestId": "request-1", "authorizer": { "jwt": { "claims": claims } },
            },
        });
        let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default());
        edge.answer(event).await.status_code
    }

    fn claims() -> ClaimNames {
        ClaimNames { practice: "practice_id".to_owned(), scope: "scope".to_owned() }
    }

    fn origin_secrets() -> OriginSecrets {
        OriginSecrets { current: "0123456789abcdef0123456789abcdef".into(), previous: None }
    }

    #[tokio::test]
    async fn a_public_operation_has_no_scope_even_with_a_token() {
        let route = "POST /v1/activation";
        assert_eq!(status(Edge::public(None, ScopeReader::<RegisterOperation>(PhantomData)), route).await, 500);
    }

    #[tokio::test]
    async fn a_public_operation_needs_an_edge_that_knows_of_the_firewall() {
        let route = "POST /v1/activation";
        assert_eq!(status(Edge::new(claims(), ScopeReader::<RegisterOperation>(PhantomData)), route).await, 500);
        let behind = Edge::public(Some(origin_secrets()), ScopeReader::<RegisterOperation>(PhantomData));
        assert_eq!(status(behind, route).await, 403);
    }

    #[tokio::test]
    async fn an_operation_that_needs_a_token_needs_an_edge_that_reads_it() {
        let route = "GET /v1/patients/{patientId}/portal";
        assert_eq!(status(Edge::new(claims(), ScopeReader::<StatusOperation>(PhantomData)), route).await, 204);
        assert_eq!(status(Edge::public(None, ScopeReader::<StatusOperation>(PhantomData)), route).await, 500);
    }
}
