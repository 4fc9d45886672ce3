//! `ci`: all checks that a change must pass.

use std::process::{Command, ExitStatus};

use anyhow::Result;

use crate::{
    bench::{self, InstructionOptions},
    clients::Clients,
    deployable, probe, process,
    progress::step,
    python::Environment,
    test,
    workspace::Workspace,
};

/// What is deployed, the optional part included.
const TEMPLATES: [&str; 2] = ["infra/template.yaml", "infra/edge.yaml"];

/// The functions that are built as they are deployed, since to build all would take too long: one that answers requests and
/// one that works on a queue, both of which isolate panics.
const DEPLOYABLE: [&str; 2] = ["sender", "track-login"];

/// Runs every check, then the tests, then compares the tested functions with their peers and counts their
/// instructions. Stops at the first failure.
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
    let checks = step("Python packages", || deployable::tools(workspace))?;
    step("Dependencies", || check_dependencies(workspace, &checks))?;
    step("Template and API description", || check_infra(workspace, &checks))?;
    step("Scan of the template", || scan_template(workspace))?;
    let clients = Clients::generate(workspace)?;
    let deployable = deployable::build_with_sam(workspace, &checks, &DEPLOYABLE.map(str::to_owned))?;
    let tests = test::run(workspace, &[], Some(&deployable), |stack| {
        probe::run(workspace, stack, probe::Options::default())?;
        clients.run_journeys(stack)
    })?;
    if !tests.success() {
        return Ok(tests);
    }
    let peers = bench::peers(workspace)?;
    if peers.success() {
        bench::instructions(workspace, &InstructionOptions::default(), ["instructions".into()])
    } else {
        Ok(peers)
    }
}

fn cargo(workspace: &Workspace, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new("cargo");
    process::check(command.current_dir(workspace.root()).args(arguments).envs(environment.iter().copied()))
}

/// Licences, sources and bans. Known vulnerabilities are not checked here: their database is on the network and changes
/// every day, but the result for a commit must not change.
fn check_dependencies(workspace: &Workspace, checks: &Environment) -> Result<()> {
    let arguments = ["--workspace", "--log-level", "error", "check", "bans", "licenses", "sources"];
    process::check(checks.command("cargo-deny").current_dir(workspace.root()).args(arguments))
}

fn check_infra(workspace: &Workspace, checks: &Environment) -> Result<()> {
    let template = workspace.path("infra/template.yaml");
    process::check(checks.command("cfn-lint").args(TEMPLATES.map(|template| workspace.path(template))))?;
    let mut sam = checks.command("sam");
    sam.current_dir(workspace.root()).env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "us-east-1");
    process::check(sam.args(["validate", "--lint", "--template-file"]).arg(&template))?;
    let mut openapi = checks.command("openapi-spec-validator");
    process::check(openapi.args(["--schema", "3.1"]).arg(workspace.path("infra/openapi.yaml")))
}

/// Checks the templates for insecure settings. `infra/scan/checkov.yaml` configures the scan; the exceptions are in the
/// templates.
fn scan_template(workspace: &Workspace) -> Result<()> {
    let requirements = workspace.path("infra/scan/requirements.txt");
    let environment = Environment::prepare(workspace.local().join("scanner"), &requirements)?;
    let mut checkov = environment.command("checkov");
    checkov.arg("--config-file").arg(workspace.path("infra/scan/checkov.yaml"));
    process::check(checkov.arg("--file").args(TEMPLATES.map(|template| workspace.path(template))))
}
