//! Locks between running nodes: offered, held, claimed, given back, and passed on while the node in the middle dies.

mod direct;
mod forwarding;
mod steps;

use std::fs;
use std::path::Path;

use serde_json::json;
use strait_api_types::{ClaimLockRequest, Lock, LockHop, LockState, OfferLockRequest, PreimageHex};
use strait_client::{Client, LockFilter};
use strait_payment::payment_hash_of;
use strait_primitives::Preimage;
use strait_testkit::TestDevnet;

use crate::nodes::{Backend, Node, until};

/// A preimage and its hash.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    pub(crate) claim: ClaimLockRequest,
    pub(crate) hash: String,
}

impl Secret {
    /// A fresh one.
    pub(crate) fn new() -> Self {
        let mut random = [0; Preimage::LEN];
        getrandom::fill(&mut random).unwrap();
        let preimage = Preimage::from_bytes(random);
        let claim = ClaimLockRequest { preimage: PreimageHex(hex::encode(random)) };
        Self { claim, hash: payment_hash_of(&preimage).to_string() }
    }
}

/// What a lock shall be.
pub(crate) fn lock_of(
    channel_id: &str,
    amount_msat: u64,
    secret: &Secret,
    expiry: u32,
    route: Vec<LockHop>,
) -> OfferLockRequest {
    let (channel_id, payment_hash) = (channel_id.to_owned(), secret.hash.clone());
    OfferLockRequest { channel_id, amount_msat, payment_hash, expiry, route }
}

/// The chain's height as a node has seen it.
pub(crate) async fn height(node: &Node) -> u32 {
    node.client().status().await.unwrap().chain.tip_height
}

/// Waits until a node knows a lock of this hash in a state; of several, the last one.
pub(crate) async fn has(client: &Client, hash: &str, state: LockState) -> Lock {
    until(&format!("a lock of {hash} is {}", state.as_str()), async || {
        let filter = LockFilter { state: Some(state), limit: Some(1_000), ..LockFilter::default() };
        let locks = client.locks(&filter).await.ok()?.locks;
        locks.into_iter().rfind(|lock| lock.payment_hash == hash)
    })
    .await
}

/// Nodes on a devnet, each but the last with coins and a deep channel to the next; the channels' ids.
pub(crate) async fn row<const NODES: usize>(
    devnet: &TestDevnet,
    folder: &Path,
) -> (Vec<Node>, Vec<String>) {
    const CAPACITY_SAT: u64 = 10_000_000;
    let cookie = folder.join("cookie");
    fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    mine(devnet, 1);
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let node = Node::start(&backend).await;
        devnet.rpc("generatetoaddress", json!([3, node.address().await])).unwrap();
        nodes.push(node);
    }
    mine(devnet, 101);
    let mut channels = Vec::new();
    for index in 1..NODES {
        let [payer, payee] = nodes.get_disjoint_mut([index - 1, index]).unwrap();
        payer.follows().await;
        payee.follows().await;
        payer.connect(payee).await;
        channels.push(payer.open(payee, CAPACITY_SAT).await.channel_id);
    }
    mine(devnet, 3);
    for (index, channel) in channels.iter().enumerate() {
        for node in &nodes[index..=index + 1] {
            node.reaches(channel, strait_api_types::ChannelPhase::Open).await;
        }
    }
    (nodes, channels)
}

pub(crate) fn mine(devnet: &TestDevnet, blocks: u64) {
    devnet.rpc("generatetodescriptor", json!([blocks, "raw(51)"])).unwrap();
}

/// Runs a test on a devnet, which has a runtime of its own that may be neither made nor ended within another.
pub(crate) fn on_devnet<F: Future<Output = ()>>(
    test: impl FnOnce(TestDevnetRef, tempfile::TempDir) -> F,
) {
    let devnet = TestDevnetRef::new(TestDevnet::start());
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(test(devnet.clone(), folder));
}

pub(crate) type TestDevnetRef = std::sync::Arc<TestDevnet>;
