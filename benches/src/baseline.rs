//! The instruction counts on file, and what is held against them.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use xtask::workspace::Workspace;

use crate::measure::{Instructions, figure};

/// The file.
const FILE: &str = "docs/benchmarks/instructions.json";
/// How much more a count may be: compilers, processors and the randomness of TLS change it by less.
const MAX_GROWTH: f64 = 0.05;

/// Counts by function.
pub type Counted = BTreeMap<String, Instructions>;

/// The counts on file.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Of the binaries that the tests run, which are not optimised: they are there when a change is checked.
    pub dev: Counted,
    /// Of the binaries that are deployed.
    pub release: Counted,
}

impl Baseline {
    /// Reads the file; nothing is on file if there is none.
    ///
    /// # Errors
    /// If it is not what it should be.
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let file = workspace.path(FILE);
        if !file.exists() {
            return Ok(Self::default());
        }
        serde_json::from_slice(&fs::read(file)?).context(FILE)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, workspace: &Workspace) -> Result<()> {
        fs::write(workspace.path(FILE), serde_json::to_string_pretty(self)? + "\n").context(FILE)
    }
}

/// What has grown by more than it may, and what is on file for one side only, in sentences.
#[must_use]
pub fn complaints(filed: &Counted, counted: &Counted) -> Vec<String> {
    let mut complaints = Vec::new();
    for (function, now) in counted {
        let Some(before) = filed.get(function) else {
            complaints.push(format!("{function}: no counts are on file"));
            continue;
        };
        for (what, before, now) in
            [("from its start to its first answer", before.cold, now.cold), ("for a warm call", before.warm, now.warm)]
        {
            if grown(before, now) {
                let growth = (figure(now) / figure(before) - 1.0) * 100.0;
                complaints.push(format!("{function}: {now} instructions {what}, {growth:.1} % more than {before}"));
            }
        }
    }
    complaints
}

/// Whether a count is more than it may be.
#[must_use]
pub fn grown(before: u64, now: u64) -> bool {
    figure(now) > figure(before) * (1.0 + MAX_GROWTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(cold: u64, warm: u64) -> Counted {
        Counted::from([("status".to_owned(), Instructions { cold, warm })])
    }

    #[test]
    fn a_count_may_grow_by_a_twentieth() {
        let filed = counted(1_000, 100);
        for (cold, warm) in [(1_000, 100), (1_050, 105), (500, 50)] {
            assert_eq!(complaints(&filed, &counted(cold, warm)), [""; 0]);
        }
        let cold = "status: 1051 instructions from its start to its first answer, 5.1 % more than 1000";
        assert_eq!(complaints(&filed, &counted(1_051, 100)), [cold]);
        let warm = "status: 106 instructions for a warm call, 6.0 % more than 100";
        assert_eq!(complaints(&filed, &counted(1_000, 106)), [warm]);
        assert_eq!(complaints(&filed, &counted(1_051, 106)), [cold, warm]);
    }

    #[test]
    fn a_function_without_counts_is_complained_of() {
        assert_eq!(complaints(&Counted::new(), &counted(1, 1)), ["status: no counts are on file"]);
    }
}
