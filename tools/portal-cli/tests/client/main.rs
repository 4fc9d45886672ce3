//! The whole client and its commands, with a fake of the API.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "in a test a panic is the failure")]

mod fake_api;
mod import;
mod import_command;
mod invite;
mod invite_command;
mod jobs;
mod program;
