//! Writes `infra/openapi.yaml`. `cargo xtask openapi` runs this.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use api_description::{FILE, text};

fn main() -> Result<()> {
    let check = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--check" => true,
        arguments => bail!("unknown arguments: {}", arguments.join(" ")),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the crate is in no workspace")?;
    let (path, text) = (root.join(FILE), text(root)?);
    if check {
        let committed = fs::read_to_string(&path).with_context(|| format!("reading {FILE}"))?;
        ensure!(committed == text, "{FILE} is stale: run `cargo xtask openapi`");
        return Ok(());
    }
    fs::write(&path, text).with_context(|| format!("writing {FILE}"))
}
