//! The signal to stop: from Ctrl-C, or from an import that cannot continue.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A flag that is raised once. Threads can wait for it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Raises the flag. All waiting threads continue at once.
    pub fn raise(&self) {
        *self.lock() = true;
        self.0.1.notify_all();
    }

    /// Whether the flag is raised.
    #[must_use]
    pub fn raised(&self) -> bool {
        *self.lock()
    }

    /// Waits for this time, or until the flag is raised. Returns whether it is raised.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let waited = self.0.1.wait_timeout_while(self.lock(), time, |raised| !*raised);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        // After a panic of another thread the flag is still valid.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::Stop;

    #[test]
    fn waiting_ends_when_the_flag_is_raised() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::ZERO) && !stop.raised());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| stop.wait(Duration::from_hours(1)));
            stop.raise();
            assert!(waiting.join().unwrap());
        });
        assert!(stop.raised() && stop.wait(Duration::from_hours(1)));
    }
}
