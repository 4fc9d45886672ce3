//! Measures the throughput of one core: the operations `invite` and `status`, and the function `sender`, without Lambda and
//! without the HTTP edge.
//!
//! The benchmark (`benches/README.md`) starts this program with a function's environment. The fake AWS runs in another
//! process, so all processor time of this one is spent by our code. The results are written, as JSON, to the file that is
//! the argument.

mod data;
mod mails;
mod measure;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use portal::{
    email::Pepper,
    ids::RequestId,
    operations::{
        invite::invite,
        patient::save_profile,
        practice::{SaveSettings, save_practice},
        status::status,
    },
    ports::Ports,
    record::guards::Recipient,
};
use portal_aws::{
    aws::Aws,
    bootstrap,
    clock::SystemClock,
    config::{AwsEnvironment, MailSettings, QueueUrl, TableName},
    entropy::OsEntropy,
    store::DynamoStore,
};

use self::{
    data::RecordingQueue,
    mails::{BATCH, BATCHES, LATENCIES_MILLIS},
    measure::{Figures, Stopwatch},
};

/// What the program reads from its environment.
type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, MailSettings);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let results: PathBuf = std::env::args_os().nth(1).context("the argument with the results file is missing")?.into();
    let (aws, table, pepper, queue, mail): Config =
        bootstrap::start(module_path!()).map_err(anyhow::Error::from_boxed)?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let queue = RecordingQueue::new(aws.queue(queue));
    let (clock, entropy, scope) = (SystemClock, OsEntropy, data::scope()?);

    let ports = Ports { store: &store, clock: &clock };
    let request = RequestId::parse("settings")?;
    let settings = data::settings()?;
    let save = SaveSettings { scope: &scope, request: &request, if_match: None, settings, terms_accepted: true };
    save_practice(&ports, &save).await?;
    let patients = data::patients(BATCH * BATCHES * LATENCIES_MILLIS.len())?;
    for patient in &patients {
        save_profile(&ports, &patient.command(&scope), &patient.profile).await?;
    }

    let mut figures = Vec::new();
    let stopwatch = Stopwatch::start()?;
    for patient in &patients {
        invite(&ports, &queue, &entropy, &patient.command(&scope), &Recipient::default()).await?;
    }
    figures.push(Figures::new("invite", patients.len(), stopwatch.spent()?));
    let stopwatch = Stopwatch::start()?;
    for patient in &patients {
        status(&ports, &scope, &patient.id).await?;
    }
    figures.push(Figures::new("status", patients.len(), stopwatch.spent()?));

    let mailer = aws.mailer(mail);
    figures.extend(mails::measure(store, mailer, queue.into_hints()).await?);
    fs::write(&results, serde_json::to_vec_pretty(&figures)?).context("the results cannot be written")
}
