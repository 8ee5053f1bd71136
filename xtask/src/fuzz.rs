//! `cargo xtask fuzz`: builds the fuzzers, holds each corpus against its floor, and lets each fuzzer search for a while.
//!
//! The fuzzers are libFuzzer's, built by the compiler that builds everything else: the flags below are what cargo-fuzz
//! passes, without the address sanitizer, which needs a nightly compiler and finds nothing in code that forbids `unsafe`.
//! `cargo +nightly fuzz run NAME` in `fuzz/` builds the same targets with it.
//!
//! What a search finds of new lies in the target folder until `cargo xtask fuzz --keep` takes it into the corpora.
//!
//! A search from a seed draws the same inputs each time, for as long as the target reaches the same edges with them (hash
//! maps may not). CI searches so: a check that fails by chance tells nothing of the change at hand. Searches that are to
//! find something draw anew.

mod floors;
mod fuzzer;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context as _, Result, bail, ensure};

use self::floors::Floors;
use self::fuzzer::Fuzzer;
use crate::process::{self, say};
use crate::workspace::Workspace;

/// Coverage counters at every edge and traced comparisons, for libFuzzer to steer by.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg",
    "fuzzing",
];

/// Where a search's chance comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seed {
    /// Another each time, beginning from all that was found so far.
    Fresh,
    /// This one, beginning from the corpus alone, whose files are taken in order.
    Fixed(NonZero<u32>),
}

/// What to do with each fuzzer once its corpus has been held against its floor.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Search for so long, from this seed.
    Search(Duration, Seed),
    /// Take what searches have found into the corpus, minimise it, and write its floor anew.
    Keep,
}

/// Builds the fuzzers and puts those to work whose name contains `name`, as many at once as there are processors.
///
/// # Errors
/// If a fuzzer does not build, a corpus covers less than its floor, or an input breaks a promise.
pub(crate) fn run(workspace: &Workspace, work: Work, name: &str) -> Result<()> {
    let folder = workspace.root.join("fuzz");
    let target = workspace.target_directory.join("fuzz");
    let binaries = build(&folder, &target)?;
    let mut floors = Floors::read(&folder)?;
    let fuzzers: Vec<Fuzzer> = names(&folder)?
        .into_iter()
        .filter(|candidate| candidate.contains(name))
        .map(|name| Fuzzer::new(name, &folder, &target, &binaries))
        .collect();
    ensure!(!fuzzers.is_empty(), "no target's name contains {name}");
    let mut failures = 0_u32;
    for (fuzzer, done) in in_parallel(&fuzzers, |fuzzer| fuzzer.work(work, &floors)) {
        match done {
            Ok(told) => {
                say(&format!("{:>20}  {told}", fuzzer.name));
                if let Work::Keep = work {
                    floors.set(&fuzzer.name, told.covered);
                }
            }
            Err(error) => {
                say(&format!("{:>20}  FAILED: {error:#}", fuzzer.name));
                failures = failures.saturating_add(1);
            }
        }
    }
    if failures > 0 {
        bail!("{failures} fuzzer(s) failed");
    }
    match work {
        Work::Keep => floors.write(&folder),
        Work::Search(..) => Ok(()),
    }
}

/// Compiles all fuzzers and returns the folder of their binaries.
///
/// Their lock file follows ours: a crate of ours that asks for something new must not break what is never part of a node.
fn build(folder: &Path, target: &Path) -> Result<PathBuf> {
    let host = host()?;
    process::run(
        process::cargo()
            .current_dir(folder)
            .args(["build", "--bins", "--target", &host, "--target-dir"])
            .arg(target)
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}")),
    )
    .context("the fuzzers do not build")?;
    Ok(target.join(host).join("debug"))
}

/// The name of this machine's target: naming it keeps the flags away from build scripts and macros.
fn host() -> Result<String> {
    let version = process::capture(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not tell its host")
}

/// The names of all targets, in order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join("fuzz_targets")).context("could not list the targets")? {
        let path = entry.context("could not list the targets")?.path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Does the work for each item, and gives the outcomes in the items' order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<(&T, R)> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let waiting = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..workers.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no worker panics with the lock").next();
                    let Some((place, item)) = next else { break };
                    let outcome = work(item);
                    done.lock()
                        .expect("no worker panics with the lock")
                        .push((place, item, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker panics with the lock");
    done.sort_by_key(|(place, ..)| *place);
    done.into_iter().map(|(_, item, outcome)| (item, outcome)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_in_parallel_comes_back_in_order() {
        let items: Vec<u32> = (0..50).collect();
        let doubled: Vec<u32> =
            in_parallel(&items, |item| item * 2).into_iter().map(|(_, double)| double).collect();
        assert_eq!(doubled, (0..50).map(|item| item * 2).collect::<Vec<_>>());
    }
}
