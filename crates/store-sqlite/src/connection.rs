//! Connections to the database, their settings, and SQLite's errors in our words.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use strait_log::StoreError;
use strait_primitives::EventSeq;

use crate::OpenError;
use crate::limits::{BUSY_TIMEOUT, CACHE_KIB, PAGE_BYTES};

/// Name of the database in the data directory.
const FILE_NAME: &str = "strait.db";

/// The database file of a data directory.
pub(crate) fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

/// The write-ahead file that belongs to a database file.
pub(crate) fn journal_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// How much of a damaged database a reader is willing to step over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// Refuse at the first sign of damage.
    Strict,
    /// Read what can still be read, to tell how far the log is sound.
    Salvage,
}

/// Opens the database for reading only: not even closing it writes to the database or drops its write-ahead file.
pub(crate) fn read_only(database: &Path, tolerance: Tolerance) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    match tolerance {
        Tolerance::Strict => {}
        // With this SQLite also opens a file that is shorter than its header says.
        Tolerance::Salvage => {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
        }
    }
    Ok(connection)
}

/// Opens the database for writing, making it if need be, with every setting that durability rests on read back.
pub(crate) fn writable(database: &Path) -> Result<Connection, OpenError> {
    let failed = |error| opening(EventSeq::ZERO, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    // The page size counts only before the first table; a log made with another one keeps it.
    connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(failed)?;
    // Asking for the write-ahead mode answers with the mode, so it is read back by being set.
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(failed)?;
    require("journal_mode", "wal", &mode)?;
    set::<i64>(&connection, "synchronous", 2)?;
    set::<i64>(&connection, "wal_autocheckpoint", 0)?;
    set::<i64>(&connection, "cache_size", -CACHE_KIB)?;
    set::<i64>(&connection, "cell_size_check", 1)?;
    Ok(connection)
}

/// Sets a pragma and reads it back.
fn set<T>(connection: &Connection, pragma: &'static str, wanted: T) -> Result<(), OpenError>
where
    T: FromSql + rusqlite::ToSql + ToString,
{
    let failed = |error| opening(EventSeq::ZERO, error);
    connection.pragma_update(None, pragma, &wanted).map_err(failed)?;
    let found: T = connection.pragma_query_value(None, pragma, |row| row.get(0)).map_err(failed)?;
    require(pragma, &wanted.to_string(), &found.to_string())
}

/// Refuses a setting that did not take.
fn require(pragma: &'static str, wanted: &str, found: &str) -> Result<(), OpenError> {
    if wanted == found {
        return Ok(());
    }
    Err(OpenError::Setting { pragma, wanted: wanted.to_owned(), found: found.to_owned() })
}

/// An error while opening.
pub(crate) fn opening(near: EventSeq, error: Error) -> OpenError {
    OpenError::Store(store_error("open the log", near, error))
}

/// Sorts an error of SQLite into damage and failures of the medium. `near` is the last event known to be sound.
pub(crate) fn store_error(action: &'static str, near: EventSeq, error: Error) -> StoreError {
    match damage(&error) {
        Some(what) => StoreError::Damaged { near, what },
        None => StoreError::Medium { action, source: Box::new(error) },
    }
}

/// What is damaged, if this error says that something is.
pub(crate) fn damage(error: &Error) -> Option<&'static str> {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => return Some("SQLite finds its file malformed"),
        Some(ErrorCode::NotADatabase) => return Some("the file is not a SQLite database"),
        _ => {}
    }
    // A page that the file ends within; the disk itself gave what it has.
    let extended = error.sqlite_error().map(|account| account.extended_code);
    if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHORT_READ) {
        return Some("the file ends within a page");
    }
    let misread = matches!(
        error,
        Error::InvalidColumnType(..)
            | Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
    );
    misread.then_some("a column holds what no writer put there")
}

/// A place in the log as SQLite's integer.
pub(crate) fn sql_seq(seq: EventSeq) -> i64 {
    i64::try_from(seq.to_u64()).expect("a log holds fewer than 2^63 events")
}
