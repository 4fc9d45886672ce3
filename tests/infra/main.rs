//! Rules for the template and for the API's description.
//!
//! Each rule is a function from a document to its complaints. Its test shows that there is no complaint about the document,
//! and that there is one after each of a list of changes: a rule that cannot be broken checks nothing.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "in a test a panic is the failure")]

mod adoption;
mod alarms;
mod api;
mod chain;
mod configuration;
mod cost;
mod data;
mod documents;
mod edge;
mod functions;
mod local;
mod mail_events;
mod metrics;
mod openapi;
mod partitions;
mod permissions;
mod scan;
mod supply;
mod template;
mod trust;
