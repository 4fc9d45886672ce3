//! The functions: their roles, logs, timeouts, retries and queues.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use portal::policy::{BULK_LEASE, SEND_LEASE};
use serde_json::{Value, json};

use crate::template::{Function, Template, expect, rule};

/// A function that processes a queue.
struct Worker {
    function: &'static str,
    /// The name of its event source.
    source: &'static str,
    queue: &'static str,
    dlq: &'static str,
    dlq_alarm: &'static str,
    /// The lease on what a run claims.
    lease: TimeDelta,
    /// Messages of a run.
    batch: u32,
}

const WORKERS: [Worker; 2] = [
    Worker {
        function: "sender",
        source: "Invitations",
        queue: "InvitationQueue",
        dlq: "InvitationDlq",
        dlq_alarm: "DlqAlarm",
        lease: SEND_LEASE,
        batch: 10,
    },
    Worker {
        function: "bulk-runner",
        source: "Jobs",
        queue: "BulkQueue",
        dlq: "BulkDlq",
        dlq_alarm: "BulkDlqAlarm",
        lease: BULK_LEASE,
        // A run is known by its invocation.
        batch: 1,
    },
];

impl Worker {
    fn function<'template>(&self, template: &'template Template) -> Function<'template> {
        template.functions().into_iter().find(|function| function.name == self.function).unwrap()
    }
}

fn seconds(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

#[test]
fn every_function_has_a_role_of_its_own() {
    rule(
        |template| {
            let mut users: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for function in template.functions() {
                users.entry(function.role().to_owned()).or_default().push(function.name);
            }
            let roles = template.resources("AWS::IAM::Role");
            let shared = users.iter().filter(|(_, functions)| functions.len() > 1);
            let mut complaints: Vec<_> = shared.map(|(role, users)| format!("{role} is {users:?}'s")).collect();
            let unknown = users.keys().filter(|role| !roles.contains_key(role.as_str()));
            complaints.extend(unknown.map(|role| format!("there is no role {role:?}")));
            for (name, role) in roles {
                let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"];
                let service = if users.contains_key(name) { "lambda.amazonaws.com" } else { "scheduler.amazonaws.com" };
                complaints.extend(expect(name, &trust[0]["Principal"], &json!({ "Service": service })));
                complaints.extend(expect(name, &trust[1], &Value::Null));
            }
            complaints
        },
        &[
            ("/Resources/InviteFunction/Properties/Role", json!({ "Fn::GetAtt": ["SenderRole", "Arn"] })),
            ("/Resources/InviteFunction/Properties/Role", Value::Null),
            (
                "/Resources/InviteRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal",
                json!({ "AWS": "arn:aws:iam::123456789012:root" }),
            ),
        ],
    );
}

#[test]
fn every_function_logs_json_to_a_group_with_a_retention() {
    rule(
        |template| {
            let groups = template.resources("AWS::Logs::LogGroup");
            let mut complaints = Vec::new();
            for function in template.functions() {
                // A function's own settings replace only the global settings of the same name.
                let format = template.at("/Globals/Function/LoggingConfig/LogFormat");
                complaints.extend(expect("the log's format", format, &json!("JSON")));
                let own = function.property("LoggingConfig");
                if own.get("LogFormat").is_some_and(|format| format != "JSON") {
                    complaints.push(format!("{} has another log format", function.name));
                }
                let group = own["LogGroup"]["Ref"].as_str().unwrap_or_default();
                if !groups.contains_key(group) {
                    complaints.push(format!("{} has no log group", function.name));
                }
            }
            for (name, group) in &groups {
                let retention = &group["Properties"]["RetentionInDays"];
                complaints.extend(expect(*name, retention, &json!({ "Ref": "LogRetentionDays" })));
            }
            let users = template.functions().len() + 1;
            complaints.extend(expect("the number of log groups", &groups.len().into(), &users.into()));
            complaints
        },
        &[
            ("/Globals/Function/LoggingConfig/LogFormat", json!("Text")),
            ("/Resources/InviteFunction/Properties/LoggingConfig", Value::Null),
            ("/Resources/SweepLogs/Properties/RetentionInDays", Value::Null),
            ("/Resources/SweepLogs", Value::Null),
        ],
    );
}

#[test]
fn a_run_ends_before_its_lease() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for worker in &WORKERS {
                let (name, timeout) = (worker.function, worker.function(template).property("Timeout").clone());
                complaints.extend(expect(format!("the timeout of {name}"), &timeout, &json!(30)));
                if seconds(&timeout) >= worker.lease.num_seconds() {
                    complaints.push(format!("{name} may run longer than its lease"));
                }
                let visibility = template.property(worker.queue, "/VisibilityTimeout");
                if seconds(visibility) < 6 * seconds(&timeout) {
                    complaints.push(format!("a message of {name} comes again after {visibility} s"));
                }
            }
            complaints
        },
        &[
            ("/Resources/SenderFunction/Properties/Timeout", json!(120)),
            ("/Resources/SenderFunction/Properties/Timeout", Value::Null),
            ("/Resources/BulkRunnerFunction/Properties/Timeout", json!(45)),
            ("/Resources/InvitationQueue/Properties/VisibilityTimeout", json!(179)),
            ("/Resources/BulkQueue/Properties/VisibilityTimeout", Value::Null),
        ],
    );
}

