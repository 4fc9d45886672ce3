//! The functions as they are deployed: built by cargo-lambda, which `sam build` calls.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use object::{Architecture, File, Object as _, ObjectKind, ObjectSection as _};

use crate::{
    functions::{self, Built},
    process,
    progress::step,
    python::Environment,
    workspace::Workspace,
};

/// What the template calls the processor of this machine.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
/// The C library of Lambda's `provided.al2023`. A program that needs a newer one does not start there.
const GLIBC: Version = Version(2, 34);
/// Largest size of a function's program, in bytes: `docs/adr/0017-small-programs.md`.
const MAX_BYTES: u64 = 8_000_000;
/// Least size of the tables by which a program finds what to clean up when it panics, in bytes. A program that aborts
/// instead has some kilobytes of them, in the standard library.
const MIN_UNWIND_TABLE_BYTES: u64 = 50_000;

/// The environment with `sam` and cargo-lambda, and with the checkers of the template.
pub fn tools(workspace: &Workspace) -> Result<Environment> {
    Environment::prepare(workspace.local().join("checks"), &workspace.path("infra/checks/requirements.txt"))
}

/// Builds functions as they are deployed, but for the processor of this machine. Returns the folder of the programs.
pub fn build(workspace: &Workspace, tools: &Environment, names: &[String]) -> Result<PathBuf> {
    let folder = workspace.local().join("cargo-lambda");
    cargo_lambda(workspace, tools, &folder, names)?;
    collect(&folder, names, |name| folder.join(name).join("bootstrap"))
}

/// Calls cargo-lambda, which leaves each program as `<name>/bootstrap` in the folder. Returns what cargo built.
fn cargo_lambda(workspace: &Workspace, tools: &Environment, folder: &Path, names: &[String]) -> Result<Vec<Built>> {
    // The options that `sam build` gives. What else it needs is in Cargo.toml.
    let mut cargo = tools.command("cargo-lambda");
    cargo.current_dir(workspace.root()).args(["lambda", "build", "--release", "--lambda-dir"]).arg(folder);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    Ok(functions::built(&process::output(cargo.args(names.iter().flat_map(|name| ["--bin", name])))?))
}

/// Copies each function's program to one folder, under the function's name.
fn collect(folder: &Path, names: &[String], program: impl Fn(&str) -> PathBuf) -> Result<PathBuf> {
    let programs = folder.join("programs");
    fs::create_dir_all(&programs)?;
    for name in names {
        let from = program(name);
        fs::copy(&from, programs.join(name)).with_context(|| format!("{} was not built", from.display()))?;
    }
    Ok(programs)
}

/// Builds functions by `sam build`, and checks that they are what [`build()`] makes and that Lambda can run them. Returns
/// the folder of the programs.
pub fn build_with_sam(workspace: &Workspace, tools: &Environment, names: &[String]) -> Result<PathBuf> {
    let folder = workspace.local().join("sam");
    for name in names {
        step(&format!("sam build: {name}"), || sam_build(workspace, tools, &folder.join(name), name))?;
    }
    let programs =
        collect(&folder, names, |name| folder.join(name).join(functions::logical_id(name)).join("bootstrap"))?;
    step("The same by cargo-lambda", || compare(workspace, tools, names, &programs))?;
    Ok(programs)
}

fn sam_build(workspace: &Workspace, tools: &Environment, folder: &Path, name: &str) -> Result<()> {
    let mut sam = tools.command("sam");
    sam.current_dir(workspace.root()).env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "us-east-1");
    sam.args(["build", "--config-env", "dev", "--parameter-overrides", &format!("Architecture={ARCHITECTURE}")]);
    sam.arg("--build-dir").arg(folder).args(["--", &functions::logical_id(name)]);
    process::check_quietly(&mut sam, |_| true)
}

fn compare(workspace: &Workspace, tools: &Environment, names: &[String], by_sam: &Path) -> Result<()> {
    let folder = workspace.local().join("cargo-lambda");
    let built = cargo_lambda(workspace, tools, &folder, names)?;
    // Cargo compiles a crate again if its features, its profile or the compiler's flags differ.
    let again: Vec<&str> = built.iter().filter(|built| !built.fresh).map(|built| built.name.as_str()).collect();
    ensure!(again.is_empty(), "`sam build` compiles these crates in another way: {}", again.join(", "));
    eprintln!("    {} crates, none compiled again", built.len());
    for name in names {
        let program = fs::read(by_sam.join(name))?;
        let facts = Facts::read(&program).with_context(|| format!("{name} is no program"))?;
        eprintln!("    {name}: {facts}");
        facts.check().with_context(|| format!("the function {name}, built by `sam build`"))?;
        let same = fs::read(folder.join(name).join("bootstrap"))? == program;
        ensure!(same, "`sam build` makes another program of {name} than cargo-lambda");
    }
    Ok(())
}

