//! Two nodes, the link between them, and the chain that both follow.

use std::collections::BTreeSet;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Txid, Witness, transaction,
};
use strait_engine::{Answer, Command, CommandId, Input, Payment, TipStanding};
use strait_primitives::{ChannelId, MilliSats, Millis, NodeId, RequestKey, Sats, Timestamp};
use strait_wire::{Message, Reference};

use crate::node::{Node, Outcome, above};

pub const CAPACITY: Sats = Sats::from_const(1_000_000);
/// Messages after which two nodes that still talk are taken to talk for ever.
const DELIVERIES_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Alice,
    Bob,
}
pub use Who::{Alice, Bob};

pub const BOTH: [Who; 2] = [Alice, Bob];

impl Who {
    pub const fn other(self) -> Self {
        match self {
            Alice => Bob,
            Bob => Alice,
        }
    }
}

pub struct World {
    pub now: Timestamp,
    pub alice: Node,
    pub bob: Node,
    entropy: u64,
    coins: u32,
}

impl World {
    /// Two nodes with empty wallets that do not know each other.
    pub fn new() -> Self {
        let now = Timestamp::from_unix_ms(1_700_000_000_000);
        Self { now, alice: Node::new(1, now), bob: Node::new(2, now), entropy: 0, coins: 0 }
    }

    /// Two nodes that are connected, with coins in both wallets.
    pub fn funded() -> Self {
        let mut world = Self::new();
        for who in BOTH {
            world.fund(who, 4);
        }
        world.connect();
        world
    }

    /// As [`Self::funded`], with a channel of [`CAPACITY`], all of it Alice's.
    pub fn open() -> (Self, ChannelId) {
        let mut world = Self::funded();
        let channel = world.open_channel(Alice, key(1_000_000));
        (world, channel)
    }

    pub fn node(&self, who: Who) -> &Node {
        match who {
            Alice => &self.alice,
            Bob => &self.bob,
        }
    }

    pub fn node_mut(&mut self, who: Who) -> &mut Node {
        match who {
            Alice => &mut self.alice,
            Bob => &mut self.bob,
        }
    }

    pub fn input(&mut self, who: Who, input: Input) {
        self.entropy += 1;
        let mut entropy = [0; 32];
        entropy[8..16].copy_from_slice(&self.entropy.to_be_bytes());
        let now = self.now;
        self.node_mut(who).handle(input, now, entropy);
    }

    /// Someone says something to a node.
    pub fn say(&mut self, to: Who, from: NodeId, message: impl Into<Message>) {
        self.input(to, Input::PeerMessage(from, Box::new(message.into())));
    }

    pub fn ask(&mut self, who: Who, command: Command) -> CommandId {
        let (id, input) = self.node_mut(who).next_command(command);
        self.input(who, input);
        id
    }

    /// Asks, and lets everyone talk to the end.
    pub fn done(&mut self, who: Who, command: Command) -> Outcome {
        let id = self.ask(who, command);
        self.settle();
        self.node(who).answer(id).expect("the command is answered")
    }

    /// A new connection: what was on its way is lost.
    pub fn connect(&mut self) {
        self.disconnect();
        for who in BOTH {
            let peer = self.node(who.other()).id();
            self.input(who, Input::PeerConnected(peer));
        }
        self.settle();
    }

    pub fn disconnect(&mut self) {
        for who in BOTH {
            let peer = self.node(who.other()).id();
            self.node_mut(who).outbox.clear();
            self.input(who, Input::PeerDisconnected(peer));
        }
    }

    pub fn restart(&mut self, who: Who) {
        self.disconnect();
        let now = self.now;
        self.node_mut(who).restart(now);
    }

    /// Hands over the next message of the other node; false if there is none.
    pub fn deliver(&mut self, to: Who) -> bool {
        let (own, from) = (self.node(to).id(), self.node(to.other()).id());
        while let Some((peer, message)) = self.node_mut(to.other()).outbox.pop_front() {
            if peer == own {
                self.say(to, from, message);
                return true;
            }
        }
        false
    }

    /// Lets both talk until neither has anything to say.
    pub fn settle(&mut self) {
        for _ in 0..DELIVERIES_MAX {
            let heard = self.deliver(Alice) | self.deliver(Bob);
            if !heard {
                return;
            }
        }
        panic!("the two never stop talking");
    }

    /// Time passes, and both are told.
    pub fn wait(&mut self, span: Millis) {
        self.now = self.now.after(span);
        for who in BOTH {
            self.input(who, Input::Tick);
        }
    }

    pub fn mine(&mut self, transactions: &[Transaction]) {
        let tip = self.alice.engine.tip();
        assert_eq!(tip, self.bob.engine.tip(), "both follow one chain");
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
        for who in BOTH {
            let (height, block) = (above(tip.height), Box::new(block.clone()));
            self.input(who, Input::BlockConnected { height, block });
            self.input(who, Input::BlocksTold(TipStanding::Current));
        }
        self.settle();
    }

    /// Mines so many blocks, with all that both want on chain.
    pub fn mine_wanted(&mut self, blocks: usize) {
        let mut mined = BTreeSet::new();
        for _ in 0..blocks {
            let mut wanted = Vec::new();
            for who in BOTH {
                wanted.append(&mut self.node_mut(who).broadcasts);
            }
            wanted.retain(|transaction| mined.insert(transaction.compute_txid()));
            self.mine(&wanted);
        }
    }

    /// Mines coins of ten million satoshis each.
    pub fn fund(&mut self, who: Who, count: usize) {
        for _ in 0..count {
            let Ok(Answer::Address(script)) = self.done(who, Command::NewAddress) else {
                panic!("an address")
            };
            self.coins += 1;
            let paid = payment(self.coins, script);
            self.mine(&[paid]);
        }
    }

    /// Opens a channel of [`CAPACITY`] and mines its funding.
    pub fn open_channel(&mut self, opener: Who, key: RequestKey) -> ChannelId {
        self.node_mut(opener).broadcasts.clear();
        let asked = self.opening(opener, key);
        let Ok(Answer::Channel(view)) = self.done(opener, asked) else { panic!("a channel") };
        let funding = self.node_mut(opener).broadcasts.remove(0);
        self.mine(&[funding]);
        view.channel
    }

    pub fn opening(&self, opener: Who, key: RequestKey) -> Command {
        let node = self.node(opener.other()).id();
        Command::OpenChannel { key, node, capacity: CAPACITY, fee_rate: None }
    }

    pub fn balance(&self, who: Who, channel: ChannelId) -> MilliSats {
        self.node(who).engine.channel_view(&channel).unwrap().balance
    }
}

/// A coin out of nowhere.
pub fn payment(number: u32, script_pubkey: ScriptBuf) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: Txid::from_byte_array([9; 32]), vout: number },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(10_000_000), script_pubkey }],
    }
}

pub fn key(number: u32) -> RequestKey {
    let mut bytes = [1; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    RequestKey::from_bytes(bytes)
}

/// One payment of so much.
pub fn pay(key: RequestKey, channel: ChannelId, msat: u64) -> Command {
    let amount = MilliSats::new(msat).unwrap();
    let reference = Reference::new(b"it").unwrap();
    Command::Pay { key, channel, payments: vec![Payment { amount, reference }] }
}
