//! `openapi`: writes the API's description from the types of the code.

use std::process::Command;

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// Writes `infra/openapi.yaml`, or only checks that it is up to date.
///
/// A program of its own does it, because it links all functions of the API. Linked here, they would be built for every
/// command.
///
/// # Errors
///
/// If it cannot be built or written, or is stale.
pub fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace.root()).args(["run", "--quiet", "--package", "api-description"]);
    process::check(cargo.args(check.then_some(["--", "--check"]).into_iter().flatten()))
}
