//! The machine's clock. Commands and tests wait and measure; the product is handed the time.

use std::time::Instant;

/// The monotonic clock's time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "commands and tests measure how long something takes")]
pub fn now() -> Instant {
    Instant::now()
}
