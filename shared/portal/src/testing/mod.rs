//! Shared test code: the in-memory store, which is the reference for all other stores, fakes, and samples.
//!
//! Only tests compile this module. A sample that does not parse, or a lock that a failed test poisoned, is a failed test,
//! so unwrapping is correct here.
#![expect(clippy::unwrap_used, reason = "only tests compile this module")]
#![expect(clippy::missing_panics_doc, reason = "every function here panics if a test has gone wrong before")]

mod clock;
mod entropy;
mod mailer;
mod queue;
mod refused;
pub mod samples;
mod store;

pub use clock::TestClock;
pub use entropy::TestEntropy;
pub use mailer::ScriptedMailer;
pub use queue::{MemoryJobQueue, MemoryQueue};
pub use refused::{Refused, refusal};
pub use store::{Contents, Fault, MemoryStore};
