//! One node: an engine, the disk that it writes to, and all that it did to the world.

use std::collections::VecDeque;

use bitcoin::hashes::Hash;
use bitcoin::{Network, Transaction};
use strait_contract::ScriptedRuntime;
use strait_engine::{
    Answer, BlockPoint, Command, CommandError, CommandId, Effect, Engine, EngineConfig, Event,
    Input, Moment, NodeState, Report,
};
use strait_log::{MemoryDisk, MemoryStore, Record, RecordKind, RecordVersion, Unsaved, Writer};
use strait_primitives::{BlockDelta, BlockHeight, Digest, EventSeq, FeeRate, NodeId, Timestamp};
use strait_signer::{Seed, SeedWords};
use strait_wallet::Account;
use strait_wire::Message;
use zeroize::Zeroizing;

/// What a command was answered with.
pub type Outcome = Result<Answer, CommandError>;

pub struct Node {
    byte: u8,
    pub config: EngineConfig,
    pub engine: Engine,
    disk: MemoryDisk,
    writer: Writer<MemoryStore>,
    contracts: ScriptedRuntime,
    /// Messages on their way, and to whom.
    pub outbox: VecDeque<(NodeId, Message)>,
    pub answers: Vec<(CommandId, Outcome)>,
    pub broadcasts: Vec<Transaction>,
    /// The same, as they left: alone, or a parent with its child.
    pub packages: Vec<Vec<Transaction>>,
    pub reports: Vec<Report>,
    /// Whom it wanted to be rid of.
    pub hung_up: Vec<NodeId>,
    /// Whom it wanted to stay connected to.
    pub kept: Vec<NodeId>,
    commands: u64,
    /// Events that are still saved before the process is killed, in the middle of a batch if need be.
    pub killed_after: Option<usize>,
}

impl Node {
    pub fn new(byte: u8, now: Timestamp) -> Self {
        Self::with(byte, now, |_| {})
    }

    /// A node with other settings.
    pub fn with(byte: u8, now: Timestamp, set: impl FnOnce(&mut EngineConfig)) -> Self {
        let seed = seed_of(byte);
        let account = account_of(&seed);
        let mut config = config_of(seed.node_key().node_id());
        set(&mut config);
        let genesis = account.genesis();
        let birthday = BlockPoint { height: genesis.height, hash: genesis.hash };
        let (engine, first) = Engine::create(config.clone(), seed, &account, birthday);
        let disk = MemoryDisk::new();
        let mut node = Self {
            byte,
            config,
            engine,
            writer: Writer::new(disk.open()),
            disk,
            contracts: ScriptedRuntime::with_purse(),
            outbox: VecDeque::new(),
            answers: Vec::new(),
            broadcasts: Vec::new(),
            packages: Vec::new(),
            reports: Vec::new(),
            hung_up: Vec::new(),
            kept: Vec::new(),
            commands: 0,
            killed_after: None,
        };
        node.save(first, now);
        let started = node.engine.start(now);
        node.save(started, now);
        node
    }

    pub fn id(&self) -> NodeId {
        self.config.node
    }

    /// What the disk holds, folded.
    pub fn folded(&self) -> NodeState {
        let mut state = NodeState::default();
        self.events().iter().for_each(|event| state.apply(event));
        state
    }

    /// Everything saved, in order.
    pub fn events(&self) -> Vec<Event> {
        let records = self.disk.durable_records();
        records.iter().map(|record| minicbor::decode(&record.payload).unwrap()).collect()
    }

    /// The process ends, and its operator changes its settings.
    pub fn restart_with(&mut self, now: Timestamp, set: impl FnOnce(&mut EngineConfig)) {
        set(&mut self.config);
        self.restart(now);
    }

    /// The process ends and begins anew, with nothing but its disk.
    pub fn restart(&mut self, now: Timestamp) {
        let state = self.folded();
        let stored = minicbor::to_vec(&state).unwrap();
        assert_eq!(minicbor::decode::<NodeState>(&stored).unwrap(), state, "a snapshot is whole");
        let head = EventSeq::new(self.disk.durable_records().len().try_into().unwrap());
        let seed = seed_of(self.byte);
        let account = account_of(&seed);
        self.engine = Engine::restore(self.config.clone(), seed, &account, state, head).unwrap();
        self.writer = Writer::new(self.disk.open());
        self.outbox.clear();
        self.killed_after = None;
        let started = self.engine.start(now);
        self.save(started, now);
    }

    /// Something happens to the node: it decides, saves, and only then acts.
    pub fn handle(&mut self, input: Input, now: Timestamp, entropy: [u8; 32]) {
        self.handle_all(vec![input], now, entropy);
    }

