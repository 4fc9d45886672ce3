//! The alarms on the functions' own metrics: each watches one that its function writes, and the line gets through.

use portal_aws::metrics::{DIMENSION, NAMESPACE};
use serde_json::{Value, json};

use crate::{
    sources::{quoted, read},
    template::{Template, expect, rule},
};

/// Whether the code in this file has a metric of this name.
fn writes(file: &str, metric: &Value) -> bool {
    quoted(&read(file), |c| c.is_ascii_alphabetic()).iter().any(|name| metric == name)
}

/// What is wrong with an alarm on a metric that a function writes in this file.
fn watches(template: &Template, alarm: &str, function: &str, file: &str) -> Vec<String> {
    let alarm_has = |pointer| template.property(alarm, pointer);
    let dimensions = json!([{ "Name": DIMENSION, "Value": { "Ref": function } }]);
    let topic = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
    let metric = alarm_has("/MetricName");
    let unknown = (!writes(file, metric)).then(|| format!("{file} has no metric {metric}"));
    let comparison = alarm_has("/ComparisonOperator");
    [
        expect("the namespace", alarm_has("/Namespace"), &json!(NAMESPACE)),
        expect("whose metric it is", alarm_has("/Dimensions"), &dimensions),
        expect("the comparison", comparison, &json!("GreaterThanThreshold")),
        expect("whom it tells", alarm_has("/AlarmActions"), &topic),
        unknown,
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn a_pause_of_sending_is_seen() {
    rule(
        |template| {
            let mut complaints =
                watches(template, "SendingPausedAlarm", "SenderFunction", "functions/sender/src/tally.rs");
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
fn an_invitation_that_waits_is_seen_and_so_is_a_sweep_that_does_not_run() {
    rule(
        |template| {
            let mut complaints = watches(template, "OldestUnsentAlarm", "SweepFunction", "functions/sweep/src/lib.rs");
            let alarm = |pointer| template.property("OldestUnsentAlarm", pointer);
            complaints.extend(expect("the metric", alarm("/MetricName"), &json!("oldestUnsentAge")));
            complaints.extend(expect("the statistic", alarm("/Statistic"), &json!("Maximum")));
            complaints.extend(expect("what silence means", alarm("/TreatMissingData"), &json!("breaching")));
            complaints.extend(expect("the threshold", alarm("/Threshold"), &json!(1800)));
            // The longest reschedule: what waits is not seen more often.
            let longest = portal::policy::reschedule_wait(u32::MAX).num_seconds();
            let period = alarm("/Period").as_i64().unwrap_or_default();
            if period < longest {
                complaints.push(format!("{period} s may see nothing of what waits for {longest} s"));
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

/// A line without a level counts as INFO: a function that lets only worse through would have no metrics.
#[test]
fn lines_of_metrics_get_through() {
    rule(
        |template| {
            let functions =
                template.functions().into_iter().filter(|it| ["bulk-runner", "sender", "sweep"].contains(&it.name));
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
