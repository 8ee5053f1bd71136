//! The full check: every batch, every link, every snapshot, and SQLite's own structure.

use std::path::Path;

use rusqlite::Connection;
use strait_log::StoreError;
use strait_primitives::EventSeq;

use crate::connection::{Tolerance, database_path, read_only, store_error};
use crate::inspect::{Holds, inspect, salvage};
use crate::walk::{Step, walk};
use crate::{OpenError, mark, snapshots};

/// What a sound log was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// The last event.
    pub head: EventSeq,
    /// Batches walked.
    pub batches: u64,
    /// Snapshots whose checksum holds.
    pub snapshots_sound: u32,
    /// Snapshots that will be passed over.
    pub snapshots_damaged: u32,
}

/// Walks the whole log of a data directory, reading only; a writer may be at work.
///
/// # Errors
/// [`StoreError::Damaged`] naming the last event up to which the chain holds, [`StoreError::Medium`] if the log
/// cannot be read, and the refusals of [`crate::SqliteStore::open`] except [`OpenError::InUse`].
pub fn verify(data_dir: &Path) -> Result<Verified, OpenError> {
    let database = database_path(data_dir);
    match inspect(&database, mark::read(data_dir)?)? {
        Holds::Nothing => return Ok(Verified::default()),
        Holds::Log => {}
    }
    let outcome = read_only(&database, Tolerance::Strict)
        .map_err(|error| store_error("open the log for checking", EventSeq::ZERO, error))
        .and_then(|connection| verify_open(&connection));
    match outcome {
        Ok(verified) => Ok(verified),
        Err(StoreError::Damaged { near, what }) => {
            let near = near.max(salvage(&database));
            Err(OpenError::Store(StoreError::Damaged { near, what }))
        }
        Err(error) => Err(OpenError::Store(error)),
    }
}

/// Checks an open database.
pub(crate) fn verify_open(connection: &Connection) -> Result<Verified, StoreError> {
    let mut batches: u64 = 0;
    let tail = walk(connection, EventSeq::ZERO, |_| {
        batches = batches.saturating_add(1);
        Step::Next
    })?;
    let head = tail.last;
    let structure: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| store_error("check the database", head, error))?;
    if structure != "ok" {
        let what = "SQLite's own check of its file fails";
        return Err(StoreError::Damaged { near: head, what });
    }
    let (snapshots_sound, snapshots_damaged) = snapshots::count(connection, head)?;
    Ok(Verified { head, batches, snapshots_sound, snapshots_damaged })
}
