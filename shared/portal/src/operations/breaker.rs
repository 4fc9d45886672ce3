//! A circuit breaker for SES: it stops trying mails while SES sends nothing.
//!
//! While the AWS account is paused, suspended or out of quota, every mail fails in the same way. Claiming, trying and
//! deferring each mail would cost useless writes, and calls that SES counts. So the first such answer opens the breaker.
//! While it is open, one mail a minute is tried: the probe. All other mails are left unchanged and keep their place in the
//! calendar. When SES accepts a probe, the breaker closes.
//!
//! Each process has its own breaker, which starts closed. Its state is not stored, because it is cheap to detect again.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::ports::{Clock, SendOutcome};

/// How long all mails wait after SES has said that it sends nothing for now. The first mail after that is the probe.
pub const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Whether mails may be tried. One instance serves all mails of a process.
#[derive(Debug, Default)]
pub struct Breaker {
    /// When the next probe may be sent. `None` while the breaker is closed.
    probe_at: Mutex<Option<DateTime<Utc>>>,
}

/// The permission to hand over one mail. If a probe is dropped unused, another mail may be the probe.
#[derive(Debug)]
#[must_use]
pub struct Pass<'breaker> {
    breaker: &'breaker Breaker,
    /// When this probe became due, if this is an unused probe.
    probe: Option<DateTime<Utc>>,
}

impl Breaker {
    /// Asks for permission to try a mail now. `None` if the mail must not be tried.
    pub fn pass(&self, now: DateTime<Utc>) -> Option<Pass<'_>> {
        let mut probe_at = self.state();
        let probe = match *probe_at {
            None => None,
            // A wait longer than the pause means that the clock has been set back: do not wait then.
            Some(at) if now < at && at - now <= PAUSE => return None,
            Some(at) => {
                *probe_at = Some(now + PAUSE);
                Some(at)
            }
        };
        Some(Pass { breaker: self, probe })
    }

    fn update(&self, is_probe: bool, outcome: &SendOutcome, now: DateTime<Utc>) {
        match outcome {
            SendOutcome::Paused => *self.state() = Some(now + PAUSE),
            SendOutcome::Accepted(_) if is_probe => *self.state() = None,
            // These answers do not show whether SES sends again. An accepted mail that is no probe was handed over before
            // the breaker opened. A refusal may come before SES checks the account.
            SendOutcome::Accepted(_) | SendOutcome::Refused | SendOutcome::Throttled | SendOutcome::Unknown => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<DateTime<Utc>>> {
        self.probe_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Hands the mail over, and updates the breaker by the outcome.
    pub async fn hand_over(mut self, clock: &dyn Clock, mail: impl Future<Output = SendOutcome>) -> SendOutcome {
        // From here on the probe counts as used, even if this future is dropped.
        let is_probe = self.probe.take().is_some();
        let outcome = mail.await;
        self.breaker.update(is_probe, &outcome, clock.now());
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
    struct Fixture {
        breaker: Breaker,
        clock: TestClock,
    }

    impl Fixture {
        fn pass(&self) -> Option<Pass<'_>> {
            self.breaker.pass(self.clock.now())
        }

        /// Hands over one mail if the breaker permits it. Returns whether it did.
        async fn try_one(&self, outcome: SendOutcome) -> bool {
            let Some(pass) = self.pass() else { return false };
            assert_eq!(pass.hand_over(&self.clock, ready(outcome.clone())).await, outcome);
            true
        }

        /// With a breaker that an answer of SES has just opened.
        async fn with_open_breaker() -> Self {
            let fixture = Self::default();
            assert!(fixture.try_one(SendOutcome::Paused).await);
            fixture
        }
    }

    #[tokio::test]
    async fn outcomes_of_single_mails_do_not_open_the_breaker() {
        let fixture = Fixture::default();
        for outcome in [accepted(), SendOutcome::Refused, SendOutcome::Throttled, SendOutcome::Unknown] {
            assert!(fixture.try_one(outcome).await);
        }
        assert!(fixture.pass().zip(fixture.pass()).is_some(), "any number at a time");
    }

    #[tokio::test]
    async fn while_sending_is_paused_one_probe_a_minute_is_tried() {
        let fixture = Fixture::with_open_breaker().await;
        let mut tried = Vec::new();
        for second in 0..=200 {
            for _ in 0..3 {
                if fixture.try_one(SendOutcome::Paused).await {
                    tried.push(second);
                }
            }
            fixture.clock.advance(TimeDelta::seconds(1));
        }
        assert_eq!(tried, [60, 120, 180]);
    }

    #[tokio::test]
    async fn only_one_probe_is_tried_at_a_time() {
        let fixture = Fixture::with_open_breaker().await;
        fixture.clock.advance(PAUSE);
        let probe = fixture.pass();
        assert!(probe.is_some() && fixture.pass().is_none());
    }

    #[tokio::test]
    async fn an_accepted_probe_closes_the_breaker() {
        let fixture = Fixture::with_open_breaker().await;
        fixture.clock.advance(PAUSE);
        assert!(fixture.try_one(accepted()).await);
        assert!(fixture.pass().zip(fixture.pass()).is_some());
    }

    #[tokio::test]
    async fn after_an_inconclusive_probe_the_next_is_tried_a_minute_later() {
        for outcome in [SendOutcome::Refused, SendOutcome::Throttled, SendOutcome::Unknown] {
            let fixture = Fixture::with_open_breaker().await;
            fixture.clock.advance(PAUSE);
            assert!(fixture.try_one(outcome).await);
            fixture.clock.advance(PAUSE - TimeDelta::milliseconds(1));
            assert!(fixture.pass().is_none());
            fixture.clock.advance(TimeDelta::milliseconds(1));
            assert!(fixture.pass().is_some());
        }
    }

    #[tokio::test]
    async fn an_unused_probe_is_available_to_the_next_mail() {
        let fixture = Fixture::with_open_breaker().await;
        fixture.clock.advance(PAUSE);
        drop(fixture.pass().unwrap());
        assert!(fixture.try_one(accepted()).await);
    }

    #[tokio::test]
    async fn a_probe_that_is_dropped_while_sending_counts_as_used() {
        let fixture = Fixture::with_open_breaker().await;
        fixture.clock.advance(PAUSE);
        let mut probe = Box::pin(fixture.pass().unwrap().hand_over(&fixture.clock, pending()));
        tokio::select! { biased; _ = &mut probe => {}, () = ready(()) => {} }
        drop(probe);
        assert!(fixture.pass().is_none());
        fixture.clock.advance(PAUSE);
        assert!(fixture.pass().is_some());
    }

    #[tokio::test]
    async fn a_mail_handed_over_before_the_pause_does_not_close_the_breaker() {
        let fixture = Fixture::default();
        let early = fixture.pass().unwrap();
        assert!(fixture.try_one(SendOutcome::Paused).await);
        assert_eq!(early.hand_over(&fixture.clock, ready(accepted())).await, accepted());
        assert!(fixture.pass().is_none());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_does_not_block_probes() {
        let fixture = Fixture::with_open_breaker().await;
        fixture.clock.advance(-TimeDelta::days(1));
        assert!(fixture.try_one(SendOutcome::Paused).await);
        assert!(fixture.pass().is_none());
    }
}
