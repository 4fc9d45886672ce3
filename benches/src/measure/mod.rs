//! What is measured of a function, and how.

pub mod calls;
pub mod instructions;
pub mod package;
pub mod system_calls;
pub mod throttle;

use serde::Serialize;

use crate::{aws::Counts, variant::OURS};

/// What was measured of one variant of a function.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// The function's name.
    pub function: String,
    /// In which language.
    pub variant: String,
    /// Events that a record or a mail takes part in at once: figures of a call are of so many.
    pub records_each: usize,
    /// Starts and first calls.
    pub cold: Cold,
    /// Calls after the first.
    pub warm: Warm,
    /// The same with the processor time that Lambda gives to 128 MB.
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
    /// The most memory that it had, in bytes, with all warm calls.
    pub peak_memory_bytes: u64,
    /// What would be deployed, in bytes.
    pub package_bytes: u64,
    /// The same in a zip.
    pub zip_bytes: u64,
}

impl Measured {
    /// Whether it answers requests of the HTTP API that come to AWS.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.variant == OURS && !["sender", "sweep", "mail-events"].contains(&self.function.as_str())
    }

    /// Of what all warm calls took, the share of one.
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

    /// The same, for each record that the call is about.
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

    /// Processor time from start to first answer, in times of another's: the median over starts that took turns.
    #[must_use]
    pub fn cold_cpu_times(&self, other: &Self) -> f64 {
        let pairs = self.cold.cpu_millis_each.iter().zip(&other.cold.cpu_millis_each);
        median(&pairs.map(|(this, other)| this / other).collect::<Vec<_>>())
    }
}

/// To hundredths, so that tables have no more than that.
fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

/// Starts and first calls: medians, and the processor time of each start for pairing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cold {
    /// Starts that were measured.
    pub starts: usize,
    /// From the start to the first request for an event.
    pub first_next_millis: f64,
    /// From the start to the first answer.
    pub first_answer_millis: f64,
    /// Processor time until the first answer.
    pub cpu_millis: f64,
    /// The same of each start, in the order in which the variants took turns.
    pub cpu_millis_each: Vec<f64>,
    /// The most memory until the first answer, in bytes.
    pub peak_memory_bytes: u64,
    /// What the first call asked of AWS.
    pub aws: Counts,
}

/// Calls after the first.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warm {
    /// Calls that were measured.
    pub calls: usize,
    /// From handing an event over to its answer: half of the calls took no longer.
    pub p50_micros: f64,
    /// 95 of 100 took no longer.
    pub p95_micros: f64,
    /// 99 of 100 took no longer.
    pub p99_micros: f64,
    /// Processor time of a call.
    pub cpu_micros: f64,
    /// What all of them asked of AWS.
    pub aws: Counts,
}

/// The times with the processor time that Lambda gives to 128 MB.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttled {
    /// From the start, which is not throttled, to the first answer.
    pub first_answer_millis: f64,
    /// The first call alone.
    pub first_call_millis: f64,
    /// Half of the warm calls took no longer.
    pub p50_micros: f64,
    /// 99 of 100 took no longer.
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

/// The middle one.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 50)
}

/// A count as a figure.
#[must_use]
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "no count here comes near to 2 to the 52nd")]
pub fn figure(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        for (percent, expected) in [(50, 100.0), (95, 190.0), (99, 198.0), (100, 200.0)] {
            assert!((percentile(&values, percent) - expected).abs() < f64::EPSILON, "{percent}");
        }
        assert!((percentile(&[7.0], 99) - 7.0).abs() < f64::EPSILON);
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
