//! Dependencies are pinned, and every crate inherits the rules of the workspace.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;

use xtask::workspace::Workspace;

use crate::documents::read;

/// The Python requirements of each folder that has some: the requested and the pinned ones.
fn requirements() -> BTreeMap<String, (String, String)> {
    let workspace = Workspace::locate().unwrap();
    let folders = ["infra", "benches/peers"].into_iter().flat_map(|parent| {
        let entries = fs::read_dir(workspace.path(parent)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    });
    folders
        .filter(|folder| folder.join("requirements.txt").exists())
        .map(|folder| {
            let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
            (folder.display().to_string(), (text("requirements.in"), text("requirements.txt")))
        })
        .collect()
}

/// The errors of pinned requirements and of the requested ones.
fn unpinned(asked: &str, pinned: &str) -> Vec<String> {
    let bare = |text: &str| -> Vec<String> {
        let whole = text.replace("\\\n", " ");
        whole.lines().map(|line| line.split('#').next().unwrap().trim().to_owned()).filter(|l| !l.is_empty()).collect()
    };
    let pinned = bare(pinned);
    let hashed = |line: &&String| line.contains("==") && line.contains("--hash=sha256:");
    let mut complaints: Vec<_> = pinned.iter().filter(|line| !hashed(line)).cloned().collect();
    let is_pinned = |line: &String| pinned.iter().any(|pin| pin.split(' ').next() == Some(line.as_str()));
    complaints.extend(bare(asked).into_iter().filter(|line| !line.contains("==") || !is_pinned(line)));
    complaints
}

#[test]
fn every_python_package_is_pinned_by_its_hash() {
    let all = requirements();
    for folder in ["infra/local", "benches/peers/python"] {
        assert!(all.keys().any(|path| path.ends_with(folder)), "{folder} has no requirements: {:?}", all.keys());
    }
    for (folder, (asked, pinned)) in all {
        assert_eq!(unpinned(&asked, &pinned), Vec::<String>::new(), "{folder}");
    }
}

#[test]
fn a_python_package_without_a_hash_is_detected() {
    let hashed = "# made\na==1 \\\n    --hash=sha256:00\n";
    assert_eq!(unpinned("a==1 # why\n", hashed), Vec::<String>::new());
    assert_eq!(unpinned("a==1\n", &format!("{hashed}b==2\n")), ["b==2"]);
    assert_eq!(unpinned("a==1\n", &format!("{hashed}b --hash=sha256:00\n")), ["b --hash=sha256:00"]);
    assert_eq!(unpinned("a==2\n", hashed), ["a==2"]);
    assert_eq!(unpinned("a\n", hashed), ["a"]);
}

#[test]
fn every_crate_inherits_the_rules_of_the_workspace_and_unsafe_code_is_forbidden() {
    let root = read("Cargo.toml");
    assert!(root.contains("\nunsafe_code = \"forbid\"\n"), "the workspace does not forbid unsafe code");
    let members = root.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    let workspace = Workspace::locate().unwrap();
    let mut crates = Vec::new();
    for member in members {
        match member.strip_suffix("/*") {
            Some(folder) => {
                let entries = fs::read_dir(workspace.path(folder)).unwrap();
                crates.extend(entries.map(|entry| entry.unwrap().path().join("Cargo.toml")).filter(|it| it.exists()));
            }
            None => crates.push(workspace.path(&member).join("Cargo.toml")),
        }
    }
    assert!(crates.len() > 15, "{crates:?}");
    for path in crates {
        let manifest = fs::read_to_string(&path).unwrap();
        if path.starts_with(workspace.path("functions")) {
            assert!(
                manifest.contains("\nbuild = \"../build.rs\"\n"),
                "{} is not linked like the others",
                path.display()
            );
        }
        for inherited in ["\n[lints]\nworkspace = true", "\nlicense.workspace = true\n", "\npublish.workspace = true\n"]
        {
            assert!(manifest.contains(inherited), "{} lacks {inherited:?}", path.display());
        }
    }
}

/// `sam build` names a function's program and no package, so cargo enables every feature that a default member needs.
#[test]
fn the_default_members_are_the_functions() {
    let workspace = Workspace::locate().unwrap();
    let metadata = ["metadata", "--no-deps", "--locked", "--format-version", "1"];
    let output = Command::new("cargo").current_dir(workspace.root()).args(metadata).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let defaults = metadata["workspace_default_members"].as_array().unwrap();
    let is_function = |id: &&Value| {
        let package = metadata["packages"].as_array().unwrap().iter().find(|package| package["id"] == **id).unwrap();
        package["manifest_path"].as_str().unwrap().starts_with(workspace.path("functions").to_str().unwrap())
    };
    assert!(defaults.len() > 10 && defaults.iter().all(|id| is_function(&id)), "{defaults:?}");
}
