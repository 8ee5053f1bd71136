//! Project chores: `cargo xtask test` and the steps it is made of.
//!
//! A contributor or CI calls this, nobody else: no crate may depend on it. Chores print data on stdout and everything
//! else on stderr, and end with a non-zero exit code when something is wrong.
//!
//! **Invariant:** nothing here is needed to build or run the node.

mod audit;
mod bitcoind;
mod contracts;
mod deny;
mod fuzz;
mod layers;
mod load;
mod mutate;
mod operations;
mod process;
mod replay;
mod sight;
mod test;
mod tidy;
mod workspace;

use std::io::{self, Write as _};
use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;

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
    /// Checks that what `audit/` points at exists, and that every dependency has its paragraph there.
    Audit,
    /// Prints the path of a usable bitcoind; builds one if there is none.
    Bitcoind,
    /// Rebuilds the example contracts from source, and replaces their checked-in modules.
    Contracts {
        /// Only compares; fails when a rebuild differs.
        #[arg(long)]
        check: bool,
    },
    /// Checks licences, sources and duplicates of dependencies, and looks up what is known to be vulnerable.
    Deny,
    /// Lets things go wrong one after the other on two real nodes under traffic, and sees what they do.
    Faults {
        /// Only those whose name contains this.
        #[arg(default_value = "")]
        name: String,
        #[command(flatten)]
        load: load::Load,
    },
    /// Holds the fuzzers' corpora against their floors, and lets each fuzzer search.
    Fuzz {
        /// Only those whose name contains this.
        #[arg(default_value = "")]
        name: String,
        /// How long each searches.
        #[arg(long, default_value_t = 1)]
        minutes: u64,
        /// Draws inputs from this number, as CI does from 1; without it each search draws others.
        #[arg(long)]
        seed: Option<NonZero<u32>>,
        /// Takes what searches have found into the corpora instead, minimised, and writes their floors.
        #[arg(long, conflicts_with = "seed")]
        keep: bool,
    },
    /// Checks that crates import only crates of lower levels, and that manifests follow the house rules.
    Layers,
    /// Plants broken guards into a copy of the source, and shows that the simulated world notices each.
    Mutate {
        /// Only those whose name contains this.
        #[arg(default_value = "")]
        name: String,
    },
    /// Checks what deploys the node: chart, image, workflows, scripts, units, rules of Prometheus.
    Operations,
    /// Steps through a run of the simulated world in words.
    Replay(replay::Replay),
    /// Checks that alerts, dashboard and runbooks speak of metrics and pages that exist, and runs the alerts' cases.
    Sight {
        /// Asks every expression of running nodes too, through a Prometheus that it starts.
        #[arg(long)]
        live: bool,
    },
    /// Steady traffic between two real nodes for hours, and a look at what grows.
    Soak {
        /// How long.
        #[arg(long, default_value_t = 1.0)]
        hours: f64,
        #[command(flatten)]
        load: load::Load,
    },
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
        Chore::Audit => {
            let workspace = Workspace::load()?;
            audit::check(&workspace)?;
            sight::check(&workspace)
        }
        Chore::Bitcoind => {
            let found = bitcoind::locate()?;
            writeln!(io::stdout(), "{}", found.exe.display())?;
            Ok(())
        }
        Chore::Contracts { check: true } => contracts::run(contracts::Mode::Check).map(drop),
        Chore::Contracts { check: false } => contracts::run(contracts::Mode::Write).map(drop),
        Chore::Deny => {
            if let deny::Outcome::LeftOut(why) =
                deny::run(&Workspace::load()?, deny::Scope::Everything)?
            {
                process::say(&format!("left out: {why}"));
            }
            Ok(())
        }
        Chore::Faults { name, load } => {
            load::run(&Workspace::load()?, "faults", std::slice::from_ref(name), load)
        }
        Chore::Fuzz { name, minutes, seed, keep } => {
            let time = Duration::from_secs(minutes.saturating_mul(60));
            let seed = seed.map_or(fuzz::Seed::Fresh, fuzz::Seed::Fixed);
            let work = if *keep { fuzz::Work::Keep } else { fuzz::Work::Search(time, seed) };
            fuzz::run(&Workspace::load()?, work, name)
        }
        Chore::Layers => layers::check(&Workspace::load()?),
        Chore::Mutate { name } => mutate::run(&Workspace::load()?.root, name),
        Chore::Operations => {
            for what in operations::run(&Workspace::load()?)? {
                process::say(&format!("left out: {what}"));
            }
            Ok(())
        }
        Chore::Replay(replay) => replay::run(&Workspace::load()?.root, replay),
        Chore::Sight { live } => {
            let depth = if *live { sight::Depth::Live } else { sight::Depth::Files };
            sight::run(&Workspace::load()?, depth)
        }
        Chore::Soak { hours, load } => {
            let options = ["--hours".to_owned(), hours.to_string()];
            load::run(&Workspace::load()?, "soak", &options, load)
        }
        Chore::Tidy => tidy::check(&Workspace::load()?.root),
    }
}
