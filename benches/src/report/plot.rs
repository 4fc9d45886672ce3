//! The figures as a picture.

use anyhow::{Result, anyhow};

use super::Run;

/// Draws it.
///
/// # Errors
/// If the plotting library cannot.
pub fn draw(_run: &Run) -> Result<String> {
    Err(anyhow!("todo"))
}
