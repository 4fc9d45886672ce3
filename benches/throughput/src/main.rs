//! What one core does in a second: the operations `invite` and `status` over the table, and the function `sender`, without
//! Lambda and without the HTTP edge.
//!
//! The benchmark (`benches/README.md`) starts it with a function's environment, so that all that this process spends is
//! ours, and what plays AWS is in another one. It writes what it measured, as JSON, to the file that is its argument.

mod data;
mod mails;
mod measure;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use portal::{
    email::Pepper,
    operations::{invite::invite, patient::save_profile, practice::save_practice, status::status},
    ports::Ports,
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
    data::KeptHints,
    mails::{BATCH, BATCHES, LATENCIES_MILLIS},
    measure::{Figures, Stopwatch},
};

/// What the program reads from its environment.
type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, MailSettings);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let results: PathBuf = std::env::args_os().nth(1).context("which file the results go to is missing")?.into();
    let (aws, table, pepper, queue, mail): Config =
        bootstrap::start(module_path!()).map_err(anyhow::Error::from_boxed)?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let queue = KeptHints::new(aws.queue(queue));
    let (clock, entropy, scope) = (SystemClock, OsEntropy, data::scope()?);

    let ports = Ports { store: &store, clock: &clock };
    save_practice(&ports, &scope, &data::settings()?, true, None).await?;
    let patients = data::patients(BATCH * BATCHES * LATENCIES_MILLIS.len())?;
    for patient in &patients {
        save_profile(&ports, &patient.command(&scope), &patient.profile).await?;
    }

    let mut figures = Vec::new();
    let watch = Stopwatch::start()?;
    for patient in &patients {
        invite(&ports, &queue, &entropy, &patient.command(&scope), None).await?;
    }
    figures.push(Figures::of("invite", patients.len(), watch.spent()?));
    let watch = Stopwatch::start()?;
    for patient in &patients {
        status(&ports, &scope, &patient.id).await?;
    }
    figures.push(Figures::of("status", patients.len(), watch.spent()?));

    let mailer = aws.mailer(mail);
    figures.extend(mails::measure(store, mailer, queue.taken()).await?);
    fs::write(&results, serde_json::to_vec_pretty(&figures)?).context("the results cannot be written")
}