#[test]
fn a_batch_fails_message_by_message_and_is_not_throttled() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for worker in &WORKERS {
                let function = worker.function(template);
                let properties = &function.property("Events")[worker.source]["Properties"];
                let queue = json!({ "Fn::GetAtt": [worker.queue, "Arn"] });
                complaints.extend(expect("the source", &properties["Queue"], &queue));
                let types = json!(["ReportBatchItemFailures"]);
                complaints.extend(expect("the answer's type", &properties["FunctionResponseTypes"], &types));
                complaints.extend(expect("the batch", &properties["BatchSize"], &worker.batch.into()));
                let reserved = function.property("ReservedConcurrentExecutions");
                let at_once = &properties["ScalingConfig"]["MaximumConcurrency"];
                let enough = !at_once.is_null()
                    && (reserved == at_once
                        || reserved
                            .as_u64()
                            .zip(at_once.as_u64())
                            .is_some_and(|(reserved, at_once)| reserved >= at_once));
                if !enough {
                    complaints.push(format!("{reserved} of {} are reserved for {at_once} at once", worker.function));
                }
            }
            complaints
        },
        &[
            ("/Resources/SenderFunction/Properties/Events/Invitations/Properties/FunctionResponseTypes", Value::Null),
            ("/Resources/SenderFunction/Properties/ReservedConcurrentExecutions", json!(1)),
            ("/Resources/SenderFunction/Properties/ReservedConcurrentExecutions", Value::Null),
            ("/Resources/SenderFunction/Properties/Events/Invitations/Properties/ScalingConfig", Value::Null),
            ("/Resources/SenderFunction/Properties/Events/Invitations/Properties/BatchSize", json!(1)),
            ("/Resources/BulkRunnerFunction/Properties/Events/Jobs/Properties/BatchSize", json!(10)),
            ("/Resources/BulkRunnerFunction/Properties/ReservedConcurrentExecutions", json!(4)),
        ],
    );
}

#[test]
fn a_message_is_tried_five_times_and_then_kept() {
    rule(
        |template| {
            let of = |worker: &Worker| {
                let queue = |pointer| template.property(worker.queue, pointer);
                let alarm = |pointer| template.property(worker.dlq_alarm, pointer);
                let retention = template.property(worker.dlq, "/MessageRetentionPeriod");
                let target = json!({ "Fn::GetAtt": [worker.dlq, "Arn"] });
                let dimensions = json!([{ "Name": "QueueName", "Value": { "Fn::GetAtt": [worker.dlq, "QueueName"] } }]);
                [
                    expect("the number of tries", queue("/RedrivePolicy/maxReceiveCount"), &json!(5)),
                    expect("the dead-letter queue", queue("/RedrivePolicy/deadLetterTargetArn"), &target),
                    expect("the time they are kept", retention, &json!(14 * 24 * 60 * 60)),
                    expect("the alarm's queue", alarm("/Dimensions"), &dimensions),
                    expect("the alarm's metric", alarm("/MetricName"), &json!("ApproximateNumberOfMessagesVisible")),
                    expect("the alarm's threshold", alarm("/Threshold"), &json!(0)),
                ]
            };
            WORKERS.iter().flat_map(of).flatten().collect()
        },
        &[
            ("/Resources/InvitationQueue/Properties/RedrivePolicy/maxReceiveCount", json!(1)),
            ("/Resources/InvitationQueue/Properties/RedrivePolicy", Value::Null),
            ("/Resources/BulkQueue/Properties/RedrivePolicy", Value::Null),
            ("/Resources/InvitationDlq/Properties/MessageRetentionPeriod", json!(345_600)),
            ("/Resources/DlqAlarm", Value::Null),
            ("/Resources/BulkDlqAlarm", Value::Null),
        ],
    );
}

#[test]
fn the_sweep_runs_every_minute() {
    rule(
        |template| {
            let schedule = |pointer| template.property("SweepSchedule", pointer);
            let target = json!({ "Fn::GetAtt": ["SweepFunction", "Arn"] });
            [
                expect("the sweep's rate", schedule("/ScheduleExpression"), &json!("rate(1 minute)")),
                expect("the schedule's target", schedule("/Target/Arn"), &target),
                expect("the schedule's state", schedule("/State"), &Value::Null),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/SweepSchedule/Properties/ScheduleExpression", json!("rate(1 hour)")),
            ("/Resources/SweepSchedule/Properties/State", json!("DISABLED")),
            ("/Resources/SweepSchedule", Value::Null),
        ],
    );
}
