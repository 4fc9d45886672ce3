//! The function `unrouted`, from the gateway's events to its answers.

use portal_aws::http::testing::{Sample, Shown};
use unrouted::answer;

#[test]
fn an_unknown_path_is_not_found() {
    insta::assert_json_snapshot!("not_found", Shown::from(answer(&Sample::new("unrouted/no-such-path").event())));
}

#[test]
fn another_method_is_not_allowed() {
    insta::assert_json_snapshot!("method", Shown::from(answer(&Sample::new("unrouted/other-method").event())));
}

/// `functions/build.rs` links every function like this.
#[cfg(target_os = "linux")]
#[test]
fn the_program_has_a_fixed_address() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_unrouted")).unwrap();
    let elf_type = &program[16..18];
    assert_eq!(elf_type, [2, 0], "ELF type 2 is a program at a fixed address, 3 would be relocatable");
}
