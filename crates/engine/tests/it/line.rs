//! Nodes in a row, a channel between each and the next, and the one chain that all follow.

use std::collections::BTreeSet;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Block, CompactTarget, OutPoint, Transaction, TxMerkleNode, Txid};
use strait_engine::{
    Answer, Command, CommandId, EngineConfig, Input, LockKey, LockStage, LockView, TipStanding,
};
use strait_primitives::{
    BlockHeight, ChannelId, LockId, MilliSats, PaymentHash, Preimage, RequestKey, Side, Timestamp,
};
use strait_wire::{Hop, Route};

use crate::node::{Node, Outcome, above};
use crate::world::{CAPACITY, payment};

/// Messages after which nodes that still talk are taken to talk for ever.
const DELIVERIES_MAX: usize = 20_000;

/// What each side of a channel has when it is shared, in millisatoshis.
pub const HALF: u64 = 500_000_000;
/// What A offers through B; B keeps ten satoshis of it.
pub const AMOUNT: u64 = 5_010_000;

pub const A: usize = 0;
pub const B: usize = 1;
pub const C: usize = 2;

pub struct Line {
    pub now: Timestamp,
    pub nodes: Vec<Node>,
    /// `channels[i]` is between node `i` and node `i + 1`, opened by `i`.
    pub channels: Vec<ChannelId>,
    /// Who hears nothing and is heard by nobody.
    pub silent: BTreeSet<usize>,
    /// Whose chain is still behind, however many blocks it has told.
    pub catching_up: BTreeSet<usize>,
    entropy: u64,
    coins: u32,
    /// What blocks have spent.
    spent: BTreeSet<OutPoint>,
    /// What waits for a block.
    pub pool: Vec<Transaction>,
}

impl Line {
    /// So many nodes, each with coins, connected, and half of each channel on either side.
    pub fn open(count: usize) -> Self {
        Self::with(count, |_| ())
    }

    /// The same with other settings.
    pub fn with(count: usize, set: impl Fn(&mut EngineConfig)) -> Self {
        let mut line = Self::bare(count, set);
        for who in 0..count {
            for _ in 0..4 {
                let Ok(Answer::Address(script)) = line.done(who, Command::NewAddress) else {
                    panic!("an address")
                };
                line.coins += 1;
                let paid = payment(line.coins, script);
                line.mine(&[paid]);
            }
        }
        for who in 1..count {
            line.connect(who - 1, who);
            let funding = line.begin_channel(who - 1);
            line.mine(&[funding]);
            line.share_channel(who - 1);
        }
        line
    }

    /// Three nodes: A's program has offered through B, and C holds what arrived.
    pub fn passed_on() -> Self {
        let mut line = Self::open(3);
        let offer = line.offer_through(1, AMOUNT, 9, 200);
        let answer = line.done(A, offer);
        assert!(matches!(answer, Ok(Answer::Lock(_))), "{answer:?}");
        assert_eq!(line.stage(C, line.received(1, 0)), LockStage::Held);
        line
    }

    /// So many nodes, with nothing and nobody.
    pub fn bare(count: usize, set: impl Fn(&mut EngineConfig)) -> Self {
        let now = Timestamp::from_unix_ms(1_700_000_000_000);
        let nodes = (1..=count).map(|byte| Node::with(u8::try_from(byte).unwrap(), now, &set));
        Self {
            now,
            nodes: nodes.collect(),
            channels: Vec::new(),
            silent: BTreeSet::new(),
            catching_up: BTreeSet::new(),
            entropy: 0,
            coins: 0,
            spent: BTreeSet::new(),
            pool: Vec::new(),
        }
    }

    /// Asks for a channel with the next node, and returns its funding transaction.
    pub fn begin_channel(&mut self, opener: usize) -> Transaction {
        let number = 1_000_000 + u32::try_from(opener).unwrap();
        let (key, node) = (crate::world::key(number), self.nodes[opener + 1].id());
        let open = Command::OpenChannel { key, node, capacity: CAPACITY, fee_rate: None };
        self.nodes[opener].broadcasts.clear();
        let Ok(Answer::Channel(view)) = self.done(opener, open) else { panic!("a channel") };
        self.channels.push(view.channel);
        self.nodes[opener].broadcasts.remove(0)
    }

    /// The opener pays half of the channel to the other side.
    pub fn share_channel(&mut self, opener: usize) {
        let number = 2_000_000 + u32::try_from(opener).unwrap();
        let half = CAPACITY.to_millisats().to_msat() / 2;
        let pay = crate::world::pay(crate::world::key(number), self.channels[opener], half);
        let paid = self.done(opener, pay);
        assert!(paid.is_ok(), "{paid:?}");
    }

    pub fn tip(&self) -> BlockHeight {
        self.nodes[A].engine.tip().height
    }

    pub fn input(&mut self, who: usize, input: Input) {
        self.entropy += 1;
        let mut entropy = [0; 32];
        entropy[8..16].copy_from_slice(&self.entropy.to_be_bytes());
        let now = self.now;
        self.nodes[who].handle(input, now, entropy);
    }

