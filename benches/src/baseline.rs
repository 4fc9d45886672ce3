//! The baseline: the stored instruction counts, and the comparison with new ones.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use xtask::workspace::Workspace;

use crate::measure::{Instructions, figure};

/// The file.
const FILE: &str = "docs/benchmarks/instructions.json";
/// The growth of a count that is accepted. Compilers, processors and the randomness of TLS change it by less.
const MAX_GROWTH: f64 = 0.05;

/// Counts by function.
pub type Counted = BTreeMap<String, Instructions>;

/// The stored counts.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Those of the binaries that the tests run, which are not optimised. They are already built when a change is checked.
    pub dev: Counted,
    /// Those of the binaries that are deployed.
    pub release: Counted,
}

impl Baseline {
    /// Reads the file. Without a file, there are no counts.
    ///
    /// # Errors
    /// If the file is invalid.
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

/// A sentence for each count that has grown by too much, and for each function without stored counts.
#[must_use]
pub fn regressions(stored: &Counted, counted: &Counted) -> Vec<String> {
    let mut regressions = Vec::new();
    for (function, now) in counted {
        let Some(before) = stored.get(function) else {
            regressions.push(format!("{function}: no counts are stored"));
            continue;
        };
        for (what, before, now) in
            [("from its start to its first answer", before.cold, now.cold), ("for a warm call", before.warm, now.warm)]
        {
            if has_grown(before, now) {
                let growth = (figure(now) / figure(before) - 1.0) * 100.0;
                regressions.push(format!("{function}: {now} instructions {what}, {growth:.1} % more than {before}"));
            }
        }
    }
    regressions
}

/// Whether a count has grown by more than is accepted.
#[must_use]
pub fn has_grown(before: u64, now: u64) -> bool {
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
        let stored = counted(1_000, 100);
        for (cold, warm) in [(1_000, 100), (1_050, 105), (500, 50)] {
            assert_eq!(regressions(&stored, &counted(cold, warm)), [""; 0]);
        }
        let cold = "status: 1051 instructions from its start to its first answer, 5.1 % more than 1000";
        assert_eq!(regressions(&stored, &counted(1_051, 100)), [cold]);
        let warm = "status: 106 instructions for a warm call, 6.0 % more than 100";
        assert_eq!(regressions(&stored, &counted(1_000, 106)), [warm]);
        assert_eq!(regressions(&stored, &counted(1_051, 106)), [cold, warm]);
    }

    #[test]
    fn a_function_without_stored_counts_is_reported() {
        assert_eq!(regressions(&Counted::new(), &counted(1, 1)), ["status: no counts are stored"]);
    }
}
