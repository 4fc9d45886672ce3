//! Ctrl-C and requests to terminate. They only set a flag. Waiting code checks it and returns an error, so every guard on
//! the call stack stops what it started.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};

static RAISED: AtomicBool = AtomicBool::new(false);

/// Handles Ctrl-C, hang-up and termination in this process.
///
/// # Errors
///
/// If the handler cannot be installed, or is installed already.
pub fn install_handler() -> Result<()> {
    ctrlc::set_handler(|| RAISED.store(true, Ordering::SeqCst)).context("the Ctrl-C handler could not be installed")
}

/// Whether this process was asked to stop.
#[must_use]
pub fn raised() -> bool {
    RAISED.load(Ordering::SeqCst)
}

/// Returns an error if this process was asked to stop.
pub(crate) fn check() -> Result<()> {
    if raised() {
        bail!("interrupted");
    }
    Ok(())
}
