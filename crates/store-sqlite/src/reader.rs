//! Reading beside the writer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use strait_log::{Record, Snapshot, StoreError};
use strait_primitives::EventSeq;

use crate::connection::{Tolerance, database_path, read_only, store_error};
use crate::rows::{Place, Row};
use crate::{compaction, rows, snapshots, walk};

/// A read-only view of the log, for the event stream of the API and for projections.
///
/// It sees durable events only. Clones are cheap and independent: each opens a connection of its own at its first
/// read, so that clones do not wait for each other. Calls block; from async code they belong on a blocking thread.
#[derive(Debug)]
pub struct Reader {
    /// The database file.
    database: Arc<Path>,
    /// Opened at the first read; dropped after a failed one, so that the next read starts afresh.
    connection: Mutex<Option<Connection>>,
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        Self { database: Arc::clone(&self.database), connection: Mutex::new(None) }
    }
}

impl Reader {
    /// A reader of the log in this data directory. Touches nothing until the first read.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self::of_database(&database_path(data_dir))
    }

    /// A reader of this database file: that of a data directory, or a backup.
    #[must_use]
    pub fn of_database(database: &Path) -> Self {
        Self { database: database.into(), connection: Mutex::new(None) }
    }

    /// The database file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.database.to_path_buf()
    }

    /// The last durable event.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the last batch does not hold, [`StoreError::Medium`] if it cannot be read.
    pub fn head(&self) -> Result<EventSeq, StoreError> {
        self.with(|connection| walk::tail(connection).map(|tail| tail.last))
    }

    /// The oldest event that is there, or would be the first of an empty log.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the note of what was removed does not hold, [`StoreError::Medium`] if it cannot be read.
    pub fn oldest(&self) -> Result<EventSeq, StoreError> {
        self.with(|connection| compaction::base(connection).map(|base| base.last.next()))
    }

    /// At most `limit` durable records from the place `from` on.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a checksum or the sequence does not hold, [`StoreError::Compacted`] if the beginning was
    /// removed, [`StoreError::Medium`] if it cannot read.
    pub fn read_from(&self, from: EventSeq, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.with(|connection| walk::records(connection, from, limit))
    }

    /// The newest sound snapshot, if any.
    ///
    /// # Errors
    /// [`StoreError::Medium`] if it cannot read; a damaged snapshot is passed over for an older one.
    pub fn latest_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        self.with(|connection| {
            let head = walk::tail(connection)?.last;
            snapshots::latest(connection, head)
        })
    }

    /// All sound snapshots, newest first; there are two at most.
    ///
    /// # Errors
    /// [`StoreError::Medium`] if it cannot read; a damaged snapshot is left out.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, StoreError> {
        self.with(|connection| {
            let head = walk::tail(connection)?.last;
            snapshots::sound(connection, head)
        })
    }

    /// The places of all snapshots, sound or not, newest first; there are two at most.
    ///
    /// # Errors
    /// [`StoreError::Medium`] if it cannot read.
    pub fn snapshot_places(&self) -> Result<Vec<EventSeq>, StoreError> {
        self.with(|connection| {
            let head = walk::tail(connection)?.last;
            snapshots::places(connection, head)
        })
    }

    /// The snapshot at a place; `None` if there is none, or if it is damaged.
    ///
    /// # Errors
    /// [`StoreError::Medium`] if it cannot read.
    pub fn snapshot(&self, seq: EventSeq) -> Result<Option<Snapshot>, StoreError> {
        self.with(|connection| snapshots::at(connection, seq))
    }

    /// Where the log ends.
    ///
    /// # Errors
    /// As [`Reader::head`].
    pub fn end(&self) -> Result<Place, StoreError> {
        self.with(|connection| walk::tail(connection).map(Place::of))
    }

    /// Where the log begins: what was removed ends there.
    ///
    /// # Errors
    /// As [`Reader::oldest`].
    pub fn beginning(&self) -> Result<Place, StoreError> {
        self.with(|connection| compaction::base(connection).map(Place::of))
    }

    /// The place that ends with this event; `None` if no batch ends there.
    ///
    /// # Errors
    /// As [`Reader::read_from`].
    pub fn place_at(&self, last: EventSeq) -> Result<Option<Place>, StoreError> {
        self.with(|connection| rows::place_at(connection, last))
    }

    /// The batches after a place, byte for byte: at least one if there is one, and then until they are `bytes_max` together.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if those after it were removed, [`StoreError::Damaged`] if the log does not go on from this
    /// place, [`StoreError::Medium`] if it cannot read.
    pub fn rows_after(&self, place: Place, bytes_max: usize) -> Result<Vec<Row>, StoreError> {
        self.with(|connection| rows::after(connection, place, bytes_max))
    }

    /// Runs `read` on this reader's connection.
    fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match slot.take() {
            Some(connection) => connection,
            None => read_only(&self.database, Tolerance::Strict)
                .map_err(|error| store_error("open the log for reading", EventSeq::ZERO, error))?,
        };
        let answer = read(&connection);
        if answer.is_ok() {
            *slot = Some(connection);
        }
        answer
    }
}
