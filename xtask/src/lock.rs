//! Locks, so that a command that has a folder to itself is not run twice at once.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

/// Takes a folder for as long as the file is kept, which is as long as this process lives at most. Makes the folder if
/// there is none.
///
/// # Errors
///
/// `taken`, if another process has the folder.
pub fn take(folder: &Path, taken: &'static str) -> Result<File> {
    fs::create_dir_all(folder)?;
    let file = File::create(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(taken),
        Err(TryLockError::Error(error)) => Err(error).context("the lock could not be taken"),
    }
}
