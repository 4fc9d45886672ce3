//! `stack.json`: the description of a running local stack, for scripts and tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// The environment variable with the path of the tests' stack file.
pub const STACK_FILE_VARIABLE: &str = "PORTAL_STACK_FILE";
/// The name of the local stack. Tests create others beside it.
pub const STACK_NAME: &str = "portal";
/// The access key and the secret key of the local stack.
pub const CREDENTIAL: &str = "test";

/// A running local stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackFile {
    /// URL of the HTTP API: `<apiUrl>/v1/...`.
    pub api_url: String,
    /// URL of the AWS APIs.
    pub aws_endpoint: String,
    /// The region of all resources.
    pub region: String,
    /// URL of the mails that were sent.
    pub mailbox_url: String,
    /// The log of the local AWS and the functions.
    pub log: PathBuf,
    /// The table's name.
    pub table: String,
    /// The queue of invitations to send.
    pub queue_url: String,
    /// The dead-letter queue of invitations.
    pub dlq_url: String,
    /// Each function's name in Lambda.
    pub functions: BTreeMap<String, String>,
    /// The practice that most tokens act for.
    pub practice_id: String,
    /// Another practice, which must never see the first one's patients.
    pub other_practice_id: String,
    /// Tokens that are valid for weeks.
    pub tokens: Tokens,
    /// The identity provider, for making other tokens.
    pub issuer: Issuer,
}

/// A token for each kind of caller.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// Staff of the first practice.
    pub staff: String,
    /// Staff of the other practice.
    pub other_staff: String,
    /// A user of the first practice who may only read.
    pub read_only: String,
    /// An administrator of the first practice.
    pub admin: String,
    /// Customer Care.
    pub support: String,
    /// The portal.
    pub portal: String,
}

/// The local identity provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub url: String,
    /// Each `aud` that the API accepts. The tokens here have the first one.
    pub audiences: Vec<String>,
    /// Its private key.
    pub key_file: PathBuf,
}

impl StackFile {
    /// Reads the file of a running stack.
    ///
    /// # Errors
    ///
    /// If it is missing, or another version wrote it.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{} is missing: `cargo xtask up` starts the local stack", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} was written by another version: run `cargo xtask up` again", path.display()))
    }

    /// Writes the file. It is renamed when complete, because scripts wait for it.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let draft = path.with_extension("draft");
        fs::write(&draft, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&draft, path)?;
        Ok(())
    }
}
