//! The program itself, as a process.

use std::{
    path::PathBuf,
    process::{Child, Command, Output},
};

use rustix::process::{Pid, Signal, kill_process};

const TOKEN: &str = "hush-hush";

pub fn portal(command: &str, arguments: &[&str]) -> Command {
    let mut portal = Command::new(env!("CARGO_BIN_EXE_portal"));
    portal.arg(command).args(arguments).env_remove("PORTAL_API").env("PORTAL_TOKEN", TOKEN);
    portal
}

/// A separate file for each test.
pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Exit code, standard output, standard error. None of them contains the token.
pub fn output_of(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains(TOKEN) && !err.contains(TOKEN), "{out}{err}");
    (output.status.code(), out, err)
}

/// Sends the signal of Ctrl-C.
pub fn interrupt(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}
