//! `cargo xtask preflight` against the local AWS. What it finds is tested in `infra/preflight/tests`; this is its exit code.

use std::path::PathBuf;

use xtask::{
    StackFile,
    preflight::{Options, Stage, run},
    workspace::Workspace,
};

fn exit_code(stack: &StackFile, config_file: Option<PathBuf>) -> Option<i32> {
    let endpoint_url = Some(stack.aws_endpoint.clone());
    let options = Options { stage: Stage::Dev, json: false, config_file, endpoint_url };
    run(&Workspace::locate().unwrap(), &options).unwrap().code()
}

#[test]
fn preflight_passes_its_exit_code_on() {
    let Some(stack) = system_tests::stack() else { return };
    // Our own `samconfig.toml` has sample values.
    assert_eq!(exit_code(stack, None), Some(1));
    assert_eq!(exit_code(stack, Some(PathBuf::from("/nowhere/samconfig.toml"))), Some(2));
}
