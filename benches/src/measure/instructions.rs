//! Instructions, as valgrind's callgrind counts them. Unlike times, they are the same on a busy machine.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail, ensure};

use super::Instructions;
use crate::{
    lambda::{Process, Program},
    scenario::Scenario,
    world::{Bench, World},
};

/// Warm calls that are counted.
const CALLS: usize = 5;
/// Attempts of one count. A program is fifty times slower under valgrind, so on a busy machine its own timeouts may expire,
/// and then it does other work than the work to be counted.
const MAX_TRIES: usize = 3;
/// Counts of one median. The counts differ, because the work of TLS depends on random keys.
const ROUNDS: usize = 3;
/// The maximum number of events of one count.
pub const EVENTS: usize = (2 + CALLS) * MAX_TRIES;
/// The maximum number of events of a median.
pub const MEDIAN_EVENTS: usize = EVENTS * ROUNDS;
/// The maximum number of events of [`cold_with_machines_trust`].
pub const TRUST_EVENTS: usize = MAX_TRIES;

/// Checks that valgrind is installed.
///
/// # Errors
/// If it is not. The message says how to install it.
pub fn require_valgrind() -> Result<()> {
    let version = Command::new("valgrind").arg("--version").output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!(
        "valgrind is needed to count instructions, and it is not installed (Debian, Ubuntu: apt-get install valgrind)"
    )
}

/// The medians of several counts.
///
/// # Errors
/// If the program fails.
pub async fn median(bench: &Bench, scenario: &Scenario, program: &Program, world: &mut World) -> Result<Instructions> {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let counted = count(bench, scenario, program, world).await?;
        cold.push(counted.cold);
        warm.push(counted.warm);
    }
    Ok(Instructions { cold: middle(cold)?, warm: middle(warm)? })
}

fn middle(mut counts: Vec<u64>) -> Result<u64> {
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().context("nothing was counted")
}

/// Counts from the start to the first answer, with all certificates that the machine trusts, as in Lambda.
///
/// # Errors
/// If the program fails.
pub async fn cold_with_machines_trust(
    bench: &Bench,
    scenario: &Scenario,
    program: &Program,
    world: &mut World,
) -> Result<Option<u64>> {
    let Some(bundle) = &bench.authority.with_machines else { return Ok(None) };
    let mut program = program.clone();
    program.environment.insert("SSL_CERT_FILE".to_owned(), bundle.display().to_string());
    run_with_retries(bench, scenario, &program, world, 0).await.map(Some)
}

/// Counts twice, with and without warm calls. The difference is the count of the warm calls.
///
/// # Errors
/// If the program fails.
pub async fn count(bench: &Bench, scenario: &Scenario, program: &Program, world: &mut World) -> Result<Instructions> {
    let cold = run_with_retries(bench, scenario, program, world, 0).await?;
    let all = run_with_retries(bench, scenario, program, world, CALLS).await?;
    let warm = all.checked_sub(cold).context("warm calls took no instructions")? / u64::try_from(CALLS)?;
    Ok(Instructions { cold, warm })
}

async fn run_with_retries(
    bench: &Bench,
    scenario: &Scenario,
    program: &Program,
    world: &mut World,
    calls: usize,
) -> Result<u64> {
    for _ in 1..MAX_TRIES {
        if let Ok(count) = run(bench, scenario, program, world, calls).await {
            return Ok(count);
        }
    }
    run(bench, scenario, program, world, calls).await
}

async fn run(bench: &Bench, scenario: &Scenario, program: &Program, world: &mut World, calls: usize) -> Result<u64> {
    let log = bench.log(program);
    let counts = log.with_extension("callgrind");
    let wrapper =
        ["valgrind".to_owned(), "--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", counts.display())];
    let mut process = Process::start(program, &wrapper, log.clone()).await?;
    process.ready().await?;
    for _ in 0..=calls {
        scenario.check(&process.invoke(&world.next_event(bench)?).await?.answer)?;
    }
    process.end().await?;
    ensure!(
        !has_warning(&fs::read_to_string(&log)?),
        "it logged a warning; the machine is probably too busy ({})",
        log.display()
    );
    read(&counts)
}

/// Whether a log has a warning. After a timeout of its first connection, a function logs a warning and continues, and the
/// count is too high.
fn has_warning(log: &str) -> bool {
    log.contains(r#""level":"WARN""#)
}

fn read(file: &Path) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).context("callgrind has no totals")?;
    let total = total.trim().parse().context("callgrind's total is not a number")?;
    ensure!(total > 0, "callgrind counted nothing");
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_level_makes_a_line_a_warning() {
        let line =
            |level: &str| format!(r#"==1== Callgrind{}{{"timestamp":"","level":"{level}","message":"WARN"}}"#, '\n');
        assert!(has_warning(&line("WARN")));
        assert!(!has_warning(&line("INFO")));
    }
}
