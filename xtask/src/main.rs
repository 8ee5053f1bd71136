//! Project chores: `cargo xtask test` and the steps it is made of.
//!
//! A contributor or CI calls this, nobody else: no crate may depend on it. Chores print data on stdout and everything
//! else on stderr, and end with a non-zero exit code when something is wrong.
//!
//! **Invariant:** nothing here is needed to build or run the node.

mod bitcoind;
mod contracts;
mod layers;
mod mutate;
mod process;
mod replay;
mod test;
mod tidy;
mod workspace;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Project chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
enum Chore {
    /// Runs every check that CI runs, in order, and stops at the first that fails.
    Test,
    /// Prints the path of a usable bitcoind; builds one if there is none.
    Bitcoind,
    /// Rebuilds the example contracts from source, and replaces their checked-in modules.
    Contracts {
        /// Only compares; fails when a rebuild differs.
        #[arg(long)]
        check: bool,
    },
    /// Checks that crates import only crates of lower levels, and that manifests follow the house rules.
    Layers,
    /// Plants broken guards into a copy of the source, and shows that the simulated world notices each.
    Mutate {
        /// Only those whose name contains this.
        #[arg(default_value = "")]
        name: String,
    },
    /// Steps through a run of the simulated world in words.
    Replay(replay::Replay),
    /// Checks the parts of the style that are cheap to check.
    Tidy,
}

fn main() -> ExitCode {
    let Arguments { chore } = Arguments::parse();
    match perform(&chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn perform(chore: &Chore) -> Result<()> {
    match chore {
        Chore::Test => test::run(&Workspace::load()?),
        Chore::Bitcoind => {
            let found = bitcoind::locate()?;
            writeln!(io::stdout(), "{}", found.exe.display())?;
            Ok(())
        }
        Chore::Contracts { check: true } => contracts::run(contracts::Mode::Check).map(drop),
        Chore::Contracts { check: false } => contracts::run(contracts::Mode::Write).map(drop),
        Chore::Layers => layers::check(&Workspace::load()?),
        Chore::Mutate { name } => mutate::run(&Workspace::load()?.root, name),
        Chore::Replay(replay) => replay::run(&Workspace::load()?.root, replay),
        Chore::Tidy => tidy::check(&Workspace::load()?.root),
    }
}
