//! A log out of a shipped folder: the newest base, and what the segments continue it with.

use std::fs;
use std::path::Path;

use strait_primitives::EventSeq;
use strait_store_sqlite::{
    DirectoryLock, NamedFile, Place, Reader, Row, named_files, restore_with,
};

use super::folder::{self, Base, Segment};
use super::segment::{self, Payload};
use crate::disk::PlaceError;
use crate::modules;
use crate::restore::{Proof, RestoreError, Restored, check_digest, open_plain};
use crate::seals::OpenKey;

/// A log out of a shipped folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// What was restored.
    pub restored: Restored,
    /// Where its base ended.
    pub base: EventSeq,
    /// The last event that the folder has by the names of its segments, if that could not be reached: something in between is
    /// missing or damaged.
    pub unreached: Option<EventSeq>,
}

/// The batches of a folder's segments, in order, as far as they continue each other.
struct Rows<'a> {
    segments: std::slice::Iter<'a, Segment>,
    key: &'a OpenKey,
    at: Place,
    /// Of the segment that is being read.
    waiting: std::vec::IntoIter<Vec<u8>>,
}

impl Iterator for Rows<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            for bytes in self.waiting.by_ref() {
                if Row::last_in(&bytes).is_some_and(|last| last <= self.at.last) {
                    continue;
                }
                // A gap: nothing after it can be used.
                let row = Row::open(bytes, self.at)?;
                self.at = row.place;
                return Some(row.bytes);
            }
            let segment = self.segments.next()?;
            self.waiting = rows_of(segment, self.key).into_iter();
        }
    }
}

/// The batches of one segment, as far as it is whole.
fn rows_of(segment: &Segment, key: &OpenKey) -> Vec<Vec<u8>> {
    let Ok(bytes) = fs::read(&segment.path) else { return Vec::new() };
    let Some(read) = segment::read(&bytes) else { return Vec::new() };
    let mut rows = Vec::new();
    for frame in read.frames {
        match frame.kind {
            Payload::Plain => rows.extend(segment::unpack(frame.payload)),
            Payload::Sealed => {
                let opened = key
                    .open_with()
                    .and_then(|with| strait_seal::open_bytes(frame.payload, with).ok());
                let Some(opened) = opened else { return rows };
                rows.extend(segment::unpack(&opened));
            }
        }
    }
    rows
}

/// Makes the log of a folder that has none out of a shipped one: up to the last whole batch that continues the newest base.
///
/// # Errors
/// [`RestoreError`].
pub fn restore_shipped(
    lock: &DirectoryLock,
    from: &Path,
    key: &OpenKey,
    scratch: &Path,
) -> Result<Shipped, RestoreError> {
    let failed = PlaceError::of(from);
    let contents = folder::contents(from).map_err(&failed)?;
    let base = sound_base(from, &contents.bases)?;
    let plain = open_plain(&base.path, key, scratch)?;
    let copy = Reader::of_database(plain.path());
    let end = copy
        .end()
        .map_err(|error| RestoreError::Copy(strait_store_sqlite::OpenError::Store(error).into()))?;
    let mut files = named_files(plain.path())?;
    files.extend(modules_of(from, key));
    files.sort_by(|one, other| one.name.cmp(&other.name));
    files.dedup_by(|one, other| one.name == other.name);
    let data_dir = lock.data_dir();
    let modules = modules::put(data_dir, &files).map_err(&failed)?;
    let waiting = Vec::new().into_iter();
    let mut rows = Rows { segments: contents.segments.iter(), key, at: end, waiting };
    let backup = restore_with(lock, plain.path(), &mut rows)?;
    let reached = rows.at.last;
    let named = contents.segments.iter().map(|segment| segment.last.unwrap_or(segment.first)).max();
    // An open segment that holds nothing yet names an event that is still to come.
    let unreached = named.filter(|last| *last > reached.next());
    let restored = Restored { backup, modules, proof: Proof::Manifest };
    Ok(Shipped { restored, base: base.manifest.head, unreached })
}

/// The newest base that is what its manifest says.
fn sound_base<'a>(from: &Path, bases: &'a [Base]) -> Result<&'a Base, RestoreError> {
    let mut refused = None;
    for base in bases.iter().rev() {
        match check_digest(&base.path, &base.manifest) {
            Ok(()) => return Ok(base),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| RestoreError::NoBase { folder: from.into() }))
}

/// The modules that lie in a shipped folder, as far as they can be read.
fn modules_of(from: &Path, key: &OpenKey) -> Vec<NamedFile> {
    let entries = fs::read_dir(from.join("modules")).into_iter().flatten().flatten();
    let mut files = Vec::new();
    for entry in entries {
        let (Ok(name), Ok(bytes)) = (entry.file_name().into_string(), fs::read(entry.path()))
        else {
            continue;
        };
        match name.strip_suffix(".age") {
            None => files.push(NamedFile { name, bytes }),
            Some(plain) => {
                let opened =
                    key.open_with().and_then(|with| strait_seal::open_bytes(&bytes, with).ok());
                files.extend(
                    opened
                        .map(|opened| NamedFile { name: plain.to_owned(), bytes: opened.to_vec() }),
                );
            }
        }
    }
    files
}
