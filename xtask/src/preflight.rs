//! `preflight`: says before a deployment whether it can succeed.
//!
//! The program is `infra/preflight`, in Python. There AWS's SDK is one package for all services; in Rust it is a crate for
//! each, and every command here would be compiled with them.

use std::{
    path::PathBuf,
    process::{Command, ExitStatus},
};

use anyhow::Result;

use crate::{
    emulator::aws_environment, process, progress::step, python::Environment, stack_file::STACK_FILE_VARIABLE,
    workspace::Workspace,
};

/// The arguments of `preflight`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Stage to check: a section of `samconfig.toml`
    #[arg(long, value_enum)]
    pub stage: Stage,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// File to read instead of `samconfig.toml`
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// URL of the AWS APIs, instead of AWS's own
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

/// A stage that is deployed to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// For trying things out.
    Dev,
    /// For patients.
    Prod,
}

impl Stage {
    /// Its name in `samconfig.toml`.
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Prod => "prod",
        }
    }
}

/// Checks a stage, and prints the report. Its exit code is that of the command: 0 if nothing is wrong, 1 for a problem, 2 if the
/// file cannot be used, 3 if something could not be checked.
///
/// # Errors
///
/// If the program cannot be installed or started.
pub fn run(workspace: &Workspace, options: &Options) -> Result<ExitStatus> {
    let environment = environment(workspace)?;
    let mut command = python(workspace, &environment);
    command
        .args(["-m", "preflight", "--stage", options.stage.name()])
        .arg("--config-file")
        .arg(options.config_file.clone().unwrap_or_else(|| workspace.path("samconfig.toml")))
        .arg("--template")
        .arg(workspace.path("infra/template.yaml"))
        .arg("--build-folder")
        .arg(workspace.path(".aws-sam/build"))
        .args(options.json.then_some("--json"));
    if let Some(url) = &options.endpoint_url {
        command.args(["--endpoint-url", url]);
    }
    process::status(&mut command)
}

/// Runs the program's own tests. Some of them ask the local stack that `stack_file` describes.
pub(crate) fn test(workspace: &Workspace, endpoint: &str, stack_file: PathBuf) -> Result<()> {
    let environment = environment(workspace)?;
    let mut command = python(workspace, &environment);
    command
        .args(["-m", "unittest", "discover", "--start-directory"])
        .arg(workspace.path("infra/preflight"))
        .arg("--top-level-directory")
        .arg(workspace.path("infra"))
        .envs(aws_environment(endpoint))
        .env(STACK_FILE_VARIABLE, stack_file);
    step("Tests of preflight", || process::check_quietly(&mut command, |_written| true))
}

fn environment(workspace: &Workspace) -> Result<Environment> {
    let requirements = workspace.path("infra/preflight/requirements.txt");
    Environment::prepare(workspace.local().join("preflight"), &requirements)
}

fn python(workspace: &Workspace, environment: &Environment) -> Command {
    let mut command = environment.command("python");
    command.env("PYTHONPATH", workspace.path("infra")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
