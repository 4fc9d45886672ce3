//! `probe`: sends generated requests to a running API, and checks each answer against the API's description.
//!
//! `infra/probe/schemathesis.toml` configures the checks. The requests are generated from the description and a seed, valid
//! and invalid ones. The same seed generates the same requests.

use anyhow::{Context as _, Result};

use crate::{StackFile, process, progress::step, python::Environment, workspace::Workspace};

/// The number and the seed of the requests.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Requests for each operation, in addition to those that cover each rule of the description once.
    pub examples: u32,
    /// The seed.
    pub seed: u64,
}

impl Default for Options {
    /// The defaults of `ci`: about a minute.
    fn default() -> Self {
        Self { examples: 40, seed: 20_260_101 }
    }
}

/// Probes the API of a running stack. It changes data of the demo practice.
///
/// # Errors
///
/// If any answer was a 5xx, or not as described. The prober prints the answer and how to repeat the request.
pub fn run(workspace: &Workspace, stack: &StackFile, options: Options) -> Result<()> {
    let requirements = workspace.path("infra/probe/requirements.txt");
    let environment = step("Prober", || Environment::prepare(workspace.local().join("prober"), &requirements))?;
    let mut command = environment.command("schemathesis");
    command
        // It writes files to its working directory.
        .current_dir(workspace.local())
        .arg("--config-file")
        .arg(workspace.path("infra/probe/schemathesis.toml"))
        .arg("run")
        .arg(workspace.path("infra/openapi.yaml"))
        .args(["--url", &stack.api_url, "--no-color", "--warnings", "off", "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &options.examples.to_string(), "--seed", &options.seed.to_string()])
        .env("SCHEMATHESIS_HOOKS", workspace.path("infra/probe/hooks.py"))
        .env("PORTAL_ADMIN_TOKEN", &stack.tokens.admin)
        .env("PORTAL_SUPPORT_TOKEN", &stack.tokens.support)
        .env("PORTAL_LOGIN_TOKEN", &stack.tokens.portal);
    step("Generated requests", || process::check(&mut command)).context("an answer is a 5xx or not as described")
}
