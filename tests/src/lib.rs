//! What the tests of the whole system share.

pub mod openapi;

use std::{path::Path, sync::OnceLock};

pub use xtask::yaml;
use xtask::{StackFile, stack_file::STACK_FILE_VARIABLE};

/// The local stack that the tests run against. `None`, and a line that says so, if nothing names one.
///
/// # Panics
///
/// If the file that is named cannot be read: then the tests were meant to run, and must not be skipped.
#[must_use]
#[expect(clippy::disallowed_methods, clippy::expect_used, reason = "the tests' configuration is the environment")]
pub fn stack() -> Option<&'static StackFile> {
    static STACK: OnceLock<Option<StackFile>> = OnceLock::new();
    let stack = STACK.get_or_init(|| {
        let path = std::env::var(STACK_FILE_VARIABLE).ok()?;
        Some(StackFile::load(Path::new(&path)).expect("the stack's file can be read"))
    });
    if stack.is_none() {
        eprintln!("skipped: {STACK_FILE_VARIABLE} is not set (`cargo xtask test` sets it)");
    }
    stack.as_ref()
}
