//! Waiting for asynchronous results.

use std::{thread, time::Duration};

use xtask::clock;

/// Longer than a result takes even if a function ran out of time on a busy machine: the claim of a mail ends after two
/// minutes, and the sweep, which runs once a minute, then sends the next hint.
const DEADLINE: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(50);

/// Polls until there is a result, and returns it.
pub(crate) fn eventually<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let started = clock::now();
    loop {
        if let Some(result) = poll() {
            return result;
        }
        assert!(started.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        thread::sleep(POLL);
    }
}
