//! Compaction: batches that snapshots cover go, oldest first, so that a log does not grow for ever.
//!
//! It happens within the transaction of an append: no sync of its own, and a crash leaves both or neither. What goes is in
//! proportion to what came, so no append is held up for long. The pages that are freed are written over before the file
//! grows.
//!
//! Where the log begins then is a row of the table `compacted`: the last record that was removed, and the checksum to which
//! the first batch that is left links. So the chain is checked from there as it was from its first event.
//!
//! **Invariant:** only what lies behind two sound snapshots is removed, and never the last batch.

use rusqlite::{Connection, Error, OptionalExtension, Transaction, params};
use strait_log::{Epoch, StoreError};
use strait_primitives::EventSeq;

use crate::batch::Checksum;
use crate::connection::{sql_seq, store_error};
use crate::limits::{REMOVED_BYTES_BESIDE, REMOVED_PER_ADDED, ROW_BYTES_ABOUT};
use crate::snapshots;
use crate::walk::{Tail, read_seq};

/// What is removed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compaction {
    /// Bytes of the database above which batches go; `None` keeps all.
    above_bytes: Option<u64>,
    /// Nothing after this place goes: the older of two sound snapshots.
    covered: EventSeq,
}

impl Compaction {
    /// Nothing is covered before [`Self::note_snapshots`].
    pub(crate) const fn new(above_bytes: Option<u64>) -> Self {
        Self { above_bytes, covered: EventSeq::ZERO }
    }

    /// Finds out what the snapshots cover. They are read back for it.
    pub(crate) fn note_snapshots(
        &mut self,
        connection: &Connection,
        head: EventSeq,
    ) -> Result<(), StoreError> {
        if self.above_bytes.is_some()
            && let Some(covered) = snapshots::covered(connection, head)?
        {
            self.covered = covered;
        }
        Ok(())
    }

    /// Removes batches behind the snapshots, if the database is too large, after so many bytes were added.
    pub(crate) fn remove(
        &self,
        transaction: &Transaction<'_>,
        added_bytes: u64,
    ) -> Result<(), Error> {
        let Some(above_bytes) = self.above_bytes else { return Ok(()) };
        if self.covered == EventSeq::ZERO || used_bytes(transaction)? <= above_bytes {
            return Ok(());
        }
        let budget =
            added_bytes.saturating_mul(REMOVED_PER_ADDED).saturating_add(REMOVED_BYTES_BESIDE);
        let Some((last, checksum)) = self.choose(transaction, budget)? else { return Ok(()) };
        transaction
            .prepare_cached("DELETE FROM batches WHERE last_seq <= ?1 AND first_seq <= ?1")?
            .execute([sql_seq(last)])?;
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO compacted (id, last_seq, batch_checksum, checksum)
                 VALUES (1, ?1, ?2, ?3)",
            )?
            .execute(params![sql_seq(last), checksum.0, checksum_of(last, checksum).0])?;
        Ok(())
    }

    /// The last batch of those that go, with its checksum.
    fn choose(
        &self,
        transaction: &Transaction<'_>,
        budget_bytes: u64,
    ) -> Result<Option<(EventSeq, Checksum)>, Error> {
        let mut statement = transaction.prepare_cached(
            "SELECT last_seq, checksum, length(bytes) FROM batches
             WHERE first_seq <= ?1 ORDER BY first_seq",
        )?;
        let mut rows = statement.query([sql_seq(self.covered)])?;
        let (mut chosen, mut bytes) = (None, 0_u64);
        while let Some(row) = rows.next()? {
            let last = read_seq(row, 0)?;
            if last > self.covered || bytes >= budget_bytes {
                break;
            }
            let length = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            bytes = bytes.saturating_add(length).saturating_add(ROW_BYTES_ABOUT);
            chosen = Some((last, Checksum(row.get(1)?)));
        }
        Ok(chosen)
    }
}

/// Bytes of the database that hold something: its pages without those that are free.
fn used_bytes(connection: &Connection) -> Result<u64, Error> {
    let number = |sql: &str| -> Result<u64, Error> {
        connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, u32>(0)).map(u64::from)
    };
    let pages = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
    Ok(pages.saturating_mul(number("PRAGMA page_size")?))
}

/// CRC-32C over the place and the checksum of the last batch that was removed.
fn checksum_of(last: EventSeq, checksum: Checksum) -> Checksum {
    let head = crc32c::crc32c(&last.to_u64().to_le_bytes());
    Checksum(crc32c::crc32c_append(head, &checksum.0.to_le_bytes()))
}

/// The tail of what was removed: what the first batch of the log continues. That of an empty log if nothing was, or if the
/// tables are from before there was compaction.
pub(crate) fn base(connection: &Connection) -> Result<Tail, StoreError> {
    let failed = |error| store_error("read where the log begins", EventSeq::ZERO, error);
    let has_table = connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'compacted'")
        .and_then(|mut statement| statement.query_row([], |_| Ok(())).optional())
        .map_err(failed)?;
    if has_table.is_none() {
        return Ok(Tail::START);
    }
    let row = connection
        .prepare_cached("SELECT last_seq, batch_checksum, checksum FROM compacted WHERE id = 1")
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok((read_seq(row, 0)?, Checksum(row.get(1)?), Checksum(row.get(2)?)))
            };
            statement.query_row([], read).optional()
        })
        .map_err(failed)?;
    let Some((last, checksum, expected)) = row else { return Ok(Tail::START) };
    if checksum_of(last, checksum) != expected {
        let what = "the note of where the log begins does not match its checksum";
        return Err(StoreError::Damaged { near: EventSeq::ZERO, what });
    }
    // Its writer is not noted; any may follow.
    Ok(Tail { last, checksum, epoch: Epoch(0) })
}
