//! A disk that fails: nothing of the failed batch leaves the node, those who wait learn that they must ask again, and
//! the next start finds what was saved before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use strait_engine::{Answer, Command, CommandError};
use strait_log::{EventStore as _, Fault, MemoryDisk};
use strait_primitives::{NodeId, Timestamp};
use strait_runtime::{AskError, Halt};

use crate::node::{Choices, Node, replayed, soon, start};

/// A node that nobody runs.
fn absent() -> NodeId {
    "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5".parse().unwrap()
}

fn connect() -> Command {
    Command::ConnectPeer { node: absent(), address: "/ip4/127.0.0.1/tcp/1".into() }
}

async fn address(node: &Node) -> Result<Answer, AskError> {
    soon(node.runtime.handle().ask(Command::NewAddress)).await
}

/// What a failed write leaves on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Everything,
}

/// Lets a node work, then lays a fault on its next write.
async fn check(fault: Fault, left: Left) {
    let is_written = left == Left::Everything;
    let disk = MemoryDisk::new();
    let mut node = start(&disk, Choices::default()).await;
    address(&node).await.unwrap();
    let before = disk.durable_records().len();
    disk.lay(disk.next_write(), fault);

    let handle = node.runtime.handle();
    let answer = soon(handle.ask(connect())).await;
    assert!(matches!(answer, Err(AskError::Unanswered)), "{fault:?}: {answer:?}");
    assert!(matches!(node.halted().await, Halt::Append(_)), "{fault:?}");
    let kept = node.net.peers();
    assert!(kept.is_empty(), "{fault:?}: an effect of the failed batch left: {kept:?}");
    let late = soon(handle.ask(Command::Status)).await;
    assert!(
        matches!(late, Err(AskError::Stopping | AskError::Unanswered)),
        "{fault:?}: nobody answers any more: {late:?}"
    );
    node.stop().await;

    let after = replayed(&disk);
    assert_eq!(after.state.book.peers.contains_key(&absent()), is_written, "{fault:?}");
    assert_eq!(disk.durable_records().len() > before, is_written, "{fault:?}");
    let again = start(&disk, Choices::default()).await;
    soon(again.runtime.handle().ask(connect())).await.unwrap();
    again.stop().await;
    assert!(replayed(&disk).state.book.peers.contains_key(&absent()), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_halts_the_node_and_lets_no_effect_of_it_out() {
    check(Fault::Full, Left::Nothing).await;
    check(Fault::CrashBefore, Left::Nothing).await;
    check(Fault::CrashTorn, Left::Nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_nobody_confirmed_is_unanswered_and_stands_after_the_restart() {
    check(Fault::CrashAfter, Left::Everything).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_writer_ends_this_one() {
    let disk = MemoryDisk::new();
    let mut node = start(&disk, Choices::default()).await;
    address(&node).await.unwrap();
    let usurper = disk.open();
    let answer = address(&node).await;
    assert!(matches!(answer, Err(AskError::Unanswered)), "{answer:?}");
    assert!(matches!(node.halted().await, Halt::Append(_)));
    assert_eq!(usurper.head(), replayed(&disk).head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_restarted_often_still_makes_its_snapshots() {
    let disk = MemoryDisk::new();
    let choices = Choices { snapshot_every: 12, ..Choices::default() };
    for _ in 0..8 {
        let node = start(&disk, choices).await;
        address(&node).await.unwrap();
        address(&node).await.unwrap();
        node.stop().await;
    }
    let snapshot = disk.open().latest_snapshot().unwrap();
    assert!(snapshot.is_some(), "{} events and no snapshot", disk.durable_records().len());
}

/// Goal: a node begins nothing new while its disk is nearly full, says why, and goes on by itself once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_is_told_to_users_and_to_whoever_asks_for_health() {
    static FREE_BYTES: AtomicU64 = AtomicU64::new(999);
    let choices = Choices { free_bytes: &FREE_BYTES, ..Choices::default() };
    let node = start(&MemoryDisk::new(), choices).await;
    let refused = address(&node).await;
    let expect = CommandError::DiskLow { free_bytes: 999, wanted_bytes: 1_250 };
    assert!(matches!(&refused, Err(AskError::Refused(error)) if *error == expect), "{refused:?}");
    soon(node.runtime.handle().ask(connect())).await.expect("peers to close with can be found");
    let concern = soon(concern(&node, "999 bytes left")).await;
    assert!(concern.contains("until it has 1250"), "{concern}");

    FREE_BYTES.store(1_250, Ordering::Relaxed);
    let again = async {
        while address(&node).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(again).await;
    node.stop().await;
}

/// Waits until the store's health has a cause with these words.
async fn concern(node: &Node, words: &str) -> String {
    loop {
        let causes = node.health.overview(Timestamp::from_unix_ms(0));
        let found = causes.into_iter().filter_map(|cause| cause.detail);
        if let Some(detail) = found.into_iter().find(|detail| detail.contains(words)) {
            return detail;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
