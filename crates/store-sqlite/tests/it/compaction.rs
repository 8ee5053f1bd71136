//! What snapshots cover goes, and the log stays a log.

use std::fs;

use strait_log::{EventStore, StoreError};
use strait_primitives::EventSeq;
use strait_store_sqlite::{
    OpenError, Options, Reader, SchemaVersion, SqliteStore, back_up, verify,
};
use tempfile::TempDir;

use crate::backups::NOW;
use crate::openings::raw;
use crate::records::{open, records, snapshot};

/// Bytes of each payload.
const PAYLOAD_BYTES: usize = 200;
/// Events of one append.
const BATCH: u64 = 500;
/// Appends between two snapshots.
const SNAPSHOT_EVERY: u64 = 10;

const fn keeping(bytes: u64) -> Options {
    Options { size_bytes_max: None, history_bytes_max: Some(bytes) }
}

/// Appends batches, with snapshots between them.
fn grow(store: &mut SqliteStore, batches: u64) {
    for _ in 0..batches {
        let first = store.head().to_u64() + 1;
        store.append_batch(&records(first, BATCH, PAYLOAD_BYTES)).unwrap();
        let head = store.head().to_u64();
        if head.is_multiple_of(BATCH * SNAPSHOT_EVERY) {
            store.put_snapshot(&snapshot(head)).unwrap();
        }
    }
}

/// A log whose beginning is gone.
fn compacted(directory: &TempDir) -> SqliteStore {
    let mut store = SqliteStore::open(directory.path(), keeping(0)).unwrap();
    grow(&mut store, 4 * SNAPSHOT_EVERY);
    store
}

fn pages(directory: &TempDir) -> u32 {
    raw(directory).pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
}

/// Two hundred thousand events with snapshots between them: some 44 MB, of which 4 are to be kept.
#[test]
fn the_file_stays_as_small_as_it_is_asked_to_however_much_is_appended() {
    let directory = TempDir::new().unwrap();
    let mut store = SqliteStore::open(directory.path(), keeping(4 << 20)).unwrap();
    let mut largest = Vec::new();
    for _ in 0..4 {
        grow(&mut store, 100);
        largest.push(pages(&directory));
    }
    assert_eq!(store.head(), EventSeq::new(200_000));
    // 4 MiB, twice what lies between snapshots, and what an append adds before it removes.
    let bound = (4 << 20) + 2 * 5_000 * 220 + (2 << 20);
    let bytes: Vec<u32> = largest.iter().map(|pages| pages * 32_768).collect();
    assert!(bytes.iter().all(|bytes| *bytes <= bound), "{bytes:?} above {bound}");
    drop(store);
    let verified = verify(directory.path()).unwrap();
    assert_eq!((verified.head, verified.snapshots_sound), (EventSeq::new(200_000), 2));
}

#[test]
fn what_is_gone_is_named_and_what_is_there_is_as_it_was() {
    let directory = TempDir::new().unwrap();
    let store = compacted(&directory);
    let (reader, head) = (store.reader(), store.head().to_u64());
    let oldest = reader.oldest().unwrap().to_u64();
    // The older of both snapshots, and no event after it.
    let older = head - BATCH * SNAPSHOT_EVERY;
    assert!(oldest > 1 && oldest <= older + 1, "{oldest} of {head}");
    for asked in [0, 1, oldest - 1] {
        let error = store.read_from(EventSeq::new(asked), 9).unwrap_err();
        let StoreError::Compacted { removed, .. } = error else { panic!("unexpected: {error}") };
        assert_eq!(removed.to_u64(), oldest - 1);
        assert!(matches!(
            reader.read_from(EventSeq::new(asked), 9),
            Err(StoreError::Compacted { .. })
        ));
    }
    let left = store.read_from(EventSeq::new(oldest), usize::MAX).unwrap();
    assert!(left == records(oldest, head - oldest + 1, PAYLOAD_BYTES), "what is left is as it was");
    assert_eq!(store.latest_snapshot().unwrap(), Some(snapshot(head)));
    drop(store);
    // Opened by somebody who keeps everything from now on.
    let mut store = open(&directory);
    grow(&mut store, 3);
    assert_eq!(store.reader().oldest().unwrap().to_u64(), oldest);
    drop(store);
    verify(directory.path()).unwrap();
}

#[test]
fn nothing_goes_that_two_sound_snapshots_do_not_cover() {
    let directory = TempDir::new().unwrap();
    let mut store = SqliteStore::open(directory.path(), keeping(0)).unwrap();
    grow(&mut store, SNAPSHOT_EVERY + 5);
    assert_eq!(store.reader().oldest().unwrap(), EventSeq::new(1), "one snapshot is not two");
    grow(&mut store, SNAPSHOT_EVERY);
    let oldest = store.reader().oldest().unwrap();
    assert!(oldest > EventSeq::new(1));
    drop(store);
    raw(&directory).execute("UPDATE snapshots SET payload = x'00'", []).unwrap();
    let mut store = SqliteStore::open(directory.path(), keeping(0)).unwrap();
    grow(&mut store, 2);
    assert_eq!(store.reader().oldest().unwrap(), oldest, "a spoilt snapshot covers nothing");
}

#[test]
fn a_backup_of_a_compacted_log_is_one_as_well() {
    let directory = TempDir::new().unwrap();
    let store = compacted(&directory);
    let (oldest, head) = (store.reader().oldest().unwrap(), store.head());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("strait.db");
    let backup = back_up(directory.path(), &file, NOW, &[]).unwrap();
    assert_eq!(backup.verified.head, head);
    let copy = Reader::new(folder.path());
    assert_eq!(copy.oldest().unwrap(), oldest);
    assert_eq!(copy.read_from(oldest, 1).unwrap(), store.read_from(oldest, 1).unwrap());
    assert!(fs::metadata(&file).unwrap().len() < 4 << 20, "free pages are not copied");
}

#[test]
fn an_older_schema_takes_no_log_that_has_lost_its_beginning() {
    let directory = TempDir::new().unwrap();
    drop(compacted(&directory));
    let refused = SqliteStore::downgrade(directory.path(), SchemaVersion(3));
    assert!(matches!(refused, Err(OpenError::Compacted { .. })), "{refused:?}");
    drop(open(&directory));
}

/// The head mark of an old copy of the file: its batch may be gone, and that is no reason to refuse the log.
#[test]
fn a_mark_that_lags_behind_what_is_left_is_believed_and_one_that_differs_is_not() {
    let directory = TempDir::new().unwrap();
    let mut store = SqliteStore::open(directory.path(), keeping(0)).unwrap();
    grow(&mut store, 1);
    let mark = directory.path().join("head");
    let early = fs::read(&mark).unwrap();
    grow(&mut store, 4 * SNAPSHOT_EVERY);
    drop(store);
    fs::write(&mark, early).unwrap();
    drop(open(&directory));
}

#[test]
fn a_log_whose_beginning_is_not_where_its_note_says_is_refused() {
    for spoil in [
        "UPDATE compacted SET last_seq = last_seq - 1",
        "UPDATE compacted SET batch_checksum = batch_checksum + 1",
        "DELETE FROM compacted",
        "DELETE FROM batches WHERE first_seq = (SELECT min(first_seq) FROM batches)",
    ] {
        let directory = TempDir::new().unwrap();
        drop(compacted(&directory));
        raw(&directory).execute(spoil, []).unwrap();
        let found = verify(directory.path());
        let Err(OpenError::Store(StoreError::Damaged { .. })) = found else {
            panic!("{spoil}: {found:?}")
        };
    }
}
