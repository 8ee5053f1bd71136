//! Two nodes, the link between them, and the world around them.

use std::sync::LazyLock;

use strait_channel::{
    Channel, ChannelEvent, ContractPolicy, Link, Moment, Notice, Offer, Request, TipStanding,
};
use strait_contract::{ScriptedRuntime, Terms};
use strait_primitives::{
    BlockHeight, Digest, FeeRate, MilliSats, Millis, Party, RequestKey, Sats, Timestamp,
};
use strait_wire::{Contribution, FundingInput, Message, Operation, Operations, Reference};

use crate::node::{Node, node_id, salt, script, signer};

pub const CAPACITY: Sats = Sats::from_const(1_000_000);
pub const BOTH: [Party; 2] = [Party::Opener, Party::Acceptor];
/// Messages after which two machines that still talk are taken to talk for ever.
const DELIVERIES_MAX: usize = 20_000;

/// An operator who takes every contract, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taste {
    Anything,
    Nothing,
    /// What leaves this node with so much of its own in contracts at most.
    UpTo(MilliSats),
}

impl ContractPolicy for Taste {
    fn judge(&self, _: &Terms, own: MilliSats) -> Result<(), String> {
        match self {
            Self::Anything => Ok(()),
            Self::UpTo(most) if own <= *most => Ok(()),
            Self::UpTo(_) => Err("too much".into()),
            Self::Nothing => Err("not here".into()),
        }
    }
}

/// What both nodes see beside each other.
pub struct World {
    pub now: Timestamp,
    pub tip: BlockHeight,
    pub tip_standing: TipStanding,
    pub entropy: u64,
    /// What runs contracts: the opener's, the acceptor's.
    pub runtimes: [ScriptedRuntime; 2],
    pub taste: Taste,
    /// Claims and cancellations that whoever has locks wants proposed.
    pub settlements: Vec<Operation>,
    pub fee_rate: FeeRate,
}

impl World {
    fn new() -> Self {
        Self {
            now: Timestamp::from_unix_ms(1_000_000),
            tip: BlockHeight::new(110),
            tip_standing: TipStanding::Current,
            entropy: 0,
            runtimes: [ScriptedRuntime::with_purse(), ScriptedRuntime::with_purse()],
            taste: Taste::Anything,
            settlements: Vec::new(),
            fee_rate: FeeRate::from_sat_per_kvb(2_000),
        }
    }

    pub fn moment(&mut self, party: Party) -> Moment<'_> {
        self.entropy += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.entropy.to_be_bytes());
        let [opener, acceptor] = &self.runtimes;
        Moment {
            now: self.now,
            tip: self.tip,
            tip_standing: self.tip_standing,
            contracts: match party {
                Party::Opener => opener,
                Party::Acceptor => acceptor,
            },
            policy: &self.taste,
            settlements: &self.settlements,
            close_fee_rate: self.fee_rate,
            entropy,
        }
    }
}

pub struct Pair {
    pub world: World,
    pub opener: Node,
    pub acceptor: Node,
    /// Messages that still arrive before the link breaks; what is on its way then is lost.
    pub deliveries_left: Option<usize>,
    /// Messages that have arrived.
    pub delivered: usize,
}

/// The logs of a pair that has opened its channel, made once.
static OPENED: LazyLock<[Vec<ChannelEvent>; 2]> = LazyLock::new(|| {
    let mut pair = Pair::new();
    pair.connect();
    pair.offer(contribution(CAPACITY));
    pair.settle();
    for party in BOTH {
        pair.node_mut(party).mine_funding(BlockHeight::new(101));
    }
    [pair.opener.disk, pair.acceptor.disk]
});

pub fn contribution(amount: Sats) -> Contribution {
    let mut p2tr = vec![0x51, 32];
    p2tr.extend([7; 32]);
    Contribution {
        amount,
        inputs: vec![FundingInput {
            txid: Digest::from_bytes([5; 32]),
            index: 1,
            value: Sats::from_const(20_000_000),
            script: strait_wire::ScriptBytes::new(p2tr).unwrap(),
        }],
        change: script(0x33),
    }
}

impl Pair {
    /// Two nodes that do not know each other yet.
    pub fn new() -> Self {
        Self {
            world: World::new(),
            opener: Node::new(Party::Opener),
            acceptor: Node::new(Party::Acceptor),
            deliveries_left: None,
            delivered: 0,
        }
    }

    /// Two nodes with a channel of [`CAPACITY`], all of it the opener's, funded and connected.
    pub fn open() -> Self {
        let [opener, acceptor] = &*OPENED;
        let mut pair = Self::from_disks([opener, acceptor]);
        pair.connect();
        pair.settle();
        pair
    }

    /// As [`Self::open`], with money on both sides.
    pub fn balanced() -> Self {
        let mut pair = Self::open();
        pair.pay(Party::Opener, 400_000_000);
        pair.settle();
        pair.assert_agreed();
        pair
    }

    pub fn from_disks([opener, acceptor]: [&[ChannelEvent]; 2]) -> Self {
        Self {
            opener: Node::from_disk(Party::Opener, opener),
            acceptor: Node::from_disk(Party::Acceptor, acceptor),
            ..Self::new()
        }
    }

    pub fn node(&self, party: Party) -> &Node {
        match party {
            Party::Opener => &self.opener,
            Party::Acceptor => &self.acceptor,
        }
    }

    pub fn node_mut(&mut self, party: Party) -> &mut Node {
        match party {
            Party::Opener => &mut self.opener,
            Party::Acceptor => &mut self.acceptor,
        }
    }

    pub fn parts(&mut self, party: Party) -> (&mut Node, &mut World) {
        match party {
            Party::Opener => (&mut self.opener, &mut self.world),
            Party::Acceptor => (&mut self.acceptor, &mut self.world),
        }
    }

