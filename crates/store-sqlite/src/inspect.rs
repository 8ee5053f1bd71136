//! The look before the leap: what a data directory holds, found out without writing to it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use strait_log::StoreError;
use strait_primitives::EventSeq;

use crate::batch::Checksum;
use crate::compaction::base;
use crate::connection::{Tolerance, journal_path, opening, read_only, sql_seq, store_error};
use crate::mark::Mark;
use crate::schema::{APPLICATION_ID, SchemaVersion, version};
use crate::walk::{last_sound, tail};
use crate::{OpenError, snapshots};

/// What a data directory that may be opened holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// No log yet.
    Nothing,
    /// A log.
    Log,
}

/// Refuses a database that is damaged, foreign, newer than this version, or shorter than its mark.
///
/// Checks the structure that SQLite checks on opening, the last batch and its link, the mark and the snapshots'
/// places: what start-up can afford. [`crate::verify`] checks all of it.
pub(crate) fn inspect(database: &Path, mark: Option<Mark>) -> Result<Holds, OpenError> {
    let marked = mark.map_or(EventSeq::ZERO, |mark| mark.last);
    if is_empty(database)? {
        if marked > EventSeq::ZERO || !is_empty(&journal_path(database))? {
            let what = "the database is empty or gone, but there was a log";
            return Err(damaged(EventSeq::ZERO, what));
        }
        return Ok(Holds::Nothing);
    }
    let connection =
        read_only(database, Tolerance::Strict).map_err(|error| opening(EventSeq::ZERO, error))?;
    match inspect_open(&connection, database, mark) {
        Err(OpenError::Store(StoreError::Damaged { near, what })) => {
            let near = near.max(salvage(database));
            Err(damaged(near, what))
        }
        outcome => outcome,
    }
}

/// As [`inspect`], with the database open.
fn inspect_open(
    connection: &Connection,
    database: &Path,
    mark: Option<Mark>,
) -> Result<Holds, OpenError> {
    let failed = |error| opening(EventSeq::ZERO, error);
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    let found = version(connection).map_err(failed)?;
    let tables: u32 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    if found == SchemaVersion::NONE && tables == 0 && application == 0 {
        // A first opening that was cut short before it had tables.
        return match mark {
            Some(_) => Err(damaged(EventSeq::ZERO, "the tables of the log are gone")),
            None => Ok(Holds::Nothing),
        };
    }
    if application.cast_unsigned() != APPLICATION_ID {
        let found = application.cast_unsigned();
        return Err(OpenError::NotALog { path: database.into(), found });
    }
    if found > SchemaVersion::NEWEST {
        return Err(OpenError::NewerSchema { found, newest: SchemaVersion::NEWEST });
    }
    if found == SchemaVersion::NONE {
        return Err(damaged(EventSeq::ZERO, "the log has tables and no schema version"));
    }
    check_length(connection, database)?;
    let head = tail(connection)?.last;
    check_mark(connection, head, mark)?;
    if snapshots::newest_place(connection, head)? > head {
        return Err(damaged(head, "the log ends before its newest snapshot"));
    }
    Ok(Holds::Log)
}

/// Checks that the database is as long as it says. SQLite reads what is missing of its last page as zeros: rows that a copy
/// has lost would be rows that never were. Beside a write-ahead file the database itself may be shorter.
fn check_length(connection: &Connection, database: &Path) -> Result<(), OpenError> {
    if !is_empty(&journal_path(database))? {
        return Ok(());
    }
    let failed = |error| opening(EventSeq::ZERO, error);
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
    let pages = number("page_count").map_err(failed)?;
    let page_bytes = number("page_size").map_err(failed)?;
    let found = fs::metadata(database)
        .map_err(|source| OpenError::Directory { path: database.into(), source })?
        .len();
    let is_short = found < u64::from(pages).saturating_mul(u64::from(page_bytes));
    // A writer may have begun its write-ahead file between the looks.
    if is_short && is_empty(&journal_path(database))? {
        return Err(damaged(EventSeq::ZERO, "the file ends within a page"));
    }
    Ok(())
}

/// Checks that the log reaches its mark, and with the same batch.
fn check_mark(
    connection: &Connection,
    head: EventSeq,
    mark: Option<Mark>,
) -> Result<(), OpenError> {
    let Some(mark) = mark else { return Ok(()) };
    if mark.last > head {
        return Err(damaged(head, "the log ends before events that were acknowledged"));
    }
    let checksum = connection
        .query_row(
            "SELECT checksum FROM batches WHERE last_seq = ?1 AND first_seq =
                 (SELECT max(first_seq) FROM batches WHERE first_seq <= ?1)",
            [sql_seq(mark.last)],
            |row| row.get(0),
        )
        .optional()
        .map_err(|error| store_error("read the log", EventSeq::ZERO, error))?;
    // A mark that lags so far that its batch was removed cannot be compared any more.
    let base = base(connection)?;
    if mark.last < base.last {
        return Ok(());
    }
    let checksum = checksum.or_else(|| (mark.last == base.last).then_some(base.checksum.0));
    if checksum.map(Checksum) != Some(mark.checksum) {
        return Err(damaged(
            EventSeq::ZERO,
            "the log is not the one that its head mark belongs to",
        ));
    }
    Ok(())
}

/// How far a damaged database can still be followed from its first event on.
pub(crate) fn salvage(database: &Path) -> EventSeq {
    read_only(database, Tolerance::Salvage)
        .map_or(EventSeq::ZERO, |connection| last_sound(&connection))
}

/// True if the file is missing or has no bytes.
fn is_empty(path: &Path) -> Result<bool, OpenError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() == 0),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(source) => Err(OpenError::Directory { path: path.into(), source }),
    }
}

/// Damage found before anything was written.
fn damaged(near: EventSeq, what: &'static str) -> OpenError {
    OpenError::Store(StoreError::Damaged { near, what })
}
