//! Pinned programs that cargo installs under `.local`.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{process, workspace::Workspace};

/// A program that has the name of its package.
pub struct CargoTool {
    /// The name of the program and the package.
    pub name: &'static str,
    /// The exact version, because a newer one may report more.
    pub version: &'static str,
}

impl CargoTool {
    /// Installs it if it is missing, and returns its path.
    pub fn install(&self, workspace: &Workspace) -> Result<PathBuf> {
        let Self { name, version } = self;
        let tools = workspace.local().join("tools");
        let program = tools.join("bin").join(name);
        // A subcommand of cargo may expect its own name first.
        let subcommand = name.strip_prefix("cargo-").unwrap_or(name);
        let installed = Command::new(&program).args([subcommand, "--version"]).output();
        if installed.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(version)) {
            return Ok(program);
        }
        eprintln!("    compiling {name} {version} (once, some minutes)");
        let build = tools.join("build");
        let package = format!("{name}@{version}");
        let mut install = Command::new("cargo");
        install.args(["install", "--locked", "--quiet", "--force", &package, "--root"]).arg(&tools);
        process::check(install.arg("--target-dir").arg(&build))?;
        fs::remove_dir_all(&build).with_context(|| format!("the build of {name} could not be removed"))?;
        Ok(program)
    }
}
