//! The code that the template is for, as text: what it calls and what it reads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use xtask::workspace::Workspace;

/// A file, by its path from the repository's top.
pub(crate) fn read(relative: &str) -> String {
    fs::read_to_string(Workspace::locate().unwrap().path(relative)).unwrap()
}

/// All of the product's own code in a folder, without its tests.
pub(crate) fn read_all(relative: &str) -> String {
    let mut code = String::new();
    let mut folders = vec![Workspace::locate().unwrap().path(relative)];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if is_code(&path) {
                code.push_str(without_tests(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    code
}

/// Tests call what the product never does.
fn is_code(path: &Path) -> bool {
    let name = PathBuf::from(path.file_name().unwrap()).display().to_string();
    path.extension().is_some_and(|extension| extension == "rs") && !name.contains("test") && name != "samples.rs"
}

/// Tests in a file come last.
pub(crate) fn without_tests(code: &str) -> &str {
    code.split_once("#[cfg(test)]\nmod tests {").map_or(code, |(code, _)| code)
}

/// The literals in the code that consist of such characters alone; each once, in the order of the alphabet.
pub(crate) fn quoted(code: &str, of: impl Fn(char) -> bool) -> Vec<String> {
    // Without what is escaped in a literal, every other quotation mark ends one.
    let plain = code.replace("\\\\", "").replace("\\\"", "");
    let literals = plain.split('"').skip(1).step_by(2);
    let mut found: Vec<_> =
        literals.filter(|text| !text.is_empty() && text.chars().all(&of)).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}
