//! The function `unrouted`, from the gateway's events to its answers.

use portal_aws::http::testing::{Sample, Shown};
use unrouted::answer;

#[test]
fn nothing_there() {
    insta::assert_json_snapshot!("not_found", Shown::from(answer(&Sample::new("unrouted/no-such-path").event())));
}

#[test]
fn another_method() {
    insta::assert_json_snapshot!("method", Shown::from(answer(&Sample::new("unrouted/other-method").event())));
}

/// `functions/build.rs` sees to it, for every function.
#[cfg(target_os = "linux")]
#[test]
fn the_program_lies_at_a_fixed_address() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_unrouted")).unwrap();
    let elf_type = &program[16..18];
    assert_eq!(elf_type, [2, 0], "an executable, where 3 is one that can be moved");
}
