//! Ctrl-C and requests to terminate. They only raise a flag: whoever waits looks at it, returns an error, and so every
//! guard on the way out stops what it started.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};

static RAISED: AtomicBool = AtomicBool::new(false);

/// Takes over Ctrl-C, hang-up and termination for this process.
///
/// # Errors
///
/// If the handler cannot be installed, or is installed already.
pub fn watch() -> Result<()> {
    ctrlc::set_handler(|| RAISED.store(true, Ordering::SeqCst)).context("Ctrl-C could not be taken over")
}

/// Whether someone asked this process to stop.
#[must_use]
pub fn raised() -> bool {
    RAISED.load(Ordering::SeqCst)
}

/// Returns an error once someone asked this process to stop.
pub(crate) fn check() -> Result<()> {
    if raised() {
        bail!("interrupted");
    }
    Ok(())
}
