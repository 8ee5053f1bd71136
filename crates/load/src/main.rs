//! `strait-load`: steady traffic between real nodes, and what may happen to them meanwhile.
//!
//! It starts the binary it is given as a user would, on a chain and two folders of its own, and speaks to it over its
//! REST interface alone. `soak` runs steady traffic for hours and watches what grows; `faults` makes things go wrong one
//! after the other and watches what the nodes do. `cargo xtask soak` and `cargo xtask faults` build and call it.
//!
//! **Invariant:** whatever happened, a run ends with the two nodes' balances being what was acknowledged, to the
//! millisatoshi; otherwise it fails.

mod alerts;
mod backend;
mod faults;
mod figures;
mod ledger;
mod machine;
mod plot;
mod relay;
mod sample;
mod soak;
mod traffic;
mod world;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use tokio::runtime::Builder;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use crate::backend::Backend;

/// Steady traffic and faults for real nodes.
#[derive(Debug, Parser)]
#[command(name = "strait-load")]
struct Arguments {
    /// The `strait` binary to run.
    #[arg(long, value_name = "FILE")]
    strait: PathBuf,
    /// Where figures and plots go; made if it is missing.
    #[arg(long, value_name = "FOLDER")]
    into: PathBuf,
    #[command(subcommand)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Run {
    /// Steady traffic for a long time; fails if memory, file handles or the log grow without a reason.
    Soak(soak::Soak),
    /// Things go wrong one after the other; fails if a node does not recover, or something is lost.
    Faults(faults::Faults),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.into)
        .with_context(|| format!("{} cannot be made", arguments.into.display()))?;
    // The chain has threads of its own, which may be neither begun nor ended within the runtime.
    let backend = Backend::start();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (strait, into) = (&arguments.strait, &arguments.into);
    runtime.block_on(async {
        let run = async {
            match &arguments.run {
                Run::Soak(soak) => soak.run(&backend, strait, into).await,
                Run::Faults(faults) => faults.run(&backend, strait, into).await,
            }
        };
        // Whatever was mounted or started is put away by being dropped.
        tokio::select! {
            done = run => done,
            stopped = stopped() => stopped.and_then(|()| bail!("stopped before the end")),
        }
    })
}

/// Waits for Ctrl-C, or for a supervisor's word.
async fn stopped() -> Result<()> {
    let mut told = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = ctrl_c() => interrupted?,
        _ = told.recv() => {}
    }
    Ok(())
}

/// Tells the person who waits.
fn say(line: &str) {
    // Whoever waits may have closed the terminal; the run goes on.
    drop(writeln!(std::io::stderr(), "{line}"));
}
