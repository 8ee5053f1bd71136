//! A log whose beginning was removed, and whose snapshots cannot be read.

use strait_log::{Epoch, EventStore, Record, Snapshot, StoreError};
use strait_primitives::EventSeq;
use strait_store::{ReplayError, replay};

/// A store that has lost its first nine events, and every snapshot.
struct Beheaded;

const REMOVED: EventSeq = EventSeq::new(9);

impl EventStore for Beheaded {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn head(&self) -> EventSeq {
        EventSeq::new(20)
    }

    fn append_batch(&mut self, _records: &[Record]) -> Result<(), StoreError> {
        panic!("nothing is written to a log that is only read")
    }

    fn read_from(&self, from: EventSeq, _limit: usize) -> Result<Vec<Record>, StoreError> {
        assert!(from <= REMOVED, "it is asked for its beginning");
        Err(StoreError::Compacted { asked: from, removed: REMOVED })
    }

    fn put_snapshot(&mut self, _snapshot: &Snapshot) -> Result<(), StoreError> {
        panic!("nothing is written to a log that is only read")
    }

    fn latest_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        Ok(None)
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[test]
fn a_node_does_not_start_on_the_rest_of_a_log_without_a_snapshot() {
    let refused = replay(&Beheaded).unwrap_err();
    assert!(matches!(refused, ReplayError::NoSnapshot { removed: REMOVED }), "{refused:?}");
}
