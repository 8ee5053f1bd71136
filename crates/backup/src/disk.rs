//! The disks that copies lie on: which of them is the node's own, what there is room for, and why a place on one cannot be used.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use thiserror::Error;

/// Which disk a folder lies on, as far as the system tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// The one with the node's log: whatever takes that takes both.
    Nodes,
    /// Another one; or nobody knows.
    Another,
}

impl Disk {
    /// Where a folder lies beside a node's data directory.
    #[must_use]
    pub fn of(folder: &Path, data_dir: &Path) -> Self {
        let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
        match device(data_dir) {
            Some(of_node) if device(folder) == Some(of_node) => Self::Nodes,
            Some(_) | None => Self::Another,
        }
    }
}

/// Why a folder or a file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// Others have their drafts there, and leave no name for one more.
    #[error("others are at work in {}: is that its place?", folder.display())]
    Busy {
        /// Where.
        folder: PathBuf,
    },
    /// The disk has too little room.
    #[error(transparent)]
    Room(#[from] NoRoom),
    /// The system refuses.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl PlaceError {
    /// What the system said of a path.
    pub(crate) fn of(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path: path.clone(), source }
    }
}

/// A disk has too little room.
#[derive(Debug, Error)]
#[error("{} has {free} bytes free, {needed} are needed", folder.display())]
pub struct NoRoom {
    /// Where.
    pub folder: PathBuf,
    /// What is free.
    pub free: u64,
    /// What is to be written, with what has to stay free.
    pub needed: u64,
}

/// The disk that a node's log lies on, and what is to stay free there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeDisk<'a> {
    pub(crate) data_dir: &'a Path,
    pub(crate) free_bytes_min: u64,
}

impl NodeDisk<'_> {
    /// Refuses what a folder has no room for; on this disk, beside what is to stay free.
    ///
    /// # Errors
    /// [`PlaceError::Room`], or [`PlaceError::File`] if nobody knows.
    pub(crate) fn check_room(&self, folder: &Path, bytes: u64) -> Result<(), PlaceError> {
        // Without a folder of its own the node has nothing to lose there.
        let kept = match Disk::of(folder, self.data_dir) {
            Disk::Nodes => self.free_bytes_min,
            Disk::Another => 0,
        };
        let needed = bytes.saturating_add(kept);
        let free = free_bytes(folder).map_err(PlaceError::of(folder))?;
        if free < needed {
            return Err(NoRoom { folder: folder.into(), free, needed }.into());
        }
        Ok(())
    }
}

/// What this user may still write in a folder.
fn free_bytes(folder: &Path) -> io::Result<u64> {
    let found = statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_on_the_nodes_disk_or_on_another() {
        let data_dir = tempfile::tempdir().unwrap();
        let beside = tempfile::tempdir_in(data_dir.path()).unwrap();
        assert_eq!(Disk::of(beside.path(), data_dir.path()), Disk::Nodes);
        // A file system of its own, wherever this runs.
        assert_eq!(Disk::of(Path::new("/proc"), data_dir.path()), Disk::Another);
        assert_eq!(Disk::of(&data_dir.path().join("none"), data_dir.path()), Disk::Another);
    }
}
