//! `cost`: what invitations cost on AWS, from counted calls and a dated list of prices.
//!
//! `docs/cost/counted.json` has the calls and units of each operation, which a test counts. `prices.json` has the prices
//! and their sources. `assumptions.json` has the values that cannot be counted on one machine, and two other designs for
//! comparison.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use anyhow::{Context as _, Result};
use serde::{Deserialize, de::DeserializeOwned};

use crate::workspace::Workspace;

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
    AlarmMonth,
    KmsKeyMonth,
    SecretMonth,
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
    sweeps_per_month: f64,
    empty_receives_per_month: f64,
    designs: Vec<Design>,
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
    /// Dollars a month while there are no invitations.
    pub standing_dollars: f64,
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
    let template = fs::read_to_string(workspace.path("infra/template.yaml")).context("infra/template.yaml")?;

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
    let standing = standing(&assumptions, &step(&counted, "sweepWithNothingDue")?, &template);
    let dollars = |amounts: &Amounts| total(amounts, &prices);
    let [per_sent, per_event, ..] = amounts.as_slice() else { anyhow::bail!("there are no designs") };
    Ok(Bill {
        dollars_per_million: 1e6 * dollars(per_event)?,
        dollars_per_million_sent: 1e6 * dollars(per_sent)?,
        standing_dollars: dollars(&standing)?,
        text: text(&prices, &designs, &amounts, &standing, invitations)?,
    })
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
        for (item, amount) in [
            (Item::HttpApiRequest, self.http_requests),
            (Item::LambdaRequest, invocations),
            (Item::LambdaGbSecond, memory_gb * millis / 1_000.0),
            (Item::DynamodbWriteUnit, self.write_units),
            (Item::DynamodbReadUnit, self.read_units),
            (Item::SqsRequest, sqs),
            (Item::LogGb, invocations * assumptions.log_bytes_per_invocation / 1e9),
        ] {
            *amounts.entry(item).or_default() += amount;
        }
    }
}

/// What a month without invitations uses.
fn standing(assumptions: &Assumptions, sweep: &Step, template: &str) -> Amounts {
    let mut amounts = Amounts::new();
    sweep.add(&mut amounts, assumptions.memory_gb, assumptions.millis_per_invocation, assumptions);
    for amount in amounts.values_mut() {
        *amount *= assumptions.sweeps_per_month;
    }
    let count =
        |kind: &str| template.lines().map(str::trim).filter(|line| *line == format!("Type: {kind}")).map(|_| 1.0).sum();
    amounts.extend([
        (Item::SchedulerInvocation, assumptions.sweeps_per_month),
        (Item::SqsRequest, assumptions.empty_receives_per_month * count("AWS::SQS::Queue") / 2.0),
        (Item::AlarmMonth, count("AWS::CloudWatch::Alarm")),
        (Item::KmsKeyMonth, count("AWS::KMS::Key")),
        (Item::SecretMonth, count("AWS::SecretsManager::Secret")),
    ]);
    amounts
}

impl Prices {
    fn price(&self, item: Item) -> Result<&Price> {
        self.list.get(&item).with_context(|| format!("docs/cost/prices.json has no price for {item:?}"))
    }
}

fn total(amounts: &Amounts, prices: &Prices) -> Result<f64> {
    amounts.iter().map(|(item, amount)| Ok(amount * prices.price(*item)?.each)).sum()
}

fn text(
    prices: &Prices,
    designs: &[&Design],
    amounts: &[Amounts],
    standing: &Amounts,
    invitations: u64,
) -> Result<String> {
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
    writeln!(text, "\nA month without invitations: {:.2}", total(standing, prices)?)?;
    for (item, amount) in standing.iter().filter(|(_, amount)| **amount > 0.0) {
        let price = prices.price(*item)?;
        writeln!(text, "* {}: {:.2}", price.what, amount * price.each)?;
    }
    text.push('\n');
    for design in designs {
        writeln!(text, "{}: {}", design.name, design.note)?;
    }
    let sources: std::collections::BTreeSet<&str> = prices.list.values().map(|price| price.source.as_str()).collect();
    writeln!(text, "\nPrices: {}", sources.into_iter().collect::<Vec<_>>().join(", "))?;
    Ok(text)
}
