//! One fuzzer: its binary, its corpus, and what it says of itself.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::floors::Floors;
use super::{Seed, Work};

/// Seconds after which one input is called a hang: machines are slow and shared.
const INPUT_SECONDS_MAX: u64 = 60;
/// Memory beyond which an input is called a bomb, in MiB.
const MEMORY_MIB_MAX: u64 = 2_048;
/// Lines of a failed fuzzer's account that are told.
const TOLD_LINES: usize = 40;

/// Keeps a smallest set of inputs that reaches every edge, however often: corpora are checked in.
const MERGE: [&str; 2] = ["-set_cover_merge=1", "-use_counters=0"];

/// One target, built.
#[derive(Debug)]
pub(super) struct Fuzzer {
    /// The target's name.
    pub(super) name: String,
    binary: PathBuf,
    /// What is checked in.
    corpus: PathBuf,
    /// What searches have found since.
    found: PathBuf,
    /// Where inputs lie that broke a promise.
    crashes: PathBuf,
}

/// What a fuzzer did.
#[derive(Debug)]
pub(super) struct Told {
    /// Edges that the corpus reaches.
    pub(super) covered: u64,
    /// Inputs tried in the search.
    tried: u64,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} edges by its corpus, {} inputs tried", self.covered, self.tried)
    }
}

impl Fuzzer {
    /// The fuzzer of this name.
    pub(super) fn new(name: String, folder: &Path, target: &Path, binaries: &Path) -> Self {
        Self {
            binary: binaries.join(&name),
            corpus: folder.join("corpus").join(&name),
            found: target.join("found").join(&name),
            crashes: target.join("crashes").join(&name),
            name,
        }
    }

    /// Replays the corpus, and does the rest of the work.
    ///
    /// # Errors
    /// If an input breaks a promise, or the corpus covers less than its floor.
    pub(super) fn work(&self, work: Work, floors: &Floors) -> Result<Told> {
        for folder in [&self.found, &self.crashes] {
            fs::create_dir_all(folder)
                .with_context(|| format!("could not make {}", folder.display()))?;
        }
        match work {
            Work::Search(time, seed) => {
                let covered = self.covered()?;
                let floor = floors.of(&self.name);
                ensure!(
                    covered >= floor,
                    "the corpus reaches {covered} edges, its floor is {floor}"
                );
                Ok(Told { covered, tried: self.search(time, seed)? })
            }
            Work::Keep => {
                self.keep()?;
                Ok(Told { covered: self.covered()?, tried: 0 })
            }
        }
    }

    /// The edges that the corpus reaches.
    fn covered(&self) -> Result<u64> {
        let account = self.run(&["-runs=0".to_owned()], &[&self.corpus])?;
        number_after(&account, "cov: ").context("the fuzzer does not tell what it covers")
    }

    /// Searches, and returns how many inputs it tried.
    fn search(&self, time: Duration, seed: Seed) -> Result<u64> {
        let time = format!("-max_total_time={}", time.as_secs().max(1));
        let account = match seed {
            Seed::Fresh => self.run(&[time], &[&self.found, &self.corpus])?,
            Seed::Fixed(seed) => {
                let inputs = format!("-seed_inputs=@{}", self.list_corpus()?.display());
                self.run(&[time, format!("-seed={seed}"), inputs], &[])?
            }
        };
        Ok(number_after(&account, "Done ").unwrap_or_default())
    }

    /// Writes the paths of the corpus in order, and returns where: a folder's own order differs from clone to clone.
    fn list_corpus(&self) -> Result<PathBuf> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.corpus).context("could not list the corpus")? {
            let path = entry.context("could not list the corpus")?.path();
            paths.push(path.display().to_string());
        }
        paths.sort();
        let list = self.found.with_extension("list");
        fs::write(&list, paths.join(",")).context("could not write the corpus's list")?;
        Ok(list)
    }

    /// Makes the corpus the smallest that covers what it and the finds cover.
    fn keep(&self) -> Result<()> {
        let fresh = self.corpus.with_extension("new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)
                .context("could not remove a folder left by an earlier run")?;
        }
        fs::create_dir_all(&fresh).context("could not make a folder for the corpus")?;
        self.run(&MERGE.map(str::to_owned), &[&fresh, &self.corpus, &self.found])?;
        fs::remove_dir_all(&self.corpus).context("could not remove the old corpus")?;
        fs::rename(&fresh, &self.corpus).context("could not move the new corpus to its place")
    }

    /// Runs the binary to its end and returns what it says.
    fn run(&self, options: &[String], folders: &[&PathBuf]) -> Result<String> {
        let output = Command::new(&self.binary)
            .args(options)
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .arg(format!("-artifact_prefix={}/", self.crashes.display()))
            .args(folders)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("could not start {}", self.binary.display()))?;
        let account = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            let lines: Vec<&str> = account.lines().collect();
            let last = lines.get(lines.len().saturating_sub(TOLD_LINES)..).unwrap_or_default();
            bail!(
                "{}; the input lies in {}\n{}",
                output.status,
                self.crashes.display(),
                last.join("\n")
            );
        }
        Ok(account)
    }
}

/// The last number in the text that follows these words.
fn number_after(text: &str, words: &str) -> Option<u64> {
    let (_, after) = text.rsplit_once(words)?;
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_a_fuzzers_account() {
        let account =
            "#2\tINITED cov: 12 ft: 13\n#9\tDONE   cov: 345 ft: 9\nDone 678 runs in 1 second(s)\n";
        for (words, expect) in [("cov: ", Some(345)), ("Done ", Some(678)), ("absent: ", None)] {
            assert_eq!(number_after(account, words), expect, "{words}");
        }
    }
}
