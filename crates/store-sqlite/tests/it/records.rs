//! Appending, reading back, snapshots, readers.

use strait_log::{EventStore, Record, RecordKind, RecordVersion, Snapshot, Writer};
use strait_primitives::{EventSeq, Timestamp};
use strait_store_sqlite::{Options, Reader, SqliteStore, verify};
use tempfile::TempDir;

/// `count` records from the place `first` on, each with a payload of its own of `length` bytes.
pub(crate) fn records(first: u64, count: u64, length: usize) -> Vec<Record> {
    let record = |seq: u64| Record {
        seq: EventSeq::new(seq),
        at: Timestamp::from_unix_ms(1_700_000_000_000 + seq),
        kind: RecordKind(u16::try_from(seq % 60).unwrap()),
        version: RecordVersion(1),
        payload: seq.to_le_bytes().iter().copied().cycle().take(length).collect(),
    };
    (first..first + count).map(record).collect()
}

/// A snapshot of the state after `seq`.
pub(crate) fn snapshot(seq: u64) -> Snapshot {
    Snapshot {
        seq: EventSeq::new(seq),
        version: RecordVersion(4),
        payload: seq.to_le_bytes().repeat(100),
    }
}

/// Opens without limits.
pub(crate) fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(directory.path(), Options::default()).unwrap()
}

#[test]
fn what_was_appended_is_read_from_any_place_before_and_after_reopening() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    let mut all = Vec::new();
    // The last but one fills several rows of one commit.
    for (count, length) in [(1, 0), (3, 10), (1, 300_000), (1_000, 1_024), (2, 5)] {
        let batch = records(store.head().to_u64() + 1, count, length);
        store.append_batch(&batch).unwrap();
        all.extend(batch);
    }
    for store in [store, { open_after_drop(&directory) }] {
        for (from, limit) in [
            (0, 5),
            (1, 1),
            (2, 2),
            (4, 3),
            (5, 1),
            (6, 999),
            (500, 7),
            (1_007, 9),
            (1_008, 1),
            (9_999, 1),
            (3, 0),
        ] {
            let start = usize::try_from(u64::max(from, 1) - 1).unwrap().min(all.len());
            let expect: Vec<Record> = all[start..].iter().take(limit).cloned().collect();
            let read = store.read_from(EventSeq::new(from), limit).unwrap();
            assert!(read == expect, "from {from}, limit {limit}");
        }
        assert_eq!(store.head(), EventSeq::new(1_007));
    }
}

/// A reader-only twin is not enough here: the second pass must be a new opening.
fn open_after_drop(directory: &TempDir) -> SqliteStore {
    let copy = TempDir::new().unwrap();
    for name in ["strait.db", "strait.db-wal"] {
        std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let store = open(&copy);
    // The directory may go: the files stay open.
    drop(copy);
    store
}

#[test]
fn a_batch_that_leaves_a_gap_or_goes_back_is_refused_before_it_is_written() {
    for first in [1, 2, 3, 5] {
        let directory = TempDir::new().unwrap();
        let mut store = open(&directory);
        store.append_batch(&records(1, 3, 8)).unwrap();
        let attempt = std::panic::AssertUnwindSafe(|| store.append_batch(&records(first, 1, 8)));
        assert!(std::panic::catch_unwind(attempt).is_err(), "first {first}");
        assert_eq!(Reader::new(directory.path()).head().unwrap(), EventSeq::new(3));
    }
}

#[test]
fn an_empty_batch_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    store.append_batch(&[]).unwrap();
    assert_eq!(store.head(), EventSeq::ZERO);
    assert_eq!(store.read_from(EventSeq::ZERO, 10).unwrap(), []);
    assert_eq!(store.latest_snapshot().unwrap(), None);
}

#[test]
fn readers_follow_the_writer_and_see_only_what_is_durable() {
    let directory = TempDir::new().unwrap();
    let mut writer = Writer::new(open(&directory));
    let reader = writer.store().reader();
    let follower = std::thread::spawn({
        let reader = reader.clone();
        move || {
            let mut next = EventSeq::new(1);
            while next <= EventSeq::new(2_000) {
                for record in reader.read_from(next, 64).unwrap() {
                    assert_eq!(record, records(next.to_u64(), 1, 100)[0]);
                    next = next.next();
                }
            }
        }
    });
    for first in (1..=2_000).step_by(10) {
        let receipt = writer.append(&records(first, 10, 100)).unwrap();
        assert_eq!(reader.head().unwrap(), receipt.durable());
    }
    follower.join().unwrap();
}

#[test]
fn the_log_grows_on_disk_and_says_so() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    let before = store.size_bytes().unwrap();
    store.append_batch(&records(1, 1_000, 1_000)).unwrap();
    assert!(store.size_bytes().unwrap() > before + 1_000_000);
}

#[test]
fn two_snapshots_are_kept_and_the_newest_is_given() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    store.append_batch(&records(1, 9, 8)).unwrap();
    for seq in [2, 4, 9] {
        store.put_snapshot(&snapshot(seq)).unwrap();
        assert_eq!(store.latest_snapshot().unwrap(), Some(snapshot(seq)));
    }
    assert_eq!(store.reader().latest_snapshot().unwrap(), Some(snapshot(9)));
    assert_eq!(verify(directory.path()).unwrap().snapshots_sound, 2);
}

#[test]
fn a_long_unbroken_load_is_moved_into_the_database_while_it_runs() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    for _ in 0..60 {
        let first = store.head().to_u64() + 1;
        store.append_batch(&records(first, 1_000, 1_000)).unwrap();
    }
    assert_eq!(store.checkpoint_failures(), 0);
    let journal = std::fs::metadata(directory.path().join("strait.db-wal")).unwrap().len();
    assert!(journal < 40 << 20, "60 MB were appended, and {journal} bytes lie in the journal");
    drop(store);
    let verified = verify(directory.path()).unwrap();
    assert_eq!((verified.head, verified.snapshots_damaged), (EventSeq::new(60_000), 0));
    assert!(verified.batches >= 60);
}
