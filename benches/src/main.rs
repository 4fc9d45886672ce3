//! The benchmarks: see `benches/README.md`. `cargo xtask bench` and `cargo xtask instructions` start this program.

mod aws;
mod baseline;
mod ca;
mod lambda;
mod measure;
mod proc;
mod report;
mod same;
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
        calls::{self, Turn},
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
    Twins,
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
        Command::Instructions(options) => hold(bench, &options).await,
        Command::Twins => compare(&bench).await,
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

/// The scenarios of these functions; of all, if nothing is named.
fn selected(only: &[String]) -> Result<Vec<&'static Scenario>> {
    if only.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    only.iter().filter(|name| *name != throughput::NAME).map(|function| scenario::of(function)).collect()
}

async fn bench(bench: Bench, options: &BenchOptions) -> Result<()> {
    instructions::require_valgrind()?;
    let scenarios = selected(&options.only)?;
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

/// All that is measured of one function, in every language that has it.
async fn measure(
    bench: &Bench,
    peers: &[Variant],
    scenario: &'static Scenario,
    options: &BenchOptions,
) -> Result<Vec<Measured>> {
    let events = calls::events(options.calls) + system_calls::EVENTS;
    let mut turns = turns(bench, peers, scenario, events).await?;
    let times = calls::times(bench, scenario, &mut turns, options.calls).await?;
    let mut throttled = Vec::new();
    if options.throttle {
        throttled = calls::throttled(bench, scenario, &mut turns).await?;
    }
    let mut throttled = throttled.into_iter();
    let mut measured = Vec::new();
    for (turn, times) in turns.iter_mut().zip(times) {
        let Turn { program, world } = turn;
        let (mut counted, mut with_machines_trust) = (None, None);
        if program.variant == OURS {
            let events = instructions::MEDIAN_EVENTS + instructions::TRUST_EVENTS;
            let (program, mut world) = counted_world(bench, scenario, events).await?;
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

/// A program of each variant that has this function, in a world of its own for so many events.
async fn turns(bench: &Bench, peers: &[Variant], scenario: &'static Scenario, events: usize) -> Result<Vec<Turn>> {
    let mut turns = Vec::new();
    let having = peers.iter().filter(|peer| peer.has(scenario.function));
    for variant in std::iter::once(&bench.measured).chain(having) {
        let world = bench.world(scenario, events, scenario.patients_each).await?;
        if let Some(program) = bench.program(variant, scenario.function, &world.aws)? {
            turns.push(Turn { program, world });
        }
    }
    Ok(turns)
}

/// Compares what the functions in other languages make of one event with what ours make of it. Measures nothing.
async fn compare(bench: &Bench) -> Result<()> {
    let peers = Variant::peers(&bench.workspace, Purpose::Compare)?;
    for scenario in SCENARIOS.iter().filter(|scenario| peers.iter().any(|peer| peer.has(scenario.function))) {
        let mut turns = turns(bench, &peers, scenario, 1).await?;
        calls::start_each(bench, scenario, &mut turns).await.context(scenario.function)?;
        eprintln!("    {}: {} programs do the same", scenario.function, turns.len());
    }
    Ok(())
}

/// Counts the instructions of the functions, and holds them against those on file.
async fn hold(bench: Bench, options: &InstructionOptions) -> Result<()> {
    instructions::require_valgrind()?;
    let mut baseline = Baseline::read(&bench.workspace)?;
    let on_file = if options.deployed { &mut baseline.release } else { &mut baseline.dev };
    let mut counted = Counted::new();
    // One after the other: two at once would run into their own timeouts.
    for scenario in selected(&options.only)? {
        let filed = on_file.get(scenario.function);
        let now = count(&bench, scenario, filed).await.context(scenario.function)?;
        eprintln!("    {}: {} from start to first answer, {} a warm call", scenario.function, now.cold, now.warm);
        counted.insert(scenario.function.to_owned(), now);
    }
    if options.accept {
        on_file.extend(counted);
        return baseline.write(&bench.workspace);
    }
    let complaints = baseline::complaints(on_file, &counted);
    ensure!(
        complaints.is_empty(),
        "more work than before:\n  {}\nIf it is meant to be: the same command with --accept",
        complaints.join("\n  ")
    );
    Ok(())
}

/// Counts a function once. If that is more than what is on file, it may have been the chance that is in TLS: then the
/// median decides.
async fn count(bench: &Bench, scenario: &'static Scenario, filed: Option<&Instructions>) -> Result<Instructions> {
    if let Some(filed) = filed {
        let (program, mut world) = counted_world(bench, scenario, instructions::EVENTS).await?;
        let counted = instructions::count(bench, scenario, &program, &mut world).await?;
        if !baseline::grown(filed.cold, counted.cold) && !baseline::grown(filed.warm, counted.warm) {
            return Ok(counted);
        }
    }
    let (program, mut world) = counted_world(bench, scenario, instructions::MEDIAN_EVENTS).await?;
    instructions::median(bench, scenario, &program, &mut world).await
}

/// One of the functions, and a world that it is counted in.
async fn counted_world(bench: &Bench, scenario: &'static Scenario, events: usize) -> Result<(Program, World)> {
    let world = bench.world(scenario, events, scenario.patients_each_counted).await?;
    let program = bench.program(&bench.measured, scenario.function, &world.aws)?.context("it is not built")?;
    Ok((program, world))
}

/// The version of the compiler.
fn compiler() -> Result<String> {
    let output = process::Command::new("rustc").arg("--version").output().context("rustc")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What the machine calls its processor.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "an unnamed processor".to_owned(), |(_, name)| name.to_owned())
}
