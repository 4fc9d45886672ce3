//! The reports in `docs/benchmarks`.

mod budgets;
mod markdown;
mod plot;

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;
use xtask::workspace::Workspace;

use crate::{measure::Measured, throughput::Throughput};

/// A whole run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The name of the processor.
    pub processor: String,
    /// The number of processors.
    pub processors: usize,
    /// The compiler of the functions.
    pub compiler: String,
    /// The cost of a million invitations until their mails are sent, without SES's own price.
    pub dollars_per_million: f64,
    /// The measurements.
    pub measured: Vec<Measured>,
    /// The throughput of one core. Empty if only some functions were measured.
    pub throughput: Vec<Throughput>,
}

/// The folder.
pub const FOLDER: &str = "docs/benchmarks";

impl Run {
    /// Prints the figures.
    ///
    /// # Errors
    /// As for [`markdown::tables`].
    pub fn show(&self) -> Result<()> {
        eprintln!("{}", markdown::tables(self, &budgets::budgets(self))?);
        Ok(())
    }

    /// Writes the figures as JSON, as tables and as pictures.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, workspace: &Workspace) -> Result<()> {
        let folder = workspace.path(FOLDER);
        fs::create_dir_all(&folder)?;
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))
        };
        write("results.json", &(serde_json::to_string_pretty(self)? + "\n"))?;
        write("results.md", &markdown::tables(self, &budgets::budgets(self))?)?;
        write("results.svg", &plot::draw(self)?)
    }
}
