//! The disk is low, then full: the node begins nothing new, then stops with a clear error, and loses nothing.
//!
//! The data folder is a small file system in memory, which takes root to mount.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Ready, Scene};
use crate::world::wait_for;

/// The size of the disk.
const DISK_MIB: u64 = 512;
/// What the node wants to be free.
const FLOOR_MIB: u64 = 128;
/// What is left while the disk is low.
const LOW_MIB: u64 = 64;
/// The file that takes the room.
const FILLER: &str = "somebody-elses-file";
/// How long a full disk may take to be noticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

/// A small file system; unmounted when dropped.
#[derive(Debug)]
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it at a folder, which is made.
    pub(super) fn mount(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let size = format!("size={DISK_MIB}m,mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "strait-fault"])
            .arg(folder)
            .status()
            .context("mount cannot be run")?;
        ensure!(mounted.success(), "a small disk cannot be mounted: that takes root");
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever looks at the machine sees it if this fails; a failed run has said more important things.
        drop(Command::new("umount").arg(&self.0).status());
    }
}

/// The node's floor fits the disk.
pub(super) fn prepare(variables: &mut BTreeMap<String, String>) {
    let floor = (FLOOR_MIB << 20).to_string();
    variables.insert("STRAIT_STORE__FREE_BYTES_MIN".to_owned(), floor);
}

pub(super) async fn happen(scene: &mut Scene<'_>) -> Result<()> {
    let filler = scene.world.alice.data_dir().join(FILLER);
    fill(&filler, LOW_MIB).await?;
    let metrics = async |scene: &Scene<'_>| scene.world.alice.ask("/metrics").await;
    wait_for("the low disk being noticed", async || {
        let (_, page) = metrics(scene).await?;
        Ok((crate::sample::value(&page, "strait_disk_low") > 0.0).then_some(()))
    })
    .await?;
    scene.watch(scene.lasts).await?;
    fill(&filler, 0).await?;
    // The chain goes on, and the node must write that down.
    scene.world.backend.mine(1).await?;
    let ended = tokio::time::timeout(NOTICED_WITHIN, scene.world.alice.ended()).await;
    let end = match ended {
        Ok(ended) => format!("ends with {}", ended?),
        Err(_) => "writes nothing, so it goes on".to_owned(),
    };
    for file in [&filler, &rest_of(&filler)] {
        fs::remove_file(file)?;
    }
    if !scene.world.alice.is_running() {
        scene.world.alice.start().await?;
    }
    scene.until_ready(Ready::Yes).await?;
    scene.note(format!(
        "alice's disk has {LOW_MIB} MiB left, less than her floor, for {} s: she begins nothing new; then none: she {end}, \
         and is started when there is room",
        scene.lasts.as_secs()
    ));
    Ok(())
}

/// The file that takes the last pages.
fn rest_of(filler: &Path) -> PathBuf {
    filler.with_extension("rest")
}

/// Fills the disk but for so much.
async fn fill(filler: &Path, left_mib: u64) -> Result<()> {
    let folder = filler.parent().context("the filler lies in a folder")?.to_owned();
    let filler = filler.to_owned();
    tokio::task::spawn_blocking(move || {
        let free = free_mib(&folder)?;
        let has = fs::metadata(&filler).map_or(0, |file| file.len() >> 20);
        let size = (has + free).saturating_sub(left_mib);
        let to = format!("if=/dev/zero of={} bs=1M count={size} status=none", filler.display());
        // It may stop short where others write meanwhile; then the disk is as full.
        let mut command = Command::new("dd");
        command.args(to.split(' ')).stderr(std::process::Stdio::null());
        command.status().context("dd cannot be run")?;
        if left_mib == 0 {
            // The last pages.
            let rest = rest_of(&filler);
            let rest = format!("if=/dev/zero of={} bs=4k status=none", rest.display());
            let mut command = Command::new("dd");
            command.args(rest.split(' ')).stderr(std::process::Stdio::null());
            command.status().context("dd cannot be run")?;
        }
        Ok(())
    })
    .await?
}

/// What `df` says is free.
fn free_mib(folder: &Path) -> Result<u64> {
    let told = Command::new("df").args(["--output=avail", "-B1M"]).arg(folder).output()?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default().trim();
    last.parse().with_context(|| format!("df says {text:?}"))
}
