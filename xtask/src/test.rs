//! `test`: runs every test of the workspace, against a stack of its own that is removed afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    StackFile, canaries, emulator,
    functions::{self, Extent},
    preflight, process,
    progress::step,
    stack::Stack,
    stack_file::STACK_FILE_VARIABLE,
    workspace::Workspace,
};

/// Runs the tests and returns the test runner's exit status. `arguments` are for the runner, such as a filter. Functions in
/// the folder `deployable` replace those that are built with the tests. When all tests have passed, the stack is searched for
/// canaries, and `then` is called with it.
///
/// # Errors
///
/// If the stack cannot be started, a canary is found, or `then` fails. Failed tests are not an error here, but the runner's
/// status.
pub fn run(
    workspace: &Workspace,
    arguments: &[String],
    deployable: Option<&Path>,
    then: impl FnOnce(&StackFile) -> Result<()>,
) -> Result<ExitStatus> {
    let stack = Stack::new(workspace, workspace.local_test());
    let _lock = stack.lock("the tests are already running in this checkout")?;
    let environment = stack.environment()?;
    let binaries = step("Functions and tests", || functions::build(workspace, Extent::WithTests))?;
    let binaries = match deployable {
        Some(deployable) => replaced(workspace, &binaries, deployable)?,
        None => binaries,
    };
    let (_guard, file) = stack.start(&environment, emulator::free_port()?, &binaries)?;
    preflight::test(workspace, &file.aws_endpoint, stack.stack_file())?;
    let mut runner = Command::new("cargo");
    runner.current_dir(workspace.root()).env(STACK_FILE_VARIABLE, stack.stack_file());
    let status = step("Tests", || process::status(runner.args(command()).arg("--workspace").args(arguments)))?;
    let then = if status.success() {
        step("Canaries", || search_for_canaries(&file)).and_then(|()| then(&file))
    } else {
        Ok(())
    };
    if !status.success() || then.is_err() {
        eprintln!("The stack's log is {}", stack.log().display());
    }
    then.map(|()| status)
}

/// A folder with the functions in `built`, but with those that are in `deployable` in their place.
fn replaced(workspace: &Workspace, built: &Path, deployable: &Path) -> Result<PathBuf> {
    let folder = workspace.local_test().join("functions");
    fs::create_dir_all(&folder)?;
    for name in functions::names(workspace)? {
        let replacement = deployable.join(&name);
        let from = if replacement.is_file() { replacement } else { built.join(&name) };
        fs::copy(&from, folder.join(&name)).with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    Ok(folder)
}

/// Checks that the tests left no personal data in a place where it is not allowed. A process test checks that canaries occur
/// in every allowed place.
fn search_for_canaries(stack: &StackFile) -> Result<()> {
    let report = canaries::search(stack)?;
    ensure!(report.leaks.is_empty(), "personal data was found in a place where it is not allowed\n{report}");
    eprintln!("{report}");
    Ok(())
}

/// The test runner: nextest if it is installed, otherwise cargo's own. Both run every test.
fn command() -> &'static [&'static str] {
    let has_nextest =
        Command::new("cargo").args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    if has_nextest { &["nextest", "run", "--profile", "all"] } else { &["test"] }
}
