//! The benchmarks: see `benches/README.md`. `cargo xtask bench` and `cargo xtask instructions` start this program.

mod aws;
mod baseline;
mod ca;
mod compare;
mod lambda;
mod measure;
mod proc;
mod report;
mod scenario;
mod template;
mod throughput;
mod variant;
mod world;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    thread,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use xtask::{
    bench::{BenchOptions, InstructionOptions},
    cost, lock,
    workspace::Workspace,
};

use crate::{
    baseline::{Baseline, Counted},
    ca::Authority,
    lambda::Program,
    measure::{
        Instructions, Measured,
        calls::{self, Candidate},
        instructions, package, system_calls,
    },
    report::Run,
    scenario::{SCENARIOS, Scenario},
    template::Template,
    variant::{OURS, Purpose, Variant},
    world::{Bench, World},
};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "The benchmarks")]
struct Cli {
    /// Folder of the functions
    #[arg(long)]
    functions: PathBuf,
    /// Folder of the functions to measure, which may be only some [default: `functions`]
    #[arg(long)]
    measured: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure the functions
    Bench(BenchOptions),
    /// Count the instructions of the functions
    Instructions(InstructionOptions),
    /// Compare the answers of the functions with those in other languages
    Peers,
}

#[tokio::main]
async fn main() -> ExitCode {
    let run = run(Cli::parse()).await;
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    let workspace = Workspace::locate()?;
    let _lock = lock::take(&workspace.local().join("bench"), "benchmarks are already running in this checkout")?;
    let bench = prepare(workspace, &cli.functions, cli.measured.as_ref())?;
    match cli.command {
        Command::Bench(options) => self::bench(bench, &options).await,
        Command::Instructions(options) => check_instructions(bench, &options).await,
        Command::Peers => compare_peers(&bench).await,
    }
}

fn prepare(workspace: Workspace, functions: &Path, measured: Option<&PathBuf>) -> Result<Bench> {
    let names: Vec<String> = SCENARIOS.iter().map(|scenario| scenario.function.to_owned()).collect();
    Ok(Bench {
        authority: Authority::new(&workspace)?,
        template: Template::read()?,
        functions: Variant::ours(functions, &names),
        measured: Variant::ours(measured.map_or(functions, PathBuf::as_path), &names),
        workspace,
    })
}

/// The scenarios of these functions, or all if no function is named.
fn select_scenarios(only: &[String]) -> Result<Vec<&'static Scenario>> {
    if only.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    only.iter().filter(|name| *name != throughput::NAME).map(|function| scenario::find(function)).collect()
}

async fn bench(bench: Bench, options: &BenchOptions) -> Result<()> {
    instructions::require_valgrind()?;
    let scenarios = select_scenarios(&options.only)?;
    let without_peers = options.without_peers || scenarios.is_empty();
    let peers = if without_peers { Vec::new() } else { Variant::peers(&bench.workspace, Purpose::Measure)? };
    let mut measured = Vec::new();
    for scenario in scenarios {
        eprintln!("    {}", scenario.function);
        measured.extend(measure(&bench, &peers, scenario, options).await.context(scenario.function)?);
    }
    let throughput = if options.only.is_empty() || options.only.iter().any(|name| name == throughput::NAME) {
        throughput::measure(&bench).await?
    } else {
        Vec::new()
    };
    let run = Run {
        processor: processor(),
        processors: thread::available_parallelism()?.get(),
        compiler: compiler()?,
        dollars_per_million: cost::bill(&bench.workspace, 1_000_000)?.dollars_per_million_sent,
        measured,
        throughput,
    };
    run.show()?;
    if !options.dry {
        run.write(&bench.workspace)?;
        let mut baseline = Baseline::read(&bench.workspace)?;
        let counted = |ours: &Measured| Some((ours.function.clone(), ours.instructions?));
        baseline.release.extend(run.ours().filter_map(counted));
        baseline.write(&bench.workspace)?;
    }
    Ok(())
}

