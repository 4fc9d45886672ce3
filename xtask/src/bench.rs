//! `bench` and `instructions`: build the functions, and let the program in `benches` measure them.

use std::{
    ffi::OsString,
    path::PathBuf,
    process::{Command, ExitStatus},
};

use anyhow::Result;

use crate::{
    deployable,
    functions::{self, Extent},
    process,
    progress::step,
    workspace::Workspace,
};

/// The arguments of `bench`. The program in `benches` reads the same ones.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchOptions {
    /// Only these functions, or `throughput`, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub only: Vec<String>,
    /// Warm calls of each function
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub calls: usize,
    /// Also measure with the processor time of 128 MB
    #[arg(long)]
    pub throttle: bool,
    /// Leave out the functions in other languages
    #[arg(long)]
    pub without_peers: bool,
    /// Print the figures without writing `docs/benchmarks`
    #[arg(long)]
    pub dry: bool,
}

/// The arguments of `instructions`. The program in `benches` reads the same ones.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct InstructionOptions {
    /// Only these functions, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub only: Vec<String>,
    /// Write the counts to `docs/benchmarks/instructions.json`, as the new reference
    #[arg(long)]
    pub accept: bool,
    /// Count the functions as they are deployed, instead of those that the tests run
    #[arg(long)]
    pub deployed: bool,
}

/// Builds the functions as they are deployed, and measures them. `arguments` are those of this program, including the
/// command's name.
///
/// # Errors
/// If something cannot be built or started. A failed measurement is not an error here, but the program's status.
pub fn bench(workspace: &Workspace, arguments: impl Iterator<Item = OsString>) -> Result<ExitStatus> {
    let functions = build_deployable(workspace, &functions::names(workspace)?)?;
    let cargo = |command: &str, package: &str| {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(workspace.root()).args([command, "--quiet", "--release", "--package", package]);
        cargo
    };
    step("Operations (benches/throughput)", || process::check(&mut cargo("build", "throughput")))?;
    let mut program = cargo("run", "benches");
    program.args(["--", "--functions"]).arg(functions).args(arguments);
    step("Benchmarks", || process::status(&mut program))
}

/// Compares our functions, as the tests run them, with the same functions in other languages: both must answer the same events
/// alike.
///
/// # Errors
/// As for [`bench()`].
pub fn peers(workspace: &Workspace) -> Result<ExitStatus> {
    let mut program = built_with_tests(workspace)?;
    step("Functions in other languages", || process::status(program.arg("peers")))
}

/// Counts the instructions of the functions that the tests run, or of the functions as they are deployed. `arguments` are
/// as for [`bench()`].
///
/// # Errors
/// As for [`bench()`].
pub fn instructions(
    workspace: &Workspace,
    options: &InstructionOptions,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<ExitStatus> {
    // Those that the tests run also make the data that the others are counted with.
    let mut program = built_with_tests(workspace)?;
    if options.deployed {
        let names = if options.only.is_empty() { functions::names(workspace)? } else { options.only.clone() };
        program.arg("--measured").arg(build_deployable(workspace, &names)?);
    }
    step("Instructions", || process::status(program.args(arguments)))
}

/// The program in `benches`, given the functions that were built with it.
fn built_with_tests(workspace: &Workspace) -> Result<Command> {
    let folder = step("Functions and tests", || functions::build(workspace, Extent::WithTests))?;
    let mut program = Command::new(folder.join("benches"));
    program.current_dir(workspace.root()).arg("--functions").arg(folder);
    Ok(program)
}

fn build_deployable(workspace: &Workspace, names: &[String]) -> Result<PathBuf> {
    let tools = step("Python packages", || deployable::tools(workspace))?;
    step("Functions, as they are deployed (some minutes)", || deployable::build(workspace, &tools, names))
}
