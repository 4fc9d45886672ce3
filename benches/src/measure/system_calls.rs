//! System calls of a warm call, as strace counts them.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};

use super::figure;
use crate::{
    lambda::{Process, Program},
    scenario::Scenario,
    world::{Bench, World},
};

/// Warm calls of the shorter run. They include everything that happens only once.
const FEW: usize = 2;
/// Warm calls of the longer run.
const MANY: usize = 22;
/// The number of events of one count.
pub const EVENTS: usize = 2 + FEW + MANY;

/// Whether strace is installed.
#[must_use]
pub fn has_strace() -> bool {
    Command::new("strace").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Counts with few and with many warm calls. The difference is the count of the additional calls.
///
/// # Errors
/// If the program fails.
pub async fn count(bench: &Bench, scenario: &Scenario, program: &Program, world: &mut World) -> Result<f64> {
    let few = run(bench, scenario, program, world, FEW).await?;
    let many = run(bench, scenario, program, world, MANY).await?;
    Ok((many - few) / figure(u64::try_from(MANY - FEW)?))
}

async fn run(bench: &Bench, scenario: &Scenario, program: &Program, world: &mut World, calls: usize) -> Result<f64> {
    let log = bench.log(program);
    let counts = log.with_extension("strace");
    let wrapper = ["strace", "--follow-forks", "--summary-only", "--output"];
    let wrapper: Vec<String> = wrapper.into_iter().map(str::to_owned).chain([counts.display().to_string()]).collect();
    let mut process = Process::start(program, &wrapper, log).await?;
    process.ready().await?;
    for _ in 0..=calls {
        scenario.check(&process.invoke(&world.next_event(bench)?).await?.answer)?;
    }
    process.end().await?;
    read(&fs::read_to_string(&counts)?)
}

/// Reads the last line of the summary: percent, seconds, microseconds per call, calls, errors if any, `total`.
fn read(summary: &str) -> Result<f64> {
    let total = summary.lines().find(|line| line.ends_with(" total")).context("strace has no total")?;
    let calls = total.split_whitespace().nth(3).context("strace's total has no calls")?;
    Ok(figure(calls.parse()?))
}
