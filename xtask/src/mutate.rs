//! Proves that the simulated world notices broken guards: plants each mutation of `xtask/mutations.toml` into a copy of
//! the source, and runs seeds there until one breaks a law.
//!
//! A contributor runs it after a change to the simulator or to what it guards; CI does not, since every mutation is a
//! build. **Invariant:** the working tree is only read.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::process::{self, Stopwatch};

/// The list, from the root.
const LIST: &str = "xtask/mutations.toml";
/// Seeds that a mutation may survive before it counts as unnoticed.
const SEEDS: u64 = 300;
/// Steps of the storm of each.
const STEPS: u64 = 3_000;

/// All mutations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutations {
    mutation: Vec<Mutation>,
}

/// One broken guard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutation {
    /// What is wrong, in words.
    name: String,
    /// Where, from the root.
    file: PathBuf,
    /// What stands there.
    from: String,
    /// What stands there instead.
    to: String,
}

impl Mutation {
    /// The file's text with the guard broken.
    fn plant(&self, root: &Path) -> Result<String> {
        let text = fs::read_to_string(root.join(&self.file))
            .with_context(|| format!("{} cannot be read", self.file.display()))?;
        let found = text.matches(&self.from).count();
        ensure!(
            found == 1,
            "`{}` finds its place {found} times in {}: correct {LIST}",
            self.name,
            self.file.display(),
        );
        Ok(text.replacen(&self.from, &self.to, 1))
    }
}

fn load(root: &Path) -> Result<Vec<Mutation>> {
    let text = fs::read_to_string(root.join(LIST)).with_context(|| format!("no {LIST}"))?;
    let list: Mutations = toml::from_str(&text).with_context(|| format!("{LIST} is malformed"))?;
    Ok(list.mutation)
}

/// How a mutation was noticed.
#[derive(Debug)]
struct Noticed {
    /// What the simulated world said.
    words: String,
    /// Steps it took, those of seeds that noticed nothing included.
    steps: u64,
}

/// Runs every mutation whose name contains `only`, and prints a row of a table for each: what noticed it, and when.
///
/// # Errors
/// If a mutation is not noticed, has lost its place, or does not compile.
pub(crate) fn run(root: &Path, only: &str) -> Result<()> {
    let home = root.join("target/mutants");
    let copy = home.join("source");
    copy_source(root, &copy)?;
    let mut unnoticed = Vec::new();
    let mutations = load(root)?;
    for mutation in mutations.iter().filter(|mutation| mutation.name.contains(only)) {
        let watch = Stopwatch::start();
        let at = copy.join(&mutation.file);
        fs::write(&at, mutation.plant(root)?)?;
        let verdict = judge(&copy, &home.join("build"), mutation);
        fs::copy(root.join(&mutation.file), &at)?;
        let took = watch.elapsed().as_secs();
        match verdict? {
            Some(Noticed { words, steps }) => {
                writeln!(io::stdout(), "| {} | {words} | {steps} | {took} |", mutation.name)?;
            }
            None => {
                let row =
                    format!("| {} | **nobody**, in {SEEDS} seeds | - | {took} |", mutation.name);
                writeln!(io::stdout(), "{row}")?;
                unnoticed.push(mutation.name.as_str());
            }
        }
    }
    ensure!(unnoticed.is_empty(), "nobody noticed: {}", unnoticed.join("; "));
    Ok(())
}

/// Builds the mutant and runs seeds; what the first that failed said.
fn judge(copy: &Path, build: &Path, mutation: &Mutation) -> Result<Option<Noticed>> {
    let built = process::run(
        process::cargo()
            .current_dir(copy)
            .args(["build", "--quiet", "--locked", "--workspace", "--bin", "strait-sim"])
            .args(["--profile", "sim", "--target-dir"])
            .arg(build),
    );
    built.with_context(|| format!("`{}` does not compile", mutation.name))?;
    let ran = Command::new(build.join("sim/strait-sim"))
        .args(["--seed", "1", "--seeds", &SEEDS.to_string(), "--steps", &STEPS.to_string()])
        .args(["--lines", "1", "--logs"])
        .arg(build)
        .stderr(Stdio::null())
        .output()
        .context("the simulated world does not start")?;
    let said = String::from_utf8(ran.stdout).context("the simulated world does not speak UTF-8")?;
    // A panic's words may go over several lines; the first names the seed and the step.
    match (ran.status.code(), said.lines().rfind(|line| line.starts_with("seed "))) {
        (Some(0), _) => Ok(None),
        (Some(1), Some(noticed)) => Ok(Some(Noticed {
            words: noticed.chars().filter(|c| *c != '|').take(160).collect(),
            steps: steps_before(&said).saturating_add(last_step(noticed)),
        })),
        _ => bail!("the simulated world ended with {}", ran.status),
    }
}

/// Steps of the seeds that noticed nothing.
fn steps_before(said: &str) -> u64 {
    said.lines()
        .filter(|line| line.starts_with("seed ") && line.contains("Report {"))
        .filter_map(|line| number_after(line, "steps: "))
        .sum()
}

/// The step at which the last seed noticed.
fn last_step(line: &str) -> u64 {
    number_after(line, ": step ").unwrap_or(0)
}

fn number_after(line: &str, mark: &str) -> Option<u64> {
    let (_, rest) = line.split_once(mark)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Copies what git knows, so that nothing built or private comes along; files that have not changed keep their times.
fn copy_source(root: &Path, to: &Path) -> Result<()> {
    let listed = process::capture(Command::new("git").current_dir(root).args(["ls-files"]))?;
    for file in listed.lines() {
        let (source, target) = (root.join(file), to.join(file));
        let bytes = fs::read(&source).with_context(|| format!("{file} cannot be read"))?;
        if fs::read(&target).is_ok_and(|known| known == bytes) {
            continue;
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&target, bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_up_to_the_one_that_noticed() {
        let said = "seed 1: Report { steps: 40, nodes: 2 }\nseed 2 steps 3000: step 17: a panic";
        assert_eq!((steps_before(said), last_step(said.lines().last().unwrap())), (40, 17));
    }

    #[test]
    fn every_mutation_has_one_place_in_the_source_and_changes_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for mutation in load(root).unwrap() {
            let planted = mutation.plant(root).unwrap();
            assert_ne!(planted, fs::read_to_string(root.join(&mutation.file)).unwrap());
        }
    }
}
