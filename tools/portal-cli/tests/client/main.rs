//! The whole client, and its command, against something that answers like the API.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod command;
mod import;
mod stand_in;
