//! `portal job`

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use portal_cli::{
    api::Failure,
    job::{JobId, State},
};

use super::{Connection, INTERRUPTED, stop_on_ctrl_c, watching::Watching};
use crate::progress::summary_line;

/// The arguments of `portal job`.
#[derive(clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch a job until it is over, and print its results
    ///
    /// The token needs the scope `portal/read`. Ctrl-C stops watching, not the job.
    ///
    /// Exit code: 0 all patients were invited (or could be, in a dry run), 1 some were not and the output says why,
    /// 2 it was cancelled or could not be watched to its end, 130 it was interrupted.
    Watch(Watch),
    /// Cancel a job: it invites no more patients
    ///
    /// Patients who were invited stay invited. A job that is done or cancelled does not change. The token needs the scope
    /// `portal/invite`.
    ///
    /// Exit code: 0 the job is over, 2 it could not be cancelled, 130 it was interrupted.
    Cancel(Cancel),
}

#[derive(clap::Args)]
struct Watch {
    /// The job's id
    id: JobId,
    #[command(flatten)]
    watching: Watching,
}

#[derive(clap::Args)]
struct Cancel {
    /// The job's id
    id: JobId,
    #[command(flatten)]
    connection: Connection,
}

/// Watches or cancels a job.
pub fn run(options: &Options) -> Result<ExitCode> {
    match &options.command {
        Command::Watch(Watch { id, watching }) => watching.watch_to_end(0, None, None, |watcher| watcher.watch(id)),
        Command::Cancel(Cancel { id, connection }) => cancel(id, connection),
    }
}

fn cancel(id: &JobId, connection: &Connection) -> Result<ExitCode> {
    let (api, stop) = (connection.open()?, stop_on_ctrl_c()?);
    let job = match api.cancel_job(id, &stop) {
        Ok(job) => job,
        Err(Failure::Refused(refused)) => return Err(refused.into()),
        Err(Failure::Halted(halt)) => return Err(halt.into()),
        Err(Failure::Abandoned) => {
            eprintln!("Interrupted: job {id} may or may not have been cancelled.");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let state = match job.state {
        State::Cancelled => "is cancelled",
        State::Done => "was done already",
        State::Queued | State::Running => bail!("job {id} continues: the API has not cancelled it"),
    };
    println!("Job {id} {state}. {}.", summary_line(&job.counts, job.dry_run));
    Ok(ExitCode::SUCCESS)
}
