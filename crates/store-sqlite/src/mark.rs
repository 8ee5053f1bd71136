//! The head mark: how far the log reached, kept outside the database.
//!
//! SQLite takes a write-ahead file that is damaged, or gone, for one that ends early, and opens a log without its
//! last events. A node that went on from there could publish a state it has already revoked. So each append leaves
//! the place and checksum of its last batch in `data_dir/head`, without syncing: the mark may lag behind the log,
//! never run ahead. A log that does not reach its mark has lost events that were acknowledged.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use strait_primitives::EventSeq;

use crate::OpenError;
use crate::batch::Checksum;
use crate::lock::private_file;

/// Name of the mark in the data directory.
const FILE_NAME: &str = "head";
/// First bytes of a mark, layout included.
const MAGIC: [u8; 8] = *b"STRTHD\x00\x01";
/// Bytes of a mark: magic, place, checksum of the batch, checksum of the mark.
const MARK_BYTES: usize = 8 + 8 + 4 + 4;

/// A place that the log has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The last record of some batch.
    pub(crate) last: EventSeq,
    /// The checksum of that batch.
    pub(crate) checksum: Checksum,
}

/// The open file of the mark.
#[derive(Debug)]
pub(crate) struct HeadMark {
    file: File,
}

impl HeadMark {
    /// Opens the file for moving the mark, making an empty one if need be.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let path = path(data_dir);
        match private_file(&path) {
            Ok(file) => Ok(Self { file }),
            Err(source) => Err(OpenError::Directory { path, source }),
        }
    }

    /// Moves the mark.
    pub(crate) fn set(&mut self, mark: Mark) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(&encode(mark))
    }
}

/// The file of a data directory's mark.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

/// The mark of a data directory. A file that holds no mark counts as none: it may be cut short by a lost power.
pub(crate) fn read(data_dir: &Path) -> Result<Option<Mark>, OpenError> {
    let path = path(data_dir);
    match fs::read(&path) {
        Ok(bytes) => Ok(decode(&bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::Directory { path, source }),
    }
}

/// The bytes of a mark.
fn encode(mark: Mark) -> [u8; MARK_BYTES] {
    let mut bytes = Vec::with_capacity(MARK_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&mark.last.to_u64().to_le_bytes());
    bytes.extend_from_slice(&mark.checksum.0.to_le_bytes());
    let own = Checksum::of(&bytes);
    bytes.extend_from_slice(&own.0.to_le_bytes());
    bytes.try_into().expect("the fields add up to the length of a mark")
}

/// The mark in these bytes, if they are one.
fn decode(bytes: &[u8]) -> Option<Mark> {
    let bytes: &[u8; MARK_BYTES] = bytes.try_into().ok()?;
    let (rest, own) = bytes.split_last_chunk::<4>()?;
    if Checksum::of(rest).0 != u32::from_le_bytes(*own) {
        return None;
    }
    let (magic, rest) = rest.split_first_chunk::<8>()?;
    let (last, checksum) = rest.split_first_chunk::<8>()?;
    let checksum = Checksum(u32::from_le_bytes(checksum.try_into().ok()?));
    let last = EventSeq::new(u64::from_le_bytes(*last));
    (*magic == MAGIC).then_some(Mark { last, checksum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_its_bytes_and_no_flipped_bit() {
        let mark = Mark { last: EventSeq::new(77), checksum: Checksum(0xdead_beef) };
        let bytes = encode(mark);
        assert_eq!(decode(&bytes), Some(mark));
        for bit in 0..MARK_BYTES * 8 {
            let mut spoiled = bytes;
            spoiled[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&spoiled), None, "bit {bit}");
        }
        assert_eq!(decode(&bytes[1..]), None);
        assert_eq!(decode(&[]), None);
    }
}
