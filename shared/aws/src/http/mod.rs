//! The HTTP edge: reads the gateway's event into domain types, and makes an answer of the outcome.
//!
//! The types of the events and the runtime are those of `lambda_http`. Its `Request` is not used: it builds a URL from each
//! event, and panics if the client's path, query or scheme is not valid in one (`docs/adr/0007-events-as-they-come.md`).

pub mod actor;
mod answer;
mod body;
pub mod cursor;
pub mod field_error;
pub mod fields;
mod handler;
pub mod history_cursor;
pub mod origin;
pub mod panel;
pub mod problem;
mod request;
pub mod respond;
pub mod routes;
pub mod scope;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timeline;
pub mod value;
pub mod words;

pub use answer::Answer;
pub use cursor::DirectoryCursors;
pub use handler::{Edge, Handler, request_id};
pub use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayV2httpRequest as HttpEvent, ApiGatewayV2httpResponse as HttpAnswer,
};
pub use problem::Problem;
pub use request::{IfMatch, Request};
