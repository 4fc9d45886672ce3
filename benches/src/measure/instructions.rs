//! Instructions, as valgrind's callgrind counts them: unlike times they are the same on a busy machine.

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
/// Starts that may fail: a program runs fifty times slower under valgrind, so that on a busy machine its own timeouts
/// may strike, and what it does then is not what is to be counted.
const MAX_TRIES: usize = 3;
/// How often a function is counted for a median: TLS draws random keys, and not all take the same work.
const ROUNDS: usize = 3;
/// Events that one count takes at most.
pub const EVENTS: usize = (2 + CALLS) * MAX_TRIES;
/// Events that a median takes at most.
pub const MEDIAN_EVENTS: usize = EVENTS * ROUNDS;
/// Events that [`cold_with_machines_trust`] takes at most.
pub const TRUST_EVENTS: usize = MAX_TRIES;

/// Holds that valgrind is there.
///
/// # Errors
/// If it is not, with what to do.
pub fn require_valgrind() -> Result<()> {
    let version = Command::new("valgrind").arg("--version").output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!("valgrind counts the instructions, and it is not installed (Debian, Ubuntu: apt-get install valgrind)")
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

/// Counts from the start to the first answer, where the program trusts all that the machine does, as in Lambda.
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
    patiently(bench, scenario, &program, world, 0).await.map(Some)
}

/// Counts twice, once with warm calls and once without: the difference is theirs.
///
/// # Errors
/// If the program fails.
pub async fn count(bench: &Bench, scenario: &Scenario, program: &Program, world: &mut World) -> Result<Instructions> {
    let cold = patiently(bench, scenario, program, world, 0).await?;
    let all = patiently(bench, scenario, program, world, CALLS).await?;
    let warm = all.checked_sub(cold).context("warm calls took no instructions")? / u64::try_from(CALLS)?;
    Ok(Instructions { cold, warm })
}

async fn patiently(
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
    let holder =
        ["valgrind".to_owned(), "--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", counts.display())];
    let mut process = Process::start(program, &holder, log.clone()).await?;
    process.ready().await?;
    for _ in 0..=calls {
        scenario.check(&process.invoke(&world.next_event(bench)?).await?.answer)?;
    }
    process.end().await?;
    ensure!(
        !warns(&fs::read_to_string(&log)?),
        "it warned, as it does on a machine that has too much to do ({} says of what)",
        log.display()
    );
    read(&counts)
}

/// Whether a log has a warning. A function whose time limit for its first connection has struck goes on without it, and
/// then counts more than it should.
fn warns(log: &str) -> bool {
    log.contains(r#""level":"WARN""#)
}

fn read(file: &Path) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| format!("{} is not there", file.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).context("callgrind has no totals")?;
    let total = total.trim().parse().context("callgrind's total is no number")?;
    ensure!(total > 0, "callgrind counted nothing");
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_told_from_other_lines() {
        let line =
            |level: &str| format!(r#"==1== Callgrind{}{{"timestamp":"","level":"{level}","message":"WARN"}}"#, '\n');
        assert!(warns(&line("WARN")));
        assert!(!warns(&line("INFO")));
    }
}
