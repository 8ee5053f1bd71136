//! A chain in this process, and nodes on it.

use std::fs;
use std::future::Future;

use serde_json::json;
use strait_api_types::{Channel, ChannelPhase, PaymentItem, PaymentRequest};
use strait_testkit::TestDevnet;
use tokio::runtime::Builder;

use crate::nodes::{Backend, Node, until};

/// What the channel of these tests holds.
pub(crate) const CAPACITY_SAT: u64 = 1_000_000;

/// Runs a test beside a chain of one block.
pub(crate) fn on_a_chain<F: Future<Output = ()>>(test: impl FnOnce(Backend) -> F) {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let cookie = folder.path().join("cookie");
    fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    mine(&backend, 1);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(test(backend));
}

/// Blocks for nobody.
pub(crate) fn mine(backend: &Backend, blocks: u32) {
    backend.rpc.call("generatetodescriptor", json!([blocks, "raw(51)"])).unwrap();
}

/// A node with coins.
pub(crate) async fn funded(backend: &Backend) -> Node {
    let node = Node::start(backend).await;
    backend.rpc.call("generatetoaddress", json!([3, node.address().await])).unwrap();
    mine(backend, 101);
    node.follows().await;
    node
}

/// A node with coins, another, and a channel between them that the first has opened.
pub(crate) async fn with_channel(backend: &Backend) -> (Node, Node, Channel) {
    let mut alice = funded(backend).await;
    let bob = Node::start(backend).await;
    alice.connect(&bob).await;
    let channel = alice.open(&bob, CAPACITY_SAT).await;
    mine(backend, 6);
    for node in [&alice, &bob] {
        node.reaches(&channel.channel_id, ChannelPhase::Open).await;
    }
    let channel = alice.channel(&channel.channel_id).await;
    (alice, bob, channel)
}

/// Pays once, and both see it.
pub(crate) async fn still_pays(alice: &mut Node, bob: &Node, channel_id: &str) {
    let before = bob.channel(channel_id).await.holder_balance_msat;
    let key = alice.key();
    let request = PaymentRequest::single(channel_id.to_owned(), 1_000);
    alice.client().pay(&key, &request).await.unwrap();
    until("the payment arrives", async || {
        (bob.channel(channel_id).await.holder_balance_msat == before + 1_000).then_some(())
    })
    .await;
}

/// A batch of payments of one millisatoshi each.
pub(crate) fn batch(channel_id: &str, count: usize) -> PaymentRequest {
    let item = PaymentItem { amount_msat: 1, reference: Some("x".repeat(64)) };
    PaymentRequest::batch(channel_id.to_owned(), vec![item; count])
}
