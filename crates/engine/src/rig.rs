//! Nodes under test: engines with a chain without work, whose decisions lie open and are folded at once.

use std::collections::VecDeque;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness, transaction,
};
use strait_contract::ScriptedRuntime;
use strait_log::Unsaved;
use strait_primitives::{
    BlockDelta, ChannelId, Digest, MilliSats, NodeId, RequestKey, Sats, Timestamp,
};
use strait_signer::{Seed, SeedWords, Zeroizing};
use strait_wallet::Account;
use strait_wire::{Fault, FaultCode, Message, Note, Reference};

use crate::engine::Step;
use crate::{
    Answer, BlockPoint, CloseMode, Command, CommandError, CommandId, Effect, Engine, EngineConfig,
    Event, Input, Moment, NodeState, Payment, TipStanding,
};

/// What channels hold.
pub(crate) const CAPACITY: Sats = Sats::from_const(1_000_000);
/// When the backups of these tests were made.
pub(crate) const BACKUP_TAKEN: Timestamp = Timestamp::from_unix_ms(1_600_000_000_000);
/// Messages after which two nodes that still talk are taken to talk for ever.
const DELIVERIES_MAX: usize = 1_000;

/// One node: its engine, the fold of its events, and what it did.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) state: NodeState,
    now: Timestamp,
    steps: u64,
    contracts: ScriptedRuntime,
    /// The block at height `h` is `blocks[h - 1]`.
    pub(crate) blocks: Vec<Block>,
    pub(crate) outbox: VecDeque<(NodeId, Message)>,
    pub(crate) broadcasts: Vec<Vec<Transaction>>,
    pub(crate) replies: Vec<Result<Answer, CommandError>>,
}

impl Rig {
    /// A node with this many mined coins of 10,000,000 sat each.
    pub(crate) fn new(byte: u8, coins: usize) -> Self {
        Self::with(byte, coins, |_| ())
    }

    /// A node of which only the seed is left.
    pub(crate) fn from_seed(byte: u8) -> Self {
        Self::begin(
            byte,
            |_| (),
            |config, seed, account, birthday| {
                Engine::create_from_seed(config, seed, account, birthday, BACKUP_TAKEN)
            },
        )
    }

    /// The same as [`Self::new`] with other settings.
    pub(crate) fn with(byte: u8, coins: usize, set: impl FnOnce(&mut EngineConfig)) -> Self {
        let mut rig = Self::begin(byte, set, Engine::create);
        let coins = (0..coins).map(|_| rig.payment(10_000_000)).collect();
        rig.mine(coins);
        rig
    }

