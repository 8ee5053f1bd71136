//! The trait that stores implement, and the one writer that turns their word into a [`Receipt`].

use core::fmt;

use strait_primitives::EventSeq;
use thiserror::Error;

use crate::{Receipt, Record, Snapshot};

/// The fencing token of a writer: each opening of a store for writing takes the next one, and a store refuses
/// appends that carry an older one (ADR-0002).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why a store could not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another writer has taken over: this process must stop.
    #[error("another writer took the log over: this one had epoch {ours}, the store has {current}")]
    Fenced {
        /// The epoch of the writer that asked.
        ours: Epoch,
        /// The epoch in force.
        current: Epoch,
    },
    /// What is on disk is not what was written.
    #[error("the log is damaged near event {near}: {what}")]
    Damaged {
        /// The last event known to be sound before the damage.
        near: EventSeq,
        /// What does not hold, in words.
        what: &'static str,
    },
    /// What was asked for is there no more: snapshots hold what it led to.
    #[error("event {asked} was asked for, and those up to {removed} were removed")]
    Compacted {
        /// The first event that was asked for.
        asked: EventSeq,
        /// The last one that was removed.
        removed: EventSeq,
    },
    /// The medium failed: full, gone, refused.
    #[error("the store could not {action}")]
    Medium {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The medium's own account.
        #[source]
        source: Box<dyn core::error::Error + Send + Sync>,
    },
}

/// A failed append. The process must stop: what it decided may or may not be on disk, and only replay tells.
#[derive(Debug, Error)]
#[error("events {first} to {last} may not be durable")]
pub struct AppendError {
    /// The first event of the batch.
    pub first: EventSeq,
    /// The last event of the batch.
    pub last: EventSeq,
    /// Why.
    #[source]
    pub source: StoreError,
}

/// A durable, append-only sequence of records with snapshots beside it.
///
/// One writer at a time; readers may read while it writes. Calls block.
pub trait EventStore: Send {
    /// The epoch this store was opened with.
    fn epoch(&self) -> Epoch;

    /// The last record; [`EventSeq::ZERO`] in an empty log.
    fn head(&self) -> EventSeq;

    /// Appends records whose places continue [`EventStore::head`] without a gap. On `Ok` all of them survive a power
    /// cut; on `Err` none of them is readable, or the process must restart to find out.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if another writer has opened the store, [`StoreError::Medium`] if the disk refused.
    fn append_batch(&mut self, records: &[Record]) -> Result<(), StoreError>;

    /// Reads at most `limit` records from the place `from` on.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a checksum or the sequence does not hold, [`StoreError::Compacted`] if the beginning was
    /// removed, [`StoreError::Medium`] if it cannot read.
    fn read_from(&self, from: EventSeq, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// Keeps a snapshot; older ones may be dropped once it is durable.
    ///
    /// # Errors
    /// As [`EventStore::append_batch`].
    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError>;

    /// The newest sound snapshot, if any.
    ///
    /// # Errors
    /// [`StoreError::Medium`] if it cannot read; a damaged snapshot is passed over for an older one.
    fn latest_snapshot(&self) -> Result<Option<Snapshot>, StoreError>;

    /// How often upkeep beside the writes has failed since the opening. Nothing is lost by it, but files grow.
    fn upkeep_failures(&self) -> u64 {
        0
    }

    /// Bytes that the log takes on its medium.
    ///
    /// # Errors
    /// [`StoreError::Medium`] if it cannot be told.
    fn size_bytes(&self) -> Result<u64, StoreError>;
}

impl<S: EventStore + ?Sized> EventStore for Box<S> {
    fn epoch(&self) -> Epoch {
        (**self).epoch()
    }

    fn head(&self) -> EventSeq {
        (**self).head()
    }

    fn append_batch(&mut self, records: &[Record]) -> Result<(), StoreError> {
        (**self).append_batch(records)
    }

    fn read_from(&self, from: EventSeq, limit: usize) -> Result<Vec<Record>, StoreError> {
        (**self).read_from(from, limit)
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        (**self).put_snapshot(snapshot)
    }

    fn latest_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        (**self).latest_snapshot()
    }

    fn upkeep_failures(&self) -> u64 {
        (**self).upkeep_failures()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        (**self).size_bytes()
    }
}

/// The only maker of receipts: wraps the one store that this process writes to.
#[derive(Debug)]
pub struct Writer<S> {
    store: S,
}

impl<S: EventStore> Writer<S> {
    /// Takes the store over for writing.
    pub const fn new(store: S) -> Self {
        Self { store }
    }

    /// The last durable event.
    #[must_use]
    pub fn head(&self) -> EventSeq {
        self.store.head()
    }

    /// The store, for reading.
    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Keeps a snapshot of the state at or before the head.
    ///
    /// # Errors
    /// As [`EventStore::put_snapshot`].
    ///
    /// # Panics
    /// If the snapshot lies ahead of the log: it would hide events that were never durable.
    pub fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        assert!(snapshot.seq <= self.store.head(), "a snapshot cannot lie ahead of the log");
        self.store.put_snapshot(snapshot)
    }

    /// Makes `records` durable and says so.
    ///
    /// # Errors
    /// [`AppendError`]: the process must stop and replay.
    ///
    /// # Panics
    /// If the records do not continue the log: the caller numbered them wrong, and writing them would fork history.
    pub fn append(&mut self, records: &[Record]) -> Result<Receipt, AppendError> {
        let first = self.store.head().next();
        let mut last = self.store.head();
        for record in records {
            assert_eq!(record.seq, last.next(), "records must continue the log");
            last = record.seq;
        }
        if !records.is_empty() {
            self.store.append_batch(records).map_err(|source| AppendError {
                first,
                last,
                source,
            })?;
        }
        assert_eq!(self.store.head(), last, "the store lost count of its records");
        Ok(Receipt::mint(self.store.epoch(), last))
    }
}
