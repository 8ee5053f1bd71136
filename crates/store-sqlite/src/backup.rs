//! Backups: a copy of the log in one file, made while a writer writes, and marked as what it is.
//!
//! A log that is opened in the past is dangerous, however it came there. So the mark lies inside: the first thing in the
//! copy, before any event, and gone only with the first append to it, in the same transaction. A copy that is cut short
//! at whatever point has it, and so has one that is opened and closed again without an append.
//!
//! **Invariant:** what is copied from is only read, and no file is ever replaced.

use std::fs::{self, File};
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, OpenFlags, OptionalExtension, Transaction};
use strait_primitives::{EventSeq, Timestamp};
use thiserror::Error;

use crate::connection::{Tolerance, database_path, journal_path, read_only, store_error};
use crate::inspect::{Holds, inspect};
use crate::limits::{BUSY_TIMEOUT, PAGE_BYTES};
use crate::lock::{DirectoryLock, private_file};
use crate::verify::{Verified, verify_open};
use crate::{OpenError, mark, rows, schema, walk};

/// What was being done when a copy failed.
const COPYING: &str = "copy the log";

/// Why a backup was not made, or not restored. No file of that name is there that was not there before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// What is to be copied cannot be opened or copied.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// There is no log to copy.
    #[error("{path} holds no log")]
    Nothing {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// There is a file where the copy belongs.
    #[error("{path} exists, and is not replaced")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be made, read or given its name.
    #[error("{path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's account.
        #[source]
        source: io::Error,
    },
}

/// A copy of a log that is sound from its first event to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// When the log was as it is here.
    pub taken: Timestamp,
    /// What it holds.
    pub verified: Verified,
}

/// A file that belongs to a log and lies beside it: a contract's module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Copies the log in `data_dir`, whose writer may be at work, to a new file, and puts files that belong to it inside. `now` is
/// what the copy will say of its age.
///
/// # Errors
/// [`BackupError`]; there is no new file then.
pub fn back_up(
    data_dir: &Path,
    file: &Path,
    now: Timestamp,
    beside: &[NamedFile],
) -> Result<Backup, BackupError> {
    let database = database_path(data_dir);
    match inspect(&database, mark::read(data_dir)?)? {
        Holds::Nothing => return Err(BackupError::Nothing { path: database }),
        Holds::Log => {}
    }
    // A backup of a backup is as old as that.
    let taken = taken_of(&database)?.unwrap_or(now);
    let mut copy = Copy { source: &database, taken, beside, rows: &mut iter::empty() };
    copy.make(file)
}

/// The files that a backup holds beside the log.
///
/// # Errors
/// [`BackupError::Log`] if it cannot be read.
pub fn named_files(file: &Path) -> Result<Vec<NamedFile>, BackupError> {
    let read = || {
        let connection = read_only(file, Tolerance::Strict)?;
        if !has_table(&connection, "main", "files")? {
            return Ok(Vec::new());
        }
        let mut statement = connection.prepare("SELECT name, bytes FROM files ORDER BY name")?;
        let files = statement
            .query_map([], |row| Ok(NamedFile { name: row.get(0)?, bytes: row.get(1)? }))?;
        files.collect::<Result<_, _>>()
    };
    Ok(read().map_err(reading)?)
}

/// Makes the log of a data directory that has none out of a copy: one that [`back_up`] made, or any other copy of a log.
///
/// # Errors
/// [`BackupError`]; the directory has no log then.
pub fn restore(lock: &DirectoryLock, file: &Path) -> Result<Backup, BackupError> {
    restore_with(lock, file, &mut iter::empty())
}

/// As [`restore`], with batches behind it that were shipped since: the bytes of [`crate::Row`]s, in order. Those that the copy
/// has already are passed over.
///
/// # Errors
/// As [`restore`], also if a batch does not continue the log.
pub fn restore_with(
    lock: &DirectoryLock,
    file: &Path,
    rows: &mut dyn Iterator<Item = Vec<u8>>,
) -> Result<Backup, BackupError> {
    let database = database_path(lock.data_dir());
    for path in [database.clone(), journal_path(&database), mark::path(lock.data_dir())] {
        if path.exists() {
            return Err(BackupError::Exists { path });
        }
    }
    match inspect(file, None)? {
        Holds::Nothing => return Err(BackupError::Nothing { path: file.into() }),
        Holds::Log => {}
    }
    let taken = match taken_of(file)? {
        Some(taken) => taken,
        None => last_written(file)?,
    };
    Copy { source: file, taken, beside: &[], rows }.make(&database)
}

/// The mark of a log that was never appended to since it was copied. Whatever row there is is a mark, also one that says
/// what no writer says.
pub(crate) fn taken(connection: &Connection) -> Result<Option<Timestamp>, Error> {
    let taken: Option<Option<i64>> = connection
        .query_row("SELECT taken_ms FROM backup LIMIT 1", [], |row| Ok(row.get(0).ok()))
        .optional()?;
    let moment = |ms: Option<i64>| ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
    Ok(taken.map(|ms| Timestamp::from_unix_ms(moment(ms))))
}

/// Takes the mark away: with the append that begins the log anew.
pub(crate) fn clear(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.execute("DELETE FROM backup", []).map(|_rows| ())
}

fn set(transaction: &Transaction<'_>, taken: Timestamp) -> Result<(), Error> {
    let ms = i64::try_from(taken.to_unix_ms()).unwrap_or(i64::MAX);
    transaction.execute("INSERT INTO backup (id, taken_ms) VALUES (1, ?1)", [ms]).map(|_rows| ())
}

