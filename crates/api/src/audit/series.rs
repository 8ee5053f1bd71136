//! A file that is moved aside when it has grown, and the files that were. The audit log has two. A path may also lead to a
//! device or a pipe, `/dev/stdout` for one: that is written to and never moved.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The file, and how much of what is older is kept: `.1` is the newest.
#[derive(Debug)]
pub(super) struct Series {
    path: PathBuf,
    /// None after a failure.
    file: Option<File>,
    /// What the file holds; nothing where it is no file but a device.
    bytes: Option<u64>,
    bytes_max: u64,
    files_kept: u32,
}

impl Series {
    /// Opens the file at its end, mode 0600 if it is new.
    pub(super) fn open(path: &Path, bytes_max: u64, files_kept: u32) -> io::Result<Self> {
        let (file, bytes) = append_to(path)?;
        Ok(Self { path: path.to_owned(), file: Some(file), bytes, bytes_max, files_kept })
    }

    /// The same bounds at this path, opened anew.
    pub(super) fn at(&self, path: &Path) -> io::Result<Self> {
        Self::open(path, self.bytes_max, self.files_kept)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that lines can be written, as far as that is known.
    pub(super) fn ready(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            (self.file, self.bytes) =
                append_to(&self.path).map(|(file, bytes)| (Some(file), bytes))?;
        }
        Ok(())
    }

    /// As after a failure.
    #[cfg(test)]
    pub(super) fn lose(&mut self) {
        self.file = None;
    }

    /// Writes a line. A failure is the log's business and the next call's, not this one's: its work is done.
    pub(super) fn write(&mut self, line: &impl Serialize) {
        let mut text = serde_json::to_vec(line).expect("a line has only strings and numbers");
        text.push(b'\n');
        if let Err(error) = self.append(&text) {
            tracing::error!(%error, path = %self.path.display(), "a line of the audit log is lost; calls that change something are refused until those that were done can be told");
            self.file = None;
        }
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let is_full = |bytes: u64| bytes > 0 && bytes.saturating_add(length) > self.bytes_max;
        if self.bytes.is_some_and(is_full) {
            self.file = None;
            self.rotate()?;
        }
        self.ready()?;
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        // One call of the system for each line: what a full disk cuts short ends in a line that is no JSON.
        file.write_all(text)?;
        self.bytes = self.bytes.map(|bytes| bytes.saturating_add(length));
        Ok(())
    }

    /// Moves each file one place on, and the oldest out.
    fn rotate(&self) -> io::Result<()> {
        for number in (1..self.files_kept).rev() {
            let (from, to) = (numbered(&self.path, number), numbered(&self.path, number + 1));
            move_if_there(&from, &to)?;
        }
        move_if_there(&self.path, &numbered(&self.path, 1))
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn append_to(path: &Path) -> io::Result<(File, Option<u64>)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata.is_file().then_some(metadata.len())))
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_device_is_written_to_and_never_moved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        symlink("/dev/null", &path).unwrap();
        let mut series = Series::open(&path, 1, 10).unwrap();
        for number in 0..3 {
            series.write(&number);
        }
        assert!(series.file.is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_grows_is_moved_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut series = Series::open(&path, 1, 10).unwrap();
        for number in 0..14 {
            series.write(&number);
        }
        let held = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(held(&path), "13\n");
        assert_eq!(held(&numbered(&path, 1)), "12\n");
        assert_eq!(held(&numbered(&path, 10)), "3\n");
        assert!(!numbered(&path, 11).exists());
    }
}
