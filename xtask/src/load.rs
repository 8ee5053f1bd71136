//! `cargo xtask soak` and `cargo xtask faults`: builds the release and the harness, and lets it run on a real bitcoind.
//!
//! What the two do stands in `crates/load`. **Invariant:** nothing here measures; it builds, names paths and passes words on.

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{bitcoind, process};

/// What is passed on to the harness.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// Where figures and plots go.
    #[arg(long, value_name = "FOLDER", default_value = "target/load")]
    into: PathBuf,
    /// Options of the harness, which `-- --help` tells.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds both programs and runs one of the harness's commands.
///
/// # Errors
/// If something does not build, or the run fails.
pub(crate) fn run(
    workspace: &Workspace,
    what: &str,
    options: &[String],
    load: &Load,
) -> Result<()> {
    let bitcoind = bitcoind::locate()?.exe;
    let mut build = process::cargo();
    build.current_dir(&workspace.root).args(["build", "--release", "--locked", "--workspace"]);
    process::run(build.args(["--bin", "strait", "--bin", "strait-load"]))?;
    let mut harness = process::cargo();
    harness.current_dir(&workspace.root).env("BITCOIND_EXE", bitcoind);
    harness.args(["run", "--release", "--locked", "--workspace", "--bin", "strait-load", "--"]);
    harness.arg("--strait").arg(workspace.target_directory.join("release").join("strait"));
    harness.arg("--into").arg(&load.into).arg(what).args(options).args(&load.rest);
    process::run(&mut harness)
}
