//! Files that are not what was written: each is refused with the last sound event, and left as it is.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};
use strait_log::{EventStore, StoreError};
use strait_primitives::EventSeq;
use strait_store_sqlite::{OpenError, Options, Reader, SqliteStore, verify};
use tempfile::TempDir;

use crate::records::{open, records, snapshot};

/// Batches in the log that is spoiled, each of [`BATCH`] events.
const BATCHES: u64 = 10;
/// Events of a batch.
const BATCH: u64 = 20;

/// A closed log of [`BATCHES`] batches and two snapshots.
fn sound_log() -> TempDir {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    for batch in 0..BATCHES {
        store.append_batch(&records(batch * BATCH + 1, BATCH, 2_000)).unwrap();
    }
    store.put_snapshot(&snapshot(100)).unwrap();
    store.put_snapshot(&snapshot(200)).unwrap();
    directory
}

/// Runs SQL that no store would.
fn tamper(directory: &TempDir, sql: &str) {
    let connection = Connection::open(directory.path().join("strait.db")).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// The bytes of the database file.
fn database(directory: &TempDir) -> Vec<u8> {
    fs::read(directory.path().join("strait.db")).unwrap()
}

/// What opening says, which must leave the database as it was.
fn open_damaged(directory: &TempDir) -> Option<StoreError> {
    let before = database(directory);
    let outcome = SqliteStore::open(directory.path(), Options::default());
    let error = store_error(outcome.err())?;
    assert!(database(directory) == before, "a refused log must not be written to");
    Some(error)
}

/// What the full check says.
fn verify_damaged(directory: &TempDir) -> Option<StoreError> {
    store_error(verify(directory.path()).err())
}

/// The error of the log itself; the others do not belong here.
fn store_error(error: Option<OpenError>) -> Option<StoreError> {
    let error = error?;
    let OpenError::Store(error) = error else { panic!("unexpected: {error}") };
    Some(error)
}

/// The last sound event that an error names.
fn near(error: Option<StoreError>) -> Option<u64> {
    match error {
        Some(StoreError::Damaged { near, .. }) => Some(near.to_u64()),
        None => None,
        Some(error) => panic!("unexpected: {error:?}"),
    }
}

/// Tampers with a sound log; `at_opening` and `at_check` are the last sound events named, `None` where nothing shows.
fn check(sql: &str, at_opening: Option<u64>, at_check: Option<u64>) {
    let directory = sound_log();
    tamper(&directory, sql);
    assert_eq!(near(verify_damaged(&directory)), at_check, "{sql}");
    assert_eq!(near(open_damaged(&directory)), at_opening, "{sql}");
}

#[test]
fn spoiled_rows_are_found_with_the_last_sound_event() {
    let middle = Some(80);
    check("UPDATE batches SET checksum = checksum + 1 WHERE first_seq = 81", None, middle);
    check("UPDATE batches SET last_seq = 101 WHERE first_seq = 81", None, middle);
    check("UPDATE batches SET bytes = zeroblob(9) WHERE first_seq = 81", None, middle);
    check("DELETE FROM batches WHERE first_seq = 81", None, middle);
    check(
        "UPDATE batches SET (checksum, bytes) =
             (SELECT checksum, bytes FROM batches WHERE first_seq = 61) WHERE first_seq = 81",
        None,
        middle,
    );
    check("DELETE FROM batches WHERE first_seq = 1", None, Some(0));
    // The last batch is checked at opening, and the head mark knows that there was one.
    let last = Some(180);
    check("UPDATE batches SET checksum = checksum + 1 WHERE first_seq = 181", last, last);
    check("UPDATE batches SET bytes = x'00' WHERE first_seq = 181", last, last);
    check("DELETE FROM batches WHERE first_seq = 181", last, last);
    check("DELETE FROM batches", Some(0), Some(0));
    check("PRAGMA user_version = 0", Some(200), Some(200));
}

#[test]
fn a_read_across_a_spoiled_batch_fails_and_reads_around_it_do_not() {
    let directory = sound_log();
    let sql = "UPDATE batches SET bytes = zeroblob(length(bytes)) WHERE first_seq = 81";
    tamper(&directory, sql);
    let reader = Reader::new(directory.path());
    assert_eq!(reader.read_from(EventSeq::new(1), 80).unwrap().len(), 80);
    assert_eq!(reader.read_from(EventSeq::new(101), 100).unwrap().len(), 100);
    for from in [1, 80, 81, 100] {
        let error = reader.read_from(EventSeq::new(from), 81).err();
        assert_eq!(near(error), Some(80), "from {from}");
    }
}

#[test]
fn an_end_that_was_cut_off_with_its_journal_is_missed() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    store.append_batch(&records(1, 4, 8)).unwrap();
    drop(store);
    let copy = database(&directory);
    let mut store = open(&directory);
    store.append_batch(&records(5, 4, 8)).unwrap();
    drop(store);
    // The operator puts an older copy back, or loses the journal: the log ends early, and the head mark tells.
    fs::write(directory.path().join("strait.db"), copy).unwrap();
    assert_eq!(near(open_damaged(&directory)), Some(4));
    // Another history of the same length is not this log either.
    let other = TempDir::new().unwrap();
    let mut store = open(&other);
    store.append_batch(&records(1, 8, 9)).unwrap();
    drop(store);
    fs::write(directory.path().join("strait.db"), database(&other)).unwrap();
    assert!(near(open_damaged(&directory)).is_some());
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_older_one_and_then_to_none() {
    let directory = sound_log();
    tamper(&directory, "UPDATE snapshots SET payload = x'00' WHERE seq = 200");
    assert_eq!(verify(directory.path()).unwrap().snapshots_damaged, 1);
    assert_eq!(open(&directory).latest_snapshot().unwrap(), Some(snapshot(100)));
    tamper(&directory, "UPDATE snapshots SET version = version + 1");
    assert_eq!(open(&directory).latest_snapshot().unwrap(), None);
}

#[test]
fn a_snapshot_ahead_of_the_log_shows_that_the_log_was_cut() {
    let directory = sound_log();
    tamper(&directory, "DELETE FROM batches WHERE first_seq = 181");
    fs::remove_file(directory.path().join("head")).unwrap();
    assert_eq!(near(open_damaged(&directory)), Some(180));
}

#[test]
fn a_truncated_database_names_the_last_event_that_can_still_be_read() {
    let directory = sound_log();
    let whole = database(&directory);
    let path = directory.path().join("strait.db");
    let mut named = Vec::new();
    for percent in [0, 1, 10, 30, 60, 90, 99] {
        fs::write(&path, &whole[..whole.len() * percent / 100]).unwrap();
        remove_journal(directory.path());
        let at_opening = near(open_damaged(&directory)).expect("a cut file must not open");
        assert_eq!(near(verify_damaged(&directory)), Some(at_opening), "at {percent} %");
        named.push(at_opening);
    }
    assert!(named.is_sorted(), "{named:?}");
    assert_eq!((named.first(), named.last() > Some(&80)), (Some(&0), true), "{named:?}");
}

#[test]
fn a_flipped_byte_anywhere_is_found_or_changes_no_event() {
    let directory = sound_log();
    let whole = database(&directory);
    let path = directory.path().join("strait.db");
    let expect = records(1, BATCHES * BATCH, 2_000);
    let mut found = 0;
    // Every byte of the file header, then samples over the whole file.
    let positions = (0..100).chain((100..whole.len()).step_by(whole.len() / 150));
    for position in positions {
        let mut spoiled = whole.clone();
        spoiled[position] ^= 0x10;
        fs::write(&path, &spoiled).unwrap();
        remove_journal(directory.path());
        match Reader::new(directory.path()).read_from(EventSeq::ZERO, usize::MAX) {
            Ok(read) if read.len() == expect.len() => {
                assert!(read == expect, "byte {position} changed an event in silence");
            }
            // A shorter log is what the head mark is for.
            Ok(_) => {
                assert!(
                    open_outcome_is_error(&directory),
                    "byte {position} cut the log in silence"
                );
                found += 1;
            }
            Err(StoreError::Damaged { .. } | StoreError::Medium { .. }) => found += 1,
            Err(error) => panic!("unexpected at byte {position}: {error}"),
        }
    }
    assert!(found > 100, "batches fill most of the file, and only {found} flips were found");
}

/// True if the log does not open.
fn open_outcome_is_error(directory: &TempDir) -> bool {
    SqliteStore::open(directory.path(), Options::default()).is_err()
}

#[test]
fn a_flipped_byte_in_the_journal_is_found_or_loses_nothing_that_was_acknowledged() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    for batch in 0..4 {
        store.append_batch(&records(batch * BATCH + 1, BATCH, 500)).unwrap();
    }
    // Copies of the open files are what a machine finds after its power went.
    let files = ["strait.db", "strait.db-wal", "head"];
    let whole = files.map(|name| fs::read(directory.path().join(name)).unwrap());
    let copy = TempDir::new().unwrap();
    let mut refused = 0;
    let length = whole[1].len();
    for position in (0..length).step_by(length / 100) {
        for (name, bytes) in files.iter().zip(&whole) {
            let mut bytes = bytes.clone();
            if *name == "strait.db-wal" {
                bytes[position] ^= 1;
            }
            fs::write(copy.path().join(name), bytes).unwrap();
        }
        let _gone = fs::remove_file(copy.path().join("strait.db-shm"));
        match SqliteStore::open(copy.path(), Options::default()) {
            Ok(store) => assert_eq!(store.head(), EventSeq::new(4 * BATCH), "at {position}"),
            Err(OpenError::Store(StoreError::Damaged { near, .. })) => {
                assert!(near < EventSeq::new(4 * BATCH), "at {position}");
                refused += 1;
            }
            Err(error) => panic!("unexpected at {position}: {error}"),
        }
    }
    assert!(refused > 20, "only {refused} were refused");
}

#[test]
fn a_file_that_is_no_database_is_damage_and_left_alone() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("strait.db"), b"all your events").unwrap();
    assert_eq!(near(open_damaged(&directory)), Some(0));
    assert_eq!(near(verify_damaged(&directory)), Some(0));
}

#[test]
fn a_column_with_a_foreign_value_is_damage() {
    let directory = sound_log();
    let connection = Connection::open(directory.path().join("strait.db")).unwrap();
    connection
        .execute("UPDATE batches SET checksum = ?1 WHERE first_seq = 181", params![-1])
        .unwrap();
    drop(connection);
    assert_eq!(near(open_damaged(&directory)), Some(180));
}

/// Removes what a reader of the previous state left beside the database.
fn remove_journal(directory: &Path) {
    for name in ["strait.db-wal", "strait.db-shm"] {
        let _gone = fs::remove_file(directory.join(name));
    }
}
