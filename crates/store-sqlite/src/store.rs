//! The store itself: one writer's opening of the log.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use strait_log::{Epoch, EventStore, Record, RecordKind, Snapshot, StoreError};
use strait_primitives::{EventSeq, Timestamp};
use thiserror::Error;

use crate::batch::{Checksum, pack};
use crate::checkpoint::Checkpointer;
use crate::compaction::{self, Compaction};
use crate::connection::{database_path, journal_path, opening, sql_seq, store_error, writable};
use crate::inspect::inspect;
use crate::limits::{PAGE_BYTES, ROW_BYTES_TARGET};
use crate::lock::{DirectoryLock, private_file};
use crate::mark::{HeadMark, Mark};
use crate::walk::{Tail, records, tail};
use crate::{OpenError, Reader, SchemaVersion, backup, mark, schema, snapshots};

/// What was being done when a write failed.
const APPENDING: &str = "append to the log";
/// What was being done when a snapshot failed.
const SNAPSHOTTING: &str = "keep a snapshot";

/// How a log is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The database refuses to grow above this many bytes; `None` leaves it to the disk.
    pub size_bytes_max: Option<u64>,
    /// With more bytes in the database than this, events that two snapshots cover are removed, oldest first; `None` keeps
    /// them all.
    pub history_bytes_max: Option<u64>,
}

/// Why a store that is still open takes no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an earlier write failed, and only opening the log again tells what is on disk")]
struct Ended;

/// Whether the store still takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// A write failed: what it left is known after a restart.
    Ended,
}

/// The log of one node on disk, open for writing.
///
/// Opening fences every earlier opening. After a failed write the store takes no more: the process must restart.
#[derive(Debug)]
pub struct SqliteStore {
    /// Dropped before the connection, so that the last one to close is the writer's.
    checkpointer: Checkpointer,
    connection: Connection,
    mark: HeadMark,
    database: PathBuf,
    epoch: Epoch,
    /// The end of the log; moves with every append.
    tail: Tail,
    /// When this log was copied from another, if nothing was appended to it since.
    backup_taken: Option<Timestamp>,
    life: Life,
    /// What may be removed.
    compaction: Compaction,
    /// The bytes of one row, kept to save allocations.
    row: Vec<u8>,
    /// Held until everything above is closed.
    _lock: DirectoryLock,
}

impl SqliteStore {
    /// Opens the log in `data_dir`, making both if need be, and takes it over for writing.
    ///
    /// # Errors
    /// Every case of [`OpenError`]; a log that is refused is left as it was.
    pub fn open(data_dir: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_locked(DirectoryLock::take(data_dir)?, options)
    }

