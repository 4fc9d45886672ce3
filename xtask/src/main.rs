//! `cargo xtask`: the project's commands.
#![expect(clippy::print_stdout, reason = "a command-line program writes to standard output")]

use std::{
    env,
    process::{ExitCode, ExitStatus},
};

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{
    StackFile,
    bench::{self, BenchOptions, InstructionOptions},
    ci, clients, cost, explanation, interrupt,
    mailbox::{self, Mail},
    openapi, preflight, probe, sbom,
    stack::{self, Options},
    test,
    token::{self, Role},
    workspace::Workspace,
};

/// The exit code that a shell expects after Ctrl-C.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "The project's commands", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the whole system on this machine, from the real template
    ///
    /// A second `up` updates a running system, and keeps its data.
    Up {
        /// Return when it is up; `cargo xtask down` stops it
        #[arg(long)]
        detach: bool,
        /// Port to listen on, on loopback [default: 4580, or any free one if that is in use]
        #[arg(long)]
        port: Option<u16>,
        /// Start nothing; print what differs from AWS in the template and in the local AWS, with the reasons
        #[arg(long, conflicts_with_all = ["detach", "port"])]
        explain: bool,
    },
    /// Stop what `up` started
    Down,
    /// Print a token for the local system
    Token {
        /// Practice that the caller acts for (support and portal have none) [default: the first demo practice]
        #[arg(long)]
        practice: Option<String>,
        /// Who the caller is
        #[arg(long, value_enum)]
        role: Role,
    },
    /// Show the mails that the local system sent
    Mail {
        /// Only mails to this address
        #[arg(long)]
        to: Option<String>,
        /// As JSON, with the HTML body
        #[arg(long)]
        json: bool,
    },
    /// Run every test, against a system of its own that is removed afterwards
    Test {
        /// Arguments for the test runner, such as a name or a filter
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Print what invitations cost on AWS, by service
    ///
    /// From the calls and units that a test counts, and a dated list of prices: `docs/cost`.
    Cost {
        /// Number of invitations
        #[arg(long, default_value_t = 1_000_000)]
        invitations: u64,
    },
    /// Write `infra/openapi.yaml`, the API's description, from the types of the code
    Openapi {
        /// Write nothing, and fail if the file is stale
        #[arg(long)]
        check: bool,
    },
    /// Send generated requests to the local system, and check each answer against the API's description
    ///
    /// It changes data of the demo practice.
    Probe {
        /// Requests for each operation [default: 40]
        #[arg(long)]
        examples: Option<u32>,
        /// Seed of the requests: the same seed generates the same ones [default: as in `ci`]
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Generate clients from the API's description, and run a journey with each on the local system
    ///
    /// In Python and TypeScript, with four generators: `docs/CLIENTS.md`. It leaves patients in the demo practice.
    Clients,
    /// Measure the functions as they are deployed, and write the figures to `docs/benchmarks`
    ///
    /// Local servers replace Lambda and AWS. The same functions in other languages are measured too.
    Bench(BenchOptions),
    /// Count the instructions of the functions, and compare them with the stored counts
    ///
    /// Needs valgrind. Reports functions that have grown by more than 5 %.
    Instructions(InstructionOptions),
    /// Compare the answers of the functions that the tests run with those of the same functions in other languages
    Peers,
    /// Say before a deployment to AWS whether it can succeed, and what to do if not
    ///
    /// Reads the stage's section of `samconfig.toml`, and asks AWS with the credentials of the environment. Changes nothing.
    Preflight(preflight::Options),
    /// Write the `CycloneDX` bills of materials of the deployed functions
    Sbom,
    /// Check everything that a change must pass
    Ci,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(_) if interrupt::raised() => {
            eprintln!("\nInterrupted; all started processes are stopped.");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    interrupt::install_handler()?;
    let workspace = Workspace::locate()?;
    match command {
        Command::Up { explain: true, .. } => print!("{}", explanation::explain(&workspace)?),
        Command::Up { detach, port, explain: false } => stack::up(&workspace, Options { detach, port }, introduce)?,
        Command::Down => {
            let ran = stack::down(&workspace)?;
            println!("{}", if ran { "The local stack is stopped." } else { "The local stack was not running." });
        }
        Command::Token { practice, role } => {
            let stack = stack::running(&workspace)?;
            println!("{}", token::mint(&stack.issuer, role, &practice.unwrap_or(stack.practice_id))?);
        }
        Command::Mail { to, json } => print_mails(&stack::running(&workspace)?, to.as_deref(), json)?,
        Command::Test { arguments } => return Ok(code(test::run(&workspace, &arguments, None, |_| Ok(()))?)),
        Command::Openapi { check } => openapi::run(&workspace, check)?,
        Command::Probe { examples, seed } => {
            let defaults = probe::Options::default();
            let options =
                probe::Options { examples: examples.unwrap_or(defaults.examples), seed: seed.unwrap_or(defaults.seed) };
            probe::run(&workspace, &stack::running(&workspace)?, options)?;
        }
        Command::Clients => clients::run(&workspace, &stack::running(&workspace)?)?,
        Command::Cost { invitations } => print!("{}", cost::bill(&workspace, invitations)?.text),
        // Parsed here for its help and its errors, and passed on unchanged.
        Command::Bench(_) => return Ok(code(bench::bench(&workspace, env::args_os().skip(1))?)),
        Command::Instructions(options) => {
            return Ok(code(bench::instructions(&workspace, &options, env::args_os().skip(1))?));
        }
        Command::Peers => return Ok(code(bench::peers(&workspace)?)),
        Command::Preflight(options) => return Ok(code(preflight::run(&workspace, &options)?)),
        Command::Sbom => {
            let sbom::Written { folder, functions, components } = sbom::run(&workspace)?;
            println!("{components} components of {functions} functions: {}", folder.display());
        }
        Command::Ci => return Ok(code(ci::run(&workspace)?)),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_mails(stack: &StackFile, to: Option<&str>, json: bool) -> Result<()> {
    let mails = match to {
        Some(address) => mailbox::read_to(&stack.mailbox_url, address)?,
        None => mailbox::read(&stack.mailbox_url)?,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&mails)?);
    } else if mails.is_empty() {
        println!("No mail.");
    } else {
        println!("{}", mails.iter().map(Mail::to_string).collect::<Vec<_>>().join(SEPARATOR));
    }
    Ok(())
}

/// The text between two mails.
const SEPARATOR: &str = "\n----------------------------------------------------------------------\n\n";

/// Prints how to try the running system.
fn introduce(stack: &StackFile) {
    println!(
        "
API      {api}
AWS      {aws}  (region {region}, any tool: access key and secret key `test`)
Details  .local/stack.json

Try it: save a patient, invite her, read her status.

  API={api}
  TOKEN=$(cargo xtask token --role staff)

  curl -X PUT \"$API/v1/patients/p-1001\" -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\
    -d '{{\"givenName\":\"Maria\",\"familyName\":\"Example\",\"dateOfBirth\":\"1980-02-29\",\"email\":\"maria@example.com\"}}'
  curl -X POST \"$API/v1/patients/p-1001/portal/invite\" -H \"Authorization: Bearer $TOKEN\" \\
    -H 'Content-Type: application/json' -d '{{}}'
  curl \"$API/v1/patients/p-1001/portal\" -H \"Authorization: Bearer $TOKEN\"

  cargo xtask mail
",
        api = stack.api_url,
        aws = stack.aws_endpoint,
        region = stack.region,
    );
}

/// The exit code of another program, as the exit code of this one.
fn code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
