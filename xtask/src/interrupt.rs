//! Ctrl-C and requests to terminate. They only raise a flag. Waiting code checks it and returns an error, so every guard
//! on the way out stops what it started.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};

static RAISED: AtomicBool = AtomicBool::new(false);

/// Handles Ctrl-C, hang-up and termination in this process.
///
/// # Errors
///
/// If the handler cannot be installed, or is installed already.
pub fn watch() -> Result<()> {
    ctrlc::set_handler(|| RAISED.store(true, Ordering::SeqCst)).context("the Ctrl-C handler could not be set")
}

/// Whether this process was asked to stop.
#[must_use]
pub fn raised() -> bool {
    RAISED.load(Ordering::SeqCst)
}

/// Returns an error once this process was asked to stop.
pub(crate) fn check() -> Result<()> {
    if raised() {
        bail!("interrupted");
    }
    Ok(())
}
