//! Tests of the real binaries, deployed from the real template to the local AWS, over HTTP.
//!
//! All of them run at the same time on the stack that `PORTAL_STACK_FILE` names. Each opens practices of its own, with
//! addresses of their own, so none sees another's work.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adoption;
mod aws;
mod bad_input;
mod bulk;
mod canaries;
mod change_email;
mod client;
mod delivery;
mod hostile;
mod identity;
mod import;
mod invitation;
mod lifecycle;
mod logins;
mod mail_events;
mod matrix;
mod permissions;
mod races;
mod record;
mod rules;
mod search;
mod timeline;
mod wait;
