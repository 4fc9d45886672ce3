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
    /// Finds the repository, from `cargo xtask` or from the system tests. Both crates are directly below its root.
    ///
    /// # Errors
    ///
    /// If the crate has no parent folder, which cannot happen in a checkout.
    pub fn locate() -> Result<Self> {
        // The value at run time is preferred to the one at build time, because checkouts may share a target folder.
        let crate_folder = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&crate_folder).parent().context("the xtask crate has no parent folder")?;
        Ok(Self { root: root.to_owned() })
    }

    /// The repository's root folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file or folder of the repository, by its path from the root.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The folder of everything that the commands install, start or write. It can be deleted while no command is running.
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
