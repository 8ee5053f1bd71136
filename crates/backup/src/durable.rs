//! Files that are there whole or not at all, and the digest of one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bitcoin::hashes::{Hash, HashEngine, sha256};
use rustix::fs::statvfs;
use thiserror::Error;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Opens a new file for its owner alone.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a file for its owner alone, in the place of one that may be there; durable when this returns.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft_of(path);
    // What a process of this number left when it died is nobody's.
    let _removed = fs::remove_file(&draft);
    let written = create_new(&draft)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _removed = fs::remove_file(&draft);
    }
    written?;
    sync_folder_of(path)
}

/// The name under which a file is written before it gets its own.
pub(crate) fn draft_of(path: &Path) -> PathBuf {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.draft", std::process::id()));
    draft.into()
}

/// Makes the name of a file durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// The length and the SHA-256 of a file, in hexadecimal digits as `sha256sum` prints them.
pub(crate) fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut engine = sha256::Hash::engine();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut length = 0_u64;
    loop {
        let read = file.read(&mut chunk)?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
        engine.input(part);
        length = length.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok((length, sha256::Hash::from_engine(engine).to_string()))
}

/// The folder that a file lies in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
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
    /// Whether a folder has room for so many bytes; on this disk, beside what is to stay free.
    pub(crate) fn check_room(&self, folder: &Path, bytes: u64) -> io::Result<Result<(), NoRoom>> {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
        // Without a folder of its own the node has nothing to lose there.
        let is_nodes =
            device(self.data_dir).is_ok_and(|of_node| device(folder).ok() == Some(of_node));
        let kept = if is_nodes { self.free_bytes_min } else { 0 };
        let needed = bytes.saturating_add(kept);
        let free = free_bytes(folder)?;
        if free < needed {
            return Ok(Err(NoRoom { folder: folder.into(), free, needed }));
        }
        Ok(Ok(()))
    }
}

/// What this user may still write in a folder.
fn free_bytes(folder: &Path) -> io::Result<u64> {
    let found = statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
