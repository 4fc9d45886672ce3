//! What must be true of the template, whatever else it says.
//!
//! Each rule is a function from a template to its complaints. Its test shows that the template gives no cause for any,
//! and that each of a list of changes does: a rule that cannot be broken holds nothing.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod configuration;
mod data;
mod functions;
mod metrics;
mod permissions;
mod sources;
mod template;
