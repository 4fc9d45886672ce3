//! The local AWS: starts it, finds a running one, and stops it.

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::{clock, interrupt, process, python::Environment, stack_file::CREDENTIAL, workspace::Workspace};

/// The region of the local stack.
pub const REGION: &str = "us-east-1";
/// The default port, if it is free.
const DEFAULT_PORT: u16 = 4580;
const START_DEADLINE: Duration = Duration::from_mins(1);
const STOP_DEADLINE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);
/// How much of the log is shown if the program ends at its start.
const LOG_LINES_SHOWN: usize = 25;

/// One local AWS, identified by the folder of its files.
#[derive(Debug, Clone)]
pub struct Emulator {
    folder: PathBuf,
    /// The interpreter that runs it. A process is ours only if its command line starts with this path, because another
    /// program may have got the process id.
    python: PathBuf,
}

/// The process of a running emulator, as its file records it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Process {
    pid: i32,
    /// The port that it listens on, on loopback.
    pub port: u16,
}

impl Process {
    /// URL of its AWS APIs.
    pub fn endpoint(self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A running emulator. Dropping the guard stops it, unless it was detached.
pub struct Guard {
    emulator: Emulator,
    child: Child,
    armed: bool,
}

impl Guard {
    /// Leaves the emulator running.
    pub fn detach(mut self) {
        self.armed = false;
    }

    /// Waits until this process is asked to stop, or the emulator ends. Returns whether the emulator still runs.
    pub fn wait(&mut self) -> Result<bool> {
        loop {
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            if interrupt::raised() {
                return Ok(true);
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed {
            if let Err(error) = self.emulator.stop() {
                eprintln!("The local AWS stack could not be stopped: {error:#}");
            }
            // It has been killed by now. This removes its entry from the process table.
            drop(self.child.wait());
        }
    }
}

impl Emulator {
    /// The emulator whose files are in `folder`, whether it runs or not.
    pub fn new(workspace: &Workspace, folder: PathBuf) -> Self {
        Self { folder, python: environment_folder(workspace).join("bin/python") }
    }

    /// The running process, if there is one.
    pub fn running(&self) -> Option<Process> {
        let text = fs::read_to_string(self.record()).ok()?;
        let process: Process = serde_json::from_str(&text).ok()?;
        self.owns(process).then_some(process)
    }

    /// Starts it, and waits until it answers.
    pub fn start(&self, workspace: &Workspace, environment: &Environment, port: u16) -> Result<(Guard, Process)> {
        let scratch = self.scratch();
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        fs::create_dir_all(&scratch)?;
        let log = fs::File::create(self.log())?;
        let child = process::spawn(
            environment
                .command("python")
                .arg(workspace.path("infra/local/emulator.py"))
                .env_clear()
                .envs(inherited())
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("TMPDIR", scratch)
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", port.to_string())
                // Each of these would open another port.
                .env("IOT_MTLS_ENABLED", "0")
                .env("SFTP_ENABLED", "0")
                // Enforce roles and policies, as on AWS: a permission missing in the template fails here too.
                .env("AUTH", "true")
                .envs(aws_environment(&Process { pid: 0, port }.endpoint()))
                .stdout(log.try_clone()?)
                .stderr(log),
        )?;
        let process = Process { pid: Pid::from_child(&child).as_raw_nonzero().get(), port };
        let mut guard = Guard { emulator: self.clone(), child, armed: true };
        fs::write(self.record(), serde_json::to_vec(&process)?)?;
        self.await_health(&mut guard.child, process)?;
        Ok((guard, process))
    }

    /// Stops it and everything it started. Returns whether it ran.
    pub fn stop(&self) -> Result<bool> {
        let running = self.running();
        if let Some(process) = running
            && let Some(leader) = Pid::from_raw(process.pid)
        {
            process::signal_group(leader, Signal::TERM)?;
            let deadline = clock::now() + STOP_DEADLINE;
            while self.owns(process) && clock::now() < deadline {
                thread::sleep(POLL);
            }
            // The functions are in its process group and may still be running.
            process::signal_group(leader, Signal::KILL)?;
        }
        for file in [self.record(), self.stack_file()] {
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        if self.scratch().exists() {
            fs::remove_dir_all(self.scratch())?;
        }
        Ok(running.is_some())
    }

    /// The file that describes the running stack.
    pub fn stack_file(&self) -> PathBuf {
        self.folder.join("stack.json")
    }

    /// The log of the emulator and the functions.
    pub fn log(&self) -> PathBuf {
        self.folder.join("ministack.log")
    }

    fn record(&self) -> PathBuf {
        self.folder.join("ministack.json")
    }

    fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    fn await_health(&self, child: &mut Child, process: Process) -> Result<()> {
        let url = format!("{}/_ministack/health", process.endpoint());
        let deadline = clock::now() + START_DEADLINE;
        while ureq::get(&url).call().is_err() {
            interrupt::check()?;
            if let Some(status) = child.try_wait()? {
                bail!("the local AWS stack ended at its start with {status}; its log says:\n{}", self.log_tail());
            }
            if clock::now() > deadline {
                let secs = START_DEADLINE.as_secs();
                bail!("the local AWS stack does not answer after {secs} s; its log says:\n{}", self.log_tail());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.len().saturating_sub(LOG_LINES_SHOWN);
        lines.into_iter().skip(tail).collect::<Vec<_>>().join("\n")
    }

    /// Whether a process is alive and is this program, not another one with its former id.
    fn owns(&self, process: Process) -> bool {
        command_line(process.pid).is_some_and(|line| line.starts_with(&*self.python.to_string_lossy()))
    }
}

/// The folder of the emulator's Python environment.
pub fn environment_folder(workspace: &Workspace) -> PathBuf {
    workspace.local().join("venv")
}

/// The variables that make an AWS tool or SDK use the local stack.
pub fn aws_environment(endpoint: &str) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_ACCESS_KEY_ID", CREDENTIAL.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", CREDENTIAL.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
    ]
}

/// The port to listen on: the requested one, which must be free, or else the default one, or any free one.
pub fn choose_port(requested: Option<u16>) -> Result<u16> {
    match requested {
        Some(port) => free(port).with_context(|| {
            format!("port {port} is in use by another program; choose another with `--port`, or omit the option")
        }),
        None => free(DEFAULT_PORT).or_else(|_in_use| free_port()),
    }
}

/// Any free port.
pub fn free_port() -> Result<u16> {
    free(0)
}

fn free(port: u16) -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?.port())
}

/// The variables that the emulator inherits. The functions inherit them from it, and on AWS they would not get a
/// developer's variables.
fn inherited() -> impl Iterator<Item = (&'static str, OsString)> {
    ["PATH", "HOME", "LANG"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// A process's command line, with spaces between its words. A zombie process has none.
fn command_line(pid: i32) -> Option<String> {
    let line = if Path::new("/proc/self").exists() {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?.replace('\0', " ")
    } else {
        let answer = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output().ok()?;
        String::from_utf8_lossy(&answer.stdout).into_owned()
    };
    (!line.trim().is_empty()).then_some(line)
}
