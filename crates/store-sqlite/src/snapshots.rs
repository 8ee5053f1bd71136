//! The snapshots table: the newest two folds of the log, each with its own checksum.

use rusqlite::{Connection, Error, OptionalExtension, Transaction, params};
use strait_log::{RecordVersion, Snapshot, StoreError};
use strait_primitives::EventSeq;

use crate::connection::{damage, sql_seq, store_error};
use crate::limits::SNAPSHOTS_KEPT;

/// What was being done when reading failed.
const ACTION: &str = "read a snapshot";

/// CRC-32C over place, version and payload.
fn checksum(seq: EventSeq, version: RecordVersion, payload: &[u8]) -> u32 {
    let head = crc32c::crc32c(&seq.to_u64().to_le_bytes());
    let head = crc32c::crc32c_append(head, &version.0.to_le_bytes());
    crc32c::crc32c_append(head, payload)
}

/// Keeps a snapshot and drops all but the newest ones.
pub(crate) fn put(transaction: &Transaction<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    let Snapshot { seq, version, payload } = snapshot;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO snapshots (seq, version, checksum, payload)
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![sql_seq(*seq), version.0, checksum(*seq, *version, payload), payload])?;
    transaction
        .prepare_cached(
            "DELETE FROM snapshots WHERE seq NOT IN
                 (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?1)",
        )?
        .execute([SNAPSHOTS_KEPT])?;
    Ok(())
}

/// How a snapshot was found.
enum Found {
    Sound(Snapshot),
    Damaged,
}

/// The newest sound snapshot at or before `head`.
pub(crate) fn latest(
    connection: &Connection,
    head: EventSeq,
) -> Result<Option<Snapshot>, StoreError> {
    for seq in places(connection, head)? {
        match read(connection, seq, head)? {
            Found::Sound(snapshot) => return Ok(Some(snapshot)),
            Found::Damaged => {}
        }
    }
    Ok(None)
}

/// All sound snapshots at or before `head`, newest first.
pub(crate) fn sound(connection: &Connection, head: EventSeq) -> Result<Vec<Snapshot>, StoreError> {
    let mut snapshots = Vec::new();
    for seq in places(connection, head)? {
        match read(connection, seq, head)? {
            Found::Sound(snapshot) => snapshots.push(snapshot),
            Found::Damaged => {}
        }
    }
    Ok(snapshots)
}

/// The snapshot at a place, if it is sound.
pub(crate) fn at(connection: &Connection, seq: EventSeq) -> Result<Option<Snapshot>, StoreError> {
    match read(connection, seq, seq)? {
        Found::Sound(snapshot) => Ok(Some(snapshot)),
        Found::Damaged => Ok(None),
    }
}

/// How many snapshots are sound, and how many are not.
pub(crate) fn count(connection: &Connection, head: EventSeq) -> Result<(u32, u32), StoreError> {
    let (mut sound, mut damaged) = (0_u32, 0_u32);
    for seq in places(connection, head)? {
        let counter = match read(connection, seq, head)? {
            Found::Sound(_) => &mut sound,
            Found::Damaged => &mut damaged,
        };
        *counter = counter.saturating_add(1);
    }
    Ok((sound, damaged))
}

/// The place up to which two sound snapshots hold all that was; `None` with fewer, or if one of the newest two is damaged.
pub(crate) fn covered(
    connection: &Connection,
    head: EventSeq,
) -> Result<Option<EventSeq>, StoreError> {
    let places = places(connection, head)?;
    let [newest, older, ..] = places.as_slice() else { return Ok(None) };
    for seq in [newest, older] {
        match read(connection, *seq, head)? {
            Found::Sound(_) => {}
            Found::Damaged => return Ok(None),
        }
    }
    Ok(Some(*older))
}

/// The place of the newest snapshot, sound or not; zero without one.
pub(crate) fn newest_place(
    connection: &Connection,
    head: EventSeq,
) -> Result<EventSeq, StoreError> {
    Ok(places(connection, head)?.first().copied().unwrap_or(EventSeq::ZERO))
}

/// The places of all snapshots, newest first; none in a log from before there were snapshots.
pub(crate) fn places(connection: &Connection, head: EventSeq) -> Result<Vec<EventSeq>, StoreError> {
    let failed = |error| store_error(ACTION, head, error);
    let has_table = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'snapshots'", [], |_| Ok(()))
        .optional()
        .map_err(failed)?;
    if has_table.is_none() {
        return Ok(Vec::new());
    }
    let mut statement = connection
        .prepare_cached("SELECT seq FROM snapshots ORDER BY seq DESC LIMIT 16")
        .map_err(failed)?;
    let numbers = statement.query_map([], |row| row.get::<_, i64>(0)).map_err(failed)?;
    let mut places = Vec::new();
    for number in numbers {
        let number = u64::try_from(number.map_err(failed)?);
        places.extend(number.map(EventSeq::new));
    }
    Ok(places)
}

/// Reads one snapshot. Damage to it is an answer, not an error: there may be an older one.
fn read(connection: &Connection, seq: EventSeq, head: EventSeq) -> Result<Found, StoreError> {
    let row = connection
        .prepare_cached("SELECT version, checksum, payload FROM snapshots WHERE seq = ?1")
        .and_then(|mut statement| {
            statement.query_row([sql_seq(seq)], |row| {
                Ok((RecordVersion(row.get(0)?), row.get::<_, u32>(1)?, row.get(2)?))
            })
        });
    let (version, expected, payload): (RecordVersion, u32, Vec<u8>) = match row {
        Ok(row) => row,
        Err(Error::QueryReturnedNoRows) => return Ok(Found::Damaged),
        Err(error) if damage(&error).is_some() => return Ok(Found::Damaged),
        Err(error) => return Err(store_error(ACTION, head, error)),
    };
    if checksum(seq, version, &payload) != expected {
        return Ok(Found::Damaged);
    }
    Ok(Found::Sound(Snapshot { seq, version, payload }))
}
