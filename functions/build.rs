//! How a function's program is linked: at a fixed address, so that nothing in it has to be relocated at its start.
//! What that buys and costs: `docs/adr/0017-small-programs.md`.

fn main() {
    println!("cargo:rerun-if-changed=../build.rs");
    #[expect(clippy::disallowed_methods, reason = "how cargo tells a build script what it builds for")]
    let system = std::env::var("CARGO_CFG_TARGET_OS");
    // Lambda's system; others that a function is built on for tests may not know the option.
    if system.is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
