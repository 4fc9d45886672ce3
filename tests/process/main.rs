//! Tests of the real binaries, deployed from the real template to the local AWS, over HTTP.
//!
//! All of them run concurrently on the stack that `PORTAL_STACK_FILE` names. Each test opens its own practices with their
//! own addresses, so that no test sees another's data.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "in a test a panic is the failure")]

mod account;
mod adoption;
mod aws;
mod bad_input;
mod bulk;
mod canaries;
mod change_email;
mod client;
mod delivery;
mod firewall;
mod hostile;
mod identity;
mod import;
mod invitation;
mod lifecycle;
mod local_door;
mod logins;
mod mail_events;
mod matrix;
mod permissions;
mod preflight;
mod races;
mod record;
mod rules;
mod search;
mod support;
mod template;
mod timeline;
mod wait;