/// Measures one function, in every language that has it.
async fn measure(
    bench: &Bench,
    peers: &[Variant],
    scenario: &'static Scenario,
    options: &BenchOptions,
) -> Result<Vec<Measured>> {
    let events = calls::events(options.calls) + system_calls::EVENTS;
    let mut candidates = candidates(bench, peers, scenario, events).await?;
    let times = calls::times(bench, scenario, &mut candidates, options.calls).await?;
    let mut throttled = Vec::new();
    if options.throttle {
        throttled = calls::throttled(bench, scenario, &mut candidates).await?;
    }
    let mut throttled = throttled.into_iter();
    let mut measured = Vec::new();
    for (candidate, times) in candidates.iter_mut().zip(times) {
        let Candidate { program, world } = candidate;
        let (mut counted, mut with_machines_trust) = (None, None);
        if program.variant == OURS {
            let events = instructions::MEDIAN_EVENTS + instructions::TRUST_EVENTS;
            let (program, mut world) = instruction_world(bench, scenario, events).await?;
            counted = Some(instructions::median(bench, scenario, &program, &mut world).await?);
            with_machines_trust = instructions::cold_with_machines_trust(bench, scenario, &program, &mut world).await?;
        }
        let system_calls = if system_calls::has_strace() {
            Some(system_calls::count(bench, scenario, program, world).await?)
        } else {
            None
        };
        let size = package::size(&program.package)?;
        measured.push(Measured {
            function: scenario.function.to_owned(),
            variant: program.variant.clone(),
            records_each: scenario.patients_each,
            cold: times.cold,
            warm: times.warm,
            throttled: throttled.next(),
            instructions: counted,
            instructions_with_machines_trust: with_machines_trust,
            system_calls,
            peak_memory_bytes: times.peak_memory_bytes,
            package_bytes: size.bytes,
            zip_bytes: size.zip_bytes,
        });
    }
    Ok(measured)
}

/// A program of each variant that has this function, each with a world of its own for this number of events.
async fn candidates(
    bench: &Bench,
    peers: &[Variant],
    scenario: &'static Scenario,
    events: usize,
) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    let peers = peers.iter().filter(|peer| peer.has(scenario.function));
    for variant in std::iter::once(&bench.measured).chain(peers) {
        let world = bench.world(scenario, events, scenario.patients_each).await?;
        if let Some(program) = bench.program(variant, scenario.function, &world.aws)? {
            candidates.push(Candidate { program, world });
        }
    }
    Ok(candidates)
}

/// Compares the results of the functions in other languages for one event with those of ours. Measures nothing.
async fn compare_peers(bench: &Bench) -> Result<()> {
    let peers = Variant::peers(&bench.workspace, Purpose::Compare)?;
    for scenario in SCENARIOS.iter().filter(|scenario| peers.iter().any(|peer| peer.has(scenario.function))) {
        let mut candidates = candidates(bench, &peers, scenario, 1).await?;
        calls::start_each(bench, scenario, &mut candidates).await.context(scenario.function)?;
        eprintln!("    {}: {} programs have the same results", scenario.function, candidates.len());
    }
    Ok(())
}

/// Counts the instructions of the functions, and compares them with the stored counts.
async fn check_instructions(bench: Bench, options: &InstructionOptions) -> Result<()> {
    instructions::require_valgrind()?;
    let mut baseline = Baseline::read(&bench.workspace)?;
    let stored_counts = if options.deployed { &mut baseline.release } else { &mut baseline.dev };
    let mut counted = Counted::new();
    // One after the other, because two at the same time would exceed their own timeouts.
    for scenario in select_scenarios(&options.only)? {
        let stored = stored_counts.get(scenario.function);
        let now = count(&bench, scenario, stored).await.context(scenario.function)?;
        eprintln!("    {}: {} from start to first answer, {} a warm call", scenario.function, now.cold, now.warm);
        counted.insert(scenario.function.to_owned(), now);
    }
    if options.accept {
        stored_counts.extend(counted);
        return baseline.write(&bench.workspace);
    }
    let regressions = baseline::regressions(stored_counts, &counted);
    ensure!(
        regressions.is_empty(),
        "more work than before:\n  {}\nIf that is intended: the same command with --accept",
        regressions.join("\n  ")
    );
    Ok(())
}

/// Counts a function once. If that is too much, the randomness of TLS may be the reason. Then the median decides.
async fn count(bench: &Bench, scenario: &'static Scenario, stored: Option<&Instructions>) -> Result<Instructions> {
    if let Some(stored) = stored {
        let (program, mut world) = instruction_world(bench, scenario, instructions::EVENTS).await?;
        let counted = instructions::count(bench, scenario, &program, &mut world).await?;
        if !baseline::has_grown(stored.cold, counted.cold) && !baseline::has_grown(stored.warm, counted.warm) {
            return Ok(counted);
        }
    }
    let (program, mut world) = instruction_world(bench, scenario, instructions::MEDIAN_EVENTS).await?;
    instructions::median(bench, scenario, &program, &mut world).await
}

/// One of our functions, and the world for counting its instructions.
async fn instruction_world(bench: &Bench, scenario: &'static Scenario, events: usize) -> Result<(Program, World)> {
    let world = bench.world(scenario, events, scenario.patients_each_counted).await?;
    let program = bench.program(&bench.measured, scenario.function, &world.aws)?.context("it is not built")?;
    Ok((program, world))
}

/// The version of the compiler.
fn compiler() -> Result<String> {
    let output = process::Command::new("rustc").arg("--version").output().context("rustc")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The name of the processor.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "an unknown processor".to_owned(), |(_, name)| name.to_owned())
}