    pub fn offer(&mut self, contribution: Contribution) {
        let own = node_id(Party::Opener);
        let offer = Offer {
            peer: node_id(Party::Acceptor),
            nonce: Digest::from_bytes([4; 32]),
            salt: salt(Party::Opener),
            contribution,
            fee_rate: FeeRate::from_sat_per_kvb(1_000),
            wallet_script: script(0x11),
        };
        let mut out = strait_channel::Decision::default();
        let signer = signer(Party::Opener);
        let now = self.world.now;
        let channel = Channel::offer(&own, offer, &self.opener.policy, signer, now, &mut out);
        self.opener.channel = Some(channel);
        self.opener.absorb(out);
    }

    /// A new connection: what was on its way is lost, and both say where they stand.
    pub fn connect(&mut self) {
        self.disconnect();
        let now = self.world.now;
        for party in BOTH {
            let node = self.node_mut(party);
            if node.has_crashed {
                node.restart();
            }
            node.is_connected = true;
            node.act(|channel, out| channel.handle_connected(now, out));
        }
    }

    pub fn disconnect(&mut self) {
        let now = self.world.now;
        for party in BOTH {
            let node = self.node_mut(party);
            node.outbox.clear();
            node.is_connected = false;
            node.wants_disconnect = false;
            if node.channel.is_some() {
                node.act(|channel, out| channel.handle_disconnected(now, out));
            }
        }
    }

    pub fn poll(&mut self, party: Party) {
        let (node, world) = self.parts(party);
        let moment = world.moment(party);
        node.act(|channel, out| channel.poll(&moment, out));
    }

    /// Hands one message over, if there is one, and lets its receiver act. False if there was none.
    pub fn deliver(&mut self, to: Party) -> bool {
        let Some(message) = self.node_mut(!to).outbox.pop_front() else { return false };
        if self.deliveries_left == Some(0) {
            self.deliveries_left = None;
            self.disconnect();
            return false;
        }
        self.deliveries_left = self.deliveries_left.map(|left| left - 1);
        self.delivered += 1;
        self.hand(to, message);
        true
    }

    /// Hands over a message, whoever wrote it, and lets its receiver act.
    pub fn hand(&mut self, to: Party, message: impl Into<Message>) {
        let (node, world) = self.parts(to);
        let moment = world.moment(to);
        node.receive(message.into(), &moment);
        self.poll(to);
    }

    /// Lets both talk until neither has anything to say.
    pub fn settle(&mut self) {
        self.opener.act(|_, _| ());
        for party in BOTH {
            self.poll(party);
        }
        for _ in 0..DELIVERIES_MAX {
            let heard = self.deliver(Party::Acceptor) | self.deliver(Party::Opener);
            if !heard {
                return;
            }
        }
        panic!("the two never stop talking");
    }

    /// Reconnects until both are well, then lets them talk to the end.
    pub fn recover(&mut self) {
        self.opener.crash_at = None;
        self.acceptor.crash_at = None;
        self.deliveries_left = None;
        self.connect();
        self.settle();
    }

    pub fn wait(&mut self, span: Millis) {
        self.world.now = self.world.now.after(span);
        let now = self.world.now;
        for party in BOTH {
            self.node_mut(party).act(|channel, out| channel.handle_time(now, out));
        }
    }

    /// Asks for operations; `true` if they wait for their round now.
    pub fn request(&mut self, party: Party, key: u16, operations: Vec<Operation>) -> bool {
        let request = request(key, operations);
        let node = self.node_mut(party);
        node.channel.as_mut().is_some_and(|channel| channel.request(request).is_ok())
    }

    pub fn pay(&mut self, party: Party, msat: u64) {
        assert!(self.request(party, 0, vec![pay(msat)]));
        self.poll(party);
    }

    /// Both are between rounds, at the same number, with the same ledger, and would sign the same commitments.
    pub fn assert_agreed(&self) {
        let (a, b) = (self.opener.live(), self.acceptor.live());
        assert_eq!(a.rounds.outstanding, None);
        assert_eq!(b.rounds.outstanding, None);
        assert_eq!(a.rounds.number, b.rounds.number);
        assert_eq!(a.rounds.ledger, b.rounds.ledger);
        assert_eq!(a.rounds.turn, !b.rounds.turn);
        assert_eq!(a.agreements, b.agreements);
        for side in [strait_primitives::Side::Holder, strait_primitives::Side::Counterparty] {
            assert_eq!(self.opener.sighash(side), self.acceptor.sighash(!side));
        }
    }

    pub fn assert_up(&self) {
        for party in BOTH {
            assert_eq!(self.node(party).channel().link(), Link::Up);
        }
    }
}

pub fn pay(msat: u64) -> Operation {
    let reference = Reference::new(msat.to_be_bytes()).unwrap();
    Operation::Pay { amount: MilliSats::new(msat).unwrap(), reference }
}

pub fn key(number: u16) -> RequestKey {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    RequestKey::from_bytes(bytes)
}

pub fn request(number: u16, operations: Vec<Operation>) -> Request {
    Request {
        key: key(number),
        digest: key(!number),
        operations: Operations::new(operations).unwrap(),
    }
}

/// The keys of requests that this node was told are irrevocable.
pub fn irrevocable(node: &Node) -> Vec<RequestKey> {
    let carried = node.notices.iter().flat_map(|notice| match notice {
        Notice::Irrevocable { requests, .. } => requests.as_slice(),
        Notice::Received { .. }
        | Notice::Refused { .. }
        | Notice::Opened
        | Notice::Abandoned
        | Notice::ContractAnswered { .. }
        | Notice::CloseAgreed
        | Notice::CloseRefused { .. } => &[],
    });
    carried.map(|request| request.key).collect()
}
