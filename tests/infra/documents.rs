//! The documents: every path that they name exists.

use std::{
    fs,
    path::{Path, PathBuf},
};

use xtask::workspace::Workspace;

/// The folders that a path from the root of the repository begins with. Other quoted text is not such a path.
const TOPS: [&str; 9] =
    ["docs/", "events/", "functions/", "infra/", "shared/", "tests/", "tools/", "xtask/", ".config/"];

/// A text file, by its path from the root of the repository.
pub(crate) fn read(relative: &str) -> String {
    fs::read_to_string(Workspace::locate().unwrap().path(relative)).unwrap()
}

/// Every document of the repository.
fn documents(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.join("docs")]);
    found.extend(["README.md", "CONTRIBUTING.md"].map(|name| root.join(name)));
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The link targets and quoted paths of a document that do not exist.
fn dangling(text: &str, folder: &Path, root: &Path) -> Vec<String> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let links = links
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .map(|target| (target, folder.join(target)));
    // Fenced code contains commands, and a path with a placeholder is not one file.
    let prose = text.split("```").step_by(2);
    let quoted = prose.flat_map(|part| part.split('`').skip(1).step_by(2));
    let quoted = quoted
        .filter(|path| TOPS.iter().any(|top| path.starts_with(top)))
        .filter(|path| !path.contains(['*', '<', '{', '$', ' ']))
        .map(|path| (path, root.join(path)));
    links.chain(quoted).filter(|(_, path)| !path.exists()).map(|(named, _)| named.to_owned()).collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let root = Workspace::locate().unwrap().root().to_owned();
    let all = documents(&root);
    assert!(all.len() > 15, "{all:?}");
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(dangling(&text, path.parent().unwrap(), &root), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn a_path_that_does_not_exist_is_detected() {
    let root = Workspace::locate().unwrap().root().to_owned();
    let docs = root.join("docs");
    let dangling = |text: &str| dangling(text, &docs, &root);
    let fine = "[a](ARCHITECTURE.md#x) [b](https://example.com) `tests/infra/main.rs` `functions/*` `x`\n```sh\n`infra/no`\n```";
    assert_eq!(dangling(fine), Vec::<String>::new());
    assert_eq!(dangling("[a](NOWHERE.md) and `infra/nothing.yaml`"), ["NOWHERE.md", "infra/nothing.yaml"]);
}
