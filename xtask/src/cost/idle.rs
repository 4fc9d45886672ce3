//! What a month without invitations uses, counted from the template: each resource by its type.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Amounts, Assumptions, Item, Step, add};
use crate::{template, workspace::Workspace};

const TEMPLATE: &str = "infra/template.yaml";
const DAYS_PER_MONTH: f64 = 30.0;
const HOURS_PER_MONTH: f64 = 24.0 * DAYS_PER_MONTH;
/// The metrics of a route of an HTTP API with detailed metrics: `4xx`, `5xx`, `Count`, `DataProcessed`,
/// `IntegrationLatency` and `Latency`.
const METRICS_PER_ROUTE: f64 = 6.0;

/// A type of resource. Each one that the templates have must be here, so that nothing is billed that is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum ResourceType {
    #[serde(rename = "AWS::ApiGatewayV2::Api")]
    Api,
    #[serde(rename = "AWS::ApiGatewayV2::Authorizer")]
    Authorizer,
    #[serde(rename = "AWS::ApiGatewayV2::Integration")]
    Integration,
    #[serde(rename = "AWS::ApiGatewayV2::Route")]
    Route,
    #[serde(rename = "AWS::ApiGatewayV2::Stage")]
    Stage,
    #[serde(rename = "AWS::CloudFormation::Stack")]
    NestedStack,
    #[serde(rename = "AWS::CloudFront::Distribution")]
    Distribution,
    #[serde(rename = "AWS::CloudFront::ResponseHeadersPolicy")]
    ResponseHeadersPolicy,
    #[serde(rename = "AWS::CloudWatch::Alarm")]
    Alarm,
    #[serde(rename = "AWS::CloudWatch::CompositeAlarm")]
    CompositeAlarm,
    #[serde(rename = "AWS::DynamoDB::Table")]
    Table,
    #[serde(rename = "AWS::Events::Rule")]
    EventRule,
    #[serde(rename = "AWS::IAM::ManagedPolicy")]
    ManagedPolicy,
    #[serde(rename = "AWS::IAM::Role")]
    Role,
    #[serde(rename = "AWS::KMS::Key")]
    KmsKey,
    #[serde(rename = "AWS::Lambda::Permission")]
    Permission,
    #[serde(rename = "AWS::Logs::LogGroup")]
    LogGroup,
    #[serde(rename = "AWS::Logs::MetricFilter")]
    MetricFilter,
    #[serde(rename = "AWS::SES::ConfigurationSet")]
    ConfigurationSet,
    #[serde(rename = "AWS::SES::ConfigurationSetEventDestination")]
    EventDestination,
    #[serde(rename = "AWS::SES::EmailIdentity")]
    EmailIdentity,
    #[serde(rename = "AWS::SQS::Queue")]
    Queue,
    #[serde(rename = "AWS::SQS::QueuePolicy")]
    QueuePolicy,
    #[serde(rename = "AWS::SSM::Parameter")]
    Parameter,
    #[serde(rename = "AWS::Scheduler::Schedule")]
    Schedule,
    #[serde(rename = "AWS::SecretsManager::Secret")]
    Secret,
    #[serde(rename = "AWS::Serverless::Function")]
    Function,
    #[serde(rename = "AWS::WAFv2::IPSet")]
    IpSet,
    #[serde(rename = "AWS::WAFv2::WebACL")]
    WebAcl,
}

/// A month without invitations.
#[derive(Debug, Default)]
pub struct Idle {
    /// What it uses in the first year.
    pub amounts: Amounts,
    /// What it uses in addition from the third year on: AWS bills the first two rotations of a key like keys.
    pub later: Amounts,
}

/// What is known about the running system beside the template.
pub struct Facts<'facts> {
    /// Values that cannot be counted on one machine.
    pub assumptions: &'facts Assumptions,
    /// What a sweep uses that finds nothing.
    pub sweep: &'facts Step,
    /// How many metrics the functions write while they find nothing to do.
    pub metrics: f64,
}

impl Idle {
    /// Counts the template of the workspace.
    ///
    /// # Errors
    ///
    /// If a resource has a type that has no line here, or another setting whose price is not known here.
    pub fn count(workspace: &Workspace, parameters: &BTreeMap<String, Value>, facts: &Facts<'_>) -> Result<Self> {
        let mut idle = Self::from_template(&template::read(workspace, TEMPLATE)?, parameters, facts, &|file| {
            template::read(workspace, &format!("infra/{file}"))
        })?;
        add(&mut idle.amounts, [(Item::CustomMetricMonth, facts.metrics)]);
        Ok(idle)
    }

