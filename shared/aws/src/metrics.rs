//! Metrics: one line a run, in CloudWatch's embedded metric format.
//!
//! The line goes to standard output like a log line, and CloudWatch makes the metrics of it: no call, no permission.
//! Their one dimension is the function, so there is no place for an id or for anything personal.
//!
//! Lambda takes a line without a level for one of INFO. A function that writes metrics must not log less than that.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use chrono::{DateTime, Utc};
use serde::Serialize;

/// What all metrics are kept under.
pub const NAMESPACE: &str = "PatientPortalInvitations";
/// By what they are told apart: the function as Lambda knows it, which another stack's is not.
pub const DIMENSION: &str = "function";

/// A metric and its value in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The metric's name.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// How much it was.
    pub value: u64,
}

/// What a metric counts, by CloudWatch's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Things that happened.
    Count,
    /// Time.
    Seconds,
}

impl Figure {
    /// So many of these.
    #[must_use]
    pub fn count(name: &'static str, value: u32) -> Self {
        Self { name, unit: Unit::Count, value: value.into() }
    }
}

/// Where the lines go.
pub trait MetricLog: Sync {
    /// Writes one line, which has no line break in it yet.
    fn write(&self, line: String);
}

/// Standard output, where Lambda picks them up.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandardOutput;

impl MetricLog for StandardOutput {
    fn write(&self, mut line: String) {
        line.push('\n');
        // In one piece, so that no log line comes in between.
        if io::stdout().lock().write_all(line.as_bytes()).is_err() {
            tracing::warn!("metrics not written");
        }
    }
}

/// Writes what a function did in one run.
pub fn put(log: &impl MetricLog, function: &str, at: DateTime<Utc>, figures: &[Figure]) {
    match line(function, at, figures) {
        Ok(line) => log.write(line),
        Err(error) => tracing::warn!(%error, "metrics not written"),
    }
}

#[derive(Serialize)]
struct Line<'run> {
    #[serde(rename = "_aws")]
    aws: Metadata,
    #[serde(flatten)]
    dimensions: BTreeMap<&'static str, &'run str>,
    #[serde(flatten)]
    values: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    timestamp: i64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: Unit,
}

fn line(function: &str, at: DateTime<Utc>, figures: &[Figure]) -> serde_json::Result<String> {
    let metrics = figures.iter().map(|figure| Definition { name: figure.name, unit: figure.unit }).collect();
    let directive = Directive { namespace: NAMESPACE, dimensions: [[DIMENSION]], metrics };
    serde_json::to_string(&Line {
        aws: Metadata { timestamp: at.timestamp_millis(), cloud_watch_metrics: [directive] },
        dimensions: BTreeMap::from([(DIMENSION, function)]),
        values: figures.iter().map(|figure| (figure.name, figure.value)).collect(),
    })
}

/// Lines that are kept, for tests to look at.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub struct KeptLines(std::sync::Mutex<Vec<String>>);

#[cfg(feature = "testing")]
impl KeptLines {
    /// What was written so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

#[cfg(feature = "testing")]
impl MetricLog for KeptLines {
    fn write(&self, line: String) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_extracts_metrics_from() {
        let at = DateTime::from_timestamp_millis(1_778_000_000_123).unwrap();
        let age = Figure { name: "oldest", unit: Unit::Seconds, value: 90 };
        let line = line("stack-sender", at, &[Figure::count("sent", 3), age]).unwrap();
        let golden = concat!(
            r#"{"_aws":{"Timestamp":1778000000123,"CloudWatchMetrics":[{"Namespace":"PatientPortalInvitations","#,
            r#""Dimensions":[["function"]],"#,
            r#""Metrics":[{"Name":"sent","Unit":"Count"},{"Name":"oldest","Unit":"Seconds"}]}]},"#,
            r#""function":"stack-sender","oldest":90,"sent":3}"#,
        );
        assert_eq!(line, golden);
    }
}
