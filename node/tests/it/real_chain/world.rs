//! A chain, a judge and two funded nodes with a channel between them.

use serde_json::{Value, json};
use strait_api_types::{
    Channel, ChannelOutcome, ChannelPhase, EventKind, PaymentItem, PaymentRequest,
};
use strait_testkit::Bitcoind;

use super::judge::Judge;
use crate::nodes::{Backend, Node, sat, until};

/// What the channel of every test holds.
pub(crate) const CAPACITY_SAT: u64 = 10_000_000;
/// Blocks after which what the chain did counts as final, and a channel is forgotten.
pub(crate) const FINAL_BLOCKS: u64 = 12;
/// What one block pays at the start of a regtest chain.
const SUBSIDY_SAT: u64 = 5_000_000_000;
/// Blocks that the opener mines for itself, and so coins it has.
const COINS_EACH: u64 = 3;

/// A chain, a judge and two nodes.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) bitcoind: Bitcoind,
    pub(crate) judge: Judge,
    /// Opens the channel.
    pub(crate) alice: Node,
    /// Accepts it.
    pub(crate) bob: Node,
}

/// An unconfirmed transaction or one in a block.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) txid: String,
    pub(crate) hex: String,
    /// Output values.
    pub(crate) outputs_sat: Vec<u64>,
    /// Ids of the transactions that it spends.
    pub(crate) spends: Vec<String>,
    /// Bytes as fees count them.
    pub(crate) vbytes: u64,
}

impl World {
    /// Starts everything; `None`, with the reason on stderr, without a bitcoind.
    pub(crate) async fn start() -> Option<Self> {
        let bitcoind = Bitcoind::start()?;
        let judge = Judge::start();
        // A node on an empty chain counts as behind it.
        mine(&bitcoind, 1);
        let backend = Backend {
            url: bitcoind.rpc_url(),
            cookie: bitcoind.cookie_file().to_owned(),
            rpc: bitcoind.client(),
        };
        let (alice, bob) = tokio::join!(Node::start(&backend), Node::start(&backend));
        for node in [&alice, &bob] {
            let params = json!([COINS_EACH, node.address().await]);
            bitcoind.rpc("generatetoaddress", params).unwrap();
        }
        mine(&bitcoind, 101);
        let world = Self { bitcoind, judge, alice, bob };
        for node in [&world.alice, &world.bob] {
            node.follows().await;
            assert_eq!(node.confirmed_sat().await, COINS_EACH * SUBSIDY_SAT);
        }
        world.alice.connect(&world.bob).await;
        Some(world)
    }

    /// What each node's wallet held when it began.
    pub(crate) const fn funds_sat() -> u64 {
        COINS_EACH * SUBSIDY_SAT
    }

    /// Alice opens the channel, the judge sees its funding, and it gets deep enough.
    pub(crate) async fn open_channel(&mut self) -> Channel {
        let channel = self.alice.open(&self.bob, CAPACITY_SAT).await;
        let funding = self.unconfirmed(channel.funding_txid.as_deref().unwrap()).await;
        self.judge.learn(&self.bitcoind.client());
        self.judge.accepts(&funding.hex);
        mine(&self.bitcoind, 3);
        self.both_reach(&channel.channel_id, ChannelPhase::Open).await;
        channel
    }

    /// Waits until both nodes see the channel in a phase.
    pub(crate) async fn both_reach(&self, id: &str, phase: ChannelPhase) {
        for node in [&self.alice, &self.bob] {
            node.reaches(id, phase).await;
        }
    }

    /// Mines and waits until both nodes have seen it.
    pub(crate) async fn mine(&self, blocks: u64) {
        mine(&self.bitcoind, blocks);
        self.both_follow().await;
    }

    /// Waits until both nodes have seen the tip.
    pub(crate) async fn both_follow(&self) {
        for node in [&self.alice, &self.bob] {
            node.follows().await;
        }
    }

    /// Replaces the last blocks by one more that hold no transactions; those they held are unconfirmed again.
    pub(crate) async fn reorganise(&self, blocks: u64) {
        let tip = self.bitcoind.rpc("getblockcount", json!([])).unwrap().as_u64().unwrap();
        let hash = self.bitcoind.rpc("getblockhash", json!([tip - blocks + 1])).unwrap();
        self.bitcoind.rpc("invalidateblock", json!([hash])).unwrap();
        for _ in 0..=blocks {
            // Paid to another script: the same block again would still be invalid.
            self.bitcoind.rpc("generateblock", json!([ANOTHER_SCRIPT, []])).unwrap();
        }
        self.both_follow().await;
    }

