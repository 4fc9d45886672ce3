//! What the local deployment changes in the template, and what is repaired in the local AWS so that it need not change more.

use std::{collections::BTreeSet, fmt, process::Stdio};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{process, stack::Stack, workspace::Workspace};

/// All changes, with their reasons.
#[derive(Debug, Deserialize)]
pub struct Explanation {
    /// The changes of the template.
    pub patches: Vec<Patch>,
    /// The changes of the local AWS.
    pub repairs: Vec<Repair>,
}

/// One patch of the template.
#[derive(Debug, Deserialize)]
pub struct Patch {
    /// What it is called.
    pub name: String,
    /// Why the local AWS needs it.
    pub why: String,
    /// The members that it changes, as JSON pointers into the template.
    pub changes: Vec<String>,
}

/// One repair of the local AWS.
#[derive(Debug, Deserialize)]
pub struct Repair {
    /// What it is called.
    pub name: String,
    /// Why it is needed.
    pub why: String,
}

/// Reads the lists from `infra/local`. Nothing is started.
///
/// # Errors
///
/// If the Python environment cannot be prepared.
pub fn explain(workspace: &Workspace) -> Result<Explanation> {
    let environment = Stack::new(workspace, workspace.local()).environment()?;
    let answer = process::output(
        environment
            .command("python")
            .arg(workspace.path("infra/local/explain.py"))
            .arg(workspace.path("infra/template.yaml"))
            .stderr(Stdio::piped()),
    )?;
    serde_json::from_str(&answer).context("the explanation cannot be read")
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "Changed in infra/template.yaml:")?;
        for patch in &self.patches {
            writeln!(formatter, "\n  {}: {}", patch.name, patch.why)?;
            for place in &patch.changes {
                writeln!(formatter, "    {place}")?;
            }
        }
        writeln!(formatter, "\nRepaired in the local AWS instead:\n")?;
        for repair in &self.repairs {
            writeln!(formatter, "  {}: {}", repair.name, repair.why)?;
        }
        Ok(())
    }
}

impl fmt::Display for Patch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `/Resources/<name>/...`: one resource may have several changes.
        let resources: BTreeSet<_> = self.changes.iter().filter_map(|place| place.split('/').nth(2)).collect();
        write!(formatter, "{} ({} resources)", self.name, resources.len())
    }
}
