//! What lies in a folder of a shipped log: bases and segments by their names.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use strait_primitives::{EventSeq, Timestamp};
use strait_store_sqlite::Place;
use thiserror::Error;

use super::segment;
use crate::durable;
use crate::manifest::{Manifest, SealedTo};
use crate::regular::{self, Refused};
use crate::take::digest_path;

/// So many bases no shipper leaves: more are somebody's, and their manifests would fill memory.
const BASES_MAX: usize = 64;

/// There are more bases than any shipper leaves.
#[derive(Debug, Error)]
#[error("more than {BASES_MAX} bases lie there: no node made them")]
struct TooManyBases;

impl From<TooManyBases> for io::Error {
    fn from(error: TooManyBases) -> Self {
        Self::new(ErrorKind::InvalidData, error)
    }
}

/// A base copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
}

/// A segment, open or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Its first event.
    pub(super) first: EventSeq,
    /// Its last event; `None` while it is open.
    pub(super) last: Option<EventSeq>,
    pub(super) bytes: u64,
    /// Why it is not read, if it is none.
    pub(super) refused: Option<Refused>,
}

/// All of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Contents {
    /// Oldest first.
    pub(super) bases: Vec<Base>,
    /// In order of their first events.
    pub(super) segments: Vec<Segment>,
}

/// What a path leads to: another folder under the same name has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FolderId {
    device: u64,
    inode: u64,
}

/// Looks at the folder itself, and not where a link leads; `None` if there is none of that name.
pub(super) fn identify(folder: &Path) -> io::Result<Option<FolderId>> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => {
            Ok(Some(FolderId { device: found.dev(), inode: found.ino() }))
        }
        Ok(_) => Err(ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of a base that is begun when the log ends at `begun`; it ends there or later, as its manifest says.
pub(super) fn base_path(folder: &Path, begun: EventSeq, sealed: SealedTo) -> PathBuf {
    let end = match sealed {
        SealedTo::Nobody => "db",
        SealedTo::Recipients | SealedTo::Passphrase => "db.age",
    };
    let path = |number: u32| folder.join(format!("base-{:020}-{number}.{end}", begun.to_u64()));
    // One that is there stays until the new one is durable, also if it began at the same event.
    (0..).map(path).find(|path| !path.exists()).expect("a folder has fewer than 2^32 bases")
}

/// The name of a segment that is written to.
pub(super) fn open_path(folder: &Path, first: EventSeq) -> PathBuf {
    folder.join(format!("segment-{:020}.open", first.to_u64()))
}

fn closed_path(folder: &Path, first: EventSeq, last: EventSeq) -> PathBuf {
    folder.join(format!("segment-{:020}-{:020}.log", first.to_u64(), last.to_u64()))
}

/// Reads the names in a folder, and the manifests of its bases. A base without a sound manifest counts as none.
pub(super) fn contents(folder: &Path) -> io::Result<Contents> {
    let mut contents = Contents::default();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let Some(name) = path.file_name().and_then(OsStr::to_str) else { continue };
        if name.starts_with("base-") && (name.ends_with(".db") || name.ends_with(".db.age")) {
            if let Ok(manifest) = Manifest::read(&Manifest::path_of(&path)) {
                contents.bases.push(Base { path, manifest });
            }
            if contents.bases.len() > BASES_MAX {
                return Err(TooManyBases.into());
            }
        } else if let Some((first, last)) = segment_name(name) {
            let found = entry.metadata()?;
            let refused = regular::refuse(&found, segment::BYTES_MAX).err();
            contents.segments.push(Segment { path, first, last, bytes: found.len(), refused });
        }
    }
    // A base that is made anew, sealed to somebody else, may end where the one before does.
    contents.bases.sort_by(|one, other| base_order(one).cmp(&base_order(other)));
    contents.segments.sort_by_key(|segment| (segment.first, segment.last));
    Ok(contents)
}

impl Contents {
    /// The first segment that is none, and why.
    pub(super) fn refused(&self) -> Option<(&Path, Refused)> {
        self.segments.iter().find_map(|segment| Some((&*segment.path, segment.refused?)))
    }

    /// Bytes of all segments.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.segments.iter().fold(0, |sum: u64, segment| sum.saturating_add(segment.bytes))
    }
}

/// By how far bases reach, then by when they were made; the name only makes it one order.
fn base_order(base: &Base) -> (EventSeq, Timestamp, &Path) {
    (base.manifest.head, base.manifest.taken, &base.path)
}

/// First and last event in the name of a segment.
fn segment_name(name: &str) -> Option<(EventSeq, Option<EventSeq>)> {
    let number = |text: &str| text.parse().ok().map(EventSeq::new);
    let rest = name.strip_prefix("segment-")?;
    if let Some(first) = rest.strip_suffix(".open") {
        return Some((number(first)?, None));
    }
    let (first, last) = rest.strip_suffix(".log")?.split_once('-')?;
    Some((number(first)?, Some(number(last)?)))
}