    /// As [`SqliteStore::open`], in a directory that this process has taken already.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_locked(lock: DirectoryLock, options: Options) -> Result<Self, OpenError> {
        let data_dir = lock.data_dir();
        let database = database_path(data_dir);
        inspect(&database, mark::read(data_dir)?)?;
        let mark = HeadMark::open(data_dir)?;
        let mut connection = open_database(&database)?;
        schema::upgrade(&mut connection)?;
        let tail = tail(&connection)?;
        cap(&connection, options, tail.last)?;
        let backup_taken = backup::taken(&connection).map_err(|error| opening(tail.last, error))?;
        let epoch = raise_epoch(&mut connection, tail)?;
        let checkpointer = Checkpointer::start(&database)?;
        let life = Life::Running;
        let row = Vec::new();
        let mut compaction = Compaction::new(options.history_bytes_max);
        compaction.note_snapshots(&connection, tail.last)?;
        Ok(Self {
            checkpointer,
            connection,
            mark,
            database,
            epoch,
            tail,
            backup_taken,
            life,
            compaction,
            row,
            _lock: lock,
        })
    }

    /// Takes the tables of the log in `data_dir` down to an older schema, for an older version of Strait.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], and [`OpenError::NoWayDown`] if `wanted` cannot hold a log.
    pub fn downgrade(data_dir: &Path, wanted: SchemaVersion) -> Result<(), OpenError> {
        let _lock = DirectoryLock::take(data_dir)?;
        let database = database_path(data_dir);
        inspect(&database, mark::read(data_dir)?)?;
        let mut connection = open_database(&database)?;
        schema::upgrade(&mut connection)?;
        if backup::taken(&connection).map_err(|error| opening(EventSeq::ZERO, error))?.is_some() {
            return Err(OpenError::Backup);
        }
        let removed = compaction::base(&connection)?.last;
        if removed != EventSeq::ZERO {
            return Err(OpenError::Compacted { removed });
        }
        schema::downgrade(&mut connection, wanted)
    }

    /// When this log was copied from another one, if it is a backup and nothing was appended to it since. The first
    /// batch that is then appended holds a record of the kind [`RecordKind::RESTORED`].
    #[must_use]
    pub const fn backup_taken(&self) -> Option<Timestamp> {
        self.backup_taken
    }

    /// A view of this log that reads while the store writes.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::of_database(&self.database)
    }

    /// Checkpoints that failed since the opening. Nothing is lost by them, but the write-ahead file grows.
    #[must_use]
    pub fn checkpoint_failures(&self) -> u64 {
        self.checkpointer.failures()
    }

    /// Refuses to write after a failed write.
    fn admit(&self, action: &'static str) -> Result<(), StoreError> {
        match self.life {
            Life::Running => Ok(()),
            Life::Ended => Err(StoreError::Medium { action, source: Box::new(Ended) }),
        }
    }

    /// Writes the batch in one transaction and returns the new tail and the bytes it took in the journal.
    fn commit_batch(&mut self, records: &[Record]) -> Result<(Tail, u64), StoreError> {
        let failed = |error| store_error(APPENDING, self.tail.last, error);
        let transaction = begin(&mut self.connection).map_err(failed)?;
        check_epoch(&transaction, self.epoch, self.tail.last)?;
        let mut tail = self.tail;
        let (mut written, mut added) = (0_u64, 0_u64);
        let mut rest = records;
        while !rest.is_empty() {
            let count = pack(rest, tail.checksum, self.epoch, &mut self.row);
            let (packed, after) = rest.split_at(count);
            tail = insert(&transaction, packed, &self.row, self.epoch).map_err(failed)?;
            written = written.saturating_add(journal_bytes(&self.row));
            added = added.saturating_add(length_of(&self.row));
            rest = after;
        }
        if self.backup_taken.is_some() {
            backup::clear(&transaction).map_err(failed)?;
        }
        self.compaction.remove(&transaction, added).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok((tail, written))
    }

    /// Writes the snapshot in one transaction.
    fn commit_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let failed = |error| store_error(SNAPSHOTTING, self.tail.last, error);
        let transaction = begin(&mut self.connection).map_err(failed)?;
        check_epoch(&transaction, self.epoch, self.tail.last)?;
        snapshots::put(&transaction, snapshot).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// Ends this opening if a write failed.
    fn note<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if outcome.is_err() {
            self.life = Life::Ended;
        }
        outcome
    }
}

impl EventStore for SqliteStore {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn head(&self) -> EventSeq {
        self.tail.last
    }

    fn append_batch(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let mut last = self.tail.last;
        for record in records {
            assert_eq!(record.seq, last.next(), "records must continue the log");
            last = record.seq;
        }
        self.admit(APPENDING)?;
        if records.is_empty() {
            return Ok(());
        }
        let says_restored = || records.iter().any(|record| record.kind == RecordKind::RESTORED);
        assert!(
            self.backup_taken.is_none() || says_restored(),
            "a backup goes on as a restored log"
        );
        let outcome = self
            .checkpointer
            .before_append(&self.connection, self.tail.last)
            .and_then(|()| self.commit_batch(records));
        let (tail, written) = self.note(outcome)?;
        assert_eq!(tail.last, last, "every record must be in the batch");
        self.tail = tail;
        self.backup_taken = None;
        // A mark that could not be moved lags behind, which it may: the batch itself is durable.
        let _moved = self.mark.set(Mark { last, checksum: tail.checksum });
        self.row.shrink_to(ROW_BYTES_TARGET.saturating_mul(2));
        self.checkpointer.appended(written);
        Ok(())
    }

    fn read_from(&self, from: EventSeq, limit: usize) -> Result<Vec<Record>, StoreError> {
        records(&self.connection, from, limit)
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        assert!(snapshot.seq <= self.tail.last, "a snapshot cannot lie ahead of the log");
        self.admit(SNAPSHOTTING)?;
        let outcome = self
            .commit_snapshot(snapshot)
            .and_then(|()| self.compaction.note_snapshots(&self.connection, self.tail.last));
        self.note(outcome)?;
        self.checkpointer.appended(journal_bytes(&snapshot.payload));
        Ok(())
    }

