//! A bitcoind for the tests: the one you name, the one you have, the one we built, or one we build now.
//!
//! Looked for in this order: `BITCOIND_EXE`, PATH, the cache of this user. Whatever is found is asked for its version,
//! because the protocol needs relay rules that older nodes do not have. The cache lies outside `target/`, so that
//! `cargo clean` does not cost ten minutes.
//!
//! **Invariant:** the cache holds complete builds only; a build appears there by one rename.

mod build;
mod debian;

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::process::{self, Stopwatch, say};

/// The version of Bitcoin Core whose source the pinned crate carries.
const BUILT_VERSION: &str = "31.99";

/// The oldest major version that relays what Strait publishes: version-3 packages whose anchor is worth nothing
/// ("ephemeral dust") came with 29.
const VERSION_MAJOR_MIN: u32 = 29;

/// A bitcoind that can run our tests.
#[derive(Debug)]
pub(crate) struct Bitcoind {
    /// The executable.
    pub(crate) exe: PathBuf,
    /// How we came by it.
    pub(crate) origin: Origin,
}

/// How we came by a bitcoind.
#[derive(Debug)]
pub(crate) enum Origin {
    /// `BITCOIND_EXE` names it.
    Environment,
    /// It is the first on PATH.
    Path,
    /// An earlier run built it.
    Cache,
    /// This run built it, in this time.
    Built(Duration),
}

/// Finds a usable bitcoind, or builds one into the cache.
///
/// # Errors
/// If `BITCOIND_EXE` names something unusable, if tools for the build are missing and cannot be installed, or if the
/// build fails.
pub(crate) fn locate() -> Result<Bitcoind> {
    if let Some(exe) = env::var_os("BITCOIND_EXE").filter(|value| !value.is_empty()) {
        let exe = PathBuf::from(exe);
        require_usable(&exe).context("BITCOIND_EXE does not name a usable bitcoind")?;
        return Ok(Bitcoind { exe, origin: Origin::Environment });
    }
    if let Some(exe) = process::find_on_path("bitcoind") {
        match require_usable(&exe) {
            Ok(()) => return Ok(Bitcoind { exe, origin: Origin::Path }),
            Err(why) => say(&format!("passing over {}: {why:#}", exe.display())),
        }
    }
    let cache = cache_directory()?;
    fs::create_dir_all(&cache).with_context(|| format!("could not make {}", cache.display()))?;
    cached_or_built(&cache)
}

/// Takes the lock first, so that two runs at once build once.
fn cached_or_built(cache: &Path) -> Result<Bitcoind> {
    let home = cache.join(format!("bitcoind-{BUILT_VERSION}"));
    let exe = home.join("bitcoind");
    let lock = File::create(cache.join("bitcoind.lock")).context("could not make the lock file")?;
    lock.lock().context("could not lock the cache")?;
    if require_usable(&exe).is_ok() {
        return Ok(Bitcoind { exe, origin: Origin::Cache });
    }
    let watch = Stopwatch::start();
    // Whatever lies there is left from a run that was killed: we hold the lock.
    let scratch = cache.join("bitcoind-build");
    remove_directory(&scratch)?;
    let built = build::build(&scratch)?;
    require_usable(&built.join("bitcoind")).context("the bitcoind just built does not work")?;
    remove_directory(&home)?;
    fs::rename(&built, &home).context("could not move the build into the cache")?;
    remove_directory(&scratch)?;
    Ok(Bitcoind { exe, origin: Origin::Built(watch.elapsed()) })
}

fn remove_directory(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// `$XDG_CACHE_HOME/strait`, or `~/.cache/strait` where that is unset or relative.
///
/// # Errors
/// If neither variable says where.
pub(crate) fn cache_directory() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .ok_or_else(|| anyhow!("no place for a cache: neither XDG_CACHE_HOME nor HOME is set"))?;
    Ok(base.join("strait"))
}

fn require_usable(exe: &Path) -> Result<()> {
    ensure!(exe.is_file(), "{} is not a file", exe.display());
    let greeting = process::capture(Command::new(exe).arg("--version"))?;
    let major = version_major(&greeting)
        .with_context(|| format!("{} does not tell a version", exe.display()))?;
    ensure!(
        major >= VERSION_MAJOR_MIN,
        "it is version {major}; Strait needs {VERSION_MAJOR_MIN} or later"
    );
    Ok(())
}

/// The major version in a greeting such as `Bitcoin Core daemon version v29.1.0`.
fn version_major(greeting: &str) -> Option<u32> {
    let (_, version) = greeting.lines().next()?.split_once("version v")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_the_greeting() {
        for (greeting, expect) in [
            ("Bitcoin Core daemon version v31.99.0 bitcoind\nCopyright", Some(31)),
            ("Bitcoin Core daemon version v29.1rc1", Some(29)),
            ("Bitcoin Core version v0.21.2", Some(0)),
            ("version vNext", None),
            ("command not found", None),
            ("", None),
        ] {
            assert_eq!(version_major(greeting), expect, "{greeting}");
        }
    }

    #[test]
    fn what_is_not_a_bitcoind_is_not_usable() {
        let directory = tempfile::tempdir().unwrap();
        assert!(require_usable(directory.path()).is_err());
        assert!(require_usable(&directory.path().join("absent")).is_err());
        assert!(require_usable(Path::new("/bin/true")).is_err());
    }
}
