//! The wall clock jumps: an hour ahead, an hour behind, a day ahead, and to where it was. Only the wall clock; what
//! measures durations goes on.
//!
//! The time of the process is faked by Debian's `faketime` library, which reads it from a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Scene;

/// Where Debian's package `faketime` puts the library.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
/// The file with the time, in a world's folder.
const CLOCK: &str = "clock";
/// Where the clock stands, in turn.
const JUMPS: [&str; 4] = ["+3600s", "-3600s", "+86400s", "+0s"];
/// How long it stands there.
const STANDS: Duration = Duration::from_secs(20);

/// Puts the clock of the nodes into a file.
pub(super) fn prepare(folder: &Path, variables: &mut BTreeMap<String, String>) -> Result<()> {
    let library = LIBRARIES.iter().find(|library| Path::new(library).exists());
    let library = library.context("the library of the package faketime is not installed")?;
    let clock = folder.join(CLOCK);
    turn(&clock, "+0s")?;
    let clock = clock.display().to_string();
    let given = [
        ("LD_PRELOAD", *library),
        ("FAKETIME_TIMESTAMP_FILE", clock.as_str()),
        ("FAKETIME_CACHE_DURATION", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    variables.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(())
}

pub(super) async fn happen(scene: &mut Scene<'_>) -> Result<()> {
    let clock = scene.world.folder.join(CLOCK);
    for jump in JUMPS {
        turn(&clock, jump)?;
        scene.watch(STANDS).await?;
    }
    scene.note(format!("both nodes' clocks jump: {}", JUMPS.join(", ")));
    Ok(())
}

/// Sets the clock; whole, since it may be read at any moment.
fn turn(clock: &PathBuf, to: &str) -> Result<()> {
    let draft = clock.with_extension("draft");
    fs::write(&draft, format!("{to}\n"))?;
    Ok(fs::rename(draft, clock)?)
}
