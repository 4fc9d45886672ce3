//! The repository's paths.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The repository that this program was built from.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the repository, from `cargo xtask` or from the system tests: both crates are directly below its top.
    ///
    /// # Errors
    ///
    /// If the crate has no parent folder, which cannot happen in a checkout.
    pub fn locate() -> Result<Self> {
        // Cargo's value at run time comes before that at build time: checkouts may share one target folder.
        let crate_folder = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&crate_folder).parent().context("the xtask crate has no parent folder")?;
        Ok(Self { root: root.to_owned() })
    }

    /// The repository's top folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file or folder of the repository, by its path from the top.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Everything that the commands install, start or write. It can be deleted whenever no command runs.
    #[must_use]
    pub fn local(&self) -> PathBuf {
        self.path(".local")
    }

    /// The folder of the tests' own stack.
    #[must_use]
    pub fn local_test(&self) -> PathBuf {
        self.path(".local/test")
    }
}
