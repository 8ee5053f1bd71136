//! Two engines, and between them a network, users and a chain that do what the bytes say: messages lost, repeated, delayed,
//! mutated and said again long after, blocks with anything in them, restarts in between.
//!
//! After every input each engine's state must be the fold of its log, a second signature for one commitment must equal the
//! first, and one input must have bounded effects. What the money does is judged by `strait-sim`, whose messages are sound.

mod chain;
mod mutation;
mod node;

use std::collections::VecDeque;

use bitcoin::consensus::deserialize;
use bitcoin::{Transaction, Witness};
use strait_contract::scripted::PURSE;
use strait_contract::{Collateral, Limits, Params};
use strait_engine::{Answer, CloseMode, Command, Input, Payment, SendAmount, TipStanding};
use strait_payment::{LockKey, payment_hash_of};
use strait_primitives::{
    BlockHeight, ChannelId, ContractId, FeeRate, LockId, MilliSats, Millis, Preimage, RequestKey,
    Sats, Side, Timestamp,
};
use strait_sim::Choices;
use strait_wire::{ContractBytes, Message, Reference, Route};

use self::chain::{Chain, Lost};
use self::node::Node;

/// Inputs of one run, at most.
const TURNS_MAX: usize = 300;
/// Messages that two nodes exchange until they are taken to talk for ever.
const TALK_MAX: usize = 2_000;
/// What each side puts into a contract.
const STAKE: MilliSats = MilliSats::from_const(5_000_000);
/// Messages kept to be said again.
const HEARD_MAX: usize = 64;

/// Runs the two engines by the bytes.
///
/// # Panics
/// If a promise named above is broken.
pub fn engine_inputs(data: &[u8]) {
    let mut world = World::new(data);
    for _ in 0..TURNS_MAX {
        if world.is_used_up() {
            break;
        }
        world.turn();
    }
    world.nodes.iter().for_each(Node::check_log);
}

struct World {
    choices: Choices,
    /// Bytes that may still decide something: choices beyond them are calm, and nothing is left to try.
    left: usize,
    now: Timestamp,
    nodes: [Node; 2],
    /// What each node has been told, to be told again.
    heard: [VecDeque<Message>; 2],
    chain: Chain,
    connected: bool,
}

impl World {
    /// Two nodes with coins, and as the first byte says: nothing else, a connection, or a channel.
    fn new(data: &[u8]) -> Self {
        let now = Timestamp::from_unix_ms(1_700_000_000_000);
        let mut world = Self {
            choices: Choices::from_bytes(data.to_vec()),
            left: data.len(),
            now,
            nodes: [Node::new(1, now), Node::new(2, now)],
            heard: [VecDeque::new(), VecDeque::new()],
            chain: Chain::new(),
            connected: false,
        };
        for index in [0, 1] {
            world.command(index, Command::AddModule { module: PURSE, size_bytes: 5 });
            world.command(index, Command::NewAddress);
            if let Some(Answer::Address(script)) = world.node(index).last_answer.clone() {
                world.chain.pay(script, 10_000_000);
            }
        }
        world.mine(1);
        let stage = world.below(3);
        if stage > 0 {
            world.connect();
            world.talk();
        }
        if stage > 1 {
            world.open(0, 1_000_000);
            world.talk();
            world.mine(3);
            world.talk();
        }
        world
    }

    const fn is_used_up(&self) -> bool {
        self.left == 0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.left = self.left.saturating_sub(if limit > 256 { 2 } else { 1 });
        self.choices.below(limit)
    }

    fn index(&mut self) -> usize {
        usize::from(self.below(2) == 1)
    }

    fn node(&self, index: usize) -> &Node {
        self.nodes.get(index).expect("there are two")
    }

    fn node_mut(&mut self, index: usize) -> &mut Node {
        self.nodes.get_mut(index).expect("there are two")
    }

    fn input(&mut self, index: usize, input: Input) {
        let now = self.now;
        self.node_mut(index).handle(input, now);
        let orders = core::mem::take(&mut self.node_mut(index).orders);
        orders.into_iter().for_each(|order| self.chain.submit(order));
    }

    fn command(&mut self, index: usize, command: Command) {
        let id = self.node_mut(index).next_command();
        self.input(index, Input::Command(id, Box::new(command)));
    }

    /// One happening.
    fn turn(&mut self) {
        match self.below(20) {
            0..=4 => self.deliver(),
            5..=8 => self.talk(),
            9..=12 => self.ask(),
            13 => {
                let count = self.below(4) + 1;
                self.mine(count);
            }
            14 => self.reorganise(),
            15 if self.connected => self.disconnect(),
            15 => self.connect(),
            16 => {
                let pauses = [1_000, 61_000, 601_000, 7_200_000];
                let pause = *self.choices.pick(&pauses);
                self.now = self.now.after(Millis(pause));
                (0..2).for_each(|index| self.input(index, Input::Tick));
            }
            17 => self.told_fees(),
            18 => self.made_up_spend(),
            _ => {
                let index = self.index();
                let now = self.now;
                self.node_mut(index).restart(now);
                self.connected = false;
                let other = 1 - index;
                let peer = self.node(index).id();
                self.input(other, Input::PeerDisconnected(peer));
                self.node_mut(other).outbox.clear();
            }
        }
    }

