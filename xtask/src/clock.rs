//! The machine's clock, for commands and tests. The product receives the time as an argument.

use std::time::Instant;

/// The time of the monotonic clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "commands and tests measure how long something takes")]
pub fn now() -> Instant {
    Instant::now()
}
