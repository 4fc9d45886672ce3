//! `portal`: a practice's command-line client.
#![expect(clippy::print_stdout, reason = "a command line program answers on standard output")]

mod progress;

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    num::NonZeroU8,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use portal_cli::{
    api::Api,
    fhir::Mapping,
    import::{self, Counts, Ended, Target},
    report::Report,
    stop::Stop,
};
use progress::Progress;
use secrecy::SecretString;

/// Some rows were not saved; the others were.
const SOME_REPORTED: u8 = 1;
/// The import could not run, or not to its end.
const COULD_NOT_RUN: u8 = 2;
/// What a shell expects of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

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
    /// Each row is saved as a whole or not at all, and saving it again changes nothing: repeat an import whenever you
    /// like. The token needs the scope `portal/patients`; it is read from `--token-file` or from `PORTAL_TOKEN`.
    ///
    /// Exit code: 0 all rows were saved, 1 some were not and are reported, 2 it could not run or not to the end of the
    /// file, 130 it was interrupted.
    Import(Options),
}

#[derive(clap::Args)]
struct Options {
    /// The file, or `-` for standard input
    file: PathBuf,
    /// Address of the API [default: the variable `PORTAL_API`]
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// File with the access token [default: the variable `PORTAL_TOKEN`]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Write what was not saved, and why, to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Take the identifier of this system as patient id, instead of the resource's own id
    #[arg(long, value_name = "URL")]
    identifier_system: Option<String>,
    /// Only look at the rows: ask the API nothing
    #[arg(long)]
    dry_run: bool,
    /// Rows to save at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = at_once)]
    concurrency: NonZeroU8,
}

fn main() -> ExitCode {
    let Command::Import(options) = Cli::parse().command;
    match import(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn import(options: &Options) -> Result<ExitCode> {
    let api = if options.dry_run { None } else { Some(api(options)?) };
    let (source, length) = open(&options.file)?;
    let report = options.report.as_deref().map(|path| begin_report(path, &options.file)).transpose()?;
    let stop = Stop::default();
    let wish = stop.clone();
    ctrlc::set_handler(move || wish.raise()).context("Ctrl-C could not be taken over")?;

    let mapping = Mapping { identifier_system: options.identifier_system.clone(), now: now() };
    let target = api.as_ref().map_or(Target::DryRun, Target::Api);
    let mut progress = Progress::begin(length, report);
    let (counts, ended) = import::run(source, mapping, target, options.concurrency, &stop, &mut progress)
        .context("the report could not be written")?;
    progress.end().context("the report could not be written")?;
    println!("{}", summary(&counts, options.dry_run));
    match ended {
        Ended::Done if counts.reported == 0 => Ok(ExitCode::SUCCESS),
        Ended::Done => Ok(ExitCode::from(SOME_REPORTED)),
        Ended::Interrupted => {
            eprintln!("Interrupted: the rows that follow were not looked at. Import the file again to go on.");
            Ok(ExitCode::from(INTERRUPTED))
        }
        Ended::Halted(halt) => Err(halt).context("the import stopped"),
        Ended::Unreadable(error) => Err(error).with_context(|| format!("{} cannot be read on", options.file.display())),
    }
}

fn summary(counts: &Counts, dry_run: bool) -> String {
    let Counts { rows, created, kept, checked, reported, noted, bytes: _ } = counts;
    if dry_run {
        format!("{rows} rows: {checked} could be saved ({noted} with a note), {reported} reported. Nothing was saved.")
    } else {
        format!(
            "{rows} rows: {created} saved new, {kept} changed or unchanged, {reported} reported. With a note: {noted}."
        )
    }
}

fn api(options: &Options) -> Result<Api> {
    let address = options.api.clone().or_else(|| variable("PORTAL_API"));
    let address = address.context("say where the API is: --api URL, or the variable PORTAL_API")?;
    let token = match &options.token_file {
        Some(path) => Some(fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?),
        None => variable("PORTAL_TOKEN"),
    };
    let token = token.context("give an access token: --token-file FILE, or the variable PORTAL_TOKEN")?;
    Ok(Api::new(&address, &SecretString::from(token))?)
}

/// The file, and its length if it has one.
fn open(path: &Path) -> Result<(Box<dyn BufRead + Send>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    }
    let open = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() { Err(io::Error::from(io::ErrorKind::IsADirectory)) } else { Ok((file, metadata)) }
    };
    let (file, metadata) = open().with_context(|| format!("{} cannot be read", path.display()))?;
    Ok((Box::new(BufReader::new(file)), metadata.is_file().then_some(metadata.len())))
}

fn begin_report(path: &Path, input: &Path) -> Result<Report<File>> {
    if let (Ok(report), Ok(input)) = (path.canonicalize(), input.canonicalize())
        && report == input
    {
        bail!("the report would overwrite the file that is imported");
    }
    let begin = || Report::begin(File::create(path)?).map_err(io::Error::from);
    begin().with_context(|| format!("{} cannot be written", path.display()))
}

fn at_once(text: &str) -> Result<NonZeroU8, String> {
    let number = text.parse().ok().filter(|number: &NonZeroU8| number.get() <= 32);
    number.ok_or_else(|| "must be a number from 1 to 32".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "this is where the configuration is read, once")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "everything else is handed the time")]
fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}
