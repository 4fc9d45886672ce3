//! `portal invite`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::ArgGroup;
use portal::ids::PatientId;
use portal_cli::{
    job::{NewJob, Recipients},
    patient_list,
};

use super::{open, watching::Watching};
use crate::new_key;

/// The arguments of `portal invite`.
#[derive(clap::Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["file", "never_invited"]))]
pub struct Options {
    /// A list of patient ids, one a line, or `-` for standard input; the text after a `#` is a comment
    file: Option<PathBuf>,
    /// Invite all patients of the practice who have an email address and were never invited
    #[arg(long)]
    never_invited: bool,
    /// Invite no patient: only report who could be invited, and why others could not
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    watching: Watching,
}

/// Invites patients.
pub fn run(options: &Options) -> Result<ExitCode> {
    let list = options.file.as_deref();
    let recipients = list.map_or(Ok(Recipients::NeverInvited), |path| read(path).map(Recipients::Patients))?;
    let patients = match &recipients {
        Recipients::Patients(ids) => u64::try_from(ids.len()).ok(),
        Recipients::NeverInvited => None,
    };
    let jobs = NewJob::split(recipients, options.dry_run, new_key)
        .context("the operating system provides no random numbers")?;
    options.watching.watch_to_end(jobs.len(), patients, list, |watcher| watcher.invite(&jobs))
}

fn read(path: &Path) -> Result<Vec<PatientId>> {
    let (source, _) = open(path)?;
    patient_list::read(source).with_context(|| format!("no patient was invited, because of {}", path.display()))
}
