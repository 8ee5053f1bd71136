//! No part of a node ends unnoticed.

use strait_engine::Command;
use strait_log::{Epoch, EventStore, MemoryDisk, MemoryStore, Record, Snapshot, StoreError};
use strait_primitives::EventSeq;
use strait_runtime::{AskError, Halt};

use crate::chain::Conduct;
use crate::node::{Choices, Node, soon, start, start_on};

async fn check(mut node: Node, expect: &str) {
    let halt = node.halted().await;
    assert!(matches!(halt, Halt::Thread { thread } if thread == expect), "{halt}");
}

/// A store whose code has a fault.
struct BrokenStore(MemoryStore);

impl EventStore for BrokenStore {
    fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    fn head(&self) -> EventSeq {
        self.0.head()
    }

    fn append_batch(&mut self, _: &[Record]) -> Result<(), StoreError> {
        panic!("a fault in the store's code")
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
    let store = BrokenStore(MemoryDisk::new().open());
    let node = start_on(Box::new(store), Choices::default()).await;
    let answer = soon(node.runtime.handle().ask(Command::NewAddress)).await;
    assert!(matches!(answer, Err(AskError::Stopping | AskError::Unanswered)), "{answer:?}");
    check(node, "writer").await;
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
