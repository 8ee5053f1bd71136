//! `fuzz/floors.toml`: the least coverage that each corpus must reach, so that none rots unnoticed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Of the coverage measured when a floor is written, this many hundredths: another compiler inlines otherwise.
const KEPT_PERCENT: u64 = 85;

/// What opens the file.
const HEADER: &str = "\
# The least coverage (libFuzzer's `cov`: edges reached) of each corpus when it is replayed; `cargo xtask fuzz` checks it
# and `cargo xtask fuzz --keep` writes it, somewhat below what was measured.

";

/// Floors by target.
#[derive(Debug)]
pub(super) struct Floors(BTreeMap<String, u64>);

impl Floors {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or is not a table of numbers.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let text = fs::read_to_string(folder.join("floors.toml"))
            .context("could not read fuzz/floors.toml")?;
        Ok(Self(toml::from_str(&text).context("fuzz/floors.toml is malformed")?))
    }

    /// The floor of a target; a new target has none.
    pub(super) fn of(&self, target: &str) -> u64 {
        self.0.get(target).copied().unwrap_or_default()
    }

    /// Takes a floor from what was measured.
    pub(super) fn set(&mut self, target: &str, covered: u64) {
        self.0.insert(target.to_owned(), covered.saturating_mul(KEPT_PERCENT) / 100);
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let mut text = HEADER.to_owned();
        for (target, floor) in &self.0 {
            writeln!(text, "{target} = {floor}").context("writing to memory")?;
        }
        fs::write(folder.join("floors.toml"), text).context("could not write fuzz/floors.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_lies_below_what_was_measured_and_survives_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut floors = Floors(BTreeMap::new());
        floors.set("some", 1_000);
        floors.write(folder.path()).unwrap();
        let read = Floors::read(folder.path()).unwrap();
        assert_eq!((read.of("some"), read.of("other")), (850, 0));
    }
}
