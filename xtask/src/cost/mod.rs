//! `cost`: what invitations cost on AWS, from counted calls and a dated list of prices, and what a month costs without any,
//! from the template.
//!
//! `docs/cost/counted.json` has the calls and units of each operation, which a test counts. `metrics.json` has the metrics
//! that the functions write, which a test holds too. `prices.json` has the prices and their sources. `assumptions.json` has
//! the values that cannot be counted on one machine, and two other designs for comparison.

mod idle;

use std::{collections::BTreeMap, fmt::Write as _, fs};

use anyhow::{Context as _, Result};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use self::idle::{Facts, Idle, public_requests_per_second};
use crate::workspace::Workspace;

const SECONDS_PER_DAY: f64 = 24.0 * 3600.0;

/// The list of prices.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prices {
    region: String,
    as_of: String,
    #[serde(rename = "prices")]
    list: BTreeMap<Item, Price>,
}

#[derive(Debug, Deserialize)]
struct Price {
    /// In dollars.
    each: f64,
    what: String,
    source: String,
}

/// What AWS charges for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
enum Item {
    HttpApiRequest,
    LambdaRequest,
    LambdaGbSecond,
    DynamodbWriteUnit,
    DynamodbReadUnit,
    SqsRequest,
    LogGb,
    SesEmail,
    SchedulerInvocation,
    KmsRequest,
    LogGbMonth,
    DynamodbGbMonth,
    DynamodbBackupGbMonth,
    AlarmMetricMonth,
    QuickAlarmMetricMonth,
    CompositeAlarmMonth,
    CustomMetricMonth,
    KmsKeyMonth,
    SecretMonth,
    WebAclMonth,
    WebAclRuleMonth,
}

/// Values that cannot be counted on one machine.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assumptions {
    memory_gb: f64,
    millis_per_invocation: f64,
    millis_per_aws_call: f64,
    millis_per_ses_call: f64,
    log_bytes_per_invocation: f64,
    mails_per_batch: f64,
    /// Lambda's pollers of a queue without messages.
    pollers_per_queue: f64,
    /// How long a poll waits for a message.
    poll_secs: f64,
    /// How often DynamoDB asks for the table's key, which it keeps for five minutes.
    kms_requests_per_hour: f64,
    /// The size of the table in the idle month.
    table_gb: f64,
    designs: Vec<Design>,
}

/// The metrics of the functions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    /// Those that a function can write, by function.
    written: BTreeMap<String, Vec<String>>,
    /// Those that are written while there is nothing to do.
    written_while_idle: Vec<String>,
}

/// Another way to build it, counted on paper.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Design {
    name: String,
    note: String,
    memory_gb: f64,
    millis_per_invocation: f64,
    steps: Vec<Step>,
}

/// What one step of an invitation uses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Step {
    http_requests: f64,
    invocations: f64,
    dynamodb_calls: f64,
    read_units: f64,
    write_units: f64,
    sqs_messages: f64,
    ses_calls: f64,
    /// Whether the queue invokes it, with several messages at once.
    batch: bool,
}

/// A counted operation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    dynamodb_calls: BTreeMap<String, f64>,
    read_units: f64,
    write_units: f64,
    sqs_messages: f64,
    ses_calls: f64,
}

/// Amounts of what AWS charges for.
type Amounts = BTreeMap<Item, f64>;

fn add(amounts: &mut Amounts, more: impl IntoIterator<Item = (Item, f64)>) {
    for (item, amount) in more {
        *amounts.entry(item).or_default() += amount;
    }
}

/// A bill.
#[derive(Debug)]
pub struct Bill {
    /// As Markdown.
    pub text: String,
    /// Dollars for each million invitations in this design, from the request to the last event of SES, without SES's own
    /// price.
    pub dollars_per_million: f64,
    /// The same, until the mail is sent and recorded.
    pub dollars_per_million_sent: f64,
    /// Dollars a month while there are no invitations, without the edge.
    pub idle_dollars: f64,
    /// Dollars that the edge adds to such a month.
    pub edge_dollars: f64,
    /// Dollars a day of a flood of requests that keeps all public routes at their limits, without the edge.
    pub flood_dollars_per_day: f64,
}

