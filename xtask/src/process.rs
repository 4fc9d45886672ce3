//! Running other programs so that Ctrl-C stops them too.
//!
//! Each program runs in a process group of its own. The Ctrl-C of the terminal then reaches this process only, which sends
//! it once to the whole group and waits. Otherwise a program could get it twice, and its children not at all.

use std::{
    io::Read,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};

use crate::{clock, interrupt};

const POLL: Duration = Duration::from_millis(20);
/// The time that a program has to stop, before it is killed.
const GRACE: Duration = Duration::from_secs(15);

/// Runs a program and returns its exit status.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    let mut child = spawn(command)?;
    wait(&mut child)
}

/// Runs a program that has to succeed.
pub fn check(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` ended with {status}", name(command));
    }
    Ok(())
}

/// Runs a program that has to succeed, and returns its standard output. If the command sends standard error to a pipe, it is
/// shown when the program fails.
pub fn output(command: &mut Command) -> Result<String> {
    let Captured { status, stdout, stderr } = capture(command)?;
    if !status.success() {
        bail!("`{}` ended with {status}\n{}", name(command), stderr.trim_end());
    }
    Ok(stdout)
}

/// Runs a program that has to succeed. Its output is shown only when it fails. `accept` may reject the output of a program
/// that has succeeded.
pub fn check_quietly(command: &mut Command, accept: impl FnOnce(&str) -> bool) -> Result<()> {
    let Captured { status, stdout, stderr } = capture(command.stderr(Stdio::piped()))?;
    let written = stdout + &stderr;
    if !status.success() || !accept(&written) {
        bail!("`{}` ended with {status}\n{}", name(command), written.trim_end());
    }
    Ok(())
}

/// The exit status of a program, and its output to pipes.
struct Captured {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

fn capture(command: &mut Command) -> Result<Captured> {
    let mut child = spawn(command.stdout(Stdio::piped()))?;
    let stdout = child.stdout.take().map(read_in_background);
    let stderr = child.stderr.take().map(read_in_background);
    let status = wait(&mut child);
    let (stdout, stderr) = (join_reader(stdout)?, join_reader(stderr)?);
    Ok(Captured { status: status?, stdout, stderr })
}

/// Starts a program in a process group of its own, without input.
pub fn spawn(command: &mut Command) -> Result<Child> {
    interrupt::check()?;
    command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("`{}` could not be started", name(command)))
}

/// Sends a signal to a process group. It is not an error if the group has already ended.
pub fn signal_group(leader: Pid, signal: Signal) -> Result<()> {
    match rustix::process::kill_process_group(leader, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).context("a process group could not be signalled"),
    }
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    let mut kill_at = None;
    loop {
        if let Some(status) = child.try_wait()? {
            interrupt::check()?;
            return Ok(status);
        }
        match kill_at {
            None if interrupt::raised() => {
                signal_group(Pid::from_child(child), Signal::INT)?;
                kill_at = Some(clock::now() + GRACE);
            }
            Some(at) if clock::now() > at => signal_group(Pid::from_child(child), Signal::KILL)?,
            None | Some(_) => {}
        }
        thread::sleep(POLL);
    }
}

fn read_in_background(mut pipe: impl Read + Send + 'static) -> JoinHandle<std::io::Result<String>> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text)?;
        Ok(text)
    })
}

fn join_reader(reader: Option<JoinHandle<std::io::Result<String>>>) -> Result<String> {
    match reader.map(JoinHandle::join) {
        None => Ok(String::new()),
        Some(Ok(text)) => text.context("a program's output could not be read"),
        Some(Err(_panic)) => bail!("the reader of a program's output failed"),
    }
}

fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.take(4).map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