    fn connect(&mut self) {
        self.connected = true;
        for index in [0, 1] {
            let peer = self.node(1 - index).id();
            self.input(index, Input::PeerConnected(peer));
        }
    }

    fn disconnect(&mut self) {
        self.connected = false;
        for index in [0, 1] {
            let peer = self.node(1 - index).id();
            self.node_mut(index).outbox.clear();
            self.input(index, Input::PeerDisconnected(peer));
        }
    }

    /// The next message of a node arrives in some way, or does not.
    fn deliver(&mut self) {
        let to = self.index();
        let from = 1 - to;
        let how = self.below(8);
        if how == 7 {
            return self.say_again(to);
        }
        let Some(message) = self.node_mut(from).outbox.pop_front() else { return };
        match how {
            0..=2 => self.hear(to, message),
            3 => {}
            4 => {
                self.hear(to, message.clone());
                self.hear(to, message);
            }
            5 => self.node_mut(from).outbox.push_back(message),
            _ => {
                self.left = self.left.saturating_sub(4);
                if let Some(mutated) = mutation::mutated(&message, &mut self.choices) {
                    self.hear(to, mutated);
                }
                if self.below(2) == 1 {
                    self.hear(to, message);
                }
            }
        }
    }

    /// A node hears what it heard before.
    fn say_again(&mut self, to: usize) {
        let heard: Vec<Message> =
            self.heard.get(to).expect("there are two").iter().cloned().collect();
        if !heard.is_empty() {
            let message = self.choices.pick(&heard).clone();
            self.hear(to, message);
        }
    }

    fn hear(&mut self, to: usize, message: Message) {
        if !self.connected {
            return;
        }
        let heard = self.heard.get_mut(to).expect("there are two");
        heard.push_back(message.clone());
        if heard.len() > HEARD_MAX {
            heard.pop_front();
        }
        let peer = self.node(1 - to).id();
        self.input(to, Input::PeerMessage(peer, Box::new(message)));
    }

    /// Everything that was said arrives, until nobody has anything to say.
    fn talk(&mut self) {
        for _ in 0..TALK_MAX {
            let said = [0, 1].map(|from| self.node_mut(from).outbox.pop_front());
            if said.iter().all(Option::is_none) {
                return;
            }
            for (from, message) in said.into_iter().enumerate() {
                if let Some(message) = message {
                    self.hear(1 - from, message);
                }
            }
        }
        // Two that answer each other's mutations may go on until one has had enough; nothing is promised of that.
    }

    /// A user asks for something.
    fn ask(&mut self) {
        let index = self.index();
        let key = RequestKey::from_bytes([u8::try_from(self.below(16)).unwrap_or(0); 16]);
        let channel = self.channel(index);
        let command = match self.below(16) {
            0 => {
                let capacity = [20_000, 100_000, 1_000_000, 9_000_000];
                let capacity = *self.choices.pick(&capacity);
                return self.open(index, capacity);
            }
            1..=4 => Command::Pay { key, channel, payments: self.payments() },
            5 => Command::CloseChannel { key, channel, mode: CloseMode::Cooperative },
            6 => Command::CloseChannel { key, channel, mode: CloseMode::Force },
            7 => Command::OpenContract {
                key,
                channel,
                module: PURSE,
                params: Params::new(&[]).expect("none are few enough"),
                collateral: Collateral::new(STAKE, STAKE).expect("two small amounts"),
                limits: Limits::default(),
            },
            8 => {
                let length = usize::try_from(self.below(16)).unwrap_or(0);
                let bytes: Vec<u8> =
                    (0..length).map(|_| u8::try_from(self.below(256)).unwrap_or(0)).collect();
                let action = ContractBytes::new(bytes).expect("short enough");
                Command::Act { key, contract: self.contract(index), actions: vec![action] }
            }
            9 => Command::Settle { key, contract: self.contract(index) },
            10 => {
                let address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080".to_owned();
                let amount = SendAmount::Exactly(Sats::from_const(50_000));
                Command::SendCoins { key, address, amount, fee_rate: None }
            }
            11 => {
                let preimage = self.preimage();
                let delays = [1, 30, 200, 2_000, 100_000];
                let expiry = self.chain.height().to_u32() + *self.choices.pick(&delays);
                let amounts = [1, 1_000_000, 50_000_000, 2_000_000_000];
                Command::OfferLock {
                    key,
                    channel,
                    amount: MilliSats::from_const(*self.choices.pick(&amounts)),
                    payment_hash: payment_hash_of(&preimage),
                    expiry: BlockHeight::new(expiry),
                    route: Route::new([]).expect("no stop is few enough"),
                }
            }
            12 | 13 => {
                Command::ClaimLock { key, lock: self.lock(index), preimage: self.preimage() }
            }
            14 => Command::CancelLock { key, lock: self.lock(index) },
            _ => Command::Status,
        };
        self.command(index, command);
    }