/// Closes a segment that a shipper left open: what is whole of it stays, under its closed name. Returns where it ends; `None` if
/// nothing of it was whole, and it is gone.
pub(super) fn close_left(folder: &Path, segment: &Segment) -> io::Result<Option<Place>> {
    let bytes = regular::read(&segment.path, segment::BYTES_MAX)?;
    let Some(read) = segment::read(&bytes).filter(|read| !read.frames.is_empty()) else {
        fs::remove_file(&segment.path)?;
        return Ok(None);
    };
    let (end, sound_bytes) = (read.end(), read.sound_bytes);
    let file = regular::open_to_write(&segment.path)?;
    file.set_len(u64::try_from(sound_bytes).unwrap_or(u64::MAX))?;
    file.sync_all()?;
    close(folder, &segment.path, segment.first, end.last)?;
    Ok(Some(end))
}

/// Gives a segment that is whole and synced its closed name.
pub(super) fn close(folder: &Path, open: &Path, first: EventSeq, last: EventSeq) -> io::Result<()> {
    let closed = closed_path(folder, first, last);
    fs::rename(open, &closed)?;
    durable::sync_folder_of(&closed)
}

/// Where a closed segment ends by its last whole frame.
pub(super) fn end_of(segment: &Segment) -> io::Result<Option<Place>> {
    let bytes = regular::read(&segment.path, segment::BYTES_MAX)?;
    Ok(segment::read(&bytes).map(|read| read.end()))
}

/// Removes what a process that died was writing. Only who holds the folder's lock may.
pub(super) fn remove_drafts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("draft")) {
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }?;
        }
    }
    Ok(())
}

/// Removes what a base that was just made, or just checked, makes superfluous: bases that reach no further, and segments that end
/// before it. Its own file stays whatever its name and its clock say, and so does a base that reaches further.
pub(super) fn prune(folder: &Path, made: &Base) -> io::Result<()> {
    let contents = contents(folder)?;
    let head = made.manifest.head;
    for segment in &contents.segments {
        if segment.last.is_some_and(|last| last <= head) {
            fs::remove_file(&segment.path)?;
        }
    }
    let is_superfluous = |base: &&Base| base.path != made.path && base.manifest.head <= head;
    for base in contents.bases.iter().filter(is_superfluous) {
        fs::remove_file(&base.path)?;
        // Without its database a manifest says nothing to anybody.
        let _manifest = fs::remove_file(Manifest::path_of(&base.path));
        let _digest = fs::remove_file(digest_path(&base.path));
    }
    durable::sync_folder_of(&made.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, (head, taken): (u64, u64)) -> Base {
        let path = folder.join(name);
        fs::write(&path, name).unwrap();
        let manifest = Manifest {
            node_id: None,
            log_id: "ab".repeat(32).parse().unwrap(),
            network: "regtest".into(),
            head: EventSeq::new(head),
            oldest: EventSeq::new(1),
            state_hash: "cd".repeat(32).parse().unwrap(),
            taken: Timestamp::from_unix_ms(taken),
            modules: 0,
            sealed_to: SealedTo::Nobody,
            bytes: 0,
            sha256: String::new(),
            schema: 1,
            strait_version: String::new(),
        };
        manifest.write(&Manifest::path_of(&path)).unwrap();
        Base { path, manifest }
    }

    fn left(folder: &Path) -> Vec<String> {
        let bases = contents(folder).unwrap().bases;
        let name = |base: &Base| base.path.file_name().unwrap().to_str().unwrap().to_owned();
        bases.iter().map(name).collect()
    }

    #[test]
    fn of_bases_that_reach_as_far_the_one_just_made_stays_whatever_its_name_and_clock() {
        // Name, head and time of two bases; the first is made last.
        let rows = [
            (("base-7-0.db", 7, 20), ("base-7-0.db.age", 7, 10)),
            (("base-7-0.db.age", 7, 20), ("base-7-0.db", 7, 10)),
            (("base-7-0.db", 7, 10), ("base-7-0.db.age", 7, 20)),
            (("base-3-0.db", 7, 20), ("base-7-0.db", 7, 10)),
        ];
        for (made, other) in rows {
            let folder = tempfile::tempdir().unwrap();
            put(folder.path(), other.0, (other.1, other.2));
            let base = put(folder.path(), made.0, (made.1, made.2));
            let younger = if made.2 > other.2 { made.0 } else { other.0 };
            assert_eq!(left(folder.path()).last().unwrap(), younger, "by time, not by name");
            prune(folder.path(), &base).unwrap();
            assert_eq!(left(folder.path()), [made.0]);
        }
    }

    #[test]
    fn a_base_that_reaches_further_stays() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "base-9-0.db", (9, 1));
        let base = put(folder.path(), "base-7-0.db", (7, 2));
        prune(folder.path(), &base).unwrap();
        assert_eq!(left(folder.path()), ["base-7-0.db", "base-9-0.db"]);
    }
}
