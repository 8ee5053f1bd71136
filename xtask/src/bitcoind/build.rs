//! Builds bitcoind and bitcoin-cli from the source that a crate of the registry carries.
//!
//! Many machines can reach a crate registry and nothing else, and cargo verifies what it fetches by checksum; hence
//! this way and not a download. The wallet, the tests and everything else we do not use is left out of the build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};
use serde::Deserialize;

use super::debian;
use crate::process::{self, say};

/// The manifest of the crate that makes cargo fetch the source.
const SOURCE_MANIFEST: &str = include_str!("source.toml");
/// Its lock file, with the checksum of the source.
const SOURCE_LOCK: &str = include_str!("source.lock");
/// The crate whose folder `bitcoin/` is Bitcoin Core.
const SOURCE_CRATE: &str = "libbitcoinkernel-sys";

/// Parts of Bitcoin Core to build, and parts to leave out.
const OPTIONS: &[&str] = &[
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_DAEMON=ON",
    "-DBUILD_CLI=ON",
    "-DENABLE_WALLET=OFF",
    "-DBUILD_TESTS=OFF",
    "-DBUILD_BENCH=OFF",
    "-DBUILD_TX=OFF",
    "-DBUILD_UTIL=OFF",
    "-DENABLE_IPC=OFF",
    "-DWITH_ZMQ=OFF",
    "-DWITH_EMBEDDED_ASMAP=OFF",
];

/// The programs kept of a build.
const PROGRAMS: [&str; 2] = ["bitcoind", "bitcoin-cli"];

/// The little we read of `cargo metadata`.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A fetched crate.
#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// Builds inside `scratch` and returns a directory there that holds the finished programs and nothing else.
///
/// # Errors
/// If tools are missing and cannot be installed, or if fetching or building fails.
pub(super) fn build(scratch: &Path) -> Result<PathBuf> {
    say("no usable bitcoind found: building one, once; this takes about ten minutes on two cores");
    debian::ensure_build_tools()?;

    // A copy, because the build writes beside its source and cargo's own copy must stay as it was verified.
    let source = scratch.join("bitcoin");
    process::run(
        Command::new("cp").arg("-R").arg(fetch_source(&scratch.join("fetch"))?).arg(&source),
    )?;
    let objects = scratch.join("objects");
    process::run(
        Command::new("cmake")
            .args(["-G", "Ninja", "-S"])
            .arg(&source)
            .arg("-B")
            .arg(&objects)
            .args(OPTIONS),
    )?;
    process::run(Command::new("ninja").arg("-C").arg(&objects).args(PROGRAMS))?;

    let finished = scratch.join("finished");
    fs::create_dir(&finished).context("could not make a directory for the programs")?;
    for program in PROGRAMS {
        fs::copy(objects.join("bin").join(program), finished.join(program))
            .with_context(|| format!("the build did not leave a {program}"))?;
    }
    Ok(finished)
}

/// Has cargo fetch the crate, and returns the folder of Bitcoin Core inside it.
fn fetch_source(directory: &Path) -> Result<PathBuf> {
    let manifest = directory.join("Cargo.toml");
    fs::create_dir_all(directory.join("src")).context("could not make a crate")?;
    fs::write(&manifest, SOURCE_MANIFEST).context("could not write a manifest")?;
    fs::write(directory.join("Cargo.lock"), SOURCE_LOCK).context("could not write a lock file")?;
    fs::write(directory.join("src/lib.rs"), "").context("could not write a crate")?;

    let json = process::capture(
        process::cargo()
            .args(["metadata", "--locked", "--format-version=1", "--manifest-path"])
            .arg(&manifest)
            .current_dir(directory),
    )?;
    let metadata: Metadata =
        serde_json::from_str(&json).context("cargo metadata printed what we do not understand")?;
    let package = metadata
        .packages
        .into_iter()
        .find(|package| package.name == SOURCE_CRATE)
        .ok_or_else(|| anyhow!("cargo did not fetch {SOURCE_CRATE}"))?;
    Ok(package.manifest_path.with_file_name("bitcoin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_pins_the_version_that_the_manifest_names() {
        let manifest: toml::Table = SOURCE_MANIFEST.parse().unwrap();
        let wanted = manifest["dependencies"][SOURCE_CRATE].as_str().unwrap();
        let lock: toml::Table = SOURCE_LOCK.parse().unwrap();
        let locked = lock["package"]
            .as_array()
            .unwrap()
            .iter()
            .find(|package| package["name"].as_str() == Some(SOURCE_CRATE))
            .unwrap();
        assert_eq!(wanted, format!("={}", locked["version"].as_str().unwrap()));
        assert!(locked.get("checksum").is_some());
    }
}
