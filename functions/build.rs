//! Links a function's program at a fixed address, so that the loader does not relocate it at the start. The reasons and the
//! cost are in `docs/adr/0017-small-programs.md`.

fn main() {
    println!("cargo:rerun-if-changed=../build.rs");
    #[expect(clippy::disallowed_methods, reason = "cargo gives a build script its target in the environment")]
    let system = std::env::var("CARGO_CFG_TARGET_OS");
    // Only for Linux, the system of Lambda. Tests may be built on other systems, whose linkers may not have the option.
    if system.is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
