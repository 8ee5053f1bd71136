//! A folder for drafts: one process has it at a time, and it goes when that is done.
//!
//! What a process left there that died is removed by the next one, so that no draft stays for ever: it may hold a whole log
//! that was to be sealed.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::disk::PlaceError;

/// The folder, until dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Takes the folder of this name below `parent`, empty.
    ///
    /// # Errors
    /// [`PlaceError::Busy`] if another process has it.
    pub(crate) fn take(parent: &Path, name: &str) -> Result<Self, PlaceError> {
        let taken = Self::try_take(parent, name).map_err(PlaceError::of(parent))?;
        taken.ok_or_else(|| PlaceError::Busy { folder: parent.into() })
    }

    fn try_take(parent: &Path, name: &str) -> io::Result<Option<Self>> {
        let folder = parent.join(format!("{name}.draft"));
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        for entry in fs::read_dir(&folder)? {
            let left = entry?.path();
            if left.is_dir() {
                fs::remove_dir_all(left)?;
            } else if left != path {
                fs::remove_file(left)?;
            }
        }
        Ok(Some(Self { folder, _lock: lock }))
    }

    /// The path of a draft.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by the next to come.
        let _removed = fs::remove_dir_all(&self.folder);
    }
}
