//! A log out of a backup: for a node whose folder has none.

use std::path::{Path, PathBuf};

use strait_seal::OpenError;
use strait_store_sqlite::{Backup, BackupError, DirectoryLock, named_files};
use thiserror::Error;

use crate::disk::PlaceError;
use crate::manifest::{Manifest, ManifestError};
use crate::scratch::Scratch;
use crate::seals::{OpenKey, is_sealed, open_file};
use crate::{durable, modules, regular};

/// What was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// The log.
    pub backup: Backup,
    /// Modules of contracts that came with it.
    pub modules: u64,
    /// Whether there was a manifest to hold it against.
    pub proof: Proof,
}

/// What a file was held against before it was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The digest in its manifest, and its own checksums.
    Manifest,
    /// Its own checksums.
    Checksums,
}

/// Why nothing was restored. The folder has no log then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// It was not copied.
    #[error("the log was not restored")]
    Copy(#[from] BackupError),
    /// The manifest cannot be read.
    #[error("the manifest cannot be read")]
    Manifest(#[from] ManifestError),
    /// The file is not the one that its manifest tells of.
    #[error("{} is not what its manifest says: it has {bytes} bytes with SHA-256 {sha256}", path.display())]
    Digest {
        /// The backup.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// Its digest.
        sha256: String,
    },
    /// The file is not as long as its manifest says, and was not read.
    #[error("{} is not what its manifest says: it has {bytes} bytes, and not {manifest_bytes}", path.display())]
    Length {
        /// The backup.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// Its length by its manifest.
        manifest_bytes: u64,
    },
    /// No base lies in the folder of a shipped log.
    #[error("{} holds no base of a shipped log", folder.display())]
    NoBase {
        /// The folder.
        folder: PathBuf,
    },
    /// It is sealed, and no key was given.
    #[error("{} is sealed: an identity or a passphrase opens it", path.display())]
    Sealed {
        /// The backup.
        path: PathBuf,
    },
    /// It was not opened.
    #[error("{} was not opened", path.display())]
    Open {
        /// The backup.
        path: PathBuf,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// A file or a folder cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// A backup as a database that can be read: itself, or what was sealed in it.
pub(crate) struct Plain {
    path: PathBuf,
    /// Where it was opened; goes with this.
    _scratch: Option<Scratch>,
}

impl Plain {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the log of a folder that has none out of a backup, and puts the modules beside it that came with it.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(
    lock: &DirectoryLock,
    file: &Path,
    key: &OpenKey,
    scratch: &Path,
) -> Result<Restored, RestoreError> {
    let manifest_path = Manifest::path_of(file);
    let proof = if manifest_path.exists() {
        check_digest(file, &Manifest::read(&manifest_path)?)?;
        Proof::Manifest
    } else {
        Proof::Checksums
    };
    let plain = open_plain(file, key, scratch)?;
    let files = named_files(plain.path())?;
    let data_dir = lock.data_dir();
    // Before the log: a node that is started in between misses no module.
    let modules =
        modules::put(data_dir, &files).map_err(PlaceError::of(&modules::folder(data_dir)))?;
    let backup = strait_store_sqlite::restore(lock, plain.path())?;
    Ok(Restored { backup, modules, proof })
}

/// Refuses a file that is not the one of its manifest.
pub(crate) fn check_digest(file: &Path, manifest: &Manifest) -> Result<(), RestoreError> {
    // A file of another length is not that one, and may be too long to look at.
    let found = regular::open(file).and_then(|opened| opened.metadata());
    let (bytes, manifest_bytes) = (found.map_err(PlaceError::of(file))?.len(), manifest.bytes);
    if bytes != manifest_bytes {
        return Err(RestoreError::Length { path: file.into(), bytes, manifest_bytes });
    }
    let (bytes, sha256) = durable::digest(file).map_err(PlaceError::of(file))?;
    if (bytes, &sha256) == (manifest.bytes, &manifest.sha256) {
        return Ok(());
    }
    Err(RestoreError::Digest { path: file.into(), bytes, sha256 })
}

/// Opens a backup into a folder of its own below `scratch`, if it is sealed.
pub(crate) fn open_plain(
    file: &Path,
    key: &OpenKey,
    scratch: &Path,
) -> Result<Plain, RestoreError> {
    if !is_sealed(file).map_err(PlaceError::of(file))? {
        return Ok(Plain { path: file.into(), _scratch: None });
    }
    let with = key.open_with().ok_or_else(|| RestoreError::Sealed { path: file.into() })?;
    let scratch = Scratch::make(scratch, "opened")?;
    let path = scratch.path("plain.db");
    open_file(file, &path, with)
        .map_err(|source| RestoreError::Open { path: file.into(), source })?;
    Ok(Plain { path, _scratch: Some(scratch) })
}
