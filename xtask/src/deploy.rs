//! Deploying the SAM template to the local AWS stack.

use std::{collections::BTreeMap, env::consts::ARCH, path::Path, process::Stdio};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{
    emulator::{Process, aws_environment},
    explanation::Patch,
    issuer::{AUDIENCES, BUCKET, SigningKey},
    process,
    python::Environment,
    stack_file::STACK_NAME,
    workspace::Workspace,
};

/// The result of a deployment.
#[derive(Debug, Deserialize)]
pub struct Deployed {
    /// The template's outputs.
    pub outputs: Outputs,
    /// Each function's name in Lambda.
    pub functions: BTreeMap<String, String>,
    /// What was changed in the template.
    pub patches: Vec<Patch>,
}

/// The template's outputs that are used here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Outputs {
    /// The HTTP API.
    pub api_id: String,
    /// The table.
    pub table_name: String,
    /// The queue of invitations to send.
    pub queue_url: String,
    /// The dead-letter queue of invitations.
    pub dlq_url: String,
}

/// The URL of the local identity provider.
pub fn issuer_url(process: Process) -> String {
    format!("{}/{BUCKET}", process.endpoint())
}

/// Deploys the template with the given binaries, or updates a deployed one.
pub fn deploy(
    workspace: &Workspace,
    environment: &Environment,
    process: Process,
    binaries: &Path,
    key: &SigningKey,
    documents: &Path,
) -> Result<Deployed> {
    let issuer = issuer_url(process);
    let documents = key.publish(documents.to_owned(), &issuer)?;
    let parameters = [
        ("Stage", "local"),
        ("Architecture", if ARCH == "aarch64" { "arm64" } else { "x86_64" }),
        ("Issuer", &issuer),
        ("Audiences", &AUDIENCES.join(",")),
        ("MailDomain", "example.com"),
        ("MailFrom", "no-reply@example.com"),
        ("PortalBaseUrl", "https://portal.example.com"),
        ("CorsOrigins", "https://staff.example.com"),
    ];
    let answer = process::output(
        environment
            .command("python")
            .arg(workspace.path("infra/local/deploy.py"))
            .args(["--endpoint", &process.endpoint(), "--stack-name", STACK_NAME, "--issuer-bucket", BUCKET])
            .arg("--template")
            .arg(workspace.path("infra/template.yaml"))
            .arg("--binaries")
            .arg(binaries)
            .arg("--issuer-documents")
            .arg(documents)
            .args(parameters.iter().map(|(name, value)| format!("--parameter={name}={value}")))
            .envs(aws_environment(&process.endpoint()))
            .stderr(Stdio::piped()),
    )?;
    let deployed: Deployed = serde_json::from_str(&answer).context("the deployment's answer cannot be read")?;
    for patch in &deployed.patches {
        eprintln!("    patched: {patch}; `cargo xtask up --explain` says why");
    }
    Ok(deployed)
}
