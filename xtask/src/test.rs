//! `test`: every test of the workspace, against a stack of its own that is removed afterwards.

use std::process::{Command, ExitStatus};

use anyhow::{Result, ensure};

use crate::{
    StackFile, canaries, emulator,
    functions::{self, Extent},
    preflight, process,
    progress::step,
    stack::Stack,
    stack_file::STACK_FILE_VARIABLE,
    workspace::Workspace,
};

/// Runs the tests and returns how the test runner ended. `arguments` are for the runner: a filter, for example. When all
/// have passed, what they left behind is searched for canaries, and `then` is called with the stack.
///
/// # Errors
///
/// If the stack cannot be brought up, or what `then` says. Tests that fail are not an error here, but the runner's status.
pub fn run(
    workspace: &Workspace,
    arguments: &[String],
    then: impl FnOnce(&StackFile) -> Result<()>,
) -> Result<ExitStatus> {
    let stack = Stack::new(workspace, workspace.local_test());
    let _lock = stack.lock("the tests are already running in this checkout")?;
    let environment = stack.environment()?;
    let binaries = step("Functions and tests", || functions::build(workspace, Extent::WithTests))?;
    let (_guard, file) = stack.start(&environment, emulator::free_port()?, &binaries)?;
    preflight::test(workspace, &file.aws_endpoint, stack.stack_file())?;
    let mut runner = Command::new("cargo");
    runner.current_dir(workspace.root()).env(STACK_FILE_VARIABLE, stack.stack_file());
    let status = step("Tests", || process::status(runner.args(command()).arg("--workspace").args(arguments)))?;
    let then = if status.success() {
        step("Canaries", || look_for_canaries(&file)).and_then(|()| then(&file))
    } else {
        Ok(())
    };
    if !status.success() || then.is_err() {
        eprintln!("The stack's log is {}", stack.log().display());
    }
    then.map(|()| status)
}

/// Checks that the tests left no personal data where it must not be. Another test checks that canaries occur in every
/// place where they belong.
fn look_for_canaries(stack: &StackFile) -> Result<()> {
    let report = canaries::look(stack)?;
    ensure!(report.leaks.is_empty(), "personal data is where it must not be\n{report}");
    eprintln!("{report}");
    Ok(())
}

/// The test runner: nextest where it is installed, else cargo's own. Both run every test.
fn command() -> &'static [&'static str] {
    let has_nextest =
        Command::new("cargo").args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    if has_nextest { &["nextest", "run", "--profile", "all"] } else { &["test"] }
}
