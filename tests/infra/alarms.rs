//! The alarms: a function that fails raises one, however it is called.

use serde_json::{Value, json};

use crate::template::{Template, expect, listed, rule};

/// The lines by which a run shows in a log that it failed: as `portal_aws::telemetry` writes an error, and as Lambda reports a
/// run that ended without an answer.
const FAILED: &str = "{ ($.level = \"ERROR\") || ($.record.status = \"error\") || ($.record.status = \"failure\") || \
                      ($.record.status = \"timeout\") }";

fn arn(resource: &str) -> Value {
    json!({ "Fn::GetAtt": [resource, "Arn"] })
}

/// Whether an alarm with a topic has all of these properties.
fn is_watched(template: &Template, wanted: &[(&str, Value)]) -> bool {
    let topic = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
    template.resources("AWS::CloudWatch::Alarm").values().any(|alarm| {
        let properties = &alarm["Properties"];
        properties["AlarmActions"] == topic
            && properties["Threshold"] == 0
            && properties["ComparisonOperator"] == "GreaterThanThreshold"
            && wanted.iter().all(|(name, value)| properties[*name] == *value)
    })
}

/// Whether messages in the queue with this ARN raise an alarm.
fn queue_is_watched(template: &Template, arn: &Value) -> bool {
    let name = json!({ "Fn::GetAtt": [arn["Fn::GetAtt"][0], "QueueName"] });
    let metric = ("MetricName", json!("ApproximateNumberOfMessagesVisible"));
    is_watched(template, &[metric, ("Dimensions", json!([{ "Name": "QueueName", "Value": name }]))])
}

/// Whether errors in the log of a function raise an alarm.
fn log_is_watched(template: &Template, function: &Value) -> bool {
    let filters = template.resources("AWS::Logs::MetricFilter");
    let mut filters = filters.values().map(|filter| &filter["Properties"]);
    filters.any(|filter| {
        let metric = &filter["MetricTransformations"][0];
        let (name, namespace) = (metric["MetricName"].clone(), metric["MetricNamespace"].clone());
        filter["LogGroupName"] == function["LoggingConfig"]["LogGroup"]
            && filter["FilterPattern"] == FAILED
            && metric["MetricValue"] == "1"
            && is_watched(template, &[("MetricName", name), ("Namespace", namespace), ("Statistic", json!("Sum"))])
    })
}

/// The callers of a function by which its failures raise no alarm.
fn unwatched(template: &Template, name: &str, function: &Value) -> Vec<String> {
    let mut unwatched = Vec::new();
    let mut callers = 0;
    let mut caller = |what: &str, is_watched: bool| {
        callers += 1;
        if !is_watched {
            unwatched.push(format!("{name} raises no alarm when it fails and {what} has called it"));
        }
    };
    for permission in template.resources("AWS::Lambda::Permission").values() {
        let properties = &permission["Properties"];
        if properties["FunctionName"] != json!({ "Ref": name }) {
            continue;
        }
        match properties["Principal"].as_str().unwrap_or_default() {
            // It gets the error as the answer, and so does the gateway's client.
            "apigateway.amazonaws.com" => {
                let api = json!([{ "Name": "ApiId", "Value": { "Ref": "HttpApi" } }]);
                caller("the API", is_watched(template, &[("MetricName", json!("5xx")), ("Dimensions", api)]));
            }
            // It gets no error.
            "cognito-idp.amazonaws.com" => caller("a user pool", log_is_watched(template, function)),
            "events.amazonaws.com" => {
                let failures = &function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"];
                caller("the bus", queue_is_watched(template, failures));
            }
            other => caller(other, false),
        }
    }
    for event in function["Events"].as_object().into_iter().flat_map(serde_json::Map::values) {
        let queue = event["Properties"]["Queue"]["Fn::GetAtt"][0].as_str().unwrap_or_default();
        let dead = template.property(queue, "/RedrivePolicy/deadLetterTargetArn");
        caller(queue, queue_is_watched(template, dead));
    }
    for schedule in template.resources("AWS::Scheduler::Schedule").values() {
        if schedule["Properties"]["Target"]["Arn"] == arn(name) {
            caller("the schedule", log_is_watched(template, function));
        }
    }
    if callers == 0 {
        unwatched.push(format!("nothing calls {name}"));
    }
    unwatched
}

