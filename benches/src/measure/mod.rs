//! The measurements of a function.

pub mod calls;
pub mod instructions;
pub mod package;
pub mod system_calls;
pub mod throttle;

use serde::Serialize;

use crate::{aws::Counts, variant::OURS};

/// The measurements of one variant of a function.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// The function's name.
    pub function: String,
    /// The variant's name: the language.
    pub variant: String,
    /// The number of records or mails of one call. The figures of a call are for all of them.
    pub records_each: usize,
    /// Starts and first calls.
    pub cold: Cold,
    /// Calls after the first.
    pub warm: Warm,
    /// The times with the processor time that Lambda gives to 128 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<Throttled>,
    /// Instructions, if they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Instructions>,
    /// Instructions from the start to the first answer with all certificates that this machine trusts, if they were
    /// counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions_with_machines_trust: Option<u64>,
    /// System calls of a warm call, if they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_calls: Option<f64>,
    /// The peak memory after all warm calls, in bytes.
    pub peak_memory_bytes: u64,
    /// The size of the deployed package, in bytes.
    pub package_bytes: u64,
    /// The size of the package in a zip, in bytes.
    pub zip_bytes: u64,
}

impl Measured {
    /// Whether the function answers requests of the HTTP API.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.variant == OURS && !["sender", "sweep", "mail-events"].contains(&self.function.as_str())
    }

    /// The average of one warm call, given the total of all warm calls.
    #[must_use]
    pub fn each(&self, count: u64) -> f64 {
        round(figure(count) / self.calls())
    }

    fn calls(&self) -> f64 {
        figure(self.warm.calls.try_into().unwrap_or(u64::MAX))
    }

    /// Calls to AWS of a warm call.
    #[must_use]
    pub fn aws_calls(&self) -> f64 {
        self.each(self.warm.aws.calls.values().sum())
    }

    /// Calls to AWS of a warm call, for each of its records.
    #[must_use]
    pub fn aws_calls_per_record(&self) -> f64 {
        self.aws_calls() / figure(self.records_each.try_into().unwrap_or(u64::MAX))
    }

    /// Read units of a warm call.
    #[must_use]
    pub fn read_units(&self) -> f64 {
        round(self.warm.aws.read_units / self.calls())
    }

    /// Write units of a warm call.
    #[must_use]
    pub fn write_units(&self) -> f64 {
        round(self.warm.aws.write_units / self.calls())
    }

    /// The ratio of the processor time from start to first answer to that of another variant: the median of the ratios of
    /// starts that followed each other.
    #[must_use]
    pub fn cold_cpu_times(&self, other: &Self) -> f64 {
        let pairs = self.cold.cpu_millis_each.iter().zip(&other.cold.cpu_millis_each);
        median(&pairs.map(|(this, other)| this / other).collect::<Vec<_>>())
    }
}

/// Rounds to hundredths, for tables.
fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

/// Starts and first calls: medians, and the processor time of each start for ratios.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cold {
    /// Starts that were measured.
    pub starts: usize,
    /// The time from the start to the first request for an event.
    pub first_next_millis: f64,
    /// The time from the start to the first answer.
    pub first_answer_millis: f64,
    /// Processor time until the first answer.
    pub cpu_millis: f64,
    /// The processor time of each start, in the order of the starts.
    pub cpu_millis_each: Vec<f64>,
    /// The peak memory until the first answer, in bytes.
    pub peak_memory_bytes: u64,
    /// The calls to AWS of the first call.
    pub aws: Counts,
}

/// Calls after the first.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warm {
    /// Calls that were measured.
    pub calls: usize,
    /// The median of the time from handing over an event to its answer.
    pub p50_micros: f64,
    /// The 95th percentile.
    pub p95_micros: f64,
    /// The 99th percentile.
    pub p99_micros: f64,
    /// Processor time of a call.
    pub cpu_micros: f64,
    /// The calls to AWS of all these calls.
    pub aws: Counts,
}

/// The times with the processor time that Lambda gives to 128 MB.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttled {
    /// The time from the start, which is not throttled, to the first answer.
    pub first_answer_millis: f64,
    /// The time of the first call alone.
    pub first_call_millis: f64,
    /// The median of the warm calls.
    pub p50_micros: f64,
    /// The 99th percentile of the warm calls.
    pub p99_micros: f64,
}

/// Instructions, as callgrind counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instructions {
    /// From the start to the first answer.
    pub cold: u64,
    /// Of a warm call.
    pub warm: u64,
}

/// The value that `percent` of 100 do not exceed. `values` must be sorted.
#[must_use]
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let rank = (values.len() * percent).div_ceil(100).max(1) - 1;
    values.get(rank).copied().unwrap_or_default()
}

/// The median.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 50)
}

/// A count as a floating-point number.
#[must_use]
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "all counts here are far below 2 to the 52nd")]
pub fn figure(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        for (percent, expected) in [(50, 100.0), (95, 190.0), (99, 198.0), (100, 200.0)] {
            assert!((percentile(&values, percent) - expected).abs() < f64::EPSILON, "{percent}");
        }
        assert!((percentile(&[7.0], 99) - 7.0).abs() < f64::EPSILON);
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
