//! A disk without room: the append fails with a reason, and what was durable stays.

use strait_log::{EventStore, StoreError};
use strait_primitives::EventSeq;
use strait_store_sqlite::{Options, SqliteStore, verify};
use tempfile::TempDir;

use crate::records::{open, records, snapshot};

#[test]
fn a_full_database_refuses_the_batch_whole_and_the_store_takes_no_more() {
    let directory = TempDir::new().unwrap();
    let options = Options { size_bytes_max: Some(2 << 20), ..Options::default() };
    let mut store = SqliteStore::open(directory.path(), options).unwrap();
    let error = loop {
        let first = store.head().to_u64() + 1;
        match store.append_batch(&records(first, 100, 1_000)) {
            Ok(()) => assert!(first < 4_000, "the limit must bite"),
            Err(error) => break error,
        }
    };
    let StoreError::Medium { action, source } = error else { panic!("unexpected: {error}") };
    assert_eq!(action, "append to the log");
    assert!(source.to_string().contains("full"), "{source}");
    let head = store.head();
    assert!(head > EventSeq::new(1_000));
    let next = records(head.to_u64() + 1, 1, 8);
    assert!(matches!(store.append_batch(&next), Err(StoreError::Medium { .. })));
    assert!(store.put_snapshot(&snapshot(1)).is_err());
    assert_eq!(store.read_from(head, 2).unwrap(), records(head.to_u64(), 1, 1_000));
    drop(store);
    assert_eq!(verify(directory.path()).unwrap().head, head);
    let mut roomy = open(&directory);
    assert_eq!(roomy.head(), head);
    roomy.append_batch(&next).unwrap();
}