    /// Counts a template. `nested` reads a nested one.
    fn from_template(
        template: &Value,
        parameters: &BTreeMap<String, Value>,
        facts: &Facts<'_>,
        nested: &dyn Fn(&str) -> Result<Value>,
    ) -> Result<Self> {
        let resources = template::Deployment::new(template, parameters).resources()?;
        let mut idle = Self::default();
        for (name, resource) in &resources {
            let kind = &resource["Type"];
            let kind = ResourceType::deserialize(kind)
                .with_context(|| format!("{name} is a {kind}, whose price xtask/src/cost/idle.rs must know"))?;
            idle.count_resource(kind, &resource["Properties"], &resources, facts, nested)
                .with_context(|| name.to_string())?;
        }
        Ok(idle)
    }

    fn count_resource(
        &mut self,
        kind: ResourceType,
        properties: &Value,
        resources: &BTreeMap<&str, Value>,
        facts: &Facts<'_>,
        nested: &dyn Fn(&str) -> Result<Value>,
    ) -> Result<()> {
        let one = |item| vec![(item, 1.0)];
        let amounts = match kind {
            ResourceType::Alarm => alarm(properties),
            ResourceType::CompositeAlarm => one(Item::CompositeAlarmMonth),
            ResourceType::Function => polls(properties, facts.assumptions)?,
            ResourceType::KmsKey => {
                let rotations = if properties["EnableKeyRotation"] == true { 2.0 } else { 0.0 };
                add(&mut self.later, [(Item::KmsKeyMonth, rotations)]);
                one(Item::KmsKeyMonth)
            }
            // With a default value it has data whenever its group gets a line.
            ResourceType::MetricFilter => {
                let transformations = items(&properties["MetricTransformations"]);
                let standing = transformations.filter(|metric| !metric["DefaultValue"].is_null());
                vec![(Item::CustomMetricMonth, count(standing))]
            }
            ResourceType::NestedStack => {
                let file = properties["TemplateURL"].as_str().context("it has no template")?;
                let parameters = serde_json::from_value(properties["Parameters"].clone())?;
                let idle = Self::from_template(&nested(file)?, &parameters, facts, nested)?;
                add(&mut self.later, idle.later);
                idle.amounts.into_iter().collect()
            }
            ResourceType::Schedule => scheduled(properties, resources, facts)?,
            ResourceType::Secret => one(Item::SecretMonth),
            ResourceType::Stage => detailed_metrics(properties, resources),
            ResourceType::Table => table(properties, facts.assumptions),
            ResourceType::WebAcl => {
                vec![(Item::WebAclMonth, 1.0), (Item::WebAclRuleMonth, count(items(&properties["Rules"])))]
            }
            // These cost nothing while nothing happens.
            ResourceType::Api
            | ResourceType::Authorizer
            | ResourceType::ConfigurationSet
            | ResourceType::Distribution
            | ResourceType::EmailIdentity
            | ResourceType::EventDestination
            | ResourceType::EventRule
            | ResourceType::Integration
            | ResourceType::IpSet
            | ResourceType::LogGroup
            | ResourceType::ManagedPolicy
            | ResourceType::Permission
            | ResourceType::Queue
            | ResourceType::QueuePolicy
            // Standard parameters: https://aws.amazon.com/systems-manager/pricing/
            | ResourceType::Parameter
            | ResourceType::ResponseHeadersPolicy
            | ResourceType::Role
            | ResourceType::Route => Vec::new(),
        };
        add(&mut self.amounts, amounts);
        Ok(())
    }
}

/// How many requests a second the routes take together that want no token.
///
/// # Errors
///
/// If the template has no limit for one of them.
pub fn public_requests_per_second(workspace: &Workspace, parameters: &BTreeMap<String, Value>) -> Result<f64> {
    let template = template::read(workspace, TEMPLATE)?;
    let resources = template::Deployment::new(&template, parameters).resources()?;
    let of_type = |kind: &'static str| resources.values().filter(move |resource| resource["Type"] == kind);
    let stage = of_type("AWS::ApiGatewayV2::Stage").next().context("there is no stage")?;
    let settings = stage.pointer("/Properties/RouteSettings").context("no route has settings of its own")?;
    let mut requests = 0.0;
    for route in of_type("AWS::ApiGatewayV2::Route").map(|route| &route["Properties"]) {
        if route["AuthorizationType"] == "JWT" {
            continue;
        }
        let key = route["RouteKey"].as_str().context("a route has no key")?;
        let limit = settings.get(key).and_then(|settings| settings["ThrottlingRateLimit"].as_f64());
        requests += limit.with_context(|| format!("{key} has no limit"))?;
    }
    Ok(requests)
}

