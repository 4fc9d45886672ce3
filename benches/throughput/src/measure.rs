//! Measures elapsed time and the processor time of this process.

use std::{
    iter::Sum,
    ops::Add,
    time::{Duration, Instant},
};

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Elapsed time, and this process's processor time in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeSpent {
    elapsed: Duration,
    processor: Duration,
}

/// Measures the time since its start.
pub struct Stopwatch {
    started: Instant,
    processor_before: Duration,
}

/// The measured figures of an operation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// The operation.
    pub name: String,
    /// The number of measured operations.
    pub count: usize,
    /// Microseconds of one operation, including the time of the fake AWS.
    pub micros_each: f64,
    /// Milliseconds of a batch. `None` for operations that were carried out one after the other.
    pub batch_millis: Option<f64>,
    /// Microseconds of processor time of one operation.
    pub processor_micros_each: f64,
    /// Operations that one environment carries out in a second, one after the other.
    pub a_second: f64,
    /// Operations that a core can carry out in a second if it does nothing else. Environments wait, cores do not.
    pub a_second_a_core: f64,
}

impl Stopwatch {
    /// Starts to measure.
    ///
    /// # Errors
    /// If the kernel does not give the processor time of this process.
    #[expect(clippy::disallowed_methods, reason = "a stopwatch reads the clock")]
    pub fn start() -> Result<Self> {
        Ok(Self { started: Instant::now(), processor_before: processor_time()? })
    }

    /// The time since the start.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn spent(&self) -> Result<TimeSpent> {
        let processor = processor_time()?.saturating_sub(self.processor_before);
        Ok(TimeSpent { elapsed: self.started.elapsed(), processor })
    }
}

impl Add for TimeSpent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { elapsed: self.elapsed + other.elapsed, processor: self.processor + other.processor }
    }
}

impl Sum for TimeSpent {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl Figures {
    /// Adds the time of a batch, for operations that were carried out in batches.
    pub fn in_batches(self, batches: usize) -> Self {
        let each = f64::from(u32::try_from(self.count / batches).unwrap_or(u32::MAX));
        Self { batch_millis: Some(self.micros_each * each / 1e3), ..self }
    }

    /// The figures of an operation that was carried out `count` times.
    pub fn new(name: impl Into<String>, count: usize, spent: TimeSpent) -> Self {
        let times = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let (elapsed, processor) = (spent.elapsed.as_secs_f64() / times, spent.processor.as_secs_f64() / times);
        Self {
            name: name.into(),
            count,
            micros_each: elapsed * 1e6,
            batch_millis: None,
            processor_micros_each: processor * 1e6,
            a_second: elapsed.recip(),
            a_second_a_core: processor.recip(),
        }
    }
}

fn processor_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}
