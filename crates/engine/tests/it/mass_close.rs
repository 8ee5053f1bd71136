//! A hundred channels closed at once on a real chain, while fees are ten times what they were when it opened them.
//!
//! Two engines, one bitcoind. The nodes have two dozen coins and one for fifty closes each, so most wait for the change of others; every
//! transaction is judged by Bitcoin Core, and in the end every satoshi is in a wallet or was a fee within its budget.

#![expect(clippy::indexing_slicing, reason = "a test that asks for what is not there fails")]

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{
    Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
    transaction,
};
use serde_json::{Value, json};
use strait_engine::{Answer, CloseMode, Command, Input, TipStanding};
use strait_primitives::{ChannelId, FeeRate, Sats, Timestamp};
use strait_testkit::Bitcoind;

use crate::node::{Node, above};
use crate::world::{CAPACITY, key, pay};

const CHANNELS: u32 = 100;
/// What block space costs when the channels are opened, and when all are closed.
const CALM: FeeRate = FeeRate::from_sat_per_kvb(2_000);
const SPIKE: FeeRate = FeeRate::from_sat_per_kvb(20_000);
/// Coins of each node and what they hold: the one that opens spends ten in a block, and must keep ten.
const COINS: [(usize, u64); 2] = [(24, 10_000_000), (12, 500_000)];
/// What the other side is paid in each channel.
const PAID_SAT: u64 = 400_000;
/// What one channel may cost its closer: a child for it and its commitment, and the claim of its balance, twice over.
const COST_SAT_MAX: u64 = 25_000;
/// Blocks in which all of it must be over.
const BLOCKS_MAX: usize = 60;
const ANYBODY: &str = "raw(51)";
const ALICE: usize = 0;
const BOB: usize = 1;

struct Market {
    bitcoind: Bitcoind,
    nodes: [Node; 2],
    now: Timestamp,
    steps: u64,
    /// Why packages and claims were refused, and how often.
    refused: BTreeMap<String, usize>,
}

impl Market {
    fn start() -> Option<Self> {
        let bitcoind = Bitcoind::start()?;
        let now = Timestamp::from_unix_ms(1_700_000_000_000);
        let nodes = [1, 2].map(|byte| {
            Node::with(byte, now, |config| {
                config.channels_max = 200;
                config.channels_per_peer_max = 200;
                config.unfunded_max = 20;
                config.reserve_fee_rate = SPIKE;
            })
        });
        let mut market = Self { bitcoind, nodes, now, steps: 0, refused: BTreeMap::new() };
        market.call("generatetodescriptor", json!([101, ANYBODY]));
        for index in [ALICE, BOB] {
            market.input(index, Input::FeeEstimate(CALM));
            market.fund(index);
        }
        for index in [ALICE, BOB] {
            let peer = market.nodes[1 - index].id();
            market.input(index, Input::PeerConnected(peer));
        }
        market.settle();
        Some(market)
    }

    fn call(&self, method: &str, params: Value) -> Value {
        self.bitcoind.rpc(method, params).unwrap_or_else(|failure| panic!("{method}: {failure:?}"))
    }

    fn tip(&self) -> u64 {
        self.call("getblockcount", json!([])).as_u64().unwrap()
    }

    fn block(&self, height: u64) -> Block {
        let hash = self.call("getblockhash", json!([height]));
        deserialize_hex(self.call("getblock", json!([hash, 0])).as_str().unwrap()).unwrap()
    }

    fn input(&mut self, index: usize, input: Input) {
        self.steps += 1;
        let mut entropy = [0; 32];
        entropy[8..16].copy_from_slice(&self.steps.to_be_bytes());
        self.nodes[index].handle(input, self.now, entropy);
    }

    /// Asks, and lets everyone talk to the end.
    fn ask(&mut self, index: usize, command: Command) -> Answer {
        let (id, input) = self.nodes[index].next_command(command);
        self.input(index, input);
        self.settle();
        self.nodes[index].answer(id).expect("the command is answered").expect("it is done")
    }

    fn settle(&mut self) {
        loop {
            let mut heard = 0;
            for index in [ALICE, BOB] {
                let from = self.nodes[1 - index].id();
                while let Some((_, message)) = self.nodes[1 - index].outbox.pop_front() {
                    self.input(index, Input::PeerMessage(from, Box::new(message)));
                    heard += 1;
                }
            }
            if heard == 0 {
                return;
            }
        }
    }

