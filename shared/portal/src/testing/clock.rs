//! A clock that tests set.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

use super::samples;
use crate::ports::Clock;

/// A clock that changes only when a test sets it. It starts at [`samples::noon`].
#[derive(Debug)]
pub struct TestClock(Mutex<DateTime<Utc>>);

impl Default for TestClock {
    fn default() -> Self {
        Self::new(samples::noon())
    }
}

impl TestClock {
    /// A clock that shows this time.
    #[must_use]
    pub const fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Sets the time, forwards or backwards.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap() = now;
    }

    /// Moves the time forwards by a duration, or backwards by a negative one.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}
