//! A file that is moved aside when it has grown, and the files that were. The audit log has two. A path may also lead to a
//! device or a pipe, `/dev/stdout` for one: that is written to and never moved.
//!
//! A line that could not be written is owed to the file. Opening a file says nothing about the room on its disk, so after a
//! failure the file counts as writable only when it has taken what is owed to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Bytes of lines that are owed to a file at most: those of all calls that can be under way when its disk becomes full.
const OWED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The file, and how much of what is older is kept: `.1` is the newest.
#[derive(Debug)]
pub(super) struct Series {
    path: PathBuf,
    /// None after a failure, until what is owed is written.
    file: Option<File>,
    /// Lines that the file has not got, or has a torn beginning of.
    owed: Vec<u8>,
    /// What the file holds; nothing where it is no file but a device.
    bytes: Option<u64>,
    bytes_max: u64,
    files_kept: u32,
}

impl Series {
    /// Opens the file at its end, mode 0600 if it is new. If it ends in a torn line, that line is ended first.
    pub(super) fn open(path: &Path, bytes_max: u64, files_kept: u32) -> io::Result<Self> {
        let (file, bytes) = append_to(path)?;
        let owed = Vec::new();
        let path = path.to_owned();
        let mut series = Self { path, file: Some(file), owed, bytes, bytes_max, files_kept };
        if ends_torn(&series.path) {
            series.file = None;
            // A full disk does not keep a node from starting: its calls are refused until there is room.
            if let Err(error) = series.ready() {
                tracing::error!(%error, path = %series.path.display(), "the audit log cannot be written");
            }
        }
        Ok(series)
    }

    /// The same bounds at this path, opened anew. What is owed is owed to that file then.
    pub(super) fn at(&self, path: &Path) -> io::Result<Self> {
        let mut opened = Self::open(path, self.bytes_max, self.files_kept)?;
        if self.file.is_none() {
            opened.file = None;
            opened.owed.clone_from(&self.owed);
            opened.ready()?;
        }
        Ok(opened)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that lines can be written, as far as that is known: after a failure the file has to take what is owed to it,
    /// behind an end of line, so that a line which was cut short stands by itself.
    pub(super) fn ready(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let (mut file, bytes) = append_to(&self.path)?;
        let mut text = vec![b'\n'];
        text.extend_from_slice(&self.owed);
        file.write_all(&text)?;
        if bytes.is_some() {
            // Some file systems find out only now that there is no room.
            file.sync_data()?;
        }
        self.owed.clear();
        self.bytes = bytes.map(|bytes| bytes.saturating_add(length_of(&text)));
        self.file = Some(file);
        Ok(())
    }

    /// As after a failure.
    #[cfg(test)]
    pub(super) fn lose(&mut self) {
        self.file = None;
    }

    /// Writes the line of a call. One that cannot be written is owed: the work that it tells of is done.
    pub(super) fn write(&mut self, line: &impl Serialize) {
        let text = text_of(line);
        let Err(error) = self.append(&text) else { return };
        let fits = self.owed.len().saturating_add(text.len()) <= OWED_BYTES_MAX;
        if fits {
            self.owed.extend_from_slice(&text);
        }
        let is = if fits { "waits" } else { "is lost" };
        tracing::error!(%error, path = %self.path.display(), "a line of the audit log {is}; calls that change something are refused until those that were done can be told");
    }

    /// Writes a line that its caller keeps if it cannot be written.
    pub(super) fn try_write(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.append(&text_of(line))
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        let appended = self.append_or_fail(text);
        if appended.is_err() {
            self.file = None;
        }
        appended
    }

    fn append_or_fail(&mut self, text: &[u8]) -> io::Result<()> {
        self.ready()?;
        let length = length_of(text);
        let is_full = |bytes: u64| bytes > 0 && bytes.saturating_add(length) > self.bytes_max;
        if self.bytes.is_some_and(is_full) {
            self.rotate()?;
            let (file, bytes) = append_to(&self.path)?;
            (self.file, self.bytes) = (Some(file), bytes);
        }
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

fn text_of(line: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(line).expect("a line has only strings and numbers");
    text.push(b'\n');
    text
}

fn length_of(text: &[u8]) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// True if a file's last line has no end. Devices and pipes have no last line, and nothing is read from them.
fn ends_torn(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        if !fs::metadata(path)?.is_file() {
            return Ok(b'\n');
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    // An empty file has no last byte.
    last().is_ok_and(|byte| byte != b'\n')
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
    fn a_full_device_is_not_ready_because_it_opens_and_gets_what_it_is_owed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        symlink("/dev/full", &path).unwrap();
        let mut series = Series::open(&path, 1_000, 10).unwrap();
        series.ready().unwrap();
        series.write(&1);
        for _ in 0..3 {
            series.ready().unwrap_err();
        }
        series.at(&path).unwrap_err();
        // A call that was under way already.
        series.write(&2);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "to").unwrap();
        series.ready().unwrap();
        series.write(&3);
        assert_eq!(fs::read_to_string(&path).unwrap(), "to\n1\n2\n3\n");
    }

    #[test]
    fn what_a_disk_owes_has_a_bound_and_a_caller_may_keep_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        symlink("/dev/full", &path).unwrap();
        let mut series = Series::open(&path, 1_000, 10).unwrap();
        series.try_write(&"kept").unwrap_err();
        assert!(series.owed.is_empty());
        for _ in 0..5 {
            series.write(&"x".repeat(OWED_BYTES_MAX / 3));
        }
        assert!(series.owed.len() > OWED_BYTES_MAX / 2 && series.owed.len() <= OWED_BYTES_MAX);
    }

    #[test]
    fn a_torn_end_is_ended_when_the_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        for (held, then) in [("", "7\n"), ("1\n", "1\n7\n"), ("1\n{\"a", "1\n{\"a\n7\n")] {
            fs::write(&path, held).unwrap();
            Series::open(&path, 1_000, 10).unwrap().write(&7);
            assert_eq!(fs::read_to_string(&path).unwrap(), then);
        }
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
