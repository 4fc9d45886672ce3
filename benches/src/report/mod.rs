//! What is written to `docs/benchmarks`.

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
    /// The processor that it ran on.
    pub processor: String,
    /// How many of them.
    pub processors: usize,
    /// The compiler of the functions.
    pub compiler: String,
    /// What a million invitations cost until their mails are handed over, without SES's own price.
    pub dollars_per_million: f64,
    /// What was measured.
    pub measured: Vec<Measured>,
    /// What one core does in a second; nothing if only some functions were measured.
    pub throughput: Vec<Throughput>,
}

/// The folder.
pub const FOLDER: &str = "docs/benchmarks";

impl Run {
    /// Shows the figures.
    ///
    /// # Errors
    /// If they cannot be written down.
    pub fn show(&self) -> Result<()> {
        eprintln!("{}", markdown::tables(self, &budgets::of(self))?);
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
        write("results.md", &markdown::tables(self, &budgets::of(self))?)?;
        write("results.svg", &plot::draw(self)?)
    }
}
