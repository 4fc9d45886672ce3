//! Examples: the sample events that the functions' tests send, and the answers in their snapshots.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

/// The bodies that the sample events of a function send to a route, by the names of the events.
pub fn requests(root: &Path, function: &str, route_key: &str) -> Result<Map<String, Value>> {
    let folder = root.join(format!("events/{function}"));
    let mut paths: Vec<_> = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    let mut found = Map::new();
    for path in paths {
        let event: Value =
            serde_json::from_str(&fs::read_to_string(&path)?).with_context(|| format!("reading {}", path.display()))?;
        let (Some(key), Some(body)) = (event["routeKey"].as_str(), event["body"].as_str()) else { continue };
        if key == route_key && !body.is_empty() {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
            found.insert(name, json!({ "value": body_of(body) }));
        }
    }
    Ok(found)
}

/// A body as an example: JSON, or the members of a form.
fn body_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| body.split('&').filter_map(|member| member.split_once('=')).collect())
}

/// The body of the answer in a snapshot. The name of a snapshot is `function/file`.
pub fn answer(root: &Path, snapshot: &str) -> Result<Value> {
    let (function, file) = snapshot.split_once('/').context("a snapshot is named function/file")?;
    let path = root.join(format!("functions/{function}/tests/snapshots/{file}.snap"));
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let json = text.splitn(3, "---\n").nth(2).context("a snapshot has a head")?;
    Ok(serde_json::from_str::<Value>(json)?["body"].take())
}
