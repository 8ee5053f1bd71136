//! The walk along the chain of batches: every read goes through it, so that no batch is believed unchecked.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use strait_log::{Epoch, Record, StoreError};
use strait_primitives::EventSeq;

use crate::batch::{Checksum, SoundBatch, Unsound, unpack};
use crate::compaction::base;
use crate::connection::{sql_seq, store_error};

/// What was being done when reading failed.
const ACTION: &str = "read the log";

/// The end of a sound stretch of the log: what the next batch must continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The last record.
    pub(crate) last: EventSeq,
    /// The checksum of its batch.
    pub(crate) checksum: Checksum,
    /// The writer of its batch.
    pub(crate) epoch: Epoch,
}

impl Tail {
    /// The tail of an empty log.
    pub(crate) const START: Self =
        Self { last: EventSeq::ZERO, checksum: Checksum::START, epoch: Epoch(0) };
}

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// To the next batch.
    Next,
    /// No further.
    Stop,
}

/// One moment of the log for several looks: a writer may remove its beginning between two of them. `None` within a
/// transaction, which is one moment already.
fn moment(connection: &Connection) -> Result<Option<Transaction<'_>>, StoreError> {
    if !connection.is_autocommit() {
        return Ok(None);
    }
    let begun = connection.unchecked_transaction();
    begun.map(Some).map_err(|error| store_error(ACTION, EventSeq::ZERO, error))
}

/// Walks from the batch that holds `from`, or from the first there is, to the end, or until `visit` stops. Returns the tail
/// of what was walked.
pub(crate) fn walk(
    connection: &Connection,
    from: EventSeq,
    mut visit: impl FnMut(&SoundBatch<'_>) -> Step,
) -> Result<Tail, StoreError> {
    let _moment = moment(connection)?;
    let mut tail = tail_before(connection, from)?;
    let mut statement = connection
        .prepare_cached(
            "SELECT first_seq, last_seq, checksum, bytes FROM batches
             WHERE first_seq > ?1 ORDER BY first_seq",
        )
        .map_err(|error| store_error(ACTION, tail.last, error))?;
    let mut rows = statement
        .query([sql_seq(tail.last)])
        .map_err(|error| store_error(ACTION, tail.last, error))?;
    while let Some(row) = rows.next().map_err(|error| store_error(ACTION, tail.last, error))? {
        let step;
        (tail, step) = check_row(row, tail, &mut visit)?;
        if step == Step::Stop {
            break;
        }
    }
    Ok(tail)
}

/// Checks one row against the tail before it and shows it to `visit`.
fn check_row(
    row: &Row<'_>,
    tail: Tail,
    visit: &mut impl FnMut(&SoundBatch<'_>) -> Step,
) -> Result<(Tail, Step), StoreError> {
    let near = tail.last;
    let damaged = |what| StoreError::Damaged { near, what };
    let failed = |error| store_error(ACTION, near, error);
    let first = read_seq(row, 0).map_err(failed)?;
    let last = read_seq(row, 1).map_err(failed)?;
    let checksum = Checksum(row.get(2).map_err(failed)?);
    let bytes = row
        .get_ref(3)
        .map_err(failed)?
        .as_blob()
        .map_err(|_| damaged("a batch is not a row of bytes"))?;
    let batch = unpack(bytes, checksum).map_err(|unsound| damaged(words(unsound)))?;
    if (batch.first, batch.last) != (first, last) {
        return Err(damaged("a batch lies under a place that is not its own"));
    }
    if first != tail.last.next() {
        return Err(damaged("events are missing between two batches"));
    }
    if batch.previous != tail.checksum {
        return Err(damaged("a batch does not continue the one before it"));
    }
    if batch.epoch < tail.epoch {
        return Err(damaged("a batch was written by an older writer than the one before it"));
    }
    let step = visit(&batch);
    Ok((Tail { last, checksum, epoch: batch.epoch }, step))
}

/// The words for an unsound batch.
fn words(unsound: Unsound) -> &'static str {
    match unsound {
        Unsound::Checksum => "the checksum of a batch does not match its bytes",
        Unsound::Layout => "a batch has a layout that this version does not know",
        Unsound::Short => "a batch ends before its records do",
        Unsound::Long => "a batch goes on after its records",
        Unsound::Empty => "a batch holds no record",
    }
}

/// A place in the log from a column; negative numbers are out of range.
pub(crate) fn read_seq(row: &Row<'_>, column: usize) -> Result<EventSeq, rusqlite::Error> {
    let number: i64 = row.get(column)?;
    u64::try_from(number)
        .map(EventSeq::new)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// The tail of what lies before the batch that holds `from`, by its columns alone.
///
/// Its epoch is not in a column; 0 lets any writer follow.
fn tail_before(connection: &Connection, from: EventSeq) -> Result<Tail, StoreError> {
    let failed = |error| store_error(ACTION, EventSeq::ZERO, error);
    let mut statement = connection
        .prepare_cached(
            "SELECT last_seq, checksum FROM batches
             WHERE first_seq < (SELECT max(first_seq) FROM batches WHERE first_seq <= ?1)
             ORDER BY first_seq DESC LIMIT 1",
        )
        .map_err(failed)?;
    let from = i64::try_from(from.to_u64()).unwrap_or(i64::MAX);
    let tail = statement
        .query_row([from], |row| {
            let checksum = Checksum(row.get(1)?);
            Ok(Tail { last: read_seq(row, 0)?, checksum, epoch: Epoch(0) })
        })
        .optional()
        .map_err(failed)?;
    tail.map_or_else(|| base(connection), Ok)
}

/// The tail of the whole log, its last batch checked.
pub(crate) fn tail(connection: &Connection) -> Result<Tail, StoreError> {
    walk(connection, EventSeq::new(u64::MAX), |_| Step::Next)
}

/// Reads at most `limit` records from the place `from` on.
pub(crate) fn records(
    connection: &Connection,
    from: EventSeq,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let mut out = Vec::new();
    if limit == 0 {
        return Ok(out);
    }
    let _moment = moment(connection)?;
    let removed = base(connection)?.last;
    if from.max(EventSeq::ZERO.next()) <= removed {
        return Err(StoreError::Compacted { asked: from, removed });
    }
    walk(connection, from, |batch| {
        batch.copy_from(from, limit, &mut out);
        if out.len() < limit { Step::Next } else { Step::Stop }
    })?;
    Ok(out)
}

/// The last event up to which the chain holds from the first one there is on, read from a database that may be damaged.
pub(crate) fn last_sound(connection: &Connection) -> EventSeq {
    let mut sound = base(connection).map_or(EventSeq::ZERO, |tail| tail.last);
    let outcome = walk(connection, EventSeq::ZERO, |batch| {
        sound = batch.last;
        Step::Next
    });
    outcome.map_or(sound, |tail| tail.last)
}
