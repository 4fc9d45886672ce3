//! The common parts of the tests of the whole system.

pub mod openapi;

use std::{path::Path, sync::OnceLock};

use xtask::{StackFile, stack_file::STACK_FILE_VARIABLE};

/// The local stack that the tests run against. Without one, returns `None` and prints a line, and the tests are skipped.
///
/// # Panics
///
/// If the stack's file cannot be read, because then the tests must not be skipped.
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