    /// Waits for a transaction in the mempool.
    pub(crate) async fn unconfirmed(&self, txid: &str) -> Seen {
        until(&format!("{txid} is in the mempool"), async || {
            self.bitcoind.rpc("getmempoolentry", json!([txid])).ok()
        })
        .await;
        self.seen(txid)
    }

    /// Waits for a transaction in the mempool that spends another.
    pub(crate) async fn unconfirmed_spender(&self, of: &str) -> Seen {
        until(&format!("a spender of {of} is in the mempool"), async || {
            self.mempool().into_iter().find(|seen| seen.spends.iter().any(|txid| txid == of))
        })
        .await
    }

    /// Everything in the mempool.
    pub(crate) fn mempool(&self) -> Vec<Seen> {
        let txids = self.bitcoind.rpc("getrawmempool", json!([])).unwrap();
        let txids = txids.as_array().unwrap().iter().map(|txid| txid.as_str().unwrap());
        txids.map(|txid| self.seen(txid)).collect()
    }

    /// A transaction by its id.
    pub(crate) fn seen(&self, txid: &str) -> Seen {
        let seen = self.bitcoind.rpc("getrawtransaction", json!([txid, 1])).unwrap();
        let list = |name: &str| seen[name].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Seen {
            txid: txid.to_owned(),
            hex: text(&seen["hex"]),
            outputs_sat: list("vout").iter().map(|output| sat(&output["value"])).collect(),
            spends: list("vin").iter().map(|input| text(&input["txid"])).collect(),
            vbytes: seen["vsize"].as_u64().unwrap(),
        }
    }

    /// What a transaction pays to miners.
    pub(crate) fn fee_sat(&self, transaction: &Seen) -> u64 {
        let raw = self.bitcoind.rpc("decoderawtransaction", json!([transaction.hex])).unwrap();
        let inputs = raw["vin"].as_array().unwrap().iter().map(|input| {
            let previous = self.seen(input["txid"].as_str().unwrap());
            let index = usize::try_from(input["vout"].as_u64().unwrap()).unwrap();
            previous.outputs_sat[index]
        });
        inputs.sum::<u64>() - transaction.outputs_sat.iter().sum::<u64>()
    }

    /// Waits until a node's log says that the channel is over and all its coins are settled.
    pub(crate) async fn resolved(&self, node: &Node, id: &str) -> ChannelOutcome {
        let outcome = until("the channel is resolved", async || {
            events(node).await.into_iter().find_map(|kind| {
                let EventKind::ChannelResolved { channel_id, outcome } = kind else { return None };
                (channel_id == id).then_some(outcome)
            })
        })
        .await;
        assert_eq!(node.channel(id).await.phase, ChannelPhase::Closed);
        outcome
    }
}

/// Pays a batch of equal amounts.
pub(crate) async fn pay(node: &mut Node, channel_id: &str, amount_msat: u64, count: usize) {
    let key = node.key();
    let request = if count == 1 {
        PaymentRequest::single(channel_id.to_owned(), amount_msat)
    } else {
        let item = PaymentItem { amount_msat, reference: None };
        PaymentRequest::batch(channel_id.to_owned(), vec![item; count])
    };
    let paid = node.client().pay(&key, &request).await.unwrap();
    assert_eq!(usize::try_from(paid.count).unwrap(), count);
}

/// All that a node has told so far.
pub(crate) async fn events(node: &Node) -> Vec<EventKind> {
    const PAGES_MAX: u32 = 1_000;
    let (mut told, mut from) = (Vec::new(), 1);
    for _ in 0..PAGES_MAX {
        let page = node.client().events_page(from, 1_000).await.unwrap();
        if page.next_from == from {
            return told;
        }
        from = page.next_from;
        told.extend(page.events.into_iter().map(|event| event.kind));
    }
    panic!("a log without end");
}

/// Where blocks pay to that are nobody's.
const A_SCRIPT: &str = "raw(51)";
/// Where blocks of a reorganisation pay to.
const ANOTHER_SCRIPT: &str = "raw(52)";

/// Mines blocks with whatever is unconfirmed.
pub(crate) fn mine(bitcoind: &Bitcoind, blocks: u64) {
    bitcoind.rpc("generatetodescriptor", json!([blocks, A_SCRIPT])).unwrap();
}
