//! `portal import`

use std::{num::NonZeroU8, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use portal_cli::{
    fhir::Mapping,
    import::{self, Counts, Ended, ReportRow, Target},
};

use super::{Connection, INTERRUPTED, SOME_REPORTED, begin_report, open, stop_on_ctrl_c};
use crate::{now, progress::ImportProgress};

/// The arguments of `portal import`.
#[derive(clap::Args)]
pub struct Options {
    /// The file, or `-` for standard input
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
    /// Write the rows that were not saved, and why, to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Use the identifier of this system as patient id, instead of the resource's own id
    #[arg(long, value_name = "URL")]
    identifier_system: Option<String>,
    /// Only check the rows, without calling the API
    #[arg(long)]
    dry_run: bool,
    /// Rows to save at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = at_once)]
    concurrency: NonZeroU8,
}

/// Imports a file.
pub fn run(options: &Options) -> Result<ExitCode> {
    let api = if options.dry_run { None } else { Some(options.connection.open()?) };
    let (source, length) = open(&options.file)?;
    let begin_report = |path: &PathBuf| begin_report(path, ReportRow::COLUMNS, Some(&options.file));
    let report = options.report.as_ref().map(begin_report).transpose()?;
    let stop = stop_on_ctrl_c()?;

    let mapping = Mapping { identifier_system: options.identifier_system.clone(), now: now() };
    let target = api.as_ref().map_or(Target::DryRun, Target::Api);
    let mut progress = ImportProgress::begin(length, report);
    let (counts, ended) = import::run(source, mapping, target, options.concurrency, &stop, &mut progress)
        .context("the report could not be written")?;
    progress.end().context("the report could not be written")?;
    println!("{}", summary(&counts, options.dry_run));
    match ended {
        Ended::Done if counts.reported == 0 => Ok(ExitCode::SUCCESS),
        Ended::Done => Ok(ExitCode::from(SOME_REPORTED)),
        Ended::Interrupted => {
            eprintln!("Interrupted: the rows that follow were not processed. Import the file again to continue.");
            Ok(ExitCode::from(INTERRUPTED))
        }
        Ended::Halted(halt) => Err(halt).context("the import stopped"),
        Ended::Unreadable(error) => {
            Err(error).with_context(|| format!("{} cannot be read to its end", options.file.display()))
        }
    }
}

fn summary(counts: &Counts, dry_run: bool) -> String {
    let Counts { rows, created, existing, checked, reported, noted, bytes: _ } = counts;
    if dry_run {
        format!("{rows} rows: {checked} could be saved ({noted} with a note), {reported} reported. Nothing was saved.")
    } else {
        format!(
            "{rows} rows: {created} saved new, {existing} changed or unchanged, {reported} reported. With a note: {noted}."
        )
    }
}

fn at_once(text: &str) -> Result<NonZeroU8, String> {
    let number = text.parse().ok().filter(|number: &NonZeroU8| number.get() <= 32);
    number.ok_or_else(|| "must be a number from 1 to 32".to_owned())
}