/// An alarm is billed by the metrics that it looks at, and by how often.
fn alarm(properties: &Value) -> Vec<(Item, f64)> {
    let math = items(&properties["Metrics"]).map(|metric| &metric["MetricStat"]).filter(|metric| !metric.is_null());
    let metrics: Vec<&Value> = if properties["Metrics"].is_null() { vec![properties] } else { math.collect() };
    let often = |metric: &&&Value| metric["Period"].as_u64().is_some_and(|seconds| seconds < 60);
    let (quick, slow): (Vec<&&Value>, Vec<&&Value>) = metrics.iter().partition(often);
    vec![(Item::QuickAlarmMetricMonth, count(quick)), (Item::AlarmMetricMonth, count(slow))]
}

/// Lambda asks a queue for messages all the time, by some pollers, each of which waits as long as it may.
fn polls(properties: &Value, assumptions: &Assumptions) -> Result<Vec<(Item, f64)>> {
    if !properties["ProvisionedConcurrencyConfig"].is_null() {
        bail!("provisioned concurrency is billed by the hour: xtask/src/cost/idle.rs does not count it");
    }
    let mut queues = 0.0;
    for event in properties["Events"].as_object().into_iter().flat_map(serde_json::Map::values) {
        match event["Type"].as_str() {
            Some("SQS") => queues += 1.0,
            kind => bail!("{kind:?} is no event source that xtask/src/cost/idle.rs counts"),
        }
    }
    let polls = HOURS_PER_MONTH * 3600.0 / assumptions.poll_secs;
    Ok(vec![(Item::SqsRequest, queues * assumptions.pollers_per_queue * polls)])
}

/// What a schedule starts, and what that leaves in its log.
fn scheduled(properties: &Value, resources: &BTreeMap<&str, Value>, facts: &Facts<'_>) -> Result<Vec<(Item, f64)>> {
    let rate = properties["ScheduleExpression"].as_str().unwrap_or_default();
    let runs = match rate {
        "rate(1 minute)" => HOURS_PER_MONTH * 60.0,
        "rate(1 hour)" => HOURS_PER_MONTH,
        "rate(1 day)" => DAYS_PER_MONTH,
        _ => bail!("{rate:?} is no rate that xtask/src/cost/idle.rs counts"),
    };
    let target = properties.pointer("/Target/Arn");
    if target != Some(&json!({ "Fn::GetAtt": ["SweepFunction", "Arn"] })) {
        bail!("what {target:?} uses is not counted: docs/cost/counted.json has the sweep only");
    }
    let property = |resource: &str, pointer: &str| resources.get(resource).and_then(|found| found.pointer(pointer));
    let group = property("SweepFunction", "/Properties/LoggingConfig/LogGroup/Ref").and_then(Value::as_str);
    let retention = property(group.unwrap_or_default(), "/Properties/RetentionInDays").and_then(Value::as_f64);
    let retention = retention.context("the log of what it starts is kept for ever")?;
    let mut run = Amounts::new();
    facts.sweep.add(&mut run, facts.assumptions.memory_gb, facts.assumptions.millis_per_invocation, facts.assumptions);
    let logged = runs * run.get(&Item::LogGb).copied().unwrap_or_default();
    let mut amounts: Vec<(Item, f64)> = run.into_iter().map(|(item, amount)| (item, runs * amount)).collect();
    amounts.extend([(Item::SchedulerInvocation, runs), (Item::LogGbMonth, logged * retention / DAYS_PER_MONTH)]);
    Ok(amounts)
}

/// Detailed metrics of routes are billed in each hour in which the route is called. They are counted as if all were.
fn detailed_metrics(properties: &Value, resources: &BTreeMap<&str, Value>) -> Vec<(Item, f64)> {
    let is_on = |settings: &&Value| settings["DetailedMetricsEnabled"] == true;
    let routes = if is_on(&&properties["DefaultRouteSettings"]) {
        count(resources.values().filter(|resource| resource["Type"] == "AWS::ApiGatewayV2::Route"))
    } else {
        let settings = properties["RouteSettings"].as_object().into_iter().flat_map(serde_json::Map::values);
        count(settings.filter(is_on))
    };
    vec![(Item::CustomMetricMonth, routes * METRICS_PER_ROUTE)]
}

