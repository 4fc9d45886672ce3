//! The HTTP edge: from API Gateway's event to domain types, and from an outcome to the answer.
//!
//! The events are `lambda_http`'s, as the gateway sends them, and so is the runtime. Its `Request` is not used: it makes
//! a URL of each event first, and panics when a client's path, query or scheme does not make one
//! (`docs/adr/0007-events-as-they-come.md`).

mod body;
pub mod cursor;
pub mod fields;
mod handler;
pub mod origin;
pub mod panel;
pub mod problem;
mod request;
pub mod respond;
pub mod routes;
pub mod scope;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod value;
pub mod words;

pub use cursor::DirectoryCursors;
pub use handler::{Edge, Handler, request_id};
pub use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayV2httpRequest as HttpEvent, ApiGatewayV2httpResponse as HttpAnswer,
};
pub use problem::Problem;
pub use request::{IfMatch, Request};
pub use respond::Answer;
