//! What watching jobs takes, whoever began them, and what is said in the end.

use std::{
    cmp::Reverse,
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use portal_cli::{
    invite::{Ended, Pace, Seen, Watcher},
    job::{Job, PatientResult},
};

use super::{COULD_NOT_RUN, Connection, INTERRUPTED, SOME_REPORTED, begin_report, stop_on_ctrl_c};
use crate::progress::{InviteProgress, in_short};

/// The arguments that it takes.
#[derive(clap::Args)]
pub struct Watching {
    #[command(flatten)]
    connection: Connection,
    /// Write what became of each patient to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Watching {
    /// Watches jobs, and says what became of their patients. So many of them are begun, for so many patients if they
    /// were named in `list`.
    pub fn see_through(
        &self,
        jobs: usize,
        patients: Option<u64>,
        list: Option<&Path>,
        watch: impl FnOnce(Watcher<'_, InviteProgress<File>>) -> (Seen, Ended),
    ) -> Result<ExitCode> {
        let api = self.connection.open()?;
        let begin_report = |path: &PathBuf| begin_report(path, PatientResult::COLUMNS, list);
        let report = self.report.as_ref().map(begin_report).transpose()?;
        let stop = stop_on_ctrl_c()?;

        let mut progress = InviteProgress::begin(jobs, patients, report);
        let (seen, ended) = watch(Watcher::new(&api, Pace::POLITE, &stop, &mut progress));
        let ended = progress.end().map_or_else(Ended::Untold, |()| ended);
        if let Some(job) = &seen.job {
            println!("{}", summary(&seen, job.dry_run));
            self.say_how_to_go_on(job, &ended)?;
        }
        if seen.begun < jobs {
            let begun = seen.begun;
            eprintln!(
                "Jobs known to have begun: {begun} of {jobs}. The same command again invites the others, and nobody twice."
            );
        }
        match ended {
            Ended::Done if seen.counts().refused() == 0 => Ok(ExitCode::SUCCESS),
            Ended::Done => Ok(ExitCode::from(SOME_REPORTED)),
            Ended::Cancelled => Ok(ExitCode::from(COULD_NOT_RUN)),
            Ended::Interrupted => Ok(ExitCode::from(INTERRUPTED)),
            Ended::Refused(refused) => Err(refused.into()),
            Ended::Halted(halt) => Err(halt.into()),
            Ended::Untold(error) => Err(error).context("the report could not be written"),
        }
    }

    fn say_how_to_go_on(&self, job: &Job, ended: &Ended) -> Result<()> {
        let id = job.id.to_string();
        let command = |words: &[&str]| self.connection.command(words);
        match ended {
            Ended::Done => {}
            Ended::Cancelled => eprintln!("Job {id} was cancelled. Who was invited stays invited."),
            Ended::Interrupted | Ended::Refused(_) | Ended::Halted(_) | Ended::Untold(_) if job.state.is_final() => {
                let watch = command(&["job", "watch", &id, "--report", "FILE"])?;
                eprintln!("Job {id} is over. To have all of its results:\n  {watch}");
            }
            Ended::Interrupted | Ended::Refused(_) | Ended::Halted(_) | Ended::Untold(_) => {
                let (watch, cancel) = (command(&["job", "watch", &id])?, command(&["job", "cancel", &id])?);
                eprintln!(
                    "Job {id} goes on, but is not watched any more. To watch it on, or to cancel it:\n  {watch}\n  {cancel}"
                );
            }
        }
        Ok(())
    }
}

/// What became of the patients: the most frequent first, each refusal with its sentence.
fn summary(seen: &Seen, dry_run: bool) -> String {
    let counts = seen.counts();
    let nobody = if dry_run { " Nobody was invited." } else { "" };
    let mut each: Vec<_> = counts.each().filter(|(outcome, _)| !outcome.is_good()).collect();
    each.sort_by_key(|(_, count)| Reverse(*count));
    let mut lines = vec![format!("{}.{nobody}", in_short(&counts, dry_run))];
    lines.extend(each.into_iter().map(|(outcome, count)| {
        let sentence = seen.sentences.get(outcome).map(|sentence| format!(": {sentence}")).unwrap_or_default();
        format!("{count:>7} {outcome}{sentence}")
    }));
    lines.join("\n")
}
