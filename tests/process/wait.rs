//! Waiting for what the system does in its own time.

use std::{thread, time::Duration};

use xtask::clock;

/// Far more than anything here takes: it is reached only when something will never happen.
const DEADLINE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// Looks until there is something to see, and returns it.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = clock::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        thread::sleep(POLL);
    }
}