/// Makes the bill for a number of invitations.
///
/// # Errors
///
/// If a file of `docs/cost` is missing or invalid.
pub fn bill(workspace: &Workspace, invitations: u64) -> Result<Bill> {
    let prices: Prices = read(workspace, "docs/cost/prices.json")?;
    let assumptions: Assumptions = read(workspace, "docs/cost/assumptions.json")?;
    let counted: BTreeMap<String, Counted> = read(workspace, "docs/cost/counted.json")?;
    let metrics: Metrics = read(workspace, "docs/cost/metrics.json")?;

    let ours = Design {
        name: "ours".to_owned(),
        note: "Counted.".to_owned(),
        memory_gb: assumptions.memory_gb,
        millis_per_invocation: assumptions.millis_per_invocation,
        steps: vec![
            Step { http_requests: 1.0, ..step(&counted, "invite")? },
            Step { batch: true, ..step(&counted, "deliver")? },
            step(&counted, "recordSend")?,
            step(&counted, "recordDelivery")?,
        ],
    };
    let sent = Design {
        name: "ours, until sent".to_owned(),
        note: "The same, without the events of SES.".to_owned(),
        steps: ours.steps.iter().take(2).cloned().collect(),
        ..ours
    };
    let designs: Vec<&Design> = [&sent, &ours].into_iter().chain(&assumptions.designs).collect();
    let amounts: Vec<Amounts> = designs.iter().map(|design| design.amounts(&assumptions)).collect();
    let dollars = |amounts: &Amounts| total(amounts, &prices);
    let [per_sent, per_event, ..] = amounts.as_slice() else { anyhow::bail!("there are no designs") };
    let sweep = step(&counted, "sweepWithNothingDue")?;
    let idle_metrics = float(metrics.written_while_idle.len())?;
    let facts = Facts { assumptions: &assumptions, sweep: &sweep, metrics: idle_metrics };
    let parameters =
        |edge: &str| BTreeMap::from([("Stage".to_owned(), json!("prod")), ("EdgeDomain".to_owned(), json!(edge))]);
    let (plain, with_edge) = (parameters(""), parameters("portal.example.com"));
    let idle = Idle::count(workspace, &plain, &facts)?;
    let idle_dollars = dollars(&idle.amounts)?;
    let edge_dollars = dollars(&Idle::count(workspace, &with_edge, &facts)?.amounts)? - idle_dollars;
    let requests = SECONDS_PER_DAY * public_requests_per_second(workspace, &plain)?;
    let mut looked_at = Amounts::new();
    let check = Step { http_requests: 1.0, ..step(&counted, "checkLink")? };
    check.add(&mut looked_at, assumptions.memory_gb, assumptions.millis_per_invocation, &assumptions);
    let flood_dollars_per_day = requests * dollars(&looked_at)?;
    let custom_metrics = float(metrics.written.values().map(Vec::len).sum())?;
    let mut text = text(&prices, &designs, &amounts, invitations)?;
    writeln!(text, "\nA month without invitations: {idle_dollars:.2}")?;
    lines(&mut text, &prices, &idle.amounts)?;
    writeln!(text, "From the third year on: {:.2} more", dollars(&idle.later)?)?;
    writeln!(text, "With the edge: {edge_dollars:.2} more")?;
    let each = prices.price(Item::CustomMetricMonth)?.each;
    let busy = each * (custom_metrics - idle_metrics);
    writeln!(text, "If each metric of the functions has data in every hour: {busy:.2} more")?;
    writeln!(
        text,
        "A day of a flood at the limits of the public routes, without the edge: {flood_dollars_per_day:.2}"
    )?;
    notes(&mut text, &prices, &designs)?;
    Ok(Bill {
        dollars_per_million: 1e6 * dollars(per_event)?,
        dollars_per_million_sent: 1e6 * dollars(per_sent)?,
        idle_dollars,
        edge_dollars,
        flood_dollars_per_day,
        text,
    })
}

fn float(count: usize) -> Result<f64> {
    Ok(f64::from(u32::try_from(count)?))
}

fn read<T: DeserializeOwned>(workspace: &Workspace, file: &'static str) -> Result<T> {
    let text = fs::read_to_string(workspace.path(file)).with_context(|| format!("{file} cannot be read"))?;
    serde_json::from_str(&text).with_context(|| format!("{file} is not as expected"))
}

