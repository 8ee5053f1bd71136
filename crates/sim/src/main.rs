//! `strait-sim`: runs the simulated world from seeds, and replays the one that failed.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use strait_log::{Fault, WriteNumber};
use strait_sim::{Place, Plan, Spoilt, Topology, Weather, run};

/// Two nodes in a simulated world, judged after every step.
#[derive(Debug, Parser)]
#[command(name = "strait-sim")]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Steps of each storm.
    #[arg(long, default_value_t = 5_000)]
    steps: u64,
    /// Decide by the bytes of this file instead, as a fuzzer does; the seed then makes the keys alone.
    #[arg(long)]
    bytes: Option<std::path::PathBuf>,
    /// Nothing goes wrong by itself, and users do a little of everything.
    #[arg(long)]
    brisk: bool,
    /// A write that goes wrong: whose, which and how, as in `alice:17:torn`; or `before`, `after`, `full`.
    #[arg(long, value_parser = spoilt)]
    spoil: Vec<Spoilt>,
    /// How many lines of the trace a failure tells.
    #[arg(long, default_value_t = strait_sim::LINES)]
    lines: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout().lock();
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let mut plan = Plan {
            topology: arguments.brisk.then(Topology::pair),
            weather: arguments.brisk.then(Weather::brisk),
            spoilt: arguments.spoil.clone(),
            lines: arguments.lines,
            ..Plan::of_seed(seed, arguments.steps)
        };
        if let Some(path) = &arguments.bytes {
            match std::fs::read(path) {
                Ok(bytes) => plan = Plan { lines: arguments.lines, ..Plan::of_bytes(&bytes) },
                Err(error) => {
                    let _ = writeln!(out, "cannot read {}: {error}", path.display());
                    return ExitCode::FAILURE;
                }
            }
        }
        match run(plan) {
            Ok(report) => {
                let _ = writeln!(out, "seed {seed}: {report:?}");
            }
            Err(failure) => {
                for line in &failure.last {
                    let _ = writeln!(out, "{line}");
                }
                let _ = writeln!(out, "seed {seed} steps {}: {failure}", arguments.steps);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn spoilt(text: &str) -> Result<Spoilt, &'static str> {
    const FORM: &str = "expected whose, which and how, as in alice:17:torn";
    let [place, write, fault] = text.split(':').collect::<Vec<_>>().try_into().map_err(|_| FORM)?;
    let place = Place::of_name(place).ok_or(FORM)?;
    let write = WriteNumber(write.parse().map_err(|_| FORM)?);
    let fault = match fault {
        "before" => Fault::CrashBefore,
        "torn" => Fault::CrashTorn,
        "after" => Fault::CrashAfter,
        "full" => Fault::Full,
        _ => return Err(FORM),
    };
    Ok(Spoilt { place, write, fault })
}