fn table(properties: &Value, assumptions: &Assumptions) -> Vec<(Item, f64)> {
    let is_on = |pointer| properties.pointer(pointer).is_some_and(|value| *value == true);
    let when = |is_on, amount: f64| if is_on { amount } else { 0.0 };
    let backups = is_on("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled");
    vec![
        (Item::DynamodbGbMonth, assumptions.table_gb),
        (Item::DynamodbBackupGbMonth, when(backups, assumptions.table_gb)),
        (
            Item::KmsRequest,
            when(is_on("/SSESpecification/SSEEnabled"), assumptions.kms_requests_per_hour * HOURS_PER_MONTH),
        ),
    ]
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn count<T>(things: impl IntoIterator<Item = T>) -> f64 {
    things.into_iter().map(|_| 1.0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{template::intrinsic, yaml};

    fn assumptions() -> Assumptions {
        Assumptions {
            memory_gb: 0.25,
            millis_per_invocation: 3.0,
            millis_per_aws_call: 6.0,
            millis_per_ses_call: 60.0,
            log_bytes_per_invocation: 500.0,
            mails_per_batch: 1.0,
            pollers_per_queue: 5.0,
            poll_secs: 20.0,
            kms_requests_per_hour: 12.0,
            table_gb: 0.5,
            designs: Vec::new(),
        }
    }

    /// The amounts of resources, as flow mappings.
    fn idle(resources: &str) -> Result<Idle> {
        let nested = |_: &str| {
            Ok(yaml::parse("Resources: {A: {Type: 'AWS::WAFv2::WebACL', Properties: {Rules: [1, 2]}}}", intrinsic)
                .unwrap())
        };
        let template = yaml::parse(&format!("Resources: {{{resources}}}"), intrinsic).unwrap();
        let sweep = Step { invocations: 1.0, dynamodb_calls: 16.0, read_units: 8.0, ..Step::default() };
        let facts = Facts { assumptions: &assumptions(), sweep: &sweep, metrics: 0.0 };
        Idle::from_template(&template, &BTreeMap::new(), &facts, &nested)
    }

    fn amounts(resources: &str) -> Vec<(Item, f64)> {
        idle(resources).unwrap().amounts.into_iter().filter(|(_, amount)| *amount > 0.0).collect()
    }

    #[test]
    fn an_alarm_is_billed_by_its_metrics() {
        let one =
            |properties: &str| amounts(&format!("A: {{Type: 'AWS::CloudWatch::Alarm', Properties: {properties}}}"));
        assert_eq!(one("{MetricName: Errors, Period: 60}"), [(Item::AlarmMetricMonth, 1.0)]);
        assert_eq!(one("{MetricName: Errors, Period: 10}"), [(Item::QuickAlarmMetricMonth, 1.0)]);
        let math = "{Metrics: [{Expression: a+b}, {MetricStat: {Period: 60}}, {MetricStat: {Period: 60}}]}";
        assert_eq!(one(math), [(Item::AlarmMetricMonth, 2.0)]);
        assert_eq!(amounts("A: {Type: 'AWS::CloudWatch::CompositeAlarm'}"), [(Item::CompositeAlarmMonth, 1.0)]);
    }

    #[test]
    fn a_queue_is_billed_if_a_function_polls_it() {
        assert!(amounts("A: {Type: 'AWS::SQS::Queue'}").is_empty());
        let function = "A: {Type: 'AWS::Serverless::Function', Properties: {Events: {B: {Type: SQS}}}}";
        assert_eq!(amounts(function), [(Item::SqsRequest, 648_000.0)]);
    }

    #[test]
    fn a_schedule_is_billed_with_what_it_starts() {
        let schedule = "
            Sweep: {Type: 'AWS::Scheduler::Schedule', Properties: {
              ScheduleExpression: rate(1 minute), Target: {Arn: !GetAtt SweepFunction.Arn}}},
            SweepFunction: {Type: 'AWS::Serverless::Function', Properties: {LoggingConfig: {LogGroup: !Ref Logs}}},
            Logs: {Type: 'AWS::Logs::LogGroup', Properties: {RetentionInDays: 90}}";
        let amounts = idle(schedule).unwrap().amounts;
        let close =
            |item: Item, expected: f64| assert!((amounts[&item] - expected).abs() < 1e-9, "{item:?} {amounts:?}");
        close(Item::SchedulerInvocation, 43_200.0);
        close(Item::LambdaRequest, 43_200.0);
        close(Item::DynamodbReadUnit, 8.0 * 43_200.0);
        close(Item::LogGb, 0.0216);
        close(Item::LogGbMonth, 3.0 * 0.0216);
    }

    #[test]
    fn a_table_is_billed_by_its_size_its_backups_and_the_use_of_its_key() {
        let table = "A: {Type: 'AWS::DynamoDB::Table', Properties: {SSESpecification: {SSEEnabled: true}, \
                     PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}}}";
        let expected = [(Item::KmsRequest, 8_640.0), (Item::DynamodbGbMonth, 0.5), (Item::DynamodbBackupGbMonth, 0.5)];
        assert_eq!(amounts(table), expected);
    }

    #[test]
    fn a_key_that_rotates_costs_more_later() {
        let later = |properties: &str| {
            let idle = idle(&format!("A: {{Type: 'AWS::KMS::Key', Properties: {properties}}}")).unwrap();
            assert_eq!(idle.amounts.into_iter().collect::<Vec<_>>(), [(Item::KmsKeyMonth, 1.0)]);
            idle.later.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(later("{EnableKeyRotation: true}"), [(Item::KmsKeyMonth, 2.0)]);
        assert_eq!(later("{}"), [(Item::KmsKeyMonth, 0.0)]);
    }

    #[test]
    fn metrics_are_billed_if_they_always_have_data() {
        let filter = |value: &str| {
            let metric = format!("[{{MetricName: a{value}}}]");
            amounts(&format!("A: {{Type: 'AWS::Logs::MetricFilter', Properties: {{MetricTransformations: {metric}}}}}"))
        };
        assert_eq!(filter(""), []);
        assert_eq!(filter(", DefaultValue: 0"), [(Item::CustomMetricMonth, 1.0)]);
        let stage = |properties: &str| {
            amounts(&format!(
                "A: {{Type: 'AWS::ApiGatewayV2::Stage', Properties: {properties}}}, \
                 B: {{Type: 'AWS::ApiGatewayV2::Route'}}, C: {{Type: 'AWS::ApiGatewayV2::Route'}}"
            ))
        };
        assert_eq!(stage("{RouteSettings: {a: {ThrottlingRateLimit: 1}}}"), []);
        assert_eq!(stage("{RouteSettings: {a: {DetailedMetricsEnabled: true}}}"), [(Item::CustomMetricMonth, 6.0)]);
        assert_eq!(stage("{DefaultRouteSettings: {DetailedMetricsEnabled: true}}"), [(Item::CustomMetricMonth, 12.0)]);
    }

    #[test]
    fn a_nested_stack_is_billed_as_its_template() {
        let nested = "A: {Type: 'AWS::CloudFormation::Stack', Properties: {TemplateURL: a.yaml, Parameters: {}}}";
        assert_eq!(amounts(nested), [(Item::WebAclMonth, 1.0), (Item::WebAclRuleMonth, 2.0)]);
    }

    #[test]
    fn what_has_no_known_price_is_an_error() {
        for (resource, expected) in [
            ("Big: {Type: 'AWS::RDS::DBInstance'}", "Big is a \"AWS::RDS::DBInstance\", whose price"),
            (
                "A: {Type: 'AWS::Serverless::Function', Properties: {Events: {B: {Type: Kinesis}}}}",
                "Some(\"Kinesis\") is no event source",
            ),
            (
                "A: {Type: 'AWS::Serverless::Function', Properties: {ProvisionedConcurrencyConfig: {}}}",
                "provisioned concurrency is billed by the hour",
            ),
            (
                "A: {Type: 'AWS::Scheduler::Schedule', Properties: {ScheduleExpression: cron(0 * * * ? *)}}",
                "is no rate",
            ),
            (
                "A: {Type: 'AWS::Scheduler::Schedule', Properties: {ScheduleExpression: rate(1 hour), \
                 Target: {Arn: !GetAtt Other.Arn}}}",
                "is not counted",
            ),
        ] {
            let error = format!("{:#}", idle(resource).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
