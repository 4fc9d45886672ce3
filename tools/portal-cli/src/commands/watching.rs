//! Watching jobs: the common options of `invite` and `job watch`, and their summary.

use std::{
    cmp::Reverse,
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use portal_cli::{
    invite::{Ended, JobsProgress, PollIntervals, Watcher},
    job::{Job, PatientResult},
};

use super::{COULD_NOT_RUN, Connection, INTERRUPTED, SOME_REPORTED, begin_report, stop_on_ctrl_c};
use crate::progress::{InviteProgress, summary_line};

/// The common arguments of watching commands.
#[derive(clap::Args)]
pub struct Watching {
    #[command(flatten)]
    connection: Connection,
    /// Write each patient's outcome to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Watching {
    /// Watches jobs, and prints their results. `jobs` is the number of jobs to begin, and `patients` the number of
    /// patients in `list`.
    pub fn watch_to_end(
        &self,
        jobs: usize,
        patients: Option<u64>,
        list: Option<&Path>,
        watch: impl FnOnce(Watcher<'_, InviteProgress<File>>) -> (JobsProgress, Ended),
    ) -> Result<ExitCode> {
        let api = self.connection.open()?;
        let begin_report = |path: &PathBuf| begin_report(path, PatientResult::COLUMNS, list);
        let report = self.report.as_ref().map(begin_report).transpose()?;
        let stop = stop_on_ctrl_c()?;

        let mut progress = InviteProgress::begin(jobs, patients, report);
        let (jobs_progress, ended) = watch(Watcher::new(&api, PollIntervals::DEFAULT, &stop, &mut progress));
        let ended = progress.end().map_or_else(Ended::ReportFailed, |()| ended);
        if let Some(job) = &jobs_progress.job {
            println!("{}", summary(&jobs_progress, job.dry_run));
            self.print_how_to_continue(job, &ended)?;
        }
        if jobs_progress.begun < jobs {
            let begun = jobs_progress.begun;
            eprintln!(
                "Jobs known to have begun: {begun} of {jobs}. The same command again invites the others, and no patient twice."
            );
        }
        match ended {
            Ended::Done if jobs_progress.counts().refused() == 0 => Ok(ExitCode::SUCCESS),
            Ended::Done => Ok(ExitCode::from(SOME_REPORTED)),
            Ended::Cancelled => Ok(ExitCode::from(COULD_NOT_RUN)),
            Ended::Interrupted => Ok(ExitCode::from(INTERRUPTED)),
            Ended::Refused(refused) => Err(refused.into()),
            Ended::Halted(halt) => Err(halt.into()),
            Ended::ReportFailed(error) => Err(error).context("the report could not be written"),
        }
    }

    fn print_how_to_continue(&self, job: &Job, ended: &Ended) -> Result<()> {
        let id = job.id.to_string();
        let command = |words: &[&str]| self.connection.command(words);
        match ended {
            Ended::Done => {}
            Ended::Cancelled => eprintln!("Job {id} was cancelled. Patients who were invited stay invited."),
            Ended::Interrupted | Ended::Refused(_) | Ended::Halted(_) | Ended::ReportFailed(_)
                if job.state.is_final() =>
            {
                let watch = command(&["job", "watch", &id, "--report", "FILE"])?;
                eprintln!("Job {id} is over. To get all of its results:\n  {watch}");
            }
            Ended::Interrupted | Ended::Refused(_) | Ended::Halted(_) | Ended::ReportFailed(_) => {
                let (watch, cancel) = (command(&["job", "watch", &id])?, command(&["job", "cancel", &id])?);
                eprintln!(
                    "Job {id} continues, but is no longer watched. To continue watching it, or to cancel it:\n  {watch}\n  {cancel}"
                );
            }
        }
        Ok(())
    }
}

/// The counts, and each refusal with its sentence, the most frequent first.
fn summary(jobs_progress: &JobsProgress, dry_run: bool) -> String {
    let counts = jobs_progress.counts();
    let nothing_done = if dry_run { " No patient was invited." } else { "" };
    let mut each: Vec<_> = counts.each().filter(|(outcome, _)| !outcome.is_good()).collect();
    each.sort_by_key(|(_, count)| Reverse(*count));
    let mut lines = vec![format!("{}.{nothing_done}", summary_line(&counts, dry_run))];
    lines.extend(each.into_iter().map(|(outcome, count)| {
        let sentence = jobs_progress.sentences.get(outcome).map(|sentence| format!(": {sentence}")).unwrap_or_default();
        format!("{count:>7} {outcome}{sentence}")
    }));
    lines.join("\n")
}
