//! `portal invite`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::ArgGroup;
use portal::ids::PatientId;
use portal_cli::{
    job::{NewJob, Whom},
    patient_list,
};

use super::{open, watching::Watching};
use crate::new_key;

/// Its arguments.
#[derive(clap::Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["file", "never_invited"]))]
pub struct Options {
    /// A list of patient ids, one a line, or `-` for standard input; what follows a `#` is a comment
    file: Option<PathBuf>,
    /// Invite everyone of the practice with an email address who was never invited
    #[arg(long)]
    never_invited: bool,
    /// Invite nobody: only look who could be, and why others could not
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    watching: Watching,
}

/// Invites patients.
pub fn run(options: &Options) -> Result<ExitCode> {
    let list = options.file.as_deref();
    let whom = list.map_or(Ok(Whom::NeverInvited), |path| read(path).map(Whom::Patients))?;
    let patients = match &whom {
        Whom::Patients(ids) => u64::try_from(ids.len()).ok(),
        Whom::NeverInvited => None,
    };
    let jobs = NewJob::all_of(whom, options.dry_run, new_key).context("the operating system gives no randomness")?;
    options.watching.see_through(jobs.len(), patients, list, |watcher| watcher.invite(&jobs))
}

fn read(path: &Path) -> Result<Vec<PatientId>> {
    let (source, _) = open(path)?;
    patient_list::read(source).with_context(|| format!("nobody was invited, because of {}", path.display()))
}
