//! What one core does in a second: a program of our own carries operations out, one after the other, and batches of mails.

use std::{env, fs, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::{aws::Aws, world::Bench};

/// The name of the program, and what it is called on the command line.
pub const NAME: &str = "throughput";

/// How fast one thing is: what the program `throughput` says of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// What it is.
    pub name: String,
    /// How many times it was done.
    pub count: usize,
    /// Microseconds from the beginning of one to its end, what AWS's stand-in takes included; of a mail, its share of its
    /// batch.
    pub micros_each: f64,
    /// Milliseconds of a batch of mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_millis: Option<f64>,
    /// Microseconds of processor time of one.
    pub processor_micros_each: f64,
    /// How many one environment does in a second.
    pub a_second: f64,
    /// How many a core does in a second that does nothing else.
    pub a_second_a_core: f64,
}

/// Runs the program, which was built with this one, in the environment of the functions whose work it does.
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
    serde_json::from_slice(&fs::read(&results)?).context("the program's results are not what they should be")
}
