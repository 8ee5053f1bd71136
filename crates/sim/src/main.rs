//! `strait-sim`: runs the simulated world from seeds, and replays the one that failed.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use strait_log::{Fault, WriteNumber};
use strait_sim::{Failure, Place, Plan, Spoilt, Topology, Weather, run, tell};

/// Nodes in a simulated world, judged after every step.
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
    bytes: Option<PathBuf>,
    /// Nothing goes wrong by itself, and users do a little of everything.
    #[arg(long)]
    brisk: bool,
    /// A write that goes wrong: whose, which and how, as in `alice:17:torn`; or `before`, `after`, `full`.
    #[arg(long, value_parser = spoilt)]
    spoil: Vec<Spoilt>,
    /// Tells all that happens, also when no law is broken.
    #[arg(long)]
    tell: bool,
    /// Where a failed run leaves its whole log.
    #[arg(long, default_value = "target/sim")]
    logs: PathBuf,
    /// How many lines of the trace a failure tells.
    #[arg(long, default_value_t = strait_sim::LINES)]
    lines: usize,
}

impl Arguments {
    /// The run of a seed, or of the bytes that were given instead.
    fn plan(&self, seed: u64) -> std::io::Result<Plan> {
        let plan = match &self.bytes {
            Some(path) => Plan::of_bytes(&std::fs::read(path)?),
            None => Plan {
                topology: self.brisk.then(Topology::pair),
                weather: self.brisk.then(Weather::brisk),
                ..Plan::of_seed(seed, self.steps)
            },
        };
        Ok(Plan { spoilt: self.spoil.clone(), lines: self.lines, ..plan })
    }

    /// Leaves the whole log of a run that failed; says where, or why it could not.
    fn leave_log(&self, seed: u64, plan: Plan, failure: &Failure) -> String {
        let (mut lines, _) = tell(plan);
        lines.push(failure.to_string());
        lines.push(String::new());
        let path = self.logs.join(format!("seed-{seed}.log"));
        let left = std::fs::create_dir_all(&self.logs);
        match left.and_then(|()| std::fs::write(&path, lines.join("\n"))) {
            Ok(()) => format!("the whole log is in {}", path.display()),
            Err(error) => format!("no log could be left in {}: {error}", path.display()),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout().lock();
    let mut steps = 0_u64;
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let plan = match arguments.plan(seed) {
            Ok(plan) => plan,
            Err(error) => {
                let _ = writeln!(out, "cannot read the bytes: {error}");
                return ExitCode::FAILURE;
            }
        };
        let done = if arguments.tell {
            let (lines, done) = tell(plan.clone());
            lines.iter().for_each(|line| drop(writeln!(out, "{line}")));
            done
        } else {
            run(plan.clone())
        };
        match done {
            Ok(report) => {
                steps += report.steps;
                let _ = writeln!(out, "seed {seed}: {report:?}");
            }
            Err(failure) => {
                for line in failure.last.iter().filter(|_| !arguments.tell) {
                    let _ = writeln!(out, "{line}");
                }
                let log = arguments.leave_log(seed, plan, &failure);
                let _ = writeln!(out, "{log}; {steps} steps before it broke no law");
                let _ = writeln!(out, "seed {seed} steps {}: {failure}", arguments.steps);
                return ExitCode::FAILURE;
            }
        }
    }
    let _ = writeln!(out, "{} seeds, {steps} steps, no law broken", arguments.seeds);
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
