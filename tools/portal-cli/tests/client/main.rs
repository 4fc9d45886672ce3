//! The whole client, and its commands, against a stand-in for the API.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod import;
mod import_command;
mod invite;
mod invite_command;
mod jobs;
mod program;
mod stand_in;
