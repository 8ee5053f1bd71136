//! The lock file: one process per data directory.
//!
//! The operating system frees the lock when its holder dies, however it dies. The file says who holds it; its
//! content decides nothing.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::OpenError;

/// Name of the lock file in the data directory.
const FILE_NAME: &str = "lock";

/// The data directory, held for this process until dropped.
///
/// Taken before anything is written into the directory, and handed to [`crate::SqliteStore::open_locked`].
#[derive(Debug)]
pub struct DirectoryLock {
    /// The directory.
    data_dir: PathBuf,
    /// Locked until dropped.
    file: File,
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing would do, were it not for a child process that was forked a moment ago and still shares the file.
        let _unlocked = self.file.unlock();
    }
}

impl DirectoryLock {
    /// Makes the directory if need be and takes it.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another process has it, [`OpenError::Directory`] if it cannot be used.
    pub fn take(data_dir: &Path) -> Result<Self, OpenError> {
        let directory_error = |source| OpenError::Directory { path: data_dir.into(), source };
        fs::create_dir_all(data_dir).map_err(directory_error)?;
        let path = data_dir.join(FILE_NAME);
        let file_error = |source| OpenError::Directory { path: path.clone(), source };
        let mut file = private_file(&path).map_err(file_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { path: path.clone(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(file_error(source)),
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0).and_then(|()| file.rewind()).map_err(file_error)?;
        file.write_all(pid.as_bytes()).map_err(file_error)?;
        Ok(Self { data_dir: data_dir.into(), file })
    }

    /// The directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

/// The process that wrote itself into the file, if it has come to that.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Opens a file for reading and writing, making it readable only by its owner.
pub(crate) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