    /// Mines a node's coins out of a coinbase.
    fn fund(&mut self, index: usize) {
        let (count, value) = COINS[index];
        let coinbase = self.block(1 + index as u64).txdata.remove(0);
        let outputs = (0..count).map(|_| {
            let Answer::Address(script) = self.ask(index, Command::NewAddress) else {
                panic!("an address")
            };
            TxOut { value: Amount::from_sat(value), script_pubkey: script }
        });
        let payment = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint::new(coinbase.compute_txid(), 0),
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: outputs.collect(),
        };
        self.call("generateblock", json!([ANYBODY, [serialize_hex(&payment)]]));
        self.follow();
    }

    /// Offers to bitcoind what the nodes want on the chain.
    fn submit(&mut self) {
        for index in [ALICE, BOB] {
            for package in core::mem::take(&mut self.nodes[index].packages) {
                let hex: Vec<String> = package.iter().map(serialize_hex).collect();
                let refused = match hex.as_slice() {
                    [alone] => self
                        .bitcoind
                        .rpc("sendrawtransaction", json!([alone, 0]))
                        .err()
                        .map(|failure| failure.message),
                    both => {
                        let answer = self.call("submitpackage", json!([both, 0]));
                        let said = answer["package_msg"].as_str().unwrap().to_owned();
                        (said != "success").then(|| {
                            let results = answer["tx-results"].as_object().unwrap();
                            let errors = results.values().filter_map(|r| r["error"].as_str());
                            errors.collect::<Vec<_>>().join(", ")
                        })
                    }
                };
                if let Some(reason) = refused {
                    let reason = reason.split([':', ',']).next().unwrap_or_default().to_owned();
                    *self.refused.entry(reason).or_default() += 1;
                }
            }
        }
    }

    /// Shows both nodes the blocks that they have not seen, and brings what they want then to bitcoind.
    fn follow(&mut self) {
        while u64::from(self.nodes[ALICE].engine.tip().height.to_u32()) < self.tip() {
            let height = above(self.nodes[ALICE].engine.tip().height);
            let block = self.block(u64::from(height.to_u32()));
            for index in [ALICE, BOB] {
                let block = Box::new(block.clone());
                self.input(index, Input::BlockConnected { height, block });
            }
        }
        for index in [ALICE, BOB] {
            self.input(index, Input::BlocksTold(TipStanding::Current));
        }
        self.settle();
        self.submit();
    }

    fn mine(&mut self) {
        self.submit();
        self.call("generatetodescriptor", json!([1, ANYBODY]));
        self.follow();
    }

    fn wealth(&self, index: usize) -> u64 {
        let view = self.nodes[index].engine.wallet_view();
        let sums = [view.confirmed, view.pending, view.reserved, view.immature];
        sums.into_iter().map(Sats::to_sat).sum()
    }

    fn live(&self) -> usize {
        let views = [ALICE, BOB].map(|index| self.nodes[index].engine.node_view());
        views.iter().map(|view| view.channels_force_closing + view.channels_open).max().unwrap()
    }

    /// What the transactions of these blocks paid to miners, beside those that only the test made.
    fn fees_since(&self, height: u64) -> u64 {
        let blocks: Vec<Block> = (1..=self.tip()).map(|height| self.block(height)).collect();
        let all = blocks.iter().flat_map(|block| &block.txdata);
        let known: BTreeMap<Txid, &Transaction> =
            all.map(|transaction| (transaction.compute_txid(), transaction)).collect();
        let from = usize::try_from(height).unwrap();
        let later = blocks[from..].iter().flat_map(|block| block.txdata.iter().skip(1));
        later
            .map(|transaction| {
                let brought: u64 = transaction
                    .input
                    .iter()
                    .map(|input| {
                        let OutPoint { txid, vout } = input.previous_output;
                        known[&txid].output[vout as usize].value.to_sat()
                    })
                    .sum();
                brought - transaction.output.iter().map(|o| o.value.to_sat()).sum::<u64>()
            })
            .sum()
    }
}

fn open_all(market: &mut Market) -> Vec<ChannelId> {
    let mut channels = Vec::new();
    let node = market.nodes[BOB].id();
    for number in 0..CHANNELS {
        let asked =
            Command::OpenChannel { key: key(number), node, capacity: CAPACITY, fee_rate: None };
        let Answer::Channel(view) = market.ask(ALICE, asked) else { panic!("a channel") };
        channels.push(view.channel);
        if number % 10 == 9 {
            market.mine();
        }
    }
    for (number, channel) in channels.iter().enumerate() {
        let number = 1_000 + u32::try_from(number).unwrap();
        market.ask(ALICE, pay(key(number), *channel, PAID_SAT * 1_000));
    }
    channels
}

#[test]
fn a_hundred_channels_close_at_ten_times_the_fees_and_nothing_is_lost() {
    let Some(mut market) = Market::start() else { return };
    let channels = open_all(&mut market);
    let before = [ALICE, BOB].map(|index| market.wealth(index));
    let reserve = [ALICE, BOB].map(|index| market.nodes[index].engine.wallet_view().fee_reserve);
    let height = market.tip();

    for index in [ALICE, BOB] {
        market.input(index, Input::FeeEstimate(SPIKE));
    }
    for (number, channel) in channels.iter().enumerate() {
        let close =
            Command::CloseChannel { key: key(2_000), channel: *channel, mode: CloseMode::Force };
        market.ask(number % 2, close);
    }
    let mut spent = BTreeSet::new();
    let mut blocks = 0;
    let mut all_closed = None;
    while market.live() > 0 {
        assert!(blocks < BLOCKS_MAX, "{} channels wait; {:?}", market.live(), market.refused);
        market.mine();
        blocks += 1;
        for channel in &channels {
            let view = market.nodes[ALICE].engine.channel_view(channel);
            if view.is_some_and(|view| view.spent_by.is_some()) {
                spent.insert(*channel);
            }
        }
        if spent.len() == channels.len() && all_closed.is_none() {
            all_closed = Some(blocks);
        }
    }

    let count = u64::from(CHANNELS);
    let shares = [CAPACITY.to_sat() - PAID_SAT, PAID_SAT];
    let fees = market.fees_since(height);
    let has = [ALICE, BOB].map(|index| market.wealth(index));
    for index in [ALICE, BOB] {
        let due = before[index] + count * shares[index];
        let cost = due.checked_sub(has[index]).expect("nobody has more than it is due");
        assert!(cost <= count / 2 * COST_SAT_MAX, "node {index} paid {cost}");
        assert!(cost <= reserve[index].to_sat(), "the reserve was kept for this: {cost}");
    }
    let total: u64 = before.iter().sum::<u64>() + count * CAPACITY.to_sat();
    assert_eq!(has.iter().sum::<u64>() + fees, total, "what is in no wallet was a fee");
    println!(
        "{count} closes mined after {all_closed:?} blocks, all settled after {blocks}; fees {fees} sat, {} sat a channel; \
         refused {:?}",
        fees / count,
        market.refused,
    );
}