    /// The same for what happens at once: only after all of it do channels propose.
    pub fn handle_all(&mut self, inputs: Vec<Input>, now: Timestamp, entropy: [u8; 32]) {
        if self.is_killed() {
            return;
        }
        let mut all = Vec::new();
        let mut entropy = entropy;
        for (input, place) in inputs.into_iter().zip(0..) {
            entropy[1] = place;
            let moment = Moment { now, entropy, contracts: &self.contracts };
            all.push(self.engine.handle(input, &moment));
        }
        entropy[0] ^= 1;
        let moment = Moment { now, entropy, contracts: &self.contracts };
        all.push(self.engine.poll(&moment));
        for unsaved in all {
            self.save(unsaved, now);
        }
    }

    /// True once it was killed, and until it is restarted.
    pub fn is_killed(&self) -> bool {
        self.killed_after == Some(usize::MAX)
    }

    /// The id that the next command gets.
    pub fn next_command(&mut self, command: Command) -> (CommandId, Input) {
        self.commands += 1;
        let id = CommandId(self.commands);
        (id, Input::Command(id, Box::new(command)))
    }

    /// What a command was answered with; `None` while it waits.
    pub fn answer(&self, id: CommandId) -> Option<Outcome> {
        let mut all = self.answers.iter().filter(|(answered, _)| *answered == id);
        let first = all.next().map(|(_, outcome)| outcome.clone());
        assert!(all.next().is_none(), "a command is answered once");
        first
    }

    fn save(&mut self, unsaved: Unsaved<Event, Effect>, at: Timestamp) {
        let record = |(event, offset): (&Event, u64)| Record {
            seq: unsaved.first().advanced(offset),
            at,
            kind: RecordKind(0),
            version: RecordVersion(1),
            payload: minicbor::to_vec(event).unwrap(),
        };
        let records: Vec<Record> = unsaved.events().iter().zip(0..).map(record).collect();
        if let Some(left) = self.killed_after {
            if self.is_killed() {
                return;
            }
            if let Some(saved) = records.get(..left).filter(|saved| saved.len() < records.len()) {
                // What was not saved never happened, and nothing of the batch left.
                if !saved.is_empty() {
                    let _ = self.writer.append(saved).unwrap();
                }
                self.killed_after = Some(usize::MAX);
                return;
            }
            self.killed_after = Some(left - records.len());
        }
        let receipt = self.writer.append(&records).unwrap();
        for effect in unsaved.saved(&receipt) {
            match effect {
                Effect::Send(peer, message) => self.outbox.push_back((peer, *message)),
                Effect::Disconnect(peer) => self.hung_up.push(peer),
                Effect::KeepConnected(peer, _) => self.kept.push(peer),
                Effect::Forget(peer) => self.kept.retain(|kept| *kept != peer),
                Effect::Broadcast(transactions) => {
                    self.packages.push(transactions.clone());
                    self.broadcasts.extend(transactions);
                }
                Effect::LookFor(_) => {}
                Effect::Reply(id, outcome) => self.answers.push((id, outcome)),
                Effect::Report(report) => self.reports.push(report),
            }
        }
    }
}

fn seed_of(byte: u8) -> Seed {
    Seed::new(&SeedWords::generate(&Zeroizing::new([byte; 32])), Network::Regtest)
}

/// The wallet's account, read off its public descriptor: `tr([fingerprint/86'/1'/0']xpub/0/*)`.
fn account_of(seed: &Seed) -> Account {
    let text = seed.wallet_descriptors().external;
    let inner = text.trim_start_matches("tr([");
    let (origin, rest) = inner.split_once(']').unwrap();
    let (fingerprint, _) = origin.split_once('/').unwrap();
    let (xpub, _) = rest.split_once('/').unwrap();
    Account::new(Network::Regtest, fingerprint.parse().unwrap(), xpub.parse().unwrap()).unwrap()
}

pub fn chain() -> Digest {
    let genesis = bitcoin::constants::genesis_block(Network::Regtest).block_hash();
    Digest::from_bytes(genesis.to_byte_array())
}

fn config_of(node: NodeId) -> EngineConfig {
    let mut config = EngineConfig {
        channels_per_peer_max: 4,
        reserve_fee_rate: FeeRate::from_sat_per_kvb(2_000),
        ..EngineConfig::regtest(node)
    };
    config.opening.parameters.depth = BlockDelta::new(1);
    config
}

/// The height after this one.
pub fn above(height: BlockHeight) -> BlockHeight {
    BlockHeight::new(height.to_u32() + 1)
}
