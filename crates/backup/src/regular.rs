//! Reading files from folders that others may write to: a backup folder, the folder of a shipped log.
//!
//! Whoever writes there can put a pipe, a link or a file of a terabyte of nothing under any name. Nothing here follows a link in
//! the last part of a path, waits for the other end of a pipe, or reads more than belongs under the name. Every part of this
//! crate reads such folders through here; files of the node's own folder need it not.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use thiserror::Error;

/// What is wrong with a file before a byte of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    /// A link, a pipe, a folder, a device.
    #[error("it is no regular file")]
    Kind,
    /// More than belongs under its name.
    #[error("it has {bytes} bytes, and no file of its name has more than {bytes_max}")]
    Length {
        /// Its length.
        bytes: u64,
        /// What may be there at most.
        bytes_max: u64,
    },
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Kind => Self::new(ErrorKind::InvalidInput, refused),
            Refused::Length { .. } => Self::new(ErrorKind::FileTooLarge, refused),
        }
    }
}

/// What is wrong with a file by its metadata, those of the name itself or of what was opened.
pub(crate) fn refuse(found: &Metadata, bytes_max: u64) -> Result<(), Refused> {
    let bytes = found.len();
    if !found.is_file() {
        return Err(Refused::Kind);
    }
    if bytes > bytes_max { Err(Refused::Length { bytes, bytes_max }) } else { Ok(()) }
}

/// Opens a file of any length for reading; whoever reads it bounds what is read.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_as(path, OFlags::RDONLY)
}

/// Opens a file that is there for writing, and leaves what is in it.
pub(crate) fn open_to_write(path: &Path) -> io::Result<File> {
    open_as(path, OFlags::WRONLY)
}

/// As [`open_to_write`], and makes an empty one for its owner alone if there is none.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    open_as(path, OFlags::WRONLY | OFlags::CREATE)
}

/// Opens a folder, so that what is done in it by name is done in this one.
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// All of a file that has no more bytes than this.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    refuse(&file.metadata()?, bytes_max)?;
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if read > bytes_max {
        return Err(Refused::Length { bytes: read, bytes_max }.into());
    }
    Ok(bytes)
}

/// True if both names lead to one file or folder.
pub(crate) fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let id = |found: Metadata| (found.dev(), found.ino());
    let look = |path: &Path| match fs::metadata(path) {
        Ok(found) => Ok(Some(id(found))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    Ok(look(one)?.is_some_and(|one| matches!(look(other), Ok(Some(other)) if other == one)))
}

fn open_as(path: &Path, how: OFlags) -> io::Result<File> {
    let flags = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    let file: File = match opened {
        Ok(file) => file.into(),
        // A link; a folder that was to be written; a pipe that nobody reads, or a socket.
        Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Err(Refused::Kind.into()),
        Err(error) => return Err(error.into()),
    };
    refuse(&file.metadata()?, u64::MAX)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType};

    use super::*;

    /// Puts a pipe that nobody writes to.
    fn put_pipe(path: &Path) {
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once_and_what_is_too_long_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("whole"), b"four").unwrap();
        put_pipe(&path("pipe"));
        symlink(path("whole"), path("link")).unwrap();
        symlink(path("none"), path("dangling")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        // A file system that holds it says its length, and a reader would have to hold it.
        File::create(path("sparse")).unwrap().set_len(1 << 40).unwrap();
        let rows = [
            ("whole", None),
            ("pipe", Some("it is no regular file")),
            ("link", Some("it is no regular file")),
            ("dangling", Some("it is no regular file")),
            ("folder", Some("it is no regular file")),
            ("sparse", Some("it has 1099511627776 bytes, and no file of its name has more than 4")),
        ];
        for (name, words) in rows {
            let told = read(&path(name), 4).err().map(|error| error.to_string());
            assert_eq!(told.as_deref(), words, "{name}");
            if name != "sparse" {
                assert_eq!(open_or_create(&path(name)).is_err(), words.is_some(), "{name}");
            }
        }
        assert!(!path("none").exists(), "nothing is made through a link");
        assert!(read(&path("whole"), 3).is_err());
    }

    #[test]
    fn a_folder_is_opened_by_its_own_name_only_and_known_by_any() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(open_folder(&real).is_ok() && open_folder(&link).is_err());
        assert!(is_same(&real, &link).unwrap() && !is_same(&real, folder.path()).unwrap());
        assert!(!is_same(&real, &folder.path().join("none")).unwrap());
        put_pipe(&folder.path().join("pipe"));
        assert!(open_folder(&folder.path().join("pipe")).is_err());
    }
}
