//! Rows of the log as they lie in the database: what log shipping carries elsewhere, and a restore puts back.
//!
//! A row is a whole batch with its checksum and its link to the one before it, so a reader at the other end checks the same
//! chain. What is read here was committed, and a commit is on disk before it can be read.

use rusqlite::{Connection, Transaction, params};
use strait_log::StoreError;
use strait_primitives::{EventSeq, Timestamp};

use crate::batch::{Checksum, unpack};
use crate::compaction::base;
use crate::connection::{sql_seq, store_error};
use crate::walk::{Step, Tail, tail, walk};

/// The end of a stretch of the log: its last event, and the checksum of that event's batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The last event.
    pub last: EventSeq,
    /// The checksum of its batch, which the next one repeats.
    pub checksum: u32,
}

/// One batch, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it ends.
    pub place: Place,
    /// When its last record was decided.
    pub decided: Timestamp,
    /// Layout 1 of `docs/storage-format.md`.
    pub bytes: Vec<u8>,
}

impl Place {
    /// Before the first event there ever was.
    pub const START: Self = Self { last: EventSeq::ZERO, checksum: Checksum::START.0 };

    pub(crate) const fn of(tail: Tail) -> Self {
        Self { last: tail.last, checksum: tail.checksum.0 }
    }
}

impl Row {
    /// Opens the bytes of a batch; `None` if they are not those of one that continues `before`.
    #[must_use]
    pub fn open(bytes: Vec<u8>, before: Place) -> Option<Self> {
        let checksum = Checksum::of(&bytes);
        let (place, decided) = {
            let batch = unpack(&bytes, checksum).ok()?;
            let continues =
                batch.first == before.last.next() && batch.previous.0 == before.checksum;
            continues
                .then(|| (Place { last: batch.last, checksum: checksum.0 }, batch.decided_last()))?
        };
        Some(Self { place, decided, bytes })
    }

    /// The last event in the bytes of a batch; `None` if they are not those of one.
    #[must_use]
    pub fn last_in(bytes: &[u8]) -> Option<EventSeq> {
        unpack(bytes, Checksum::of(bytes)).ok().map(|batch| batch.last)
    }
}

/// The rows after a place, in order: at least one if there is one, and then until they are `bytes_max` together.
pub(crate) fn after(
    connection: &Connection,
    place: Place,
    bytes_max: usize,
) -> Result<Vec<Row>, StoreError> {
    let removed = base(connection)?;
    if place.last < removed.last {
        let asked = place.last.next();
        return Err(StoreError::Compacted { asked, removed: removed.last });
    }
    let (mut rows, mut bytes) = (Vec::new(), 0_usize);
    let mut before = place;
    let mut is_other = false;
    walk(connection, place.last.next(), |batch| {
        if batch.last <= place.last {
            return Step::Next;
        }
        let Some(row) = Row::open(batch.bytes.to_vec(), before) else {
            is_other = true;
            return Step::Stop;
        };
        before = row.place;
        bytes = bytes.saturating_add(row.bytes.len());
        rows.push(row);
        if bytes < bytes_max { Step::Next } else { Step::Stop }
    })?;
    if is_other {
        let what = "the batch after this place does not continue it";
        return Err(StoreError::Damaged { near: place.last, what });
    }
    Ok(rows)
}

/// The place that ends with this event, if a batch does.
pub(crate) fn place_at(
    connection: &Connection,
    last: EventSeq,
) -> Result<Option<Place>, StoreError> {
    let removed = base(connection)?;
    if removed.last == last {
        return Ok(Some(Place::of(removed)));
    }
    if last < removed.last {
        return Err(StoreError::Compacted { asked: last, removed: removed.last });
    }
    let mut found = None;
    walk(connection, last, |batch| {
        if batch.last == last {
            found = Some(Place { last, checksum: Checksum::of(batch.bytes).0 });
        }
        Step::Stop
    })?;
    Ok(found)
}

/// Puts rows behind the log of a copy that is being made. Those that it has already are passed over; the first that does
/// not continue it is an error. Returns when the last one was decided, if there was one.
pub(crate) fn append(
    transaction: &Transaction<'_>,
    rows: &mut dyn Iterator<Item = Vec<u8>>,
) -> Result<Option<Timestamp>, StoreError> {
    let mut end = Place::of(tail(transaction)?);
    let mut decided = None;
    for bytes in rows {
        let checksum = Checksum::of(&bytes);
        let damaged = |what| StoreError::Damaged { near: end.last, what };
        let first = {
            let batch =
                unpack(&bytes, checksum).map_err(|_| damaged("a shipped batch is unsound"))?;
            if batch.last <= end.last {
                continue;
            }
            batch.first
        };
        let row = Row::open(bytes, end)
            .ok_or_else(|| damaged("a shipped batch does not continue the one before it"))?;
        transaction
            .prepare_cached(
                "INSERT INTO batches (first_seq, last_seq, checksum, bytes) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut statement| {
                let last = sql_seq(row.place.last);
                statement.execute(params![sql_seq(first), last, row.place.checksum, row.bytes])
            })
            .map_err(|error| store_error("put a shipped batch back", end.last, error))?;
        (end, decided) = (row.place, Some(row.decided));
    }
    Ok(decided)
}
