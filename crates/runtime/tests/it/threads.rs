//! No part of a node ends unnoticed.

use strait_engine::Command;
use strait_log::{Epoch, EventStore, MemoryDisk, MemoryStore, Record, Snapshot, StoreError};
use strait_primitives::{EventSeq, Timestamp};
use strait_runtime::{AskError, Halt};
use strait_telemetry::Component;

use crate::chain::Conduct;
use crate::node::{Choices, Node, soon, start, start_on};

async fn check(mut node: Node, expect: &str) {
    let halt = node.halted().await;
    assert!(matches!(halt, Halt::Thread { thread } if thread == expect), "{halt}");
}

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// Its code has a fault.
    Writes,
    /// It cannot tidy up.
    Upkeep,
}

/// A store with something wrong.
struct BrokenStore(MemoryStore, Wrong);

impl EventStore for BrokenStore {
    fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    fn head(&self) -> EventSeq {
        self.0.head()
    }

    fn append_batch(&mut self, records: &[Record]) -> Result<(), StoreError> {
        assert_eq!(self.1, Wrong::Upkeep, "a fault in the store's code");
        self.0.append_batch(records)
    }

    fn upkeep_failures(&self) -> u64 {
        u64::from(self.1 == Wrong::Upkeep)
    }

    fn read_from(&self, from: EventSeq, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.0.read_from(from, limit)
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.0.put_snapshot(snapshot)
    }

    fn latest_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        self.0.latest_snapshot()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.0.size_bytes()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_thread_that_dies_ends_the_node() {
    let choices = Choices { chain: Conduct::Panics, ..Choices::default() };
    check(start(&MemoryDisk::new(), choices).await, "chain").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_ends_the_node_and_leaves_nobody_waiting() {
    let store = BrokenStore(MemoryDisk::new().open(), Wrong::Writes);
    let node = start_on(Box::new(store), Choices::default()).await;
    let answer = soon(node.runtime.handle().ask(Command::NewAddress)).await;
    assert!(matches!(answer, Err(AskError::Stopping | AskError::Unanswered)), "{answer:?}");
    check(node, "writer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_tidied_up_shows_in_health_and_stops_nothing() {
    let store = BrokenStore(MemoryDisk::new().open(), Wrong::Upkeep);
    let node = start_on(Box::new(store), Choices::default()).await;
    node.health.started(Component::Store);
    for _ in 0..2 {
        soon(node.runtime.handle().ask(Command::NewAddress)).await.unwrap();
    }
    let overview = node.health.overview(Timestamp::from_unix_ms(0));
    let store = overview.iter().find(|cause| cause.component == Component::Store).unwrap();
    let told = store.detail.as_deref();
    assert_eq!(told, Some("the write-ahead file cannot be folded into the log"), "{store:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_ends_unasked_ends_the_node() {
    let mut node = start(&MemoryDisk::new(), Choices::default()).await;
    node.stop_network().await;
    check(node, "network").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_asked_to_stop_does_so_and_halts_for_nothing() {
    let node = start(&MemoryDisk::new(), Choices::default()).await;
    soon(node.runtime.handle().ask(Command::NewAddress)).await.unwrap();
    node.stop().await;
}
