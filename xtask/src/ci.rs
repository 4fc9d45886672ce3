//! `ci`: everything that has to hold before a change is taken.

use std::{
    path::Path,
    process::{Command, ExitStatus},
};

use anyhow::Result;

use crate::{
    bench, cargo_tool::CargoTool, clients::Clients, probe, process, progress::step, python::Environment, test,
    workspace::Workspace,
};

/// What checks licences, sources and bans.
const CARGO_DENY: CargoTool = CargoTool { name: "cargo-deny", version: "0.20.2" };

/// What is deployed, the optional part included.
const TEMPLATES: [&str; 2] = ["infra/template.yaml", "infra/edge.yaml"];

/// Runs every check, then the tests, then counts the instructions of what was tested. Stops at the first that fails.
///
/// # Errors
///
/// The check that failed.
pub fn run(workspace: &Workspace) -> Result<ExitStatus> {
    step("Format", || cargo(workspace, &["fmt", "--all", "--check"], &[]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    step("Lints", || cargo(workspace, &clippy, &[]))?;
    let docs = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    step("Documentation", || cargo(workspace, &docs, &[("RUSTDOCFLAGS", "--deny warnings")]))?;
    let deny = step("Installing cargo-deny", || CARGO_DENY.install(workspace))?;
    step("Dependencies", || check_dependencies(workspace, &deny))?;
    step("Template and API description", || check_infra(workspace))?;
    step("Scan of the template", || scan_template(workspace))?;
    let clients = Clients::generate(workspace)?;
    let tests = test::run(workspace, &[], |stack| {
        probe::run(workspace, stack, probe::Options::default())?;
        clients.travel(stack)
    })?;
    if tests.success() { bench::instructions(workspace, ["instructions"]) } else { Ok(tests) }
}

fn cargo(workspace: &Workspace, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new("cargo");
    process::check(command.current_dir(workspace.root()).args(arguments).envs(environment.iter().copied()))
}

/// Licences, sources and bans. Known vulnerabilities are not looked up here: their database is on the network, and
/// what it says today must not decide whether yesterday's commit was good.
fn check_dependencies(workspace: &Workspace, deny: &Path) -> Result<()> {
    let arguments = ["--workspace", "--log-level", "error", "check", "bans", "licenses", "sources"];
    process::check(Command::new(deny).current_dir(workspace.root()).args(arguments))
}

fn check_infra(workspace: &Workspace) -> Result<()> {
    let requirements = workspace.path("infra/checks/requirements.txt");
    let environment = Environment::prepare(workspace.local().join("checks"), &requirements)?;
    let template = workspace.path("infra/template.yaml");
    process::check(environment.command("cfn-lint").args(TEMPLATES.map(|template| workspace.path(template))))?;
    let mut sam = environment.command("sam");
    sam.current_dir(workspace.root()).env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "us-east-1");
    process::check(sam.args(["validate", "--lint", "--template-file"]).arg(&template))?;
    let mut openapi = environment.command("openapi-spec-validator");
    process::check(openapi.args(["--schema", "3.1"]).arg(workspace.path("infra/openapi.yaml")))
}

/// What is known to be dangerous in a template. `infra/scan/checkov.yaml` says how; the exceptions are in the template.
fn scan_template(workspace: &Workspace) -> Result<()> {
    let requirements = workspace.path("infra/scan/requirements.txt");
    let environment = Environment::prepare(workspace.local().join("scanner"), &requirements)?;
    let mut checkov = environment.command("checkov");
    checkov.arg("--config-file").arg(workspace.path("infra/scan/checkov.yaml"));
    process::check(checkov.arg("--file").args(TEMPLATES.map(|template| workspace.path(template))))
}
