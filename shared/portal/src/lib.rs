//! Patient portal invitations: the rules, the record they act on, and the operations that the functions call.
//!
//! The crate does not depend on AWS, a runtime, the environment or the clock: time and randomness are arguments, stores
//! and queues are traits in [`ports`]. Rules that name a source come from the published behaviour of the predecessor of
//! this product. Each rule is in one place:
//!
//! * email addresses: [`email`] (which texts are addresses), [`ledger`] (who has an address)
//! * whether a command is allowed: [`record::guards`]; what it does: the other modules of [`record`]
//! * limits and durations: [`policy`]
//! * what staff see: [`panel`], [`timeline`], [`practice_history`], [`access`]
//! * how staff find a patient: [`directory`], [`search`]
//! * why a command is refused: [`refusal`]
//! * idempotent requests: [`idempotency`]
//! * bulk jobs: [`bulk`]

pub mod access;
pub mod bulk;
#[cfg(feature = "describe")]
pub mod describe;
pub mod directory;
pub mod email;
pub mod history;
pub mod idempotency;
pub mod ids;
pub mod ledger;
pub mod link;
pub mod operations;
pub mod panel;
pub mod policy;
pub mod ports;
pub mod practice;
pub mod practice_history;
pub mod profile;
pub mod record;
pub mod redacted;
pub mod refusal;
pub mod scope;
pub mod search;
pub mod states;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod timeline;