    pub fn ask(&mut self, who: usize, command: Command) -> CommandId {
        let (id, input) = self.nodes[who].next_command(command);
        self.input(who, input);
        id
    }

    /// Asks, and lets everyone talk to the end.
    pub fn done(&mut self, who: usize, command: Command) -> Outcome {
        let id = self.ask(who, command);
        self.settle();
        self.nodes[who].answer(id).expect("the command is answered")
    }

    /// A new connection between two: what was on its way is lost.
    pub fn connect(&mut self, first: usize, second: usize) {
        self.disconnect(first, second);
        for (who, other) in [(first, second), (second, first)] {
            let peer = self.nodes[other].id();
            self.input(who, Input::PeerConnected(peer));
        }
        self.settle();
    }

    pub fn disconnect(&mut self, first: usize, second: usize) {
        for (who, other) in [(first, second), (second, first)] {
            let peer = self.nodes[other].id();
            self.nodes[who].outbox.retain(|(to, _)| *to != peer);
            self.input(who, Input::PeerDisconnected(peer));
        }
    }

    /// A node ends and begins anew, and finds no block that it had not seen; its neighbours notice.
    pub fn restart(&mut self, who: usize) {
        self.restart_with(who, |_| ());
    }

    /// The same with other settings.
    pub fn restart_with(&mut self, who: usize, set: impl FnOnce(&mut EngineConfig)) {
        self.restart_behind(who, set);
        self.input(who, Input::BlocksTold(TipStanding::Current));
    }

    /// The same, and it does not know yet whether there are more blocks.
    pub fn restart_behind(&mut self, who: usize, set: impl FnOnce(&mut EngineConfig)) {
        for other in self.neighbours(who) {
            self.disconnect(who, other);
        }
        let now = self.now;
        self.nodes[who].restart_with(now, set);
    }

    pub fn reconnect(&mut self, who: usize) {
        for other in self.neighbours(who) {
            self.connect(who, other);
        }
    }

    fn neighbours(&self, who: usize) -> Vec<usize> {
        let all = [who.checked_sub(1), Some(who + 1)];
        all.into_iter().flatten().filter(|other| *other < self.nodes.len()).collect()
    }

    /// Hands one message of a node over; false if it has none.
    pub fn deliver_from(&mut self, who: usize) -> bool {
        let from = self.nodes[who].id();
        let Some((peer, message)) = self.nodes[who].outbox.pop_front() else { return false };
        let to = self.nodes.iter().position(|node| node.id() == peer).unwrap();
        if !self.silent.contains(&to) && !self.silent.contains(&who) {
            self.input(to, Input::PeerMessage(from, Box::new(message)));
        }
        true
    }

    /// Hands over one message of whoever has one.
    pub fn deliver_one(&mut self) {
        let _ = (0..self.nodes.len()).any(|who| self.deliver_from(who));
    }

    /// Lets all talk until nobody has anything to say.
    pub fn settle(&mut self) {
        for _ in 0..DELIVERIES_MAX {
            let mut heard = false;
            for who in 0..self.nodes.len() {
                heard |= self.deliver_from(who);
            }
            if !heard {
                return;
            }
        }
        panic!("they never stop talking");
    }

    pub fn mine(&mut self, transactions: &[Transaction]) {
        let tip = self.nodes[A].engine.tip();
        for input in transactions.iter().flat_map(|transaction| &transaction.input) {
            assert!(self.spent.insert(input.previous_output), "a coin is spent once");
        }
        let block = Block {
            header: Header {
                version: Version::TWO,
                prev_blockhash: tip.hash,
                merkle_root: TxMerkleNode::all_zeros(),
                time: tip.height.to_u32(),
                bits: CompactTarget::from_consensus(0x207f_ffff),
                nonce: 0,
            },
            txdata: transactions.to_vec(),
        };
        self.take_block(&block);
    }

    /// All nodes see a block.
    pub fn take_block(&mut self, block: &Block) {
        for who in 0..self.nodes.len() {
            let tip = self.nodes[who].engine.tip();
            assert_eq!(tip.hash, block.header.prev_blockhash, "all follow one chain");
            let (height, block) = (above(tip.height), Box::new(block.clone()));
            self.input(who, Input::BlockConnected { height, block });
            if !self.catching_up.contains(&who) {
                self.input(who, Input::BlocksTold(TipStanding::Current));
            }
        }
        self.settle();
    }

    /// Takes in what the nodes want on chain, the first come of those that exclude each other.
    pub fn gather(&mut self) {
        let mut ids: BTreeSet<Txid> = self.pool.iter().map(Transaction::compute_txid).collect();
        for node in &mut self.nodes {
            for transaction in node.broadcasts.drain(..) {
                if ids.insert(transaction.compute_txid()) {
                    self.pool.push(transaction);
                }
            }
        }
    }

