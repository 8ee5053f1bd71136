//! Who may open a log: one process at a time, no older writer, no unknown schema, no foreign file.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use strait_log::{EventStore, StoreError};
use strait_primitives::EventSeq;
use strait_store_sqlite::{OpenError, Options, SchemaVersion, SqliteStore};
use tempfile::TempDir;

use crate::records::{open, records, snapshot};

/// Names the directory to a child process of [`a_second_process_is_refused_with_the_pid_of_the_first`].
const HOLD_VARIABLE: &str = "STRAIT_TEST_HOLD";

/// A plain connection, to arrange what the store itself would not.
pub(crate) fn raw(directory: &TempDir) -> Connection {
    Connection::open(directory.path().join("strait.db")).unwrap()
}

#[test]
fn a_second_process_is_refused_with_the_pid_of_the_first() {
    let directory = TempDir::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "openings::the_child_that_holds_a_log", "--nocapture"])
        .env(HOLD_VARIABLE, directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line.contains("held")));
    let refused = SqliteStore::open(directory.path(), Options::default()).unwrap_err();
    let OpenError::InUse { holder, .. } = &refused else { panic!("unexpected: {refused}") };
    assert_eq!(*holder, Some(child.id()));
    assert!(refused.to_string().contains(&format!("(pid {})", child.id())), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();
    open(&directory);
}

#[test]
fn the_child_that_holds_a_log() {
    let Some(directory) = std::env::var_os(HOLD_VARIABLE) else { return };
    let _store = SqliteStore::open(Path::new(&directory), Options::default()).unwrap();
    println!("held");
    // Until killed; a parent that dies closes the pipe.
    std::io::stdin().lines().next();
}

#[test]
fn the_same_process_cannot_open_a_log_twice_either() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let again = SqliteStore::open(directory.path(), Options::default());
    assert!(matches!(again, Err(OpenError::InUse { .. })));
    drop(store);
    open(&directory);
}

#[test]
fn each_opening_has_a_higher_epoch_and_an_overtaken_writer_is_fenced() {
    let directory = TempDir::new().unwrap();
    let mut old = open(&directory);
    old.append_batch(&records(1, 2, 8)).unwrap();
    // Someone who deletes the lock file defeats the lock; the epoch still holds.
    fs::remove_file(directory.path().join("lock")).unwrap();
    let mut new = open(&directory);
    assert!(new.epoch() > old.epoch());
    new.append_batch(&records(3, 1, 8)).unwrap();
    for outcome in [old.append_batch(&records(3, 1, 9)), new.append_batch(&records(4, 1, 8))] {
        match outcome {
            Ok(()) => assert_eq!(new.head(), EventSeq::new(4)),
            Err(StoreError::Fenced { ours, current }) => assert!(ours < current),
            Err(error) => panic!("unexpected: {error}"),
        }
    }
    assert_eq!(new.read_from(EventSeq::new(1), 9).unwrap().len(), 4);
    fs::remove_file(directory.path().join("lock")).unwrap();
    let newest = open(&directory);
    assert!(matches!(new.put_snapshot(&snapshot(4)), Err(StoreError::Fenced { .. })));
    assert_eq!(newest.latest_snapshot().unwrap(), None);
}

#[test]
fn a_log_goes_down_to_an_older_schema_and_up_again_without_losing_an_event() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    store.append_batch(&records(1, 5, 8)).unwrap();
    store.put_snapshot(&snapshot(5)).unwrap();
    drop(store);
    SqliteStore::downgrade(directory.path(), SchemaVersion::OLDEST).unwrap();
    let below = SqliteStore::downgrade(directory.path(), SchemaVersion(0));
    assert!(matches!(below, Err(OpenError::NoWayDown { .. })));
    let store = open(&directory);
    assert_eq!(store.read_from(EventSeq::ZERO, 9).unwrap(), records(1, 5, 8));
    assert_eq!(store.latest_snapshot().unwrap(), None, "the older schema has no snapshots");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory));
    raw(&directory).pragma_update(None, "user_version", 99).unwrap();
    let refused = SqliteStore::open(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::NewerSchema { found: SchemaVersion(99), .. }));
    assert!(refused.to_string().contains("schema 99"), "{refused}");
    let version: u32 =
        raw(&directory).pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    raw(&directory)
        .execute_batch("CREATE TABLE cats (name); INSERT INTO cats VALUES ('a')")
        .unwrap();
    let before = fs::read(directory.path().join("strait.db")).unwrap();
    let refused = SqliteStore::open(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::NotALog { found: 0, .. }), "{refused}");
    assert_eq!(fs::read(directory.path().join("strait.db")).unwrap(), before);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = SqliteStore::open(&file.join("data"), Options::default()).unwrap_err();
    assert!(refused.to_string().contains("file/data"), "{refused}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_log() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    store.append_batch(&records(1, 1, 8)).unwrap();
    for name in ["strait.db", "strait.db-wal", "head", "lock"] {
        let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}
