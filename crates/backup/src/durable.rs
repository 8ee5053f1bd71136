//! Files that are there whole or not at all, and the digest of one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bitcoin::hashes::{Hash, HashEngine, sha256};
use rustix::fs::{Mode, OFlags};

use crate::regular;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// How a folder is opened whose names are to be durable.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens a new file for its owner alone.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a folder for its owner alone, if there is none, but nothing above it; durable when this returns.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_folder_of(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
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
    // What is no folder is an error, and no pipe to wait at.
    File::from(rustix::fs::open(folder_of(path), FOLDER, Mode::empty())?).sync_all()
}

/// The length and the SHA-256 of a file, in hexadecimal digits as `sha256sum` prints them.
pub(crate) fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = regular::open(path)?;
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
