//! What is being done, and how long it took. On standard error, so that a command's answer stays alone on standard output.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::clock;

/// Does one step of a command under its name.
///
/// # Errors
///
/// The step's own error, with its name.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {name}");
    let started = clock::now();
    let outcome = work().with_context(|| format!("failed: {name}"))?;
    eprintln!("    done in {}", seconds(started.elapsed()));
    Ok(outcome)
}

/// A duration as people say it.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