/// A version of the C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

/// What can be read from a program.
#[derive(Debug, Clone, PartialEq)]
struct Facts {
    bytes: u64,
    kind: ObjectKind,
    architecture: Architecture,
    has_symbols: bool,
    unwind_table_bytes: u64,
    glibc: Version,
}

impl Facts {
    fn read(program: &[u8]) -> Result<Self> {
        let file = File::parse(program)?;
        let names = file.section_by_name(".dynstr").context("it has no dynamic symbols")?;
        // Each entry ends with a zero. Symbols name the version of the library that they need, such as `GLIBC_2.34`.
        let versions = names.uncompressed_data()?;
        let glibc = versions.split(|byte| *byte == 0).filter_map(version).max().context("it needs no C library")?;
        Ok(Self {
            bytes: u64::try_from(program.len())?,
            kind: file.kind(),
            architecture: file.architecture(),
            has_symbols: file.symbols().next().is_some(),
            unwind_table_bytes: file.section_by_name(".gcc_except_table").map_or(0, |section| section.size()),
            glibc,
        })
    }

    fn check(&self) -> Result<()> {
        let wrong: Vec<&str> = [
            (self.bytes > MAX_BYTES, "it is larger than 8 MB"),
            (self.kind != ObjectKind::Executable, "it is not linked at a fixed address (functions/build.rs)"),
            (self.has_symbols, "it is not stripped"),
            (self.unwind_table_bytes < MIN_UNWIND_TABLE_BYTES, "it aborts on a panic instead of unwinding"),
            (self.glibc > GLIBC, "it needs a newer C library than Lambda has"),
        ]
        .into_iter()
        .filter_map(|(is_wrong, what)| is_wrong.then_some(what))
        .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        bail!("{} ({self})", wrong.join("; "))
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, kind, architecture, has_symbols, unwind_table_bytes, glibc: Version(major, minor) } = self;
        let symbols = if *has_symbols { "with symbols" } else { "stripped" };
        write!(
            f,
            "{bytes} bytes, {kind:?}, {architecture:?}, {symbols}, {unwind_table_bytes} bytes of unwind tables, "
        )?;
        write!(f, "glibc {major}.{minor}")
    }
}

fn version(entry: &[u8]) -> Option<Version> {
    let (major, minor) = str::from_utf8(entry).ok()?.strip_prefix("GLIBC_")?.split_once('.')?;
    // Some versions have a third part: 2.2.5.
    Some(Version(major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            bytes: MAX_BYTES,
            kind: ObjectKind::Executable,
            architecture: Architecture::Aarch64,
            has_symbols: false,
            unwind_table_bytes: MIN_UNWIND_TABLE_BYTES,
            glibc: GLIBC,
        }
    }

    #[test]
    fn a_program_that_lambda_cannot_run_as_meant_is_refused() {
        good().check().unwrap();
        for (bad, why) in [
            (Facts { bytes: MAX_BYTES + 1, ..good() }, "it is larger than 8 MB"),
            (Facts { kind: ObjectKind::Dynamic, ..good() }, "it is not linked at a fixed address"),
            (Facts { has_symbols: true, ..good() }, "it is not stripped"),
            (Facts { unwind_table_bytes: 9_000, ..good() }, "it aborts on a panic instead of unwinding"),
            (Facts { glibc: Version(2, 36), ..good() }, "it needs a newer C library than Lambda has"),
        ] {
            let message = bad.check().unwrap_err().to_string();
            assert!(message.starts_with(why), "{message}");
        }
    }

    #[test]
    fn a_program_of_this_machine_is_read() {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        let facts = Facts::read(&program).unwrap();
        assert_eq!(facts.bytes, u64::try_from(program.len()).unwrap());
        assert!(facts.has_symbols, "{facts}");
        assert!(facts.glibc > Version(2, 0) && facts.unwind_table_bytes > MIN_UNWIND_TABLE_BYTES, "{facts}");
        assert!(Facts::read(b"#!/bin/sh").is_err());
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(version(b"GLIBC_2.2.5"), Some(Version(2, 2)));
        assert!(version(b"GLIBC_2.9") < version(b"GLIBC_2.34"));
        assert_eq!(version(b"GLIBC_PRIVATE"), None);
        assert_eq!(version(b"memcpy"), None);
    }
}
