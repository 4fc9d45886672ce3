//! The size of a function's deployed package.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};
use flate2::{Compression, write::DeflateEncoder};

/// The bytes that a zip adds to each file: a header before it and an entry at the end, each with its name.
const ZIP_ENTRY_BYTES: u64 = 30 + 46 + 2 * 9;

/// The size of a package.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Bytes, not compressed.
    pub bytes: u64,
    /// Bytes in a zip.
    pub zip_bytes: u64,
}

/// The size of a file, or of all files of a folder.
///
/// # Errors
/// If it cannot be read.
pub fn size(package: &Path) -> Result<Size> {
    let mut size = Size::default();
    add(package, &mut size).with_context(|| format!("{} cannot be read", package.display()))?;
    Ok(size)
}

fn add(path: &Path, size: &mut Size) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            add(&entry?.path(), size)?;
        }
        return Ok(());
    }
    let content = fs::read(path)?;
    let mut packed = DeflateEncoder::new(ByteCounter(0), Compression::default());
    packed.write_all(&content)?;
    size.bytes += u64::try_from(content.len())?;
    size.zip_bytes += packed.finish()?.0 + ZIP_ENTRY_BYTES;
    Ok(())
}

/// Counts the bytes that are written to it.
struct ByteCounter(u64);

impl io::Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += u64::try_from(bytes.len()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
