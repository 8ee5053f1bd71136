//! A folder for drafts, made by one process for itself, which goes when that is done.
//!
//! It may lie where others write too, such as `/tmp`: no folder that is there already is ever used. What a process left that
//! died is removed by the next one, so that no draft stays for ever: it may hold a whole log that was to be sealed. A lock in each
//! folder tells who lives.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::disk::PlaceError;
use crate::regular;

/// Names that are tried: so many that are taken are somebody's prank.
const NAMES_MAX: u32 = 256;

/// The folder, until dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    /// Held until this is dropped.
    lock: File,
}

impl Scratch {
    /// Makes a folder below `parent`, whose name begins with this, and removes those that the dead left there.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub(crate) fn make(parent: &Path, name: &str) -> Result<Self, PlaceError> {
        let made = Self::try_make(parent, name).map_err(PlaceError::of(parent))?;
        let scratch = made.ok_or_else(|| PlaceError::Busy { folder: parent.into() })?;
        // What cannot be removed costs room, which is looked at before it is needed.
        let _removed = scratch.remove_left(parent, name);
        Ok(scratch)
    }

    fn try_make(parent: &Path, name: &str) -> io::Result<Option<Self>> {
        for number in 0..NAMES_MAX {
            let folder = parent.join(format!("{name}-{}-{number}.draft", std::process::id()));
            // Not what is above it: a parent that is missing may be a disk that is.
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            return match File::create_new(folder.join("lock")) {
                Ok(lock) => Self { folder, lock }.hold(),
                Err(error) => fs::remove_dir(&folder).and(Err(error)),
            };
        }
        Ok(None)
    }

    /// Shows that its process lives. `None` if who removes what the dead left was quicker.
    fn hold(self) -> io::Result<Option<Self>> {
        match self.lock.try_lock() {
            Ok(()) if self.path("lock").exists() => Ok(Some(self)),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes the folders of this name whose processes are dead: those of the same owner, in which nobody holds the lock.
    fn remove_left(&self, parent: &Path, name: &str) -> io::Result<()> {
        // As the file system tells it: what is mounted from elsewhere may show other owners.
        let owner = fs::symlink_metadata(&self.folder)?.uid();
        for entry in fs::read_dir(parent)? {
            let path = entry?.path();
            let is_named = path.file_name().and_then(|found| found.to_str()).is_some_and(|found| {
                found.starts_with(&format!("{name}-")) && found.ends_with(".draft")
            });
            let found = fs::symlink_metadata(&path)?;
            if path == self.folder || !is_named || !found.is_dir() || found.uid() != owner {
                continue;
            }
            // Held while they go, so that nobody believes that they stay.
            let Ok(lock) = regular::open(&path.join("lock")) else { continue };
            if lock.try_lock().is_ok() {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn each_has_a_folder_of_its_own_for_its_owner_alone_which_goes_with_it() {
        let parent = tempfile::tempdir().unwrap();
        let one = Scratch::make(parent.path(), "verify").unwrap();
        let two = Scratch::make(parent.path(), "verify").unwrap();
        assert_ne!(one.folder(), two.folder());
        assert!(one.folder().is_dir(), "the living are left alone");
        for made in [&one, &two] {
            let mode = fs::metadata(made.folder()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        drop((one, two));
        assert_eq!(names(parent.path()), [""; 0]);
        assert!(Scratch::make(&parent.path().join("missing"), "verify").is_err());
        assert_eq!(names(parent.path()), [""; 0], "what is above is not made");
    }

    #[test]
    fn what_is_there_already_is_not_used_and_what_the_dead_left_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let name = |number: u32| format!("verify-{}-{number}.draft", std::process::id());
        symlink(elsewhere.path(), parent.path().join(name(0))).unwrap();
        let dead = parent.path().join(name(1));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("lock"), "").unwrap();
        fs::write(dead.join("plain.db"), "a whole log").unwrap();
        let scratch = Scratch::make(parent.path(), "verify").unwrap();
        assert_eq!(scratch.folder(), parent.path().join(name(2)));
        assert!(!dead.exists());
        assert_eq!(names(elsewhere.path()), [""; 0], "a link leads nowhere");
    }
}
