//! What the memory store promises: batches whole or gone, faults where the script lays them, one writer.

use strait_primitives::{EventSeq, Timestamp};

use super::{Fault, InjectedFault, MemoryDisk, WriteNumber};
use crate::{EventStore, Record, RecordKind, RecordVersion, Snapshot, StoreError, Writer};

fn records(first: u64, count: u64) -> Vec<Record> {
    let record = |seq| Record {
        seq: EventSeq::new(seq),
        at: Timestamp::from_unix_ms(seq * 10),
        kind: RecordKind(7),
        version: RecordVersion(1),
        payload: vec![1, 2, 3],
    };
    (first..first + count).map(record).collect()
}

fn snapshot(seq: u64) -> Snapshot {
    Snapshot { seq: EventSeq::new(seq), version: RecordVersion(1), payload: vec![9] }
}

/// Appends three records, lays `fault` on a second batch of four, and tells what the next opening finds.
fn check(fault: Fault, acknowledged: u64, found: u64) {
    let disk = MemoryDisk::new();
    let mut store = disk.open();
    store.append_batch(&records(1, 3)).unwrap();
    disk.lay(WriteNumber(1), fault);
    let answer = store.append_batch(&records(4, 4));
    assert_eq!(answer.is_ok(), acknowledged == 7, "{fault:?}");
    assert_eq!(store.head(), EventSeq::new(acknowledged), "{fault:?}");
    if answer.is_err() {
        assert!(store.append_batch(&records(4, 1)).is_err(), "{fault:?} must end the opening");
        assert!(store.read_from(EventSeq::new(1), 1).is_err(), "{fault:?} must end the opening");
    }
    drop(store);
    let reopened = disk.open();
    assert_eq!(reopened.head(), EventSeq::new(found), "{fault:?}");
    let read = reopened.read_from(EventSeq::ZERO, usize::MAX).unwrap();
    assert_eq!(read, disk.durable_records(), "{fault:?}");
    assert_eq!(read.len() as u64, found, "{fault:?}");
}

#[test]
fn a_faulty_batch_is_whole_or_gone_after_reopening() {
    check(Fault::Full, 3, 3);
    check(Fault::CrashBefore, 3, 3);
    check(Fault::CrashTorn, 3, 3);
    check(Fault::CrashAfter, 3, 7);
    check(Fault::Lie, 7, 3);
}

#[test]
fn a_lie_takes_what_follows_it_along() {
    let disk = MemoryDisk::new();
    let mut store = disk.open();
    disk.lay(WriteNumber(1), Fault::Lie);
    store.append_batch(&records(1, 1)).unwrap();
    store.append_batch(&records(2, 1)).unwrap();
    store.append_batch(&records(3, 1)).unwrap();
    store.put_snapshot(&snapshot(3)).unwrap();
    assert_eq!(disk.durable_records(), records(1, 1));
    let reopened = disk.open();
    assert_eq!(reopened.head(), EventSeq::new(1));
    assert_eq!(reopened.latest_snapshot().unwrap(), None);
}

#[test]
fn an_opening_is_fenced_by_the_next_one() {
    let disk = MemoryDisk::new();
    let mut old = disk.open();
    let mut new = disk.open();
    assert!(matches!(
        old.append_batch(&records(1, 1)),
        Err(StoreError::Fenced { ours, current }) if ours < current
    ));
    new.append_batch(&records(1, 1)).unwrap();
    assert_eq!(new.head(), EventSeq::new(1));
}

#[test]
fn a_reader_gets_the_records_from_a_place_on_up_to_its_limit() {
    let mut store = MemoryDisk::new().open();
    store.append_batch(&records(1, 10)).unwrap();
    assert_eq!(store.read_from(EventSeq::new(4), 3).unwrap(), records(4, 3));
    assert_eq!(store.read_from(EventSeq::new(9), 10).unwrap(), records(9, 2));
    assert_eq!(store.read_from(EventSeq::new(11), 10).unwrap(), vec![]);
}

#[test]
fn two_snapshots_are_kept_and_a_torn_one_is_passed_over() {
    let disk = MemoryDisk::new();
    let mut store = disk.open();
    store.append_batch(&records(1, 9)).unwrap();
    for seq in [2, 4, 6] {
        store.put_snapshot(&snapshot(seq)).unwrap();
    }
    assert_eq!(store.latest_snapshot().unwrap(), Some(snapshot(6)));
    disk.tear_newest_snapshot();
    assert_eq!(store.latest_snapshot().unwrap(), Some(snapshot(4)));
    disk.lay(disk.next_write(), Fault::CrashTorn);
    assert!(store.put_snapshot(&snapshot(8)).is_err());
    let found = disk.open().latest_snapshot().unwrap();
    assert_eq!(found, Some(snapshot(4)), "6 and 8 are torn");
}

#[test]
fn a_receipt_is_made_only_of_batches_that_the_disk_took() {
    let disk = MemoryDisk::new();
    disk.lay(WriteNumber(1), Fault::Full);
    let mut writer = Writer::new(disk.open());
    assert_eq!(writer.append(&records(1, 2)).unwrap().durable(), EventSeq::new(2));
    let error = writer.append(&records(3, 2)).unwrap_err();
    assert_eq!((error.first, error.last), (EventSeq::new(3), EventSeq::new(4)));
    let StoreError::Medium { source, .. } = error.source else { panic!("a full disk is a medium") };
    let scripted = InjectedFault::Scripted { write: WriteNumber(1), fault: Fault::Full };
    assert_eq!(source.downcast_ref(), Some(&scripted));
}
