//! `cargo xtask deny`: licences, sources and duplicates of all that is built, and what is known to be vulnerable in it.
//!
//! The rules stand in `deny.toml`. cargo-deny judges them; a machine without it says so and passes. Advisories change without
//! a change of ours, so only the chore asks for them and the checks of each change do not.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::process::{self, say};
use crate::workspace::Workspace;

/// Folders of the workspaces, each with a lock file of its own.
const WORKSPACES: [&str; 3] = [".", "contracts", "fuzz"];

/// How much to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What only a change of ours can break. A machine without cargo-deny passes.
    Change,
    /// Advisories too, where there is a database. A machine without cargo-deny fails.
    Everything,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All that was asked is in order.
    Done,
    /// Something could not be asked, for this reason.
    LeftOut(String),
}

/// Asks cargo-deny about every workspace.
///
/// # Errors
/// If something is not in order, or cargo-deny is missing and everything is asked for.
pub(crate) fn run(workspace: &Workspace, scope: Scope) -> Result<Outcome> {
    let Some(program) = process::find_on_path("cargo-deny") else {
        let why = "cargo-deny is not installed (`cargo install --locked cargo-deny`)";
        return match scope {
            Scope::Change => Ok(Outcome::LeftOut(why.into())),
            Scope::Everything => Err(anyhow::anyhow!(why)),
        };
    };
    let mut checks = vec!["bans", "licenses", "sources"];
    let mut outcome = Outcome::Done;
    if scope == Scope::Everything {
        match database() {
            Some(folder) => {
                say(&format!("advisories from {}", folder.display()));
                checks.push("advisories");
            }
            None => {
                outcome = Outcome::LeftOut(
                    "there is no database of advisories; `cargo deny fetch` gets one".into(),
                );
            }
        }
    }
    for folder in WORKSPACES {
        let mut command = std::process::Command::new(&program);
        command.current_dir(workspace.root.join(folder)).args(["--log-level", "error"]);
        if checks.contains(&"advisories") {
            command.arg("--offline");
        }
        command.arg("--config").arg(workspace.root.join("deny.toml")).arg("check");
        process::run(command.args(&checks)).with_context(|| format!("the workspace {folder}"))?;
    }
    Ok(outcome)
}

/// Where cargo-deny keeps its databases, if there is one.
fn database() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")))?;
    let folder = home.join("advisory-dbs");
    folder.read_dir().ok()?.next().is_some().then_some(folder)
}
