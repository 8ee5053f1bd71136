//! A log out of a shipped folder: the newest base, and what the segments continue it with.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::{fs, io};

use strait_primitives::EventSeq;
use strait_store_sqlite::{
    DirectoryLock, NamedFile, Place, Reader, Row, named_files, restore_with,
};

use super::folder::{self, Base, Segment};
use super::segment::{self, Payload};
use crate::disk::PlaceError;
use crate::restore::{Proof, RestoreError, Restored, check_digest, open_plain};
use crate::seals::OpenKey;
use crate::{modules, regular};

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
    let read = regular::read(&segment.path, segment::BYTES_MAX);
    let Ok(bytes) = read else { return Vec::new() };
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
    let modules =
        put_modules(from, key, named_files(plain.path())?, lock.data_dir()).map_err(&failed)?;
    let waiting = Vec::new().into_iter();
    let mut rows = Rows { segments: contents.segments.iter(), key, at: end, waiting };
    let backup = restore_with(lock, plain.path(), &mut rows)?;
    let reached = rows.at.last;
    let named = contents.segments.iter().map(|segment| segment.last.unwrap_or(segment.first)).max();
    // An open segment that holds nothing yet names an event that is still to come.
    let unreached = named.filter(|last| last.to_u64() > reached.to_u64().saturating_add(1));
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

/// Puts the modules of a base into a data directory, and those that lie in the shipped folder, as far as they can be read; returns
/// how many are sound. One is held at a time: whoever writes to that folder may have put a million there.
fn put_modules(
    from: &Path,
    key: &OpenKey,
    mut files: Vec<NamedFile>,
    data_dir: &Path,
) -> io::Result<u64> {
    files.retain(modules::is_sound);
    let mut there = modules::put(data_dir, &files)?;
    let mut names: BTreeSet<String> = files.into_iter().map(|file| file.name).collect();
    for entry in fs::read_dir(from.join("modules")).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let plain = name.strip_suffix(".age").unwrap_or(&name);
        if !modules::is_name(plain) || names.contains(plain) {
            continue;
        }
        let Some(bytes) = module_in(&entry.path(), key) else { continue };
        let file = NamedFile { name: plain.to_owned(), bytes };
        if modules::is_sound(&file) {
            there = there.saturating_add(modules::put(data_dir, &[file])?);
            names.insert(plain.to_owned());
        }
    }
    Ok(there)
}

/// What a module's file holds, or what is sealed in it.
fn module_in(path: &Path, key: &OpenKey) -> Option<Vec<u8>> {
    let bytes = regular::read(path, modules::BYTES_MAX).ok()?;
    if path.extension() != Some(OsStr::new("age")) {
        return Some(bytes);
    }
    let opened = strait_seal::open_bytes(&bytes, key.open_with()?).ok()?;
    Some(opened.to_vec())
}
