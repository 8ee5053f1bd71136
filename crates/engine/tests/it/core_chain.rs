//! Locks on a real chain: what a full commitment costs and brings, judged by Bitcoin Core.
//!
//! Without `BITCOIND_EXE` the test says why it does nothing; with one that does not work it fails.

use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{Block, ScriptBuf, Transaction};
use serde_json::{Value, json};
use strait_engine::{Answer, ChannelStage, CloseMode, Command, LockStage};
use strait_testkit::Bitcoind;

use crate::line::{A, B, Line};
use crate::world::{CAPACITY, key};

/// As many as a commitment holds.
const LOCKS: u64 = 90;
const LOCK_SAT: u64 = 5_000;
/// Blocks from their offer to their expiry.
const LEAD: u32 = 70;
/// Where blocks pay to that are nobody's.
const NOBODY: &str = "raw(51)";
/// What one side may pay for closing, claiming and refunding: some 300 sat for each of 180 outputs, and a commitment and
/// child of 9,000 vB, at two satoshis a byte with room for haste.
const FEES_SAT_MAX: u64 = 80_000;

/// Two nodes on a real chain.
struct World {
    bitcoind: Bitcoind,
    line: Line,
    /// The most that a commitment was large, in bytes as fees count them.
    largest_vbytes: usize,
}

impl World {
    fn start() -> Option<Self> {
        let bitcoind = Bitcoind::start()?;
        let line = Line::bare(2, |config| {
            config.opening.parameters.locks_max = u16::try_from(LOCKS).unwrap();
        });
        let mut world = Self { bitcoind, line, largest_vbytes: 0 };
        for who in [A, B] {
            let Ok(Answer::Address(script)) = world.line.done(who, Command::NewAddress) else {
                panic!("an address")
            };
            world.mine(3, &descriptor(&script));
        }
        world.mine(101, NOBODY);
        world.line.connect(A, B);
        let funding = world.line.begin_channel(A);
        world.send(&[funding]);
        world.mine(2, NOBODY);
        world.line.share_channel(A);
        Some(world)
    }

    fn rpc(&self, method: &str, params: Value) -> Value {
        self.bitcoind.rpc(method, params).unwrap_or_else(|failure| panic!("{method}: {failure:?}"))
    }

    /// Mines blocks one by one, each shown to the nodes, whose transactions are brought on their way after each.
    fn mine(&mut self, blocks: u32, to: &str) {
        for _ in 0..blocks {
            let hashes = self.rpc("generatetodescriptor", json!([1, to]));
            let raw = self.rpc("getblock", json!([hashes[0], 0]));
            let block: Block = deserialize_hex(raw.as_str().unwrap()).unwrap();
            self.line.take_block(&block);
            self.bring();
        }
    }

    /// Gives bitcoind what the nodes want on chain. What it has already, or what lost a race, it refuses.
    fn bring(&mut self) {
        for who in [A, B] {
            for transactions in core::mem::take(&mut self.line.nodes[who].packages) {
                self.send(&transactions);
            }
            self.line.nodes[who].broadcasts.clear();
        }
    }

    fn send(&mut self, transactions: &[Transaction]) {
        let hex: Vec<String> = transactions.iter().map(serialize_hex).collect();
        if let [single] = hex.as_slice() {
            let _ = self.bitcoind.rpc("sendrawtransaction", json!([single]));
        } else {
            let size = transactions.iter().map(Transaction::vsize).max().unwrap_or_default();
            self.largest_vbytes = self.largest_vbytes.max(size);
            let verdict = self.rpc("submitpackage", json!([hex]));
            assert_eq!(verdict["package_msg"], "success", "{verdict}");
        }
    }

    fn wallet_sat(&self, who: usize) -> u64 {
        let view = self.line.nodes[who].engine.wallet_view();
        view.confirmed.to_sat() + view.pending.to_sat()
    }

    /// Each node offers as many locks as there may be, each with a preimage of its own.
    fn offer_all(&mut self) {
        for (who, first) in [(A, 0_u8), (B, 100)] {
            let secrets = (first..).take(usize::try_from(LOCKS).unwrap());
            for secret in secrets {
                let channel = self.line.channels[0];
                let offer = Command::OfferLock {
                    key: key(1_000 + u32::from(secret)),
                    channel,
                    amount: strait_primitives::Sats::new(LOCK_SAT).unwrap().to_millisats(),
                    payment_hash: crate::line::hash(secret),
                    expiry: self.line.height(LEAD),
                    route: strait_wire::Route::default(),
                };
                self.line.ask(who, offer);
            }
            self.line.settle();
        }
    }

    /// Each node's user claims every other lock that it was offered; the peer does not hear of it.
    fn claim_half(&mut self) {
        for (who, first) in [(B, 0_u8), (A, 100)] {
            for id in (0..LOCKS).step_by(2) {
                let secret = first + u8::try_from(id).unwrap();
                let claim = self.line.claim(self.line.received(0, id), secret);
                self.line.ask(who, claim);
            }
        }
    }

    fn stages(&self, who: usize) -> (usize, usize) {
        let all = self.line.nodes[who].engine.lock_views();
        let count = |stage: LockStage| all.iter().filter(|view| view.stage == stage).count();
        (count(LockStage::Claimed), count(LockStage::Expired))
    }
}

fn descriptor(script: &ScriptBuf) -> String {
    format!("raw({})", script.to_hex_string())
}

#[test]
fn ninety_locks_each_way_in_one_commitment_settle_on_chain() {
    let Some(mut world) = World::start() else { return };
    let before = [A, B].map(|who| world.wallet_sat(who));
    world.offer_all();
    for who in [A, B] {
        let view = world.line.nodes[who].engine.channel_view(&world.line.channels[0]).unwrap();
        assert_eq!(view.locks, usize::try_from(2 * LOCKS).unwrap());
    }
    world.line.disconnect(A, B);
    world.claim_half();
    let channel = world.line.channels[0];
    let close = Command::CloseChannel { key: key(9), channel, mode: CloseMode::Force };
    world.line.done(A, close).unwrap();
    world.bring();
    assert!((7_000..10_000).contains(&world.largest_vbytes), "{} vB", world.largest_vbytes);
    // The delay, the expiry, the delay again, and the depth at which a channel is forgotten.
    world.mine(LEAD + 6 + 40, NOBODY);
    let half = CAPACITY.to_sat() / 2;
    for (who, before) in [A, B].into_iter().zip(before) {
        let view = world.line.nodes[who].engine.channel_view(&channel).unwrap();
        assert_eq!(view.stage, ChannelStage::Closed, "node {who}");
        let locks = usize::try_from(LOCKS).unwrap();
        assert_eq!(world.stages(who), (locks, locks), "half of each direction was claimed");
        let gained = world.wallet_sat(who) - before;
        assert!((half - FEES_SAT_MAX..half).contains(&gained), "node {who} has {gained} of {half}");
        world.line.assert_folded();
    }
}
