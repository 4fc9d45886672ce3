//! Metrics: one line per run in the embedded metric format of CloudWatch.
//!
//! The line goes to standard output like a log line, and CloudWatch extracts the metrics, without a call or a permission.
//! The only dimension is the function, so a metric cannot contain an id or personal data.
//!
//! Lambda gives a line without a level the level INFO. The log level of a function must not be above INFO.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use chrono::{DateTime, Utc};
use serde::Serialize;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "PatientPortalInvitations";
/// The dimension of all metrics: the name of the Lambda function, which differs between stacks.
pub const DIMENSION: &str = "function";

/// The value of a metric in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The metric's name.
    pub name: &'static str,
    /// The unit of the value.
    pub unit: Unit,
    /// The value.
    pub value: u64,
}

/// The unit of a metric, by the names of CloudWatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// A number of events.
    Count,
    /// A duration.
    Seconds,
}

impl Figure {
    /// A number of events.
    #[must_use]
    pub fn count(name: &'static str, value: u32) -> Self {
        Self { name, unit: Unit::Count, value: value.into() }
    }
}

/// The output for the lines.
pub trait MetricLog: Sync {
    /// Writes one line. `line` contains no line break.
    fn write(&self, line: String);
}

/// Standard output, which Lambda sends to CloudWatch.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandardOutput;

impl MetricLog for StandardOutput {
    fn write(&self, mut line: String) {
        line.push('\n');
        // One write, so that no log line can get into the middle.
        if io::stdout().lock().write_all(line.as_bytes()).is_err() {
            tracing::warn!("metrics not written");
        }
    }
}

/// Writes the metrics of one run of a function. Zeros are left out, because a metric is billed for each hour in which it
/// has data. A run with nothing but zeros writes no line.
pub fn put(log: &impl MetricLog, function: &str, at: DateTime<Utc>, figures: &[Figure]) {
    let figures: Vec<Figure> = figures.iter().copied().filter(|figure| figure.value > 0).collect();
    if figures.is_empty() {
        return;
    }
    match line(function, at, &figures) {
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

/// Keeps the lines in memory, for tests.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub struct KeptLines(std::sync::Mutex<Vec<String>>);

#[cfg(feature = "testing")]
impl KeptLines {
    /// The lines that have been written.
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
    fn a_line_has_the_embedded_metric_format() {
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

    #[test]
    fn zeros_are_not_written() {
        #[derive(Default)]
        struct Log(std::sync::Mutex<Vec<String>>);
        impl MetricLog for Log {
            fn write(&self, line: String) {
                self.0.lock().unwrap().push(line);
            }
        }
        let (log, at) = (Log::default(), DateTime::UNIX_EPOCH);
        put(&log, "stack-sender", at, &[Figure::count("sent", 0), Figure::count("refused", 0)]);
        put(&log, "stack-sender", at, &[]);
        assert!(log.0.lock().unwrap().is_empty());
        put(&log, "stack-sender", at, &[Figure::count("sent", 0), Figure::count("refused", 2)]);
        let [line] = <[String; 1]>::try_from(log.0.into_inner().unwrap()).unwrap();
        assert!(line.contains(r#""refused":2"#) && !line.contains("sent"), "{line}");
    }
}
