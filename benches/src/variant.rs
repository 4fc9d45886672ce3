//! Variants: the functions, as they are deployed, and the same functions in other languages.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use md5::{Digest as _, Md5};
use serde::Deserialize;
use xtask::{progress::step, workspace::Workspace};

use crate::{
    aws::{ACCESS_KEY, Aws, sqs::hexadecimal},
    ca::Authority,
    lambda::Program,
};

/// The name of our own variant.
pub const OURS: &str = "Rust";

/// All functions in one language, or some of them.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The name.
    pub name: String,
    folder: PathBuf,
    package: Option<String>,
    functions: BTreeMap<String, Vec<String>>,
    environment: BTreeMap<String, String>,
}

/// How a peer is installed and started: its `peer.json`, as `benches/README.md` describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Peer {
    name: String,
    install: Vec<Vec<String>>,
    package: Option<String>,
    functions: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    compare: Option<Comparison>,
}

/// How a peer is installed and started for a comparison without measurements, if that takes less time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Comparison {
    install: Vec<Vec<String>>,
    functions: BTreeMap<String, Vec<String>>,
}

/// The purpose of the installed peers.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// They are measured. They are installed as they would be deployed.
    Measure,
    /// Their results are compared with ours. Another way to install them is enough if the results are the same.
    Compare,
}

impl Variant {
    /// Our functions, with the binaries in this folder.
    #[must_use]
    pub fn ours(binaries: &Path, names: &[String]) -> Self {
        let command = |name: &String| (name.clone(), vec![binaries.join(name).display().to_string()]);
        Self {
            name: OURS.to_owned(),
            folder: binaries.to_owned(),
            package: None,
            functions: names.iter().map(command).collect(),
            environment: BTreeMap::new(),
        }
    }

    /// Installs the functions in other languages.
    ///
    /// # Errors
    /// If one cannot be installed.
    pub fn peers(workspace: &Workspace, purpose: Purpose) -> Result<Vec<Self>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(workspace.path("benches/peers"))? {
            let folder = entry?.path();
            if folder.join("peer.json").is_file() {
                folders.push(folder);
            }
        }
        folders.sort();
        folders.into_iter().map(|folder| Self::peer(workspace, folder, purpose)).collect()
    }

    /// Whether the variant has this function.
    #[must_use]
    pub fn has(&self, function: &str) -> bool {
        self.functions.contains_key(function)
    }

    fn peer(workspace: &Workspace, folder: PathBuf, purpose: Purpose) -> Result<Self> {
        let file = folder.join("peer.json");
        let mut peer: Peer = serde_json::from_slice(&fs::read(&file)?).with_context(|| file.display().to_string())?;
        let language = folder.file_name().context("the peer's folder has no name")?;
        let mut installed = workspace.local().join("bench/peers").join(language);
        if let (Purpose::Compare, Some(comparison)) = (purpose, peer.compare.take()) {
            (peer.install, peer.functions) = (comparison.install, comparison.functions);
            installed = workspace.local().join("bench/compared").join(language);
        }
        let expand = |word: &String| {
            word.replace("{folder}", &folder.display().to_string())
                .replace("{installed}", &installed.display().to_string())
        };
        let expand_all = |words: &Vec<String>| words.iter().map(expand).collect::<Vec<_>>();
        let commands: Vec<_> = peer.install.iter().map(expand_all).collect();
        step(&format!("{} (benches/peers)", peer.name), || install(&folder, &installed, &commands))?;
        Ok(Self {
            name: peer.name,
            package: peer.package.as_ref().map(expand),
            functions: peer.functions.iter().map(|(name, words)| (name.clone(), expand_all(words))).collect(),
            environment: peer.environment.iter().map(|(name, value)| (name.clone(), expand(value))).collect(),
            folder,
        })
    }

    /// The program of a function. `None` if the variant does not have it.
    #[must_use]
    pub fn program(
        &self,
        function: &str,
        template: BTreeMap<String, String>,
        aws: &Aws,
        authority: &Authority,
    ) -> Option<Program> {
        let command = self.functions.get(function)?;
        let ca = authority.file.display().to_string();
        let folder = self.folder.display().to_string();
        let own = [
            ("AWS_LAMBDA_FUNCTION_NAME", format!("portal-{function}")),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/portal-{function}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/05/05/[$LATEST]0123456789abcdef0123456789abcdef".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO".to_owned()),
            ("_HANDLER", "bootstrap".to_owned()),
            ("LAMBDA_TASK_ROOT", folder),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            // As long as the token of a role.
            ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLETOKEN".repeat(30)),
            ("AWS_ENDPOINT_URL", aws.endpoint()),
            ("SSL_CERT_FILE", ca.clone()),
            ("AWS_CA_BUNDLE", ca.clone()),
            ("NODE_EXTRA_CA_CERTS", ca),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let environment = own.chain(template).chain(self.environment.clone()).collect();
        let package = self.package.as_ref().map_or_else(|| self.folder.join(function), PathBuf::from);
        Some(Program {
            variant: self.name.clone(),
            function: function.to_owned(),
            command: command.clone(),
            folder: self.folder.clone(),
            environment,
            package,
        })
    }
}

/// Runs a peer's install commands, unless they have succeeded with the same files before.
fn install(folder: &Path, installed: &Path, commands: &[Vec<String>]) -> Result<()> {
    let mut files = Md5::new();
    // The files of all peers, because they share some.
    digest(folder.parent().context("the peer's folder is in no folder")?, &mut files)?;
    let wanted = hexadecimal(&files.finalize());
    let marker = installed.join("installed-files.txt");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if installed.exists() {
        fs::remove_dir_all(installed)?;
    }
    fs::create_dir_all(installed)?;
    for words in commands {
        let (program, arguments) = words.split_first().context("a command has no words")?;
        let status = Command::new(program).args(arguments).current_dir(folder).status();
        let status = status.with_context(|| format!("{program} cannot be started"))?;
        ensure!(status.success(), "{} ended with {status}", words.join(" "));
    }
    fs::write(marker, wanted)?;
    Ok(())
}

/// Adds the names and contents of all files of a folder to the digest, in the order of the names.
fn digest(folder: &Path, files: &mut Md5) -> Result<()> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            digest(&path, files)?;
        } else {
            files.update(path.as_os_str().as_encoded_bytes());
            files.update(fs::read(&path)?);
        }
    }
    Ok(())
}