    /// A node without a coin or a block.
    fn begin(
        byte: u8,
        set: impl FnOnce(&mut EngineConfig),
        make: impl FnOnce(EngineConfig, Seed, &Account, BlockPoint) -> (Engine, Unsaved<Event, Effect>),
    ) -> Self {
        let seed = Seed::new(&SeedWords::generate(&Zeroizing::new([byte; 32])), Network::Regtest);
        let (fingerprint, xpub) = seed.wallet_account();
        let account = Account::new(Network::Regtest, fingerprint, xpub).unwrap();
        let genesis = account.genesis();
        let birthday = BlockPoint { height: genesis.height, hash: genesis.hash };
        let mut config = config(seed.node_key().node_id());
        set(&mut config);
        let (engine, first) = make(config, seed, &account, birthday);
        let mut state = NodeState::default();
        first.events().iter().for_each(|event| state.apply(event));
        Self {
            engine,
            state,
            now: Timestamp::from_unix_ms(1_700_000_000_000),
            steps: u64::from(byte) << 32,
            contracts: ScriptedRuntime::with_purse(),
            blocks: Vec::new(),
            outbox: VecDeque::new(),
            broadcasts: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// All that its log says now.
    pub(crate) fn log(&self) -> NodeState {
        self.state.clone()
    }

    /// This node's process on another log of its own, with the chain where that log knows it.
    pub(crate) fn on(&self, byte: u8, log: NodeState) -> Self {
        let seed = Seed::new(&SeedWords::generate(&Zeroizing::new([byte; 32])), Network::Regtest);
        let (fingerprint, xpub) = seed.wallet_account();
        let account = Account::new(Network::Regtest, fingerprint, xpub).unwrap();
        let config = self.engine.config.clone();
        let head = self.engine.head();
        let engine = Engine::restore(config, seed, &account, log.clone(), head).unwrap();
        Self {
            engine,
            state: log,
            now: self.now,
            steps: self.steps + (1 << 20),
            contracts: ScriptedRuntime::with_purse(),
            blocks: self.blocks.clone(),
            outbox: VecDeque::new(),
            broadcasts: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// As [`Self::on`], on a log that was restored from a backup.
    pub(crate) fn restored(&self, byte: u8, backup: NodeState) -> Self {
        let mut rig = self.on(byte, backup);
        rig.step(|engine, moment, out| engine.restored(BACKUP_TAKEN, moment, out));
        rig
    }

    pub(crate) const fn node(&self) -> NodeId {
        self.engine.config.node
    }

    /// Lets the engine do something, folds what it decides, and carries out what it wants done.
    fn step(&mut self, act: impl FnOnce(&mut Engine, &Moment<'_>, &mut Step)) {
        self.steps += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.steps.to_be_bytes());
        let moment = Moment { now: self.now, entropy, contracts: &self.contracts };
        let mut out = Step::default();
        act(&mut self.engine, &moment, &mut out);
        out.events.iter().for_each(|event| self.state.apply(event));
        assert_eq!(self.engine.state(), self.state, "the fold of the log is the state");
        for effect in out.effects {
            match effect {
                Effect::Send(peer, message) => self.outbox.push_back((peer, *message)),
                Effect::Broadcast(transactions) => self.broadcasts.push(transactions),
                Effect::Reply(_, answer) => self.replies.push(answer),
                Effect::LookFor(_)
                | Effect::Disconnect(_)
                | Effect::KeepConnected(..)
                | Effect::Forget(_)
                | Effect::Report(_) => {}
            }
        }
    }

    /// The first things a process does.
    pub(crate) fn start(&mut self) {
        let unsaved = self.engine.start(self.now);
        unsaved.events().iter().for_each(|event| self.state.apply(event));
        assert_eq!(self.engine.state(), self.state, "the fold of the log is the state");
    }

    /// It is this time from here on.
    pub(crate) const fn set_clock(&mut self, now: Timestamp) {
        self.now = now;
    }

    pub(crate) fn take(&mut self, input: Input) {
        self.step(|engine, moment, out| engine.decide(input, moment, out));
        self.step(|engine, moment, out| engine.propose(moment, out));
    }

    /// Asks something, and returns what is answered at once.
    pub(crate) fn ask(&mut self, command: Command) -> Option<Result<Answer, CommandError>> {
        let before = self.replies.len();
        self.take(Input::Command(CommandId(self.steps), Box::new(command)));
        self.replies.get(before).cloned()
    }

    pub(crate) fn hear(&mut self, from: NodeId, message: impl Into<Message>) {
        self.take(Input::PeerMessage(from, Box::new(message.into())));
    }

    /// The peer complains about a channel.
    pub(crate) fn hear_fault(&mut self, from: NodeId, channel: ChannelId, code: FaultCode) {
        self.hear(from, Fault { channel: Some(channel), code, note: Note::cut("as you like it") });
    }

    /// A transaction of somebody else that pays the wallet.
    pub(crate) fn payment(&mut self, sat: u64) -> Transaction {
        let Some(Ok(Answer::Address(script))) = self.ask(Command::NewAddress) else {
            panic!("a wallet has addresses")
        };
        let source = Txid::from_byte_array([0xee; 32]);
        pay(OutPoint::new(source, u32::try_from(self.steps & 0xffff_ffff).unwrap()), sat, script)
    }

    pub(crate) fn mine(&mut self, txdata: Vec<Transaction>) {
        let tip = self.engine.tip();
        self.steps += 1;
        let header = Header {
            version: Version::TWO,
            prev_blockhash: tip.hash,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: u32::try_from(self.steps & 0xffff_ffff).unwrap(),
        };
        let mut block = Block { header, txdata };
        if let Some(root) = block.compute_merkle_root() {
            block.header.merkle_root = root;
        }
        self.blocks.push(block.clone());
        let height = tip.height.saturating_add(BlockDelta::new(1));
        self.take(Input::BlockConnected { height, block: Box::new(block) });
        self.take(Input::BlocksTold(TipStanding::Current));
    }

    pub(crate) fn mine_empty(&mut self, count: u32) {
        (0..count).for_each(|_| self.mine(Vec::new()));
    }

    /// Takes the last blocks away again.
    pub(crate) fn unmine(&mut self, count: u32) {
        for _ in 0..count {
            self.blocks.pop().expect("there are as many blocks");
            let tip = self.engine.tip();
            self.take(Input::BlockDisconnected { height: tip.height, hash: tip.hash });
        }
    }

    /// What the wallet sets aside.
    pub(crate) fn reserved(&self) -> u64 {
        self.engine.wallet_view().reserved.to_sat()
    }

    /// What left for the chain since this was last asked.
    pub(crate) fn sent(&mut self) -> Vec<Vec<Transaction>> {
        core::mem::take(&mut self.broadcasts)
    }

    pub(crate) fn close(&mut self, channel: ChannelId, mode: CloseMode) {
        self.ask(Command::CloseChannel { key: key(0xcc), channel, mode });
    }

    pub(crate) fn pay(&mut self, channel: ChannelId, number: u8, amount: MilliSats) {
        let payments = vec![Payment { amount, reference: Reference::new([number]).unwrap() }];
        self.ask(Command::Pay { key: key(number), channel, payments });
    }
}

/// Two nodes greet each other.
pub(crate) fn connect(a: &mut Rig, b: &mut Rig) {
    let (first, second) = (a.node(), b.node());
    a.outbox.clear();
    b.outbox.clear();
    a.take(Input::PeerConnected(second));
    b.take(Input::PeerConnected(first));
    talk(a, b);
}

/// Both talk until neither has anything to say.
pub(crate) fn talk(a: &mut Rig, b: &mut Rig) {
    for _ in 0..DELIVERIES_MAX {
        let (first, second) = (a.outbox.pop_front(), b.outbox.pop_front());
        if first.is_none() && second.is_none() {
            return;
        }
        if let Some((_, message)) = first {
            b.hear(a.node(), message);
        }
        if let Some((_, message)) = second {
            a.hear(b.node(), message);
        }
    }
    panic!("the two never stop talking");
}

/// The opener's funding transaction is on its way, and nobody has mined it.
pub(crate) fn open_unfunded(opener: &mut Rig, acceptor: &mut Rig) -> (ChannelId, Transaction) {
    connect(opener, acceptor);
    opener.sent();
    let node = acceptor.node();
    let key = key(u8::try_from(opener.engine.channels.len()).unwrap());
    opener.ask(Command::OpenChannel { key, node, capacity: CAPACITY, fee_rate: None });
    talk(opener, acceptor);
    let Some(Ok(Answer::Channel(view))) = opener.replies.last() else {
        panic!("the opening failed: {:?}", opener.replies.last())
    };
    let channel = view.channel;
    let sent = opener.sent();
    let [funding] = sent.first().expect("the funding leaves").as_slice() else { panic!("alone") };
    (channel, funding.clone())
}

/// A channel that carries payments.
pub(crate) fn open(opener: &mut Rig, acceptor: &mut Rig) -> ChannelId {
    let (channel, funding) = open_unfunded(opener, acceptor);
    for rig in [&mut *opener, &mut *acceptor] {
        rig.mine(vec![funding.clone()]);
        rig.mine_empty(2);
    }
    talk(opener, acceptor);
    channel
}

pub(crate) fn key(number: u8) -> RequestKey {
    RequestKey::from_bytes([number; 16])
}

/// A transaction of somebody else that pays a script.
pub(crate) fn paying(script: ScriptBuf, sat: u64) -> Transaction {
    pay(OutPoint::new(Txid::from_byte_array([0xef; 32]), 0), sat, script)
}

fn pay(from: OutPoint, sat: u64, script_pubkey: ScriptBuf) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: from,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(sat), script_pubkey }],
    }
}

/// What the engines of these tests are set to.
pub(crate) fn config(node: NodeId) -> EngineConfig {
    let mut config = EngineConfig::regtest(node);
    config.opening.chain = Digest::from_bytes([9; 32]);
    config.opening.parameters.contract_locks_max = 30;
    config
}
