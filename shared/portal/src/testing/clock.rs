//! A clock that stands still until it is told otherwise.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

use super::samples;
use crate::ports::Clock;

/// A settable clock. Begins at [`samples::noon`].
#[derive(Debug)]
pub struct TestClock(Mutex<DateTime<Utc>>);

impl Default for TestClock {
    fn default() -> Self {
        Self::at(samples::noon())
    }
}

impl TestClock {
    /// A clock that shows this time.
    #[must_use]
    pub const fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Sets it, forwards or back.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap() = now;
    }

    /// Moves it on.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}
