//! What is measured: the functions, as they are deployed, and the same functions in other languages.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{
    aws::{ACCESS_KEY, Aws},
    ca::Authority,
    lambda::Program,
};

/// What the functions themselves are called.
pub const OURS: &str = "Rust";

/// All functions in one language, or those there are.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What it is called.
    pub name: String,
    folder: PathBuf,
    package: Option<PathBuf>,
    functions: BTreeMap<String, Vec<String>>,
    environment: BTreeMap<String, String>,
}

impl Variant {
    /// The functions whose binaries are in this folder.
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

    /// The program of a function. `None` if the variant does not have it.
    ///
    /// # Errors
    /// If it has no command.
    pub fn program(
        &self,
        function: &str,
        template: BTreeMap<String, String>,
        aws: &Aws,
        authority: &Authority,
    ) -> Result<Option<Program>> {
        let Some(command) = self.functions.get(function) else { return Ok(None) };
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
            // As long as those of a role.
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
        let package = self.package.clone().unwrap_or_else(|| self.folder.join(function));
        Ok(Some(Program {
            variant: self.name.clone(),
            function: function.to_owned(),
            command: command.clone(),
            folder: self.folder.clone(),
            environment,
            package,
        }))
    }
}
