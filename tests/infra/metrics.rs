//! The alarms on the metrics of the functions: each names a metric that its function writes, and no log level drops the
//! lines with the metrics.

use std::collections::BTreeMap;

use lambda_runtime::Context;
use portal::testing::{MemoryQueue, MemoryStore, TestClock, TestEntropy};
use portal_aws::metrics::{DIMENSION, KeptLines, NAMESPACE};
use serde_json::{Value, json};
use sweep::Sweep;

use crate::{
    documents::read,
    template::{Template, expect, rule},
};

/// The names of the metrics that each function can write.
fn written() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("bulk-runner", bulk_runner::metric_names().collect()),
        ("mail-events", mail_events::metric_names().collect()),
        ("sender", sender::metric_names().collect()),
        ("sweep", sweep::metric_names().collect()),
    ])
}

/// The lines of metrics of a sweep that finds nothing: of what runs, it is the only thing, while nothing happens.
async fn lines_while_idle() -> Vec<String> {
    let sweep = Sweep {
        store: MemoryStore::default(),
        queue: MemoryQueue::default(),
        clock: TestClock::default(),
        entropy: TestEntropy::default(),
        metrics: KeptLines::default(),
    };
    let mut context = Context::default();
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = i64::MAX.unsigned_abs();
    sweep.run(&context).await.unwrap();
    sweep.metrics.lines()
}

#[tokio::test]
async fn the_bill_counts_the_metrics_that_are_written() {
    let recorded: Value = serde_json::from_str(&read("docs/cost/metrics.json")).unwrap();
    assert_eq!(recorded["written"], json!(written()));
    assert_eq!(recorded["writtenWhileIdle"], json!(lines_while_idle().await));
}

/// The errors of an alarm on a metric of a function that writes these metrics.
fn watches(
    template: &Template,
    alarm: &str,
    function: &str,
    mut metrics: impl Iterator<Item = &'static str>,
) -> Vec<String> {
    let alarm_has = |pointer| template.property(alarm, pointer);
    let dimensions = json!([{ "Name": DIMENSION, "Value": { "Ref": function } }]);
    let topic = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
    let metric = alarm_has("/MetricName");
    let written = metrics.any(|name| name == *metric);
    let unknown = (!written).then(|| format!("{function} writes no metric {metric}"));
    let comparison = alarm_has("/ComparisonOperator");
    [
        expect("the namespace", alarm_has("/Namespace"), &json!(NAMESPACE)),
        expect("the dimensions", alarm_has("/Dimensions"), &dimensions),
        expect("the comparison", comparison, &json!("GreaterThanThreshold")),
        expect("the topic", alarm_has("/AlarmActions"), &topic),
        unknown,
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn an_alarm_watches_for_a_pause_of_sending() {
    rule(
        |template| {
            let mut complaints = watches(template, "SendingPausedAlarm", "SenderFunction", sender::metric_names());
            let alarm = |pointer| template.property("SendingPausedAlarm", pointer);
            complaints.extend(expect("the metric", alarm("/MetricName"), &json!("paused")));
            complaints.extend(expect("the statistic", alarm("/Statistic"), &json!("Sum")));
            complaints.extend(expect("the threshold", alarm("/Threshold"), &json!(0)));
            complaints
        },
        &[
            ("/Resources/SendingPausedAlarm", Value::Null),
            ("/Resources/SendingPausedAlarm/Properties/Namespace", json!("AWS/Lambda")),
            ("/Resources/SendingPausedAlarm/Properties/MetricName", json!("pausedMails")),
            ("/Resources/SendingPausedAlarm/Properties/Dimensions/0/Name", json!("FunctionName")),
            ("/Resources/SendingPausedAlarm/Properties/Dimensions/0/Value", json!("sender")),
            ("/Resources/SendingPausedAlarm/Properties/Threshold", json!(10)),
            ("/Resources/SendingPausedAlarm/Properties/AlarmActions", Value::Null),
        ],
    );
}

#[test]
fn an_alarm_watches_for_invitations_that_wait() {
    rule(
        |template| {
            let mut complaints = watches(template, "OldestUnsentAlarm", "SweepFunction", sweep::metric_names());
            let alarm = |pointer| template.property("OldestUnsentAlarm", pointer);
            complaints.extend(expect("the metric", alarm("/MetricName"), &json!("oldestUnsentAge")));
            complaints.extend(expect("the statistic", alarm("/Statistic"), &json!("Maximum")));
            // A sweep that sees no waiting invitation writes no data.
            complaints.extend(expect("missing data", alarm("/TreatMissingData"), &json!("notBreaching")));
            complaints.extend(expect("the threshold", alarm("/Threshold"), &json!(1800)));
            // The sweep may see a waiting invitation only once within the longest reschedule.
            let longest = portal::policy::reschedule_wait(u32::MAX).num_seconds();
            let period = alarm("/Period").as_i64().unwrap_or_default();
            if period < longest {
                complaints.push(format!("a period of {period} s is shorter than the longest reschedule, {longest} s"));
            }
            complaints
        },
        &[
            ("/Resources/OldestUnsentAlarm", Value::Null),
            ("/Resources/OldestUnsentAlarm/Properties/MetricName", json!("oldest")),
            ("/Resources/OldestUnsentAlarm/Properties/Statistic", json!("Average")),
            ("/Resources/OldestUnsentAlarm/Properties/TreatMissingData", json!("breaching")),
            ("/Resources/OldestUnsentAlarm/Properties/Period", json!(60)),
            ("/Resources/OldestUnsentAlarm/Properties/Dimensions", json!([])),
        ],
    );
}

/// Lambda gives a line without a level the level INFO: a function with a higher log level would have no metrics.
#[test]
fn no_log_level_drops_the_lines_with_metrics() {
    rule(
        |template| {
            let functions = template.functions().into_iter();
            let globals = template.at("/Globals/Function/LoggingConfig/ApplicationLogLevel");
            let mut complaints: Vec<_> =
                expect("the functions' log level", globals, &json!("INFO")).into_iter().collect();
            let own = functions.filter_map(|function| {
                let own = &function.property("LoggingConfig")["ApplicationLogLevel"];
                (!own.is_null()).then(|| format!("{} has a log level of its own, {own}", function.name))
            });
            complaints.extend(own);
            complaints
        },
        &[
            ("/Globals/Function/LoggingConfig/ApplicationLogLevel", json!("WARN")),
            ("/Resources/SenderFunction/Properties/LoggingConfig/ApplicationLogLevel", json!("ERROR")),
        ],
    );
}
