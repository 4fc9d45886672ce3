//! Building the functions for this machine.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{process, workspace::Workspace};

/// What to build.
#[derive(Debug, Clone, Copy)]
pub enum Extent {
    /// The functions.
    FunctionsOnly,
    /// The functions and the tests. It is one build, because cargo compiles a crate again for another set of features.
    WithTests,
}

/// A library or program that a build made, or found up to date.
#[derive(Debug, PartialEq, Eq)]
pub struct Built {
    /// Its name.
    pub name: String,
    /// Whether it was up to date, so that nothing was compiled.
    pub fresh: bool,
    /// The file, if it is a program.
    pub program: Option<PathBuf>,
}

/// A line of cargo's JSON output. Only the members that are used here.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
    #[serde(default)]
    fresh: bool,
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

/// Builds every function, and returns the folder of the programs.
pub fn build(workspace: &Workspace, extent: Extent) -> Result<PathBuf> {
    let names = names(workspace)?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace.root()).args(["build", "--message-format", "json-render-diagnostics", "--bins"]);
    match extent {
        Extent::FunctionsOnly => cargo.args(names.iter().flat_map(|name| ["--package", name])),
        Extent::WithTests => cargo.args(["--workspace", "--tests"]),
    };
    folder(&built(&process::output(&mut cargo)?), &names)
}

/// The folder of the programs of these names.
pub fn folder(built: &[Built], names: &[String]) -> Result<PathBuf> {
    let mut folder = None;
    for name in names {
        let program = built.iter().filter(|built| built.name == *name).find_map(|built| built.program.as_ref());
        let Some(program) = program else {
            bail!("the crate of the function {name} builds no program with this name");
        };
        folder = program.parent();
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

/// The name of a function's resource in the template.
pub fn logical_id(name: &str) -> String {
    let capitalized = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_uppercase() + rest
    });
    capitalized.collect::<String>() + "Function"
}

/// What a build made or found, from cargo's JSON output; test programs are left out.
pub fn built(cargo_output: &str) -> Vec<Built> {
    cargo_output
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .filter(|artifact| artifact.reason == "compiler-artifact")
        .filter(|artifact| artifact.profile.as_ref().is_some_and(|profile| !profile.test))
        .filter_map(|artifact| {
            let Target { name, kind } = artifact.target?;
            let program = artifact.executable.filter(|_| kind.iter().any(|kind| kind == "bin"));
            Some(Built { name, fresh: artifact.fresh, program })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_distinguished_from_tests_and_libraries() {
        let cargo_output = r#"
            {"reason":"compiler-artifact","target":{"name":"portal","kind":["lib"]},"profile":{"test":false},"executable":null,"fresh":true}
            {"reason":"compiler-artifact","target":{"name":"status","kind":["bin"]},"profile":{"test":true},"executable":"/t/deps/status-1","fresh":false}
            {"reason":"compiler-artifact","target":{"name":"status","kind":["lib"]},"profile":{"test":false},"executable":null,"fresh":false}
            {"reason":"compiler-artifact","target":{"name":"status","kind":["bin"]},"profile":{"test":false},"executable":"/t/status","fresh":false}
            {"reason":"build-finished","success":true}
        "#;
        let built = built(cargo_output);
        assert_eq!(built.iter().map(|built| built.fresh).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(folder(&built, &["status".to_owned()]).unwrap(), PathBuf::from("/t"));
        let missing = folder(&built, &["portal".to_owned()]).unwrap_err();
        assert_eq!(missing.to_string(), "the crate of the function portal builds no program with this name");
    }

    #[test]
    fn a_function_has_a_resource_of_its_name() {
        assert_eq!(logical_id("track-login"), "TrackLoginFunction");
        assert_eq!(logical_id("invite"), "InviteFunction");
    }
}
