//! Answers requests that match no route: an unknown path, or another method. It calls no other service.

use lambda_http::LambdaEvent;
use portal_aws::http::{HttpAnswer, HttpEvent, Problem, request_id, routes::methods_at};

/// What the function reads from its environment.
pub type Config = ();

/// Answers a request.
#[must_use]
pub fn answer(event: &LambdaEvent<HttpEvent>) -> HttpAnswer {
    let allowed = methods_at(event.payload.raw_path.as_deref().unwrap_or_default());
    let method = event.payload.request_context.http.method.as_str();
    let problem = if allowed.is_empty() || allowed.contains(&method) {
        Problem::NotFound
    } else {
        Problem::MethodNotAllowed { allowed }
    };
    problem.answer(request_id(event).as_ref()).into()
}
