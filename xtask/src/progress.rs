//! The steps of a command, and their duration. They go to standard error, so that standard output has only the result.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::clock;

/// Runs one step of a command, and prints its name and duration.
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

/// A duration as text.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