    /// One of two: so that locks share hashes, and some are claimed with the wrong one.
    fn preimage(&mut self) -> Preimage {
        Preimage::from_bytes([u8::try_from(self.below(2)).unwrap_or(0); 32])
    }

    fn lock(&mut self, index: usize) -> LockKey {
        let known: Vec<LockKey> =
            self.node(index).folded.payments.incoming().map(|(key, _)| *key).collect();
        if known.is_empty() {
            let channel = self.channel(index);
            return LockKey { channel, offerer: Side::Counterparty, id: LockId(0) };
        }
        *self.choices.pick(&known)
    }

    fn payments(&mut self) -> Vec<Payment> {
        let count = self.below(4) + 1;
        let amounts = [1, 999, 1_000, 354_000, 5_000_000, 900_000_000];
        (0..count)
            .map(|_| {
                let amount = MilliSats::from_const(*self.choices.pick(&amounts));
                Payment { amount, reference: Reference::new([1, 2]).expect("short enough") }
            })
            .collect()
    }

    fn open(&mut self, index: usize, capacity: u64) {
        let node = self.node(1 - index).id();
        let key = RequestKey::from_bytes([u8::try_from(self.below(256)).unwrap_or(0); 16]);
        let capacity = Sats::new(capacity).expect("less than all there is");
        self.command(index, Command::OpenChannel { key, node, capacity, fee_rate: None });
    }

    fn channel(&mut self, index: usize) -> ChannelId {
        let known: Vec<ChannelId> = self.node(index).folded.channels.keys().copied().collect();
        if known.is_empty() {
            return ChannelId::from_bytes([9; 32]);
        }
        *self.choices.pick(&known)
    }

    fn contract(&mut self, index: usize) -> ContractId {
        let known = self.node_mut(index).contracts();
        if known.is_empty() {
            return ContractId::from_bytes([9; 32]);
        }
        *self.choices.pick(&known)
    }

    /// Blocks with all that waits.
    fn mine(&mut self, count: u64) {
        for _ in 0..count {
            let block = self.chain.mine();
            for index in [0, 1] {
                let height = self.chain.height();
                self.input(index, Input::BlockConnected { height, block: Box::new(block.clone()) });
                self.input(index, Input::BlocksTold(TipStanding::Current));
            }
        }
    }

    /// The chain loses some blocks; what was in them waits again, or is gone.
    fn reorganise(&mut self) {
        let depth = self.below(6) + 1;
        let lost = if self.below(2) == 0 { Lost::Wait } else { Lost::Vanish };
        for _ in 0..depth {
            let height = self.chain.height();
            let Some(hash) = self.chain.lose(lost) else { break };
            (0..2).for_each(|index| self.input(index, Input::BlockDisconnected { height, hash }));
        }
        self.mine(1);
    }

    fn told_fees(&mut self) {
        let rates = [253, 1_000, 10_000, 500_000, 4_000_000];
        let rate = FeeRate::from_sat_per_kvb(*self.choices.pick(&rates));
        let known = self.below(4) > 0;
        for index in [0, 1] {
            let told =
                if known { Input::FeeEstimate(rate) } else { Input::NoFeeEstimate { least: rate } };
            self.input(index, told);
        }
    }

    /// A block or the mempool spends an output that the nodes care for, in a way that nobody here thought of.
    fn made_up_spend(&mut self) {
        let Some(mut transaction) = self.chain.any_transaction(&mut self.choices) else { return };
        let length = self.below(64);
        let bytes: Vec<u8> =
            (0..length).map(|_| u8::try_from(self.below(256)).unwrap_or(0)).collect();
        match self.below(4) {
            0 => {
                if let Ok(other) = deserialize::<Transaction>(&bytes) {
                    transaction.output = other.output;
                }
            }
            1 => {
                let items: Vec<&[u8]> = bytes.split(|byte| *byte == 0xff).collect();
                if let Some(input) = transaction.input.first_mut() {
                    input.witness = Witness::from_slice(&items);
                }
            }
            2 => transaction.output.truncate(bytes.len() % 4),
            _ => transaction.lock_time = bitcoin::absolute::LockTime::from_consensus(0x20ab_cdef),
        }
        if self.below(2) == 0 {
            let told = Input::MempoolTransaction(Box::new(transaction.clone()));
            (0..2).for_each(|index| self.input(index, told.clone()));
        }
        self.chain.replace(transaction);
        self.mine(1);
    }
}