    fn latest_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        snapshots::latest(&self.connection, self.tail.last)
    }

    fn upkeep_failures(&self) -> u64 {
        self.checkpoint_failures()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        let failed = |source| StoreError::Medium {
            action: "tell the size of the log",
            source: Box::new(source),
        };
        let database = fs::metadata(&self.database).map_err(failed)?.len();
        // SQLite makes the write-ahead file when it first needs it.
        let journal = fs::metadata(journal_path(&self.database)).map_or(0, |file| file.len());
        Ok(database.saturating_add(journal))
    }
}

/// Opens the database, made readable only by its owner if it has to be made.
fn open_database(database: &Path) -> Result<Connection, OpenError> {
    // An existing file is left to SQLite: closing a second handle would drop the locks it holds on the first.
    if !database.exists() {
        let error = |source| OpenError::Directory { path: database.into(), source };
        private_file(database).map_err(error)?;
    }
    writable(database)
}

/// Sets the size that the database may not exceed.
fn cap(connection: &Connection, options: Options, head: EventSeq) -> Result<(), OpenError> {
    let Some(bytes) = options.size_bytes_max else { return Ok(()) };
    let failed = |error| opening(head, error);
    let page: u32 =
        connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(failed)?;
    let pages = bytes.checked_div(u64::from(page)).unwrap_or(0).max(1);
    let pages = i64::try_from(pages).unwrap_or(i64::MAX);
    connection
        .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
        .map_err(failed)
}

/// Takes the next epoch, and with it the log over.
fn raise_epoch(connection: &mut Connection, tail: Tail) -> Result<Epoch, OpenError> {
    let failed = |error| opening(tail.last, error);
    // The epoch column has no checksum; the last batch has, and keeps a damaged column from turning time back.
    let floor = i64::try_from(tail.epoch.0).unwrap_or(i64::MAX);
    let transaction = begin(connection).map_err(failed)?;
    let epoch: i64 = transaction
        .query_row(
            "UPDATE writer SET epoch = max(epoch, ?1) + 1 WHERE id = 1 RETURNING epoch",
            [floor],
            |row| row.get(0),
        )
        .map_err(failed)?;
    transaction.commit().map_err(failed)?;
    let epoch = u64::try_from(epoch).map_err(|_| {
        let what = "the epoch of the writer is negative";
        OpenError::Store(StoreError::Damaged { near: tail.last, what })
    })?;
    Ok(Epoch(epoch))
}

/// Starts a transaction that holds the write lock.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>, rusqlite::Error> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Refuses to go on once another writer has taken the log over.
fn check_epoch(
    transaction: &Transaction<'_>,
    ours: Epoch,
    near: EventSeq,
) -> Result<(), StoreError> {
    let current: i64 = transaction
        .prepare_cached("SELECT epoch FROM writer WHERE id = 1")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(|error| store_error("check who writes the log", near, error))?;
    if u64::try_from(current) == Ok(ours.0) {
        return Ok(());
    }
    let current = Epoch(u64::try_from(current).unwrap_or(u64::MAX));
    Err(StoreError::Fenced { ours, current })
}

/// Inserts one row; returns the tail it makes.
fn insert(
    transaction: &Transaction<'_>,
    packed: &[Record],
    row: &[u8],
    epoch: Epoch,
) -> Result<Tail, rusqlite::Error> {
    let first = packed.first().expect("a row holds at least one record").seq;
    let last = packed.last().expect("a row holds at least one record").seq;
    let checksum = Checksum::of(row);
    transaction
        .prepare_cached(
            "INSERT INTO batches (first_seq, last_seq, checksum, bytes) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![sql_seq(first), sql_seq(last), checksum.0, row])?;
    Ok(Tail { last, checksum, epoch })
}

fn length_of(value: &[u8]) -> u64 {
    u64::try_from(value.len()).expect("a length fits 64 bits")
}

/// About how much a row with this value takes in the write-ahead file: its own pages, and two that lead to them.
fn journal_bytes(value: &[u8]) -> u64 {
    let page = u64::from(PAGE_BYTES);
    length_of(value).div_ceil(page).saturating_add(2).saturating_mul(page)
}