#[test]
fn a_function_that_fails_raises_an_alarm_however_it_is_called() {
    rule(
        |template| {
            let functions = template.resources("AWS::Serverless::Function");
            functions.iter().flat_map(|(name, function)| unwatched(template, name, &function["Properties"])).collect()
        },
        &[
            ("/Resources/ApiErrorAlarm", Value::Null),
            ("/Resources/ApiErrorAlarm/Properties/AlarmActions", Value::Null),
            ("/Resources/InvitePermission", Value::Null),
            ("/Resources/InvitePermission/Properties/Principal", json!("s3.amazonaws.com")),
            ("/Resources/DlqAlarm/Properties/Threshold", json!(10)),
            ("/Resources/BulkQueue/Properties/RedrivePolicy", Value::Null),
            ("/Resources/MailEventDlqAlarm", Value::Null),
            ("/Resources/MailEventsFunction/Properties/EventInvokeConfig", Value::Null),
            ("/Resources/BackgroundErrorAlarm", Value::Null),
            ("/Resources/BackgroundErrorAlarm/Properties/Namespace", json!("AWS/Lambda")),
            ("/Resources/BackgroundErrorAlarm/Properties/AlarmActions", Value::Null),
            ("/Resources/SweepErrorMetric", Value::Null),
            ("/Resources/SweepErrorMetric/Properties/FilterPattern", json!("ERROR")),
            ("/Resources/TrackLoginErrorMetric/Properties/LogGroupName", json!({ "Ref": "AccessLogs" })),
            ("/Resources/TrackLoginErrorMetric/Properties/MetricTransformations/0/MetricName", json!("errors")),
        ],
    );
}

#[test]
fn a_sweep_that_does_not_run_is_noticed_within_a_quarter_of_an_hour() {
    rule(
        |template| {
            let alarm = |pointer| template.property("SweepStoppedAlarm", pointer);
            let dimensions = json!([{ "Name": "FunctionName", "Value": { "Ref": "SweepFunction" } }]);
            let topic = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
            [
                expect("the namespace", alarm("/Namespace"), &json!("AWS/Lambda")),
                expect("the metric", alarm("/MetricName"), &json!("Invocations")),
                expect("the function", alarm("/Dimensions"), &dimensions),
                expect("the statistic", alarm("/Statistic"), &json!("Sum")),
                expect("the comparison", alarm("/ComparisonOperator"), &json!("LessThanThreshold")),
                expect("the threshold", alarm("/Threshold"), &json!(1)),
                expect("the period", alarm("/Period"), &json!(900)),
                expect("the periods", alarm("/EvaluationPeriods"), &json!(1)),
                // A function that is not invoked has no data.
                expect("missing data", alarm("/TreatMissingData"), &json!("breaching")),
                expect("the alarm's actions", alarm("/AlarmActions"), &topic),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/SweepStoppedAlarm", Value::Null),
            ("/Resources/SweepStoppedAlarm/Properties/TreatMissingData", json!("notBreaching")),
            ("/Resources/SweepStoppedAlarm/Properties/MetricName", json!("Errors")),
            ("/Resources/SweepStoppedAlarm/Properties/Dimensions", json!([])),
            ("/Resources/SweepStoppedAlarm/Properties/AlarmActions", Value::Null),
        ],
    );
}

#[test]
fn every_alarm_has_data_without_a_price_or_only_when_something_is_wrong() {
    rule(
        |template| {
            let complaints = |(name, filter): (&str, &Value)| {
                let metrics = listed(&filter["Properties"]["MetricTransformations"]);
                // With a default value it would have data, and a price, in every hour.
                let standing = metrics.into_iter().filter(|metric| !metric["DefaultValue"].is_null());
                standing.map(|_| format!("{name} always has data")).collect::<Vec<_>>()
            };
            template.resources("AWS::Logs::MetricFilter").into_iter().flat_map(complaints).collect()
        },
        &[("/Resources/SweepErrorMetric/Properties/MetricTransformations/0/DefaultValue", json!(0))],
    );
}
