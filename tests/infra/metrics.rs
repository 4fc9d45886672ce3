//! The alarms on the metrics of the functions: each names a metric that its function writes, and no log level drops the
//! lines with the metrics.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Context, LambdaEvent};
use portal::{
    operations::breaker::Breaker,
    testing::{MemoryQueue, MemoryStore, ScriptedMailer, TestClock, TestEntropy},
};
use portal_aws::metrics::{DIMENSION, KeptLines, NAMESPACE};
use sender::Sender;
use serde_json::{Value, json};
use sweep::Sweep;

use crate::template::{Template, expect, rule};

/// An invocation with some time left.
fn context() -> Context {
    let mut context = Context::default();
    "function".clone_into(&mut Arc::make_mut(&mut context.env_config).function_name);
    "8476a536-e9f4-11e8-9739-2dfe598c3fcd".clone_into(&mut context.request_id);
    context.deadline = i64::MAX.unsigned_abs();
    context
}

/// The metrics that a run of the sender writes.
async fn metrics_of_the_sender() -> Value {
    let sender = Sender {
        store: MemoryStore::default(),
        mailer: ScriptedMailer::default(),
        clock: TestClock::default(),
        entropy: TestEntropy::default(),
        breaker: Breaker::default(),
        metrics: KeptLines::default(),
    };
    sender.process_batch(LambdaEvent::new(SqsEvent::default(), context())).await.unwrap();
    definitions(&sender.metrics)
}

/// The metrics that a run of the sweep writes.
async fn metrics_of_the_sweep() -> Value {
    let sweep = Sweep {
        store: MemoryStore::default(),
        queue: MemoryQueue::default(),
        clock: TestClock::default(),
        entropy: TestEntropy::default(),
        metrics: KeptLines::default(),
    };
    sweep.run(&context()).await.unwrap();
    definitions(&sweep.metrics)
}

/// The definitions of the metrics in the one line of a run.
fn definitions(metrics: &KeptLines) -> Value {
    let [line] = metrics.lines().try_into().unwrap();
    serde_json::from_str::<Value>(&line).unwrap()["_aws"]["CloudWatchMetrics"][0]["Metrics"].take()
}

/// The errors of an alarm on a metric of a function that writes these metrics.
fn watches(template: &Template, alarm: &str, function: &str, metrics: &Value) -> Vec<String> {
    let alarm_has = |pointer| template.property(alarm, pointer);
    let dimensions = json!([{ "Name": DIMENSION, "Value": { "Ref": function } }]);
    let topic = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
    let metric = alarm_has("/MetricName");
    let written = metrics.as_array().unwrap().iter().any(|definition| definition["Name"] == *metric);
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

#[tokio::test]
async fn an_alarm_watches_for_a_pause_of_sending() {
    let metrics = metrics_of_the_sender().await;
    rule(
        |template| {
            let mut complaints = watches(template, "SendingPausedAlarm", "SenderFunction", &metrics);
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

#[tokio::test]
async fn an_alarm_watches_for_invitations_that_wait_and_for_a_sweep_that_does_not_run() {
    let metrics = metrics_of_the_sweep().await;
    rule(
        |template| {
            let mut complaints = watches(template, "OldestUnsentAlarm", "SweepFunction", &metrics);
            let alarm = |pointer| template.property("OldestUnsentAlarm", pointer);
            complaints.extend(expect("the metric", alarm("/MetricName"), &json!("oldestUnsentAge")));
            complaints.extend(expect("the statistic", alarm("/Statistic"), &json!("Maximum")));
            complaints.extend(expect("missing data", alarm("/TreatMissingData"), &json!("breaching")));
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
            ("/Resources/OldestUnsentAlarm/Properties/MetricName", json!("queued")),
            ("/Resources/OldestUnsentAlarm/Properties/Statistic", json!("Average")),
            ("/Resources/OldestUnsentAlarm/Properties/TreatMissingData", json!("notBreaching")),
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
