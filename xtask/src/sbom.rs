//! `sbom`: a `CycloneDX` bill of materials for each deployed function.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::{cargo_tool::CargoTool, functions, process, progress::step, workspace::Workspace};

/// The exact version of cargo-cyclonedx.
const CYCLONEDX: CargoTool = CargoTool { name: "cargo-cyclonedx", version: "0.5.9" };
/// The deployed target: the template's default processor.
const TARGET: &str = "aarch64-unknown-linux-gnu";
/// What the tool appends to a program's name.
const SUFFIX: &str = "_bin.cdx.json";

/// A bill of materials. Only the members that are checked here.
#[derive(Deserialize)]
struct Bill {
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    licenses: Vec<serde_json::Value>,
}

/// The result.
#[derive(Debug)]
pub struct Written {
    /// The folder with one file for each function.
    pub folder: PathBuf,
    /// The number of files.
    pub functions: usize,
    /// The number of different components in all files.
    pub components: usize,
}

/// Writes a bill of materials of each function, and checks it: every component has a version and a licence, and no path of
/// this machine is in it.
///
/// # Errors
///
/// If the tool fails, or its output fails the checks.
pub fn run(workspace: &Workspace) -> Result<Written> {
    let program = step("cargo-cyclonedx", || CYCLONEDX.install(workspace))?;
    step("Bills of materials", || write(workspace, &program))
}

fn write(workspace: &Workspace, program: &Path) -> Result<Written> {
    let folder = workspace.local().join("sbom");
    fs::create_dir_all(&folder)?;
    let names = functions::names(workspace)?;
    let made = process::check(
        Command::new(program)
            .current_dir(workspace.root())
            .args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--describe", "binaries"])
            // Build-time components, such as macros, are not deployed.
            .args(["--no-build-deps", "--target", TARGET, "--manifest-path"])
            .arg(workspace.path("functions/status/Cargo.toml")),
    );
    // The tool always writes a file beside every manifest of the workspace. All these files are removed.
    let bills: Vec<_> = names.iter().map(|name| fs::read_to_string(tool_output(workspace, name))).collect();
    remove_tool_outputs(workspace)?;
    made?;
    let mut components = BTreeSet::new();
    for (name, bill) in names.iter().zip(bills) {
        let bill = portable(&bill.with_context(|| format!("{name} has no bill of materials"))?, workspace.root());
        components.extend(check(&bill).with_context(|| format!("the bill of materials of {name} is not valid"))?);
        fs::write(folder.join(format!("{name}.cdx.json")), bill)?;
    }
    Ok(Written { folder, functions: names.len(), components: components.len() })
}

/// The file to which the tool writes a function's bill.
fn tool_output(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.path(&format!("functions/{name}/{name}{SUFFIX}"))
}

fn remove_tool_outputs(workspace: &Workspace) -> Result<()> {
    for folder in ["functions", "shared", "tools", "."] {
        for entry in fs::read_dir(workspace.path(folder))? {
            let entry = entry?.path();
            for file in fs::read_dir(&entry).into_iter().flatten() {
                let file = file?.path();
                if file.to_string_lossy().ends_with(SUFFIX) {
                    fs::remove_file(file)?;
                }
            }
        }
    }
    Ok(())
}

/// Removes the path of this checkout, which the tool uses to identify our own crates.
fn portable(bill: &str, root: &Path) -> String {
    bill.replace(&format!("path+file://{}/", root.display()), "workspace:")
}

/// Checks a bill and returns its components.
fn check(bill: &str) -> Result<Vec<String>> {
    ensure!(!bill.contains("path+file:"), "it names a path of this machine");
    let Bill { components } = serde_json::from_str(bill)?;
    ensure!(components.iter().any(|component| component.name == "portal"), "the crate portal is not in it");
    for Component { name, version, licenses } in &components {
        ensure!(!version.is_empty(), "{name} has no version");
        ensure!(!licenses.is_empty(), "{name} {version} has no licence");
    }
    Ok(components.into_iter().map(|component| format!("{} {}", component.name, component.version)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{ "components": [
        { "bom-ref": "path+file:///home/jo/portal/shared/portal#0.1.0", "name": "portal", "version": "0.1.0", "licenses": [{}] },
        { "bom-ref": "registry#http@1.0.0", "name": "http", "version": "1.0.0", "licenses": [{}] }] }"#;

    #[test]
    fn a_bill_has_versions_and_licences_and_no_path_of_the_machine() {
        let good = portable(GOOD, Path::new("/home/jo/portal"));
        assert!(good.contains("\"workspace:shared/portal#0.1.0\""), "{good}");
        assert_eq!(check(&good).unwrap(), ["portal 0.1.0", "http 1.0.0"]);
        for (bad, why) in [
            (GOOD.to_owned(), "it names a path of this machine"),
            (good.replace("\"1.0.0\", \"licenses\": [{}]", "\"1.0.0\""), "http 1.0.0 has no licence"),
            (good.replace("\"version\": \"1.0.0\", ", ""), "http has no version"),
            (good.replace("\"portal\"", "\"other\""), "the crate portal is not in it"),
        ] {
            assert_eq!(check(&bad).unwrap_err().to_string(), why);
        }
    }
}
