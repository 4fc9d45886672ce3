//! Python environments with pinned packages, under `.local`.

use std::{
    env, fs, iter,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The file with the installed requirements, written last. An environment without it is incomplete. One with other
/// requirements is out of date. Both are built again.
const MARKER: &str = "installed-requirements.txt";

/// Exits with a message if Python is too old or cannot create environments.
const PROBE: &str = "\
import sys
if sys.version_info < (3, 10): sys.exit('it is Python ' + sys.version.split()[0])
try: import ensurepip, venv
except ImportError as error: sys.exit('it has no module ' + str(error.name))
";

/// An environment that is ready for use.
#[derive(Debug)]
pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Makes the environment in `folder` from a file of pinned requirements, unless it exists.
    pub fn prepare(folder: PathBuf, requirements: &Path) -> Result<Self> {
        let wanted =
            fs::read_to_string(requirements).with_context(|| format!("{} is missing", requirements.display()))?;
        let environment = Self { folder };
        let marker = environment.folder.join(MARKER);
        if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
            return Ok(environment);
        }
        check_python()?;
        eprintln!("    installing {} (once)", requirements.display());
        process::output(
            Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment.folder).stderr(Stdio::piped()),
        )?;
        // Only files with the pinned hashes. The requirements name every package, so pip need not resolve dependencies. It
        // must not either: for a package that another one needs with extras, it would install the newest version.
        let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"];
        let install = ["install", "--require-hashes", "--no-deps", "--requirement"];
        process::check(environment.command("python").args(pip).args(install).arg(requirements))?;
        process::check(environment.command("python").args(pip).arg("check"))?;
        fs::write(&marker, wanted)?;
        Ok(environment)
    }

    /// A program of the environment.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// A command that runs a program of the environment. It finds the environment's other programs first, as it would
    /// after `activate`.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.program(name));
        let inherited = env::var_os("PATH").unwrap_or_default();
        if let Ok(path) = env::join_paths(iter::once(self.folder.join("bin")).chain(env::split_paths(&inherited))) {
            command.env("PATH", path);
        }
        command
    }
}

fn check_python() -> Result<()> {
    const ADVICE: &str = "Python 3.10 or newer is needed as `python3`, with its `venv` module (on Debian and Ubuntu: \
                          `apt install python3-venv`)";
    let probe = Command::new("python3").args(["-c", PROBE]).output();
    match probe {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => bail!("{ADVICE}; {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => bail!("{ADVICE}; it could not be started: {error}"),
    }
}
