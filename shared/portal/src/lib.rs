//! Patient portal invitations: the rules, the record they act on, and the operations that the functions call.
//!
//! Nothing here knows AWS, a runtime, the environment or the clock: time and randomness are arguments, stores and
//! queues are traits in [`ports`]. Rules marked with their source come from the published behaviour of the product
//! that this one succeeds; a reader finds each in one place:
//!
//! * who may have an address: [`email`] (what is one), [`ledger`] (whose it is)
//! * what a command may do: [`record::guards`]; what it does: the other modules of [`record`]
//! * every number: [`policy`]
//! * what staff see: [`panel`], [`timeline`]
//! * how staff find a patient: [`directory`], [`search`]
//! * why not: [`refusal`]
//! * what may be repeated: [`idempotency`]
//! * many patients at once: [`bulk`]

pub mod bulk;
#[cfg(feature = "describe")]
pub mod describe;
pub mod directory;
pub mod email;
pub mod idempotency;
pub mod ids;
pub mod ledger;
pub mod link;
pub mod operations;
pub mod panel;
pub mod policy;
pub mod ports;
pub mod practice;
pub mod profile;
pub mod record;
pub mod redacted;
pub mod refusal;
pub mod scope;
pub mod search;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod timeline;
