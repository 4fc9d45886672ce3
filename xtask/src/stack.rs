//! The whole system on this machine: `up` and `down`.

use std::{fs::File, path::PathBuf};

use anyhow::{Result, bail};

use crate::{
    StackFile, clock, demo, deploy,
    emulator::{self, Emulator, Guard, Process, REGION},
    functions::{self, Extent},
    issuer::{AUDIENCES, SigningKey},
    lock,
    progress::{seconds, step},
    python::Environment,
    stack_file::{Issuer, Tokens},
    token::{self, Role},
    workspace::Workspace,
};

/// How to start a stack.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Return as soon as it is up, instead of waiting and stopping it afterwards.
    pub detach: bool,
    /// The port to listen on. Without it, the default or any free one.
    pub port: Option<u16>,
}

/// A stack, identified by the folder of its files.
pub(crate) struct Stack<'w> {
    workspace: &'w Workspace,
    folder: PathBuf,
    emulator: Emulator,
}

/// Starts the local stack, or updates a running one. Calls `ready` once it can be used.
///
/// # Errors
///
/// If a prerequisite is missing or a step fails; what was started is stopped again.
pub fn up(workspace: &Workspace, options: Options, ready: impl FnOnce(&StackFile)) -> Result<()> {
    let started = clock::now();
    let stack = Stack::new(workspace, workspace.local());
    let lock = stack.lock("`cargo xtask up` is already running in this checkout")?;
    if let Some(process) = stack.emulator.running() {
        let file = stack.refresh(process, options)?;
        eprintln!("The local stack was up already, and is up to date ({}).", seconds(started.elapsed()));
        ready(&file);
        return Ok(());
    }
    let environment = stack.environment()?;
    let binaries = step("Functions", || functions::build(workspace, Extent::FunctionsOnly))?;
    let port = emulator::choose_port(options.port)?;
    let (mut guard, file) = stack.start(&environment, port, &binaries)?;
    drop(lock);
    eprintln!("The local stack is up ({}).", seconds(started.elapsed()));
    ready(&file);
    if options.detach {
        guard.detach();
        return Ok(());
    }
    eprintln!("Ctrl-C stops it.");
    if !guard.wait()? {
        bail!("the local AWS stack has ended; its log is {}", stack.emulator.log().display());
    }
    eprintln!("\nStopping the local stack.");
    Ok(())
}

/// Stops the local stack. Returns whether it ran.
///
/// # Errors
///
/// If it cannot be stopped.
pub fn down(workspace: &Workspace) -> Result<bool> {
    Emulator::new(workspace, workspace.local()).stop()
}

/// Reads the running stack's file.
///
/// # Errors
///
/// If the stack is not up.
pub fn running(workspace: &Workspace) -> Result<StackFile> {
    StackFile::load(&Emulator::new(workspace, workspace.local()).stack_file())
}

impl<'w> Stack<'w> {
    pub(crate) fn new(workspace: &'w Workspace, folder: PathBuf) -> Self {
        let emulator = Emulator::new(workspace, folder.clone());
        Self { workspace, folder, emulator }
    }

    /// Prevents a second command from starting the same stack. The lock ends with this process at the latest.
    pub(crate) fn lock(&self, taken: &'static str) -> Result<File> {
        lock::take(&self.folder, taken)
    }

    /// The Python environment that the stack runs in.
    pub(crate) fn environment(&self) -> Result<Environment> {
        let requirements = self.workspace.path("infra/local/requirements.txt");
        step("Python packages", || Environment::prepare(emulator::environment_folder(self.workspace), &requirements))
    }

    /// Starts the local AWS, deploys to it and loads the demo data. Dropping the guard stops it.
    pub(crate) fn start(
        &self,
        environment: &Environment,
        port: u16,
        binaries: &std::path::Path,
    ) -> Result<(Guard, StackFile)> {
        // Stops and removes what an earlier run left, if it was killed.
        self.emulator.stop()?;
        let (guard, process) = step("Local AWS", || self.emulator.start(self.workspace, environment, port))?;
        let file = step("Template", || self.deploy(environment, process, binaries))?;
        step("Demo data", || demo::load(&file))?;
        file.save(&self.emulator.stack_file())?;
        Ok((guard, file))
    }

    /// The file that describes this stack to the tests.
    pub(crate) fn stack_file(&self) -> PathBuf {
        self.emulator.stack_file()
    }

    /// The log of this stack and its functions.
    pub(crate) fn log(&self) -> PathBuf {
        self.emulator.log()
    }

    /// Updates a running stack. Its data stays.
    fn refresh(&self, process: Process, options: Options) -> Result<StackFile> {
        if let Some(port) = options.port
            && port != process.port
        {
            bail!("the local stack is up on port {}; `cargo xtask down` stops it", process.port);
        }
        let environment = self.environment()?;
        let binaries = step("Functions", || functions::build(self.workspace, Extent::FunctionsOnly))?;
        let file = step("Template", || self.deploy(&environment, process, &binaries))?;
        file.save(&self.emulator.stack_file())?;
        Ok(file)
    }

    fn deploy(&self, environment: &Environment, process: Process, binaries: &std::path::Path) -> Result<StackFile> {
        let key_file = self.workspace.local().join("issuer-key.pem");
        let key = SigningKey::load_or_create(&key_file)?;
        let documents = self.folder.join("issuer");
        let deployed = deploy::deploy(self.workspace, environment, process, binaries, &key, &documents)?;
        let audiences = AUDIENCES.map(str::to_owned).to_vec();
        let issuer = Issuer { url: deploy::issuer_url(process), audiences, key_file };
        let tokens = Tokens {
            staff: token::mint(&issuer, Role::Staff, demo::PRACTICE)?,
            other_staff: token::mint(&issuer, Role::Staff, demo::OTHER_PRACTICE)?,
            read_only: token::mint(&issuer, Role::Read, demo::PRACTICE)?,
            admin: token::mint(&issuer, Role::Admin, demo::PRACTICE)?,
            support: token::mint(&issuer, Role::Support, demo::PRACTICE)?,
            portal: token::mint(&issuer, Role::Portal, demo::PRACTICE)?,
        };
        let endpoint = process.endpoint();
        Ok(StackFile {
            // The stage is `$default`, escaped so that a shell does not expand it.
            api_url: format!("{endpoint}/_aws/execute-api/{}/%24default", deployed.outputs.api_id),
            mailbox_url: format!("{endpoint}/_ministack/ses/messages"),
            log: self.log(),
            aws_endpoint: endpoint,
            region: REGION.to_owned(),
            table: deployed.outputs.table_name,
            queue_url: deployed.outputs.queue_url,
            dlq_url: deployed.outputs.dlq_url,
            functions: deployed.functions,
            practice_id: demo::PRACTICE.to_owned(),
            other_practice_id: demo::OTHER_PRACTICE.to_owned(),
            tokens,
            issuer,
        })
    }
}
