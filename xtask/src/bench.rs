//! `bench` and `instructions`: build the functions, and let the program in `benches` measure them.

use std::{
    ffi::OsString,
    process::{Command, ExitStatus},
};

use anyhow::Result;

use crate::{
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
}

/// Builds the functions as they are deployed, and measures them. `arguments` are those of this program, including the
/// command's name.
///
/// # Errors
/// If something cannot be built or started. A failed measurement is not an error here, but the program's status.
pub fn bench(workspace: &Workspace, arguments: impl Iterator<Item = OsString>) -> Result<ExitStatus> {
    step("Functions, as they are deployed (some minutes)", || functions::build(workspace, Extent::Deployed))?;
    let cargo = |command: &str, package: &str| {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(workspace.root()).args([command, "--quiet", "--release", "--package", package]);
        cargo
    };
    step("Operations (benches/throughput)", || process::check(&mut cargo("build", "throughput")))?;
    step("Benchmarks", || process::status(cargo("run", "benches").arg("--").args(arguments)))
}

/// Compares our functions with the same functions in other languages: both must answer the same events alike. Our functions
/// are the binaries that the tests run.
///
/// # Errors
/// As for [`bench()`].
pub fn peers(workspace: &Workspace) -> Result<ExitStatus> {
    let folder = step("Functions and tests", || functions::build(workspace, Extent::WithTests))?;
    let mut program = Command::new(folder.join("benches"));
    step("Functions in other languages", || process::status(program.current_dir(workspace.root()).arg("peers")))
}

/// Counts the instructions of the functions. They are the binaries that the tests run. `arguments` are as for [`bench()`].
///
/// # Errors
/// As for [`bench()`].
pub fn instructions<I: Into<OsString>>(
    workspace: &Workspace,
    arguments: impl IntoIterator<Item = I>,
) -> Result<ExitStatus> {
    let folder = step("Functions and tests", || functions::build(workspace, Extent::WithTests))?;
    let mut program = Command::new(folder.join("benches"));
    program.current_dir(workspace.root()).args(arguments.into_iter().map(Into::into));
    step("Instructions", || process::status(&mut program))
}
