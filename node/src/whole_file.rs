//! Files that are there whole or not at all, and folders that are there after a power cut.
//!
//! A file is written under another name, made durable, and only then given its own: a full disk or a crash in between
//! leaves no half of it. The seed and the modules are kept so; nothing here knows what they mean.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Permissions of a folder for its owner alone.
const FOLDER_MODE: u32 = 0o700;

/// Writes a new file for its owner alone; durable, under its name, when this returns.
///
/// # Errors
/// What the system said, [`io::ErrorKind::AlreadyExists`] if there is a file of that name: then, too, nothing is changed.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, |draft| {
        // A link does not replace what is there, as a renaming would.
        let linked = fs::hard_link(draft, path);
        let removed = fs::remove_file(draft);
        linked.and(removed)
    })
}

/// Writes a file for its owner alone, in the place of one that may be there; durable when this returns.
///
/// # Errors
/// What the system said: then what was there still is.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, |draft| fs::rename(draft, path))
}

/// Removes what writers of a file left that died before it had its name. Nobody may be writing it meanwhile.
///
/// # Errors
/// What the system said.
pub(crate) fn remove_drafts(path: &Path) -> io::Result<()> {
    let mut removed = false;
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        if is_draft_of(&entry.file_name(), path) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
            removed = true;
        }
    }
    if removed { sync_folder_of(path) } else { Ok(()) }
}

/// Makes a folder for its owner alone, with those above it as far as they are missing; durable when this returns.
///
/// # Errors
/// What the system said.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|ancestor| is_named(ancestor) && !ancestor.exists()).collect();
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    for made in missing {
        sync_folder_of(made)?;
    }
    Ok(())
}

fn write(
    path: &Path,
    content: &[u8],
    settle: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let draft = draft_of(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written =
        file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| settle(&draft));
    if written.is_err() {
        // The first failure is the one to tell; the draft may be gone already.
        let _ = fs::remove_file(&draft);
    }
    written?;
    sync_folder_of(path)
}

/// A name beside `path` that nobody else uses, however many write the same file.
fn draft_of(path: &Path) -> io::Result<PathBuf> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.draft", hex::encode(nonce)));
    Ok(PathBuf::from(draft))
}

/// True for a name that [`draft_of`] gives.
fn is_draft_of(name: &OsStr, path: &Path) -> bool {
    let beside = || {
        let rest = name.as_encoded_bytes().strip_prefix(path.file_name()?.as_encoded_bytes())?;
        rest.strip_prefix(b".")?.strip_suffix(b".draft")
    };
    beside().is_some_and(|nonce| nonce.len() == 16 && nonce.iter().all(u8::is_ascii_hexdigit))
}

/// Makes the name of `path` durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| is_named(folder)).unwrap_or_else(|| Path::new("."))
}

fn is_named(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_made_once_for_its_owner_and_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        create(&path, b"first").unwrap();
        let again = create(&path, b"second").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        replace(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_file_that_cannot_be_settled_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let failed = write(&path, b"half", |_| Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn drafts_that_a_power_cut_left_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        create(&path, b"whole").unwrap();
        let mut left = Vec::new();
        write(&path, b"half", |draft| {
            left.extend(fs::read(draft)?);
            // As after a power cut: the draft is there, and its name is not given.
            fs::copy(draft, folder.path().join("file.0123456789abcdef.draft"))?;
            fs::rename(draft, &path)
        })
        .unwrap();
        assert_eq!(left, b"half");
        let others = ["file.0123.draft", "file.draft", "file2.0123456789abcdef.draft", "other"];
        for other in others {
            fs::write(folder.path().join(other), b"not ours").unwrap();
        }
        assert_eq!(names(folder.path()).len(), 6);
        remove_drafts(&path).unwrap();
        let mut expect = others.to_vec();
        expect.push("file");
        expect.sort_unstable();
        let mut there = names(folder.path());
        there.sort_unstable();
        assert_eq!(there, expect);
    }

    #[test]
    fn many_who_write_one_file_leave_one_of_theirs_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        thread::scope(|scope| {
            for writer in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..16 {
                        replace(path, &[writer; 10_000]).unwrap();
                    }
                });
            }
        });
        let left = fs::read(&path).unwrap();
        assert_eq!(left.len(), 10_000);
        assert!(left.iter().all(|byte| *byte == left[0]));
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_folder_is_made_with_those_above_it_and_may_be_there_already() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        create_folder(&path).unwrap();
        create_folder(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
