//! Throughput of one core: a separate program carries out operations, one after the other, and sends batches of mails.

use std::{env, fs, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::{aws::Aws, world::Bench};

/// The name of the program, and its name on the command line.
pub const NAME: &str = "throughput";

/// The throughput of one operation, as the program `throughput` reports it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// The operation.
    pub name: String,
    /// The number of measured operations.
    pub count: usize,
    /// Microseconds of one operation, including the time of the fake AWS. For a mail, its share of the batch.
    pub micros_each: f64,
    /// Milliseconds of a batch of mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_millis: Option<f64>,
    /// Microseconds of processor time of one operation.
    pub processor_micros_each: f64,
    /// Operations that one environment carries out in a second.
    pub a_second: f64,
    /// Operations that a core can carry out in a second if it does nothing else.
    pub a_second_a_core: f64,
}

/// Runs the program, which was built with this one, in the environment of the functions that it measures.
///
/// # Errors
/// If it fails.
pub async fn measure(bench: &Bench) -> Result<Vec<Throughput>> {
    let aws = Aws::start(&bench.authority, &bench.template).await?;
    let program = |function: &str| {
        bench.program(&bench.measured, function, &aws)?.with_context(|| format!("{function} is not built"))
    };
    let (inviting, sending) = (program("invite")?, program("sender")?);
    let bench_program = env::current_exe().context("where this program is")?;
    let mut command = Command::new(bench_program.with_file_name(NAME));
    command.env_clear().envs(inviting.environment).envs(sending.environment);
    let folder = bench.workspace.local().join("bench");
    let (results, log) = (folder.join("throughput.json"), fs::File::create(folder.join("throughput.log"))?);
    command.arg(&results).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    let status = command.status().await.context("the program cannot be started")?;
    ensure!(status.success(), "the program ended with {status}: see .local/bench/throughput.log");
    serde_json::from_slice(&fs::read(&results)?).context("the program's results cannot be read")
}
