//! Locks that prevent a command from running twice at the same time in one folder.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

/// Locks a folder until the file is dropped or this process ends. Creates the folder if it is missing.
///
/// # Errors
///
/// `taken`, if another process has locked the folder.
pub fn take(folder: &Path, taken: &'static str) -> Result<File> {
    fs::create_dir_all(folder)?;
    let file = File::create(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(taken),
        Err(TryLockError::Error(error)) => Err(error).context("the lock could not be taken"),
    }
}
