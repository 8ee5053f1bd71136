//! A log that keeps as much history as its operator asks for.

use std::fs;

use serde_json::json;
use strait_api_types::{ChannelPhase, ErrorCode, PaymentRequest};
use strait_client::ClientError;
use strait_testkit::TestDevnet;

use crate::nodes::{Backend, Node};

const CAPACITY_SAT: u64 = 1_000_000;
/// The fewest events between two snapshots that can be set.
const SNAPSHOT_EVERY: u64 = 1_000;
/// Payments, one after the other: each is a round, and each round two events.
const PAYMENTS: u64 = 1_100;

/// Goal: events that snapshots cover go, whoever asks for them is told so, and nothing else is forgotten.
/// Method: a node that keeps no more history than its snapshots need pays until it has made two of them.
async fn work(devnet: &TestDevnet, backend: &Backend) {
    let (mut alice, bob) = tokio::join!(Node::start(backend), Node::start(backend));
    let params = json!([3, alice.address().await]);
    devnet.rpc("generatetoaddress", params).unwrap();
    mine(devnet, 101);
    alice.follows().await;
    alice.connect(&bob).await;
    let channel = alice.open(&bob, CAPACITY_SAT).await.channel_id;
    mine(devnet, 6);
    for node in [&alice, &bob] {
        node.reaches(&channel, ChannelPhase::Open).await;
    }
    alice.stop().await;
    let snapshots = SNAPSHOT_EVERY.to_string();
    let settings = [
        ("STRAIT_STORE__HISTORY_BYTES_MAX", "0"),
        ("STRAIT_STORE__SNAPSHOT_EVERY_EVENTS", &snapshots),
    ];
    alice.restart_with_settings(&settings).await;
    alice.connect(&bob).await;
    let payment = PaymentRequest::single(channel.clone(), 1_000);
    let first_key = alice.key();
    let first = alice.client().pay(&first_key, &payment).await.unwrap();
    for _ in 1..PAYMENTS {
        let key = alice.key();
        alice.client().pay(&key, &payment).await.unwrap();
    }

    let Err(ClientError::Refused { error: gone, status }) = alice.client().events_page(1, 10).await
    else {
        panic!("the first event is still there")
    };
    assert_eq!((gone.code, status), (ErrorCode::EventsGone, 410));
    let oldest = alice.client().events_page(0, 10).await.unwrap();
    let seq = oldest.events.first().unwrap().seq;
    assert!(seq > SNAPSHOT_EVERY - 10, "the oldest event that is told is {seq}");

    alice.stop().await;
    alice.restart_with_settings(&settings).await;
    alice.connect(&bob).await;
    let again = alice.client().pay(&first_key, &payment).await.unwrap();
    assert_eq!(again, first, "the key is known, though its events are gone");
    let paid_msat = PAYMENTS * 1_000;
    assert_eq!(alice.channel(&channel).await.counterparty_balance_msat, paid_msat);
    let key = alice.key();
    alice.client().pay(&key, &payment).await.unwrap();
}

fn mine(devnet: &TestDevnet, blocks: u64) {
    devnet.rpc("generatetodescriptor", json!([blocks, "raw(51)"])).unwrap();
}

#[test]
fn what_snapshots_cover_is_gone_and_said_to_be_and_nothing_else_is_forgotten() {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let cookie = folder.path().join("cookie");
    fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    mine(&devnet, 1);
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(&devnet, &backend));
}
