//! The command line prints its help.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use std::process::{Command, Output};

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap()
}

#[test]
fn every_command_prints_its_help() {
    for command in ["up", "down", "token", "mail", "test", "preflight", "bench", "instructions", "ci"] {
        let output = xtask(&[command, "--help"]);
        assert!(output.status.success(), "{command}: {output:?}");
        let help = String::from_utf8_lossy(&output.stdout);
        assert!(help.contains(&format!("Usage: cargo xtask {command}")), "{help}");
    }
    let overview = xtask(&["--help"]);
    assert!(overview.status.success(), "{overview:?}");
}

#[test]
fn an_unknown_command_is_refused() {
    let output = xtask(&["nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