/// The mark of a database that may be older than marks.
fn taken_of(database: &Path) -> Result<Option<Timestamp>, BackupError> {
    let read = || {
        let connection = read_only(database, Tolerance::Strict)?;
        if has_table(&connection, "main", "backup")? { taken(&connection) } else { Ok(None) }
    };
    Ok(read().map_err(reading)?)
}

/// When the last event of a log was decided.
fn last_written(database: &Path) -> Result<Timestamp, BackupError> {
    let connection = read_only(database, Tolerance::Strict).map_err(reading)?;
    let head = walk::tail(&connection).map_err(OpenError::Store)?.last;
    let last = walk::records(&connection, head, 1).map_err(OpenError::Store)?;
    Ok(last.first().map_or(Timestamp::from_unix_ms(0), |record| record.at))
}

fn has_table(connection: &Connection, database: &str, table: &str) -> Result<bool, Error> {
    let sql = format!("SELECT 1 FROM {database}.sqlite_schema WHERE type = 'table' AND name = ?1");
    Ok(connection.query_row(&sql, [table], |_| Ok(())).optional()?.is_some())
}

/// A copy to be made.
struct Copy<'a> {
    /// The database to copy.
    source: &'a Path,
    /// What its mark says.
    taken: Timestamp,
    /// Files that go into it.
    beside: &'a [NamedFile],
    /// Batches that go behind what the source holds.
    rows: &'a mut dyn Iterator<Item = Vec<u8>>,
}

impl Copy<'_> {
    /// Makes the marked copy under another name, checks it, and gives it its own.
    fn make(&mut self, target: &Path) -> Result<Backup, BackupError> {
        if target.exists() {
            return Err(BackupError::Exists { path: target.into() });
        }
        let mut draft = target.as_os_str().to_owned();
        draft.push(format!(".{}.draft", std::process::id()));
        let draft = PathBuf::from(draft);
        let made = self.make_draft(&draft).and_then(|verified| {
            let file = |source| BackupError::File { path: target.into(), source };
            // A link does not replace what is there, as a renaming would.
            match fs::hard_link(&draft, target) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(BackupError::Exists { path: target.into() });
                }
                Err(error) => return Err(file(error)),
            }
            sync_folder_of(target).map_err(file)?;
            Ok(Backup { taken: self.taken, verified })
        });
        // The first failure is the one to tell; the draft may never have been made.
        let _removed = fs::remove_file(&draft);
        made
    }

    fn make_draft(&mut self, draft: &Path) -> Result<Verified, BackupError> {
        private_file(draft).map_err(|source| BackupError::File { path: draft.into(), source })?;
        let mut connection = draft_connection(draft).map_err(reading)?;
        schema::upgrade(&mut connection)?;
        let marking = |connection: &mut Connection, taken| {
            let transaction = connection.transaction()?;
            set(&transaction, taken)?;
            transaction.commit()
        };
        marking(&mut connection, self.taken).map_err(reading)?;
        copy_tables(&mut connection, self.source).map_err(reading)?;
        put_files(&mut connection, self.beside).map_err(reading)?;
        self.put_rows(&mut connection)?;
        Ok(verify_open(&connection).map_err(OpenError::Store)?)
    }

    /// Puts the batches behind the log. The mark is then as young as the last of them, in the same transaction.
    fn put_rows(&mut self, connection: &mut Connection) -> Result<(), BackupError> {
        let transaction = connection.transaction().map_err(reading)?;
        if let Some(decided) = rows::append(&transaction, self.rows).map_err(OpenError::Store)? {
            self.taken = self.taken.max(decided);
            clear(&transaction).and_then(|()| set(&transaction, self.taken)).map_err(reading)?;
        }
        Ok(transaction.commit().map_err(reading)?)
    }
}

/// Puts files into a table of their own, which only a copy has that was given some.
fn put_files(connection: &mut Connection, files: &[NamedFile]) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE files (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT, WITHOUT ROWID",
    )?;
    for file in files {
        transaction
            .prepare_cached("INSERT INTO files (name, bytes) VALUES (?1, ?2)")?
            .execute((&file.name, &file.bytes))?;
    }
    transaction.commit()
}

/// A new database in one file: no write-ahead file, and every commit synced.
fn draft_connection(draft: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(draft, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "synchronous", 2)?;
    Ok(connection)
}

/// Copies what one moment of the source holds: a transaction that reads sees no append that comes after its first look.
fn copy_tables(connection: &mut Connection, source: &Path) -> Result<(), Error> {
    connection.execute("ATTACH DATABASE ?1 AS source", [read_only_uri(source)])?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "INSERT INTO main.batches (first_seq, last_seq, checksum, bytes)
             SELECT first_seq, last_seq, checksum, bytes FROM source.batches ORDER BY first_seq;
         UPDATE main.writer SET epoch = (SELECT epoch FROM source.writer WHERE id = 1);",
    )?;
    if has_table(&transaction, "source", "snapshots")? {
        transaction.execute_batch(
            "INSERT INTO main.snapshots (seq, version, checksum, payload)
                 SELECT seq, version, checksum, payload FROM source.snapshots;",
        )?;
    }
    if has_table(&transaction, "source", "compacted")? {
        transaction.execute_batch(
            "INSERT INTO main.compacted (id, last_seq, batch_checksum, checksum)
                 SELECT id, last_seq, batch_checksum, checksum FROM source.compacted;",
        )?;
    }
    transaction.commit()?;
    connection.execute("DETACH DATABASE source", []).map(|_rows| ())
}

/// The name of a file for SQLite, to be read and nothing else. What a URI gives a meaning is written as its bytes.
fn read_only_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    uri.push_str("?mode=ro");
    uri
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn reading(error: Error) -> OpenError {
    OpenError::Store(store_error(COPYING, EventSeq::ZERO, error))
}
