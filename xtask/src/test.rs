//! `cargo xtask test`: every check that CI runs, cheapest first, stopping at the first that fails.
//!
//! All compiling steps share one profile, one set of features and one set of compiler flags, so that each builds on
//! what the last one left. Only `traces` has a set of its own, of one small crate.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::bitcoind::{self, Origin};
use crate::process::{self, Stopwatch, say};
use crate::workspace::Workspace;
use crate::{audit, contracts, deny, fuzz, layers, operations, sight, tidy};

/// How long each fuzzer searches.
const FUZZ_TIME: Duration = Duration::from_secs(10);
/// What its inputs are drawn from: the same ones each time.
const FUZZ_SEED: fuzz::Seed = fuzz::Seed::Fixed(NonZero::<u32>::MIN);

/// Runs the steps one after the other and keeps their times.
struct Steps {
    total: Stopwatch,
    done: Vec<(&'static str, Duration)>,
    /// What this machine could not check, said again at the end.
    left_out: Vec<String>,
}

/// Runs all checks on `workspace`.
///
/// # Errors
/// If a step fails; the error names it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Steps { total: Stopwatch::start(), done: Vec::new(), left_out: Vec::new() };
    steps.step("format", || process::run(cargo(workspace).args(["fmt", "--all", "--check"])))?;
    steps.step("layers", || layers::check(workspace))?;
    steps.step("tidy", || tidy::check(&workspace.root))?;
    steps.step("audit", || audit::check(workspace))?;
    steps.step("sight", || sight::check(workspace))?;
    let denied = steps.step("dependencies", || deny::run(workspace, deny::Scope::Change))?;
    if let deny::Outcome::LeftOut(why) = denied {
        steps
            .left_out
            .push(format!("licences and sources of dependencies were not checked: {why}"));
    }
    steps.step("shell scripts", || check_shell_scripts(&workspace.root))?;
    let bitcoind = steps.step("bitcoind", prepare_bitcoind)?;
    steps.step("clippy", || {
        process::run(
            cargo(workspace)
                .args(["clippy", "--locked", "--workspace", "--all-targets"])
                .args(["--", "--deny", "warnings"]),
        )
    })?;
    steps.step("contracts' source", || check_contracts_source(workspace))?;
    let modules =
        steps.step("contracts' modules", || contracts::run(contracts::Mode::CheckIfBuildable))?;
    if let contracts::Outcome::NotCompared(why) = modules {
        steps
            .left_out
            .push(format!("the contracts' modules were not compared with their source: {why}"));
    }
    steps.step("tests", || process::run(test_command(workspace).env("BITCOIND_EXE", &bitcoind)))?;
    // After the tests, which leave the binary that judges the settings.
    let left_out = steps.step("operations", || operations::run(workspace))?;
    steps.left_out.extend(left_out);
    steps.step("documentation tests", || {
        process::run(cargo(workspace).args(["test", "--locked", "--workspace", "--doc"]))
    })?;
    steps.step("traces", || check_traces(workspace))?;
    steps.step("fuzzers", || fuzz::run(workspace, fuzz::Work::Search(FUZZ_TIME, FUZZ_SEED), ""))?;
    // Asking for examples makes cargo resolve dev-dependencies too. Without them the features of our dependencies would
    // differ from those of the steps above, and cargo would check most of them again.
    steps.step("documentation", || {
        process::run(
            cargo(workspace)
                .args(["doc", "--locked", "--workspace", "--no-deps"])
                .args(["--lib", "--bins", "--examples"])
                .env("RUSTDOCFLAGS", "--deny warnings"),
        )
    })?;
    steps.report();
    Ok(())
}

impl Steps {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        say(&format!("== {name}"));
        let watch = Stopwatch::start();
        let outcome = work();
        let took = watch.elapsed();
        match outcome {
            Ok(value) => {
                say(&format!("== {name}: passed in {:.1} s", took.as_secs_f64()));
                self.done.push((name, took));
                Ok(value)
            }
            Err(error) => {
                say(&format!("== {name}: FAILED after {:.1} s", took.as_secs_f64()));
                Err(error.context(format!("step `{name}` failed")))
            }
        }
    }

    fn report(&self) {
        say("== all passed");
        for (name, took) in &self.done {
            say(&format!("{:>8.1} s  {name}", took.as_secs_f64()));
        }
        say(&format!("{:>8.1} s  in all", self.total.elapsed().as_secs_f64()));
        for what in &self.left_out {
            say(&format!("== LEFT OUT: {what}"));
        }
    }
}

fn cargo(workspace: &Workspace) -> Command {
    let mut command = process::cargo();
    command.current_dir(&workspace.root);
    command
}

/// nextest where it is installed, because it runs tests of different crates side by side; cargo's own runner elsewhere.
fn test_command(workspace: &Workspace) -> Command {
    let mut command = cargo(workspace);
    if process::find_on_path("cargo-nextest").is_some() {
        command.args(["nextest", "run", "--locked", "--workspace", "--no-fail-fast"]);
    } else {
        // Documentation tests are a step of their own.
        command.args(["test", "--locked", "--workspace", "--lib", "--bins", "--tests"]);
        command.args(["--examples", "--no-fail-fast"]);
    }
    command
}

/// Contracts are a workspace of their own, which the steps above and below do not see.
fn check_contracts_source(workspace: &Workspace) -> Result<()> {
    let chores: [&[&str]; 3] = [
        &["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"],
        &["test", "--locked", "--workspace"],
        &["fmt", "--all", "--check"],
    ];
    for chore in chores {
        process::run(cargo(workspace).current_dir(workspace.root.join("contracts")).args(chore))?;
    }
    Ok(())
}

/// Traces over OTLP are behind a feature that the other steps leave out. Taken into their set it would leave the program that
/// most people run untested; in a set of the whole workspace every crate above telemetry would be compiled twice. That of
/// telemetry alone compiles some thirty crates anew, most of them small, and only once.
fn check_traces(workspace: &Workspace) -> Result<()> {
    let telemetry = ["--package", "strait-telemetry", "--features", "otel", "--lib"];
    process::run(cargo(workspace).args(["test", "--locked"]).args(telemetry))
}

fn prepare_bitcoind() -> Result<PathBuf> {
    let found = bitcoind::locate()?;
    let origin = match found.origin {
        Origin::Environment => "named by BITCOIND_EXE".into(),
        Origin::Path => "found on PATH".into(),
        Origin::Cache => "built by an earlier run".into(),
        Origin::Built(took) => format!("built in {:.0} s", took.as_secs_f64()),
    };
    say(&format!("{} ({origin})", found.exe.display()));
    Ok(found.exe)
}

/// Lets the shell parse each script, and shellcheck judge it where there is one.
fn check_shell_scripts(root: &Path) -> Result<()> {
    let has_shellcheck = process::find_on_path("shellcheck").is_some();
    let mut broken = 0_u32;
    for script in tidy::shell_scripts(root)? {
        let path = root.join(&script.path);
        let mut verdict = process::run(Command::new("bash").arg("-n").arg(&path));
        if has_shellcheck {
            verdict = verdict.and_then(|()| process::run(Command::new("shellcheck").arg(&path)));
        }
        if let Err(error) = verdict.with_context(|| format!("{} is broken", script.path)) {
            say(&format!("{error:#}"));
            broken = broken.saturating_add(1);
        }
    }
    if broken > 0 {
        bail!("{broken} broken shell script(s)");
    }
    Ok(())
}
