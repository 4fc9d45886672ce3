//! Leaving mails alone while SES sends nothing.
//!
//! While the account is paused, suspended or out of quota the next mail fares no better than the last. To claim each of
//! them, try it and put it off would cost writes for nothing, and calls that SES counts. So the first such answer opens
//! the breaker, and from then on one mail a minute is tried: the probe. Everything else is left as it is, with the place
//! in the calendar that it has. When SES takes a probe the breaker closes.
//!
//! It is the process's own and starts closed: what it knows is cheap to find out again.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::ports::{Clock, SendOutcome};

/// How long everything waits once SES says that it sends nothing for now; the first one after it is the probe.
pub const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Whether mails may be tried. One for all that a process hands over.
#[derive(Debug, Default)]
pub struct Breaker {
    /// When the next probe may go, while the breaker is open.
    probe_at: Mutex<Option<DateTime<Utc>>>,
}

/// The permission to hand one mail over. A probe that is not used is somebody else's.
#[derive(Debug)]
#[must_use]
pub struct Pass<'breaker> {
    breaker: &'breaker Breaker,
    /// When this probe became due, if it is one and has not been used.
    probe: Option<DateTime<Utc>>,
}

impl Breaker {
    /// Asks for a mail that could be tried now. `None`: it is to be left alone.
    pub fn pass(&self, now: DateTime<Utc>) -> Option<Pass<'_>> {
        let mut probe_at = self.state();
        let probe = match *probe_at {
            None => None,
            // No wait is longer than the pause, unless the clock has been set back.
            Some(at) if now < at && at - now <= PAUSE => return None,
            Some(at) => {
                *probe_at = Some(now + PAUSE);
                Some(at)
            }
        };
        Some(Pass { breaker: self, probe })
    }

    fn learn(&self, is_probe: bool, outcome: &SendOutcome, now: DateTime<Utc>) {
        match outcome {
            SendOutcome::Paused => *self.state() = Some(now + PAUSE),
            SendOutcome::Accepted(_) if is_probe => *self.state() = None,
            // Accepted: under way since before the breaker opened. Refused: SES may look at a mail before it looks at
            // the account. The others say nothing of it either.
            SendOutcome::Accepted(_) | SendOutcome::Refused | SendOutcome::Throttled | SendOutcome::Unknown => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<DateTime<Utc>>> {
        self.probe_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Hands the mail over, and learns from the outcome.
    pub async fn hand_over(mut self, clock: &dyn Clock, mail: impl Future<Output = SendOutcome>) -> SendOutcome {
        // From here on it counts, whatever becomes of this future.
        let is_probe = self.probe.take().is_some();
        let outcome = mail.await;
        self.breaker.learn(is_probe, &outcome, clock.now());
        outcome
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(due) = self.probe {
            *self.breaker.state() = Some(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use crate::testing::{TestClock, samples};

    fn accepted() -> SendOutcome {
        SendOutcome::Accepted(samples::message_id(1))
    }

    /// A breaker and its clock.
    #[derive(Default)]
    struct Stage {
        breaker: Breaker,
        clock: TestClock,
    }

    impl Stage {
        fn pass(&self) -> Option<Pass<'_>> {
            self.breaker.pass(self.clock.now())
        }

        /// Hands one mail over if that may be; whether it might.
        async fn try_one(&self, outcome: SendOutcome) -> bool {
            let Some(pass) = self.pass() else { return false };
            assert_eq!(pass.hand_over(&self.clock, ready(outcome.clone())).await, outcome);
            true
        }

        /// One that SES has just opened.
        async fn open() -> Self {
            let stage = Self::default();
            assert!(stage.try_one(SendOutcome::Paused).await);
            stage
        }
    }

    #[tokio::test]
    async fn what_happens_to_single_mails_keeps_none_of_the_others() {
        let stage = Stage::default();
        for outcome in [accepted(), SendOutcome::Refused, SendOutcome::Throttled, SendOutcome::Unknown] {
            assert!(stage.try_one(outcome).await);
        }
        assert!(stage.pass().zip(stage.pass()).is_some(), "any number at once");
    }

    #[tokio::test]
    async fn while_sending_is_paused_one_probe_a_minute_is_tried() {
        let stage = Stage::open().await;
        let mut tried = Vec::new();
        for second in 0..=200 {
            for _ in 0..3 {
                if stage.try_one(SendOutcome::Paused).await {
                    tried.push(second);
                }
            }
            stage.clock.advance(TimeDelta::seconds(1));
        }
        assert_eq!(tried, [60, 120, 180]);
    }

    #[tokio::test]
    async fn one_probe_is_under_way_at_a_time() {
        let stage = Stage::open().await;
        stage.clock.advance(PAUSE);
        let probe = stage.pass();
        assert!(probe.is_some() && stage.pass().is_none());
    }

    #[tokio::test]
    async fn a_probe_that_is_accepted_lets_all_go() {
        let stage = Stage::open().await;
        stage.clock.advance(PAUSE);
        assert!(stage.try_one(accepted()).await);
        assert!(stage.pass().zip(stage.pass()).is_some());
    }

    #[tokio::test]
    async fn a_probe_that_says_nothing_is_followed_by_another_a_minute_later() {
        for outcome in [SendOutcome::Refused, SendOutcome::Throttled, SendOutcome::Unknown] {
            let stage = Stage::open().await;
            stage.clock.advance(PAUSE);
            assert!(stage.try_one(outcome).await);
            stage.clock.advance(PAUSE - TimeDelta::milliseconds(1));
            assert!(stage.pass().is_none());
            stage.clock.advance(TimeDelta::milliseconds(1));
            assert!(stage.pass().is_some());
        }
    }

    #[tokio::test]
    async fn a_probe_that_is_not_used_is_the_next_ones() {
        let stage = Stage::open().await;
        stage.clock.advance(PAUSE);
        drop(stage.pass().unwrap());
        assert!(stage.try_one(accepted()).await);
    }

    #[tokio::test]
    async fn a_probe_that_dies_under_way_counts() {
        let stage = Stage::open().await;
        stage.clock.advance(PAUSE);
        let mut probe = Box::pin(stage.pass().unwrap().hand_over(&stage.clock, pending()));
        tokio::select! { biased; _ = &mut probe => {}, () = ready(()) => {} }
        drop(probe);
        assert!(stage.pass().is_none());
        stage.clock.advance(PAUSE);
        assert!(stage.pass().is_some());
    }

    #[tokio::test]
    async fn a_mail_from_before_the_pause_does_not_end_it() {
        let stage = Stage::default();
        let early = stage.pass().unwrap();
        assert!(stage.try_one(SendOutcome::Paused).await);
        assert_eq!(early.hand_over(&stage.clock, ready(accepted())).await, accepted());
        assert!(stage.pass().is_none());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_holds_nothing_up() {
        let stage = Stage::open().await;
        stage.clock.advance(-TimeDelta::days(1));
        assert!(stage.try_one(SendOutcome::Paused).await);
        assert!(stage.pass().is_none());
    }
}
