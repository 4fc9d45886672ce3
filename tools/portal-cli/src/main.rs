//! `portal`: a practice's command-line client.
#![expect(clippy::print_stdout, reason = "a command-line program writes to standard output")]

mod commands;
mod progress;

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use commands::{COULD_NOT_RUN, import, invite, job};

#[derive(Parser)]
#[command(name = "portal", version, about = "A practice's command-line client", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Save the patients of a FHIR R4 file, one `Patient` a line (NDJSON)
    ///
    /// Each row is saved as a whole or not at all, and saving it again changes nothing: you can always repeat an
    /// import. The token needs the scope `portal/patients`; it is read from `--token-file` or from `PORTAL_TOKEN`.
    ///
    /// Exit code: 0 all rows were saved, 1 some were not and are reported, 2 it could not run or not to the end of the
    /// file, 130 it was interrupted.
    Import(import::Options),
    /// Invite many patients: those of a list, or all who were never invited
    ///
    /// The API invites up to 500 patients in one job. A longer list becomes several jobs, each begun when the one before
    /// it is done. A list with a line that is not a patient id is rejected as a whole. You can always repeat the command:
    /// a patient who has been invited is not invited again. Ctrl-C stops watching, not the job. `portal job` continues
    /// watching it, or cancels it.
    ///
    /// The token needs the scopes `portal/invite` and `portal/read`; it is read from `--token-file` or from
    /// `PORTAL_TOKEN`.
    ///
    /// Exit code: 0 all patients were invited (or could be, in a dry run), 1 some were not and the output says why,
    /// 2 it could not run or not to the end, 130 it was interrupted.
    Invite(invite::Options),
    /// Watch or cancel a job that `portal invite` has begun
    Job(job::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Import(options) => import::run(&options),
        Command::Invite(options) => invite::run(&options),
        Command::Job(options) => job::run(&options),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the configuration is read here, once")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "all other code receives the time as an argument")]
fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

/// A random key, which is unique. It is not a secret.
#[expect(clippy::disallowed_methods, reason = "all other code receives keys as arguments")]
fn new_key() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
