//! Figures of a process that the kernel has.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use rustix::process::Pid;

/// The processor time that all threads of a process have used, including those that have ended.
///
/// # Errors
/// If there is no such process.
#[cfg(target_os = "linux")]
pub fn processor_time(pid: Pid) -> Result<Duration> {
    let pid = nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get());
    Ok(nix::time::ClockId::pid_cpu_clock_id(pid)?.now()?.into())
}

/// Only Linux has this figure.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn processor_time(_: Pid) -> Result<Duration> {
    anyhow::bail!("benchmarks need Linux")
}

/// The peak memory of a process, in bytes.
///
/// # Errors
/// If there is no such process.
pub fn peak_memory(pid: Pid) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("there is no VmHWM")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("VmHWM is not a number")?;
    Ok(kilobytes * 1_024)
}

/// The child process of a process, if it has one.
#[must_use]
pub fn child(pid: Pid) -> Option<Pid> {
    let pid = pid.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}
