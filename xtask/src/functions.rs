//! Building the functions for this machine.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{process, workspace::Workspace};

/// What to build.
#[derive(Debug, Clone, Copy)]
pub enum Extent {
    /// The functions.
    FunctionsOnly,
    /// The functions in the release profile, as they are deployed.
    Deployed,
    /// The functions and the tests. It is one build, because cargo compiles a crate again for another set of features.
    WithTests,
}

/// A line of cargo's JSON output. Only the members that are used here.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds every function, and returns the folder of the binaries.
pub fn build(workspace: &Workspace, extent: Extent) -> Result<PathBuf> {
    let names = names(workspace)?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace.root()).args(["build", "--message-format", "json-render-diagnostics", "--bins"]);
    let functions_only = || names.iter().flat_map(|name| ["--package", name]);
    match extent {
        Extent::FunctionsOnly => cargo.args(functions_only()),
        Extent::Deployed => cargo.arg("--release").args(functions_only()),
        Extent::WithTests => cargo.args(["--workspace", "--tests"]),
    };
    let output = process::output(&mut cargo)?;
    let built = executables(&output);
    let mut folder = None;
    for name in &names {
        let Some(path) = built.get(name) else {
            bail!("the crate of the function {name} builds no program with this name");
        };
        folder = path.parent();
    }
    folder.map(ToOwned::to_owned).context("there is no function in functions/")
}

/// The functions' names: the folders in `functions/`.
pub fn names(workspace: &Workspace) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace.path("functions"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file()
            && let Some(name) = path.file_name()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The programs that a build made, by name, without test programs.
fn executables(cargo_output: &str) -> BTreeMap<String, PathBuf> {
    cargo_output
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .filter(|artifact| artifact.reason == "compiler-artifact")
        .filter(|artifact| artifact.profile.as_ref().is_some_and(|profile| !profile.test))
        .filter_map(|artifact| Some((artifact.target?, artifact.executable?)))
        .filter(|(target, _)| target.kind.iter().any(|kind| kind == "bin"))
        .map(|(target, path)| (target.name, path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::executables;

    #[test]
    fn programs_are_distinguished_from_tests_and_libraries() {
        let output = r#"
            {"reason":"compiler-artifact","target":{"name":"portal","kind":["lib"]},"profile":{"test":false},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"status","kind":["bin"]},"profile":{"test":true},"executable":"/t/deps/status-1"}
            {"reason":"compiler-artifact","target":{"name":"status","kind":["bin"]},"profile":{"test":false},"executable":"/t/status"}
            {"reason":"build-finished","success":true}
        "#;
        let built = executables(output);
        assert_eq!(built.len(), 1);
        assert_eq!(built.get("status").map(|path| path.display().to_string()).as_deref(), Some("/t/status"));
    }
}
