//! What must be true of the template and of the API's description, whatever else they say.
//!
//! Each rule is a function from a document to its complaints. Its test shows that the document gives no cause for any,
//! and that each of a list of changes does: a rule that cannot be broken holds nothing.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alarms;
mod api;
mod configuration;
mod cost;
mod data;
mod documents;
mod edge;
mod functions;
mod mail_events;
mod metrics;
mod openapi;
mod permissions;
mod scan;
mod supply;
mod template;