fn step(counted: &BTreeMap<String, Counted>, operation: &str) -> Result<Step> {
    let counted = counted.get(operation).with_context(|| format!("{operation} was not counted"))?;
    Ok(Step {
        invocations: 1.0,
        dynamodb_calls: counted.dynamodb_calls.values().sum(),
        read_units: counted.read_units,
        write_units: counted.write_units,
        sqs_messages: counted.sqs_messages,
        ses_calls: counted.ses_calls,
        ..Step::default()
    })
}

impl Design {
    /// What one invitation uses, without SES's own price.
    fn amounts(&self, assumptions: &Assumptions) -> Amounts {
        let mut amounts = Amounts::new();
        for step in &self.steps {
            step.add(&mut amounts, self.memory_gb, self.millis_per_invocation, assumptions);
        }
        amounts
    }
}

impl Step {
    fn add(&self, amounts: &mut Amounts, memory_gb: f64, millis_per_invocation: f64, assumptions: &Assumptions) {
        // A batch is one invocation, one receive and one delete; its messages are processed concurrently.
        let share = if self.batch { 1.0 / assumptions.mails_per_batch } else { 1.0 };
        let invocations = self.invocations * share;
        let calls = self.dynamodb_calls + self.sqs_messages;
        let millis = millis_per_invocation * invocations
            + share * (calls * assumptions.millis_per_aws_call + self.ses_calls * assumptions.millis_per_ses_call);
        let sqs = self.sqs_messages + if self.batch { 2.0 * share } else { 0.0 };
        let more = [
            (Item::HttpApiRequest, self.http_requests),
            (Item::LambdaRequest, invocations),
            (Item::LambdaGbSecond, memory_gb * millis / 1_000.0),
            (Item::DynamodbWriteUnit, self.write_units),
            (Item::DynamodbReadUnit, self.read_units),
            (Item::SqsRequest, sqs),
            (Item::LogGb, invocations * assumptions.log_bytes_per_invocation / 1e9),
        ];
        add(amounts, more);
    }
}

impl Prices {
    fn price(&self, item: Item) -> Result<&Price> {
        self.list.get(&item).with_context(|| format!("docs/cost/prices.json has no price for {item:?}"))
    }
}

fn total(amounts: &Amounts, prices: &Prices) -> Result<f64> {
    amounts.iter().map(|(item, amount)| Ok(amount * prices.price(*item)?.each)).sum()
}

fn text(prices: &Prices, designs: &[&Design], amounts: &[Amounts], invitations: u64) -> Result<String> {
    let many = f64::from(u32::try_from(invitations).context("more invitations than there are people")?);
    let mut text =
        format!("{invitations} invitations, {}, prices as of {}, in dollars\n\n| ", prices.region, prices.as_of);
    for design in designs {
        write!(text, "| {} ", design.name)?;
    }
    writeln!(text, "|\n| --- {}|", "| ---: ".repeat(designs.len()))?;
    for item in amounts.first().into_iter().flat_map(BTreeMap::keys) {
        let price = prices.price(*item)?;
        write!(text, "| {} ", price.what)?;
        for amounts in amounts {
            let amount = many * amounts.get(item).copied().unwrap_or_default();
            write!(text, "| {:.2} ", amount * price.each)?;
        }
        writeln!(text, "|")?;
    }
    write!(text, "| **all but SES** ")?;
    for amounts in amounts {
        write!(text, "| **{:.2}** ", many * total(amounts, prices)?)?;
    }
    writeln!(
        text,
        "|\n| {} {}|",
        prices.price(Item::SesEmail)?.what,
        format!("| {:.2} ", many * prices.price(Item::SesEmail)?.each).repeat(designs.len())
    )?;
    Ok(text)
}

/// A line for each amount that costs something.
fn lines(text: &mut String, prices: &Prices, amounts: &Amounts) -> Result<()> {
    for (item, amount) in amounts.iter().filter(|(_, amount)| **amount > 0.0) {
        let price = prices.price(*item)?;
        writeln!(text, "* {}: {:.3}", price.what, amount * price.each)?;
    }
    Ok(())
}

/// What the designs are, and where the prices come from.
fn notes(text: &mut String, prices: &Prices, designs: &[&Design]) -> Result<()> {
    text.push('\n');
    for design in designs {
        writeln!(text, "{}: {}", design.name, design.note)?;
    }
    let sources: std::collections::BTreeSet<&str> = prices.list.values().map(|price| price.source.as_str()).collect();
    writeln!(text, "\nPrices: {}", sources.into_iter().collect::<Vec<_>>().join(", "))?;
    Ok(())
}
