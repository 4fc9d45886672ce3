//! How long something takes, and how much of that this process works.

use std::{
    iter::Sum,
    ops::Add,
    time::{Duration, Instant},
};

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Time, and this process's work in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    whole: Duration,
    processor: Duration,
}

/// Measures from its start on.
pub struct Stopwatch {
    started: Instant,
    worked_before: Duration,
}

/// What something cost, so many times.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// What it was.
    pub name: String,
    /// How many times it was done.
    pub count: usize,
    /// Microseconds from the beginning of one to its end, what AWS's stand-in takes included.
    pub micros_each: f64,
    /// Milliseconds of a batch; nothing for what is done one after the other.
    pub batch_millis: Option<f64>,
    /// Microseconds of processor time of one.
    pub processor_micros_each: f64,
    /// How many one environment does in a second, one after the other.
    pub a_second: f64,
    /// How many a core does in a second that does nothing else: environments wait, cores do not.
    pub a_second_a_core: f64,
}

impl Stopwatch {
    /// Starts to measure.
    ///
    /// # Errors
    /// If the kernel does not say how much this process has worked.
    #[expect(clippy::disallowed_methods, reason = "this is what measures")]
    pub fn start() -> Result<Self> {
        Ok(Self { started: Instant::now(), worked_before: worked()? })
    }

    /// What was spent since the start.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn spent(&self) -> Result<Spent> {
        Ok(Spent { whole: self.started.elapsed(), processor: worked()?.saturating_sub(self.worked_before) })
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { whole: self.whole + other.whole, processor: self.processor + other.processor }
    }
}

impl Sum for Spent {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl Figures {
    /// The same for what was done in so many batches.
    pub fn in_batches(self, batches: usize) -> Self {
        let each = f64::from(u32::try_from(self.count / batches).unwrap_or(u32::MAX));
        Self { batch_millis: Some(self.micros_each * each / 1e3), ..self }
    }

    /// The figures of something that was done so many times.
    pub fn of(name: impl Into<String>, count: usize, spent: Spent) -> Self {
        let times = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let (whole, processor) = (spent.whole.as_secs_f64() / times, spent.processor.as_secs_f64() / times);
        Self {
            name: name.into(),
            count,
            micros_each: whole * 1e6,
            batch_millis: None,
            processor_micros_each: processor * 1e6,
            a_second: whole.recip(),
            a_second_a_core: processor.recip(),
        }
    }
}

fn worked() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}
