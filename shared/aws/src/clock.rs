//! The system clock.

use std::time::SystemTime;

use chrono::{DateTime, SubsecRound as _, Utc};
use portal::ports::Clock;

/// The system clock. No other code reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "all other code receives the time as an argument")]
    fn now(&self) -> DateTime<Utc> {
        DateTime::from(SystemTime::now()).trunc_subsecs(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_current_and_in_whole_milliseconds() {
        let now = SystemClock.now();
        assert_eq!(now.timestamp_subsec_nanos() % 1_000_000, 0);
        assert!(now.timestamp() > 1_700_000_000, "{now}");
    }
}
