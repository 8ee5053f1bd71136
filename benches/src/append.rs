//! An append to the log on disk, and the floor: the same bytes in one write and one `fdatasync`.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use strait_log::{Record, Writer};
use strait_store_sqlite::{Options, SqliteStore};

/// The bare file is written over from its start after this many bytes, as SQLite does with its write-ahead file.
const BARE_FILE_BYTES: usize = 16 << 20;

/// A log on disk and the records to append to it.
#[derive(Debug)]
pub struct Appender {
    writer: Writer<SqliteStore>,
    /// The next batch; only its places change.
    batch: Vec<Record>,
}

impl Appender {
    /// Opens a fresh log in `directory`; batches repeat the first `count` of these records.
    ///
    /// # Panics
    /// If the disk does not take it.
    #[must_use]
    pub fn new(directory: &Path, records: &[Record], count: u64) -> Self {
        let count = usize::try_from(count).expect("a batch fits memory");
        let store = SqliteStore::open(directory, Options::default()).expect("a fresh log opens");
        Self { writer: Writer::new(store), batch: records.iter().take(count).cloned().collect() }
    }

    /// Numbers the next batch and makes it durable.
    ///
    /// # Panics
    /// If the disk does not take it.
    pub fn append(&mut self) {
        let head = self.writer.head();
        for (record, ahead) in self.batch.iter_mut().zip(1..) {
            record.seq = head.advanced(ahead);
        }
        let receipt = self.writer.append(&self.batch).expect("the disk takes it");
        assert_eq!(receipt.durable(), self.writer.head(), "a receipt reaches to the head");
    }

    /// Bytes of a batch's payloads.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.batch.iter().map(|record| record.payload.len()).sum()
    }
}

/// A file whose blocks are there, written over and over.
#[derive(Debug)]
pub struct BareFile {
    file: File,
    bytes: Vec<u8>,
    written: usize,
}

impl BareFile {
    /// Lays out a file in `directory` that takes as many bytes a time as the payloads of `appender`.
    ///
    /// # Panics
    /// If the disk does not take it.
    #[must_use]
    pub fn beside(appender: &Appender, directory: &Path) -> Self {
        let mut file = File::create(directory.join("bare")).expect("a fresh file opens");
        let bytes: Vec<u8> =
            appender.batch.iter().flat_map(|record| record.payload.iter().copied()).collect();
        let blank = vec![0x5a; BARE_FILE_BYTES + bytes.len()];
        file.write_all(&blank).and_then(|()| file.sync_all()).expect("the disk takes it");
        file.rewind().expect("a file rewinds");
        Self { file, bytes, written: 0 }
    }

    /// Writes and syncs.
    ///
    /// # Panics
    /// If the disk does not take it.
    pub fn append(&mut self) {
        self.file
            .write_all(&self.bytes)
            .and_then(|()| self.file.sync_data())
            .expect("the disk takes it");
        self.written += self.bytes.len();
        if self.written >= BARE_FILE_BYTES {
            self.file.rewind().expect("a file rewinds");
            self.written = 0;
        }
    }
}