    /// Mines so many blocks, each with all that can be in it.
    pub fn mine_wanted(&mut self, blocks: u32) {
        for _ in 0..blocks {
            self.gather();
            let height = above(self.tip());
            let mut taken = Vec::new();
            let mut left = Vec::new();
            let mut used = self.spent.clone();
            for transaction in core::mem::take(&mut self.pool) {
                let places = || transaction.input.iter().map(|input| input.previous_output);
                if places().any(|place| used.contains(&place)) {
                    continue;
                }
                let is_open = match transaction.lock_time {
                    LockTime::Blocks(lock) if !is_commitment(&transaction) => {
                        lock.to_consensus_u32() < height.to_u32()
                    }
                    LockTime::Blocks(_) | LockTime::Seconds(_) => true,
                };
                if is_open {
                    used.extend(places());
                    taken.push(transaction);
                } else {
                    left.push(transaction);
                }
            }
            self.pool = left;
            self.mine(&taken);
        }
    }

    /// Mines up to this height.
    pub fn mine_to(&mut self, height: BlockHeight) {
        while self.tip() < height {
            self.mine_wanted(1);
        }
    }

    pub fn balance(&self, who: usize, channel: usize) -> u64 {
        let view = self.nodes[who].engine.channel_view(&self.channels[channel]).unwrap();
        view.balance.to_msat()
    }

    /// The commands and keys of the locks, as each node names them.
    pub fn sent(&self, channel: usize, id: u64) -> LockKey {
        LockKey { channel: self.channels[channel], offerer: Side::Holder, id: LockId(id) }
    }

    pub fn received(&self, channel: usize, id: u64) -> LockKey {
        LockKey { channel: self.channels[channel], offerer: Side::Counterparty, id: LockId(id) }
    }

    pub fn lock(&self, who: usize, key: LockKey) -> LockView {
        self.nodes[who].engine.lock_view(&key).expect("the lock is known")
    }

    pub fn stage(&self, who: usize, key: LockKey) -> LockStage {
        self.lock(who, key).stage
    }

    pub fn height(&self, above_tip: u32) -> BlockHeight {
        BlockHeight::new(self.tip().to_u32() + above_tip)
    }

    /// The offer of a lock to the next node, which is its destination.
    pub fn offer(&self, from: usize, number: u32, msat: u64, secret: u8, blocks: u32) -> Command {
        self.offer_by(from, number, msat, secret, blocks, Route::default())
    }

    /// The offer of a lock to the second next node: `left` is what the one between keeps, `earlier` how many blocks.
    pub fn offer_through(&self, number: u32, msat: u64, secret: u8, blocks: u32) -> Command {
        self.offer_with(number, msat, secret, blocks, Toll { fee: 10_000, blocks: TOLL_BLOCKS })
    }

    pub fn offer_with(
        &self,
        number: u32,
        msat: u64,
        secret: u8,
        blocks: u32,
        toll: Toll,
    ) -> Command {
        let hop = Hop {
            node: self.nodes[C].id(),
            amount: MilliSats::new(msat - toll.fee).unwrap(),
            expiry: self.height(blocks - toll.blocks),
        };
        self.offer_by(A, number, msat, secret, blocks, Route::new([hop]).unwrap())
    }

    fn offer_by(
        &self,
        from: usize,
        number: u32,
        msat: u64,
        secret: u8,
        blocks: u32,
        route: Route,
    ) -> Command {
        Command::OfferLock {
            key: crate::world::key(number),
            channel: self.channels[from],
            amount: MilliSats::new(msat).unwrap(),
            payment_hash: hash(secret),
            expiry: self.height(blocks),
            route,
        }
    }

    pub fn claim(&self, lock: LockKey, secret: u8) -> Command {
        Command::ClaimLock { key: request_key(), lock, preimage: preimage(secret) }
    }

    pub fn cancel(&self, lock: LockKey) -> Command {
        Command::CancelLock { key: request_key(), lock }
    }

    /// Every node's log folds to its state.
    pub fn assert_folded(&self) {
        for node in &self.nodes {
            assert_eq!(node.engine.state(), node.folded(), "the fold of the log is the state");
        }
    }
}

/// What the node between takes: money, and blocks.
#[derive(Debug, Clone, Copy)]
pub struct Toll {
    pub fee: u64,
    pub blocks: u32,
}

/// Both delays and twice the margin, as these nodes are set.
pub const TOLL_BLOCKS: u32 = 6 + 6 + 36;

fn request_key() -> RequestKey {
    crate::world::key(77)
}

pub fn preimage(secret: u8) -> Preimage {
    Preimage::from_bytes([secret; 32])
}

pub fn hash(secret: u8) -> PaymentHash {
    PaymentHash::from_bytes(sha256::Hash::hash(&[secret; 32]).to_byte_array())
}

/// A commitment hides its number in its locktime: a time long past.
fn is_commitment(transaction: &Transaction) -> bool {
    transaction.lock_time.to_consensus_u32() >= 500_000_000
}
