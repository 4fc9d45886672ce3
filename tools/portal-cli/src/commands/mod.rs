//! The commands, and their common parts.

pub mod import;
pub mod invite;
pub mod job;
mod watching;

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use portal_cli::{api::Api, report::Report, stop::Stop};
use secrecy::SecretString;

use crate::variable;

/// The exit code if some patients were not saved or not invited.
pub const SOME_REPORTED: u8 = 1;
/// The exit code if the command could not run, or not to its end.
pub const COULD_NOT_RUN: u8 = 2;
/// The exit code that a shell expects after Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// The API's address and the access token.
#[derive(clap::Args)]
pub struct Connection {
    /// Address of the API [default: the variable `PORTAL_API`]
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// File with the access token [default: the variable `PORTAL_TOKEN`]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Connection {
    fn open(&self) -> Result<Api> {
        let address = self.api.clone().or_else(|| variable("PORTAL_API"));
        let address = address.context("give the address of the API: --api URL, or the variable PORTAL_API")?;
        let token = match &self.token_file {
            Some(path) => Some(fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?),
            None => variable("PORTAL_TOKEN"),
        };
        let token = token.context("give an access token: --token-file FILE, or the variable PORTAL_TOKEN")?;
        Ok(Api::new(&address, &SecretString::from(token))?)
    }

    /// A command of this program with the same options, for the user to copy into a shell.
    fn command(&self, words: &[&str]) -> Result<String> {
        let token_file = self.token_file.as_deref().map(Path::to_string_lossy);
        let api = self.api.iter().flat_map(|api| ["--api", api]);
        let token = token_file.iter().flat_map(|file| ["--token-file", file]);
        let all = ["portal"].into_iter().chain(words.iter().copied()).chain(api).chain(token);
        Ok(shlex::try_join(all)?)
    }
}

/// Opens the file or standard input (`-`). Returns the length too, if it is known.
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

fn begin_report<const N: usize>(path: &Path, columns: [&str; N], input: Option<&Path>) -> Result<Report<File, N>> {
    if let (Ok(report), Some(Ok(input))) = (path.canonicalize(), input.map(Path::canonicalize))
        && report == input
    {
        bail!("the report would overwrite the input file");
    }
    let begin = || Report::begin(File::create(path)?, columns).map_err(io::Error::from);
    begin().with_context(|| format!("{} cannot be written", path.display()))
}

/// A stop that Ctrl-C raises. Ctrl-C no longer ends the program by itself.
fn stop_on_ctrl_c() -> Result<Stop> {
    let stop = Stop::default();
    let raised_by_handler = stop.clone();
    ctrlc::set_handler(move || raised_by_handler.raise()).context("the Ctrl-C handler could not be installed")?;
    Ok(stop)
}
