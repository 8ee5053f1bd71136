//! One node: an engine, the disk that it writes to, and what must be true after each of its steps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::{Network, Transaction};
use strait_contract::ScriptedRuntime;
use strait_engine::{
    Answer, BlockPoint, Command, CommandId, Effect, Engine, EngineConfig, Event, Input, Moment,
    NodeState,
};
use strait_log::{MemoryDisk, MemoryStore, Record, Unsaved, Writer};
use strait_primitives::{
    ChannelId, CommitmentNumber, ContractId, NodeId, SchnorrSignature, Timestamp,
};
use strait_signer::{Seed, SeedWords, Zeroizing};
use strait_store::{decode, encode, replay};
use strait_wallet::{Account, AddressGap};
use strait_wire::Message;

/// What one step may do to the world, at most: no input makes a node flood anybody.
const EFFECTS_MAX: usize = 512;
/// Messages that wait to be delivered; older ones are lost with the connection.
const OUTBOX_MAX: usize = 4_096;

/// A node and its promises.
pub(super) struct Node {
    byte: u8,
    config: EngineConfig,
    engine: Engine,
    disk: MemoryDisk,
    writer: Writer<MemoryStore>,
    runtime: ScriptedRuntime,
    /// The fold of what the disk holds.
    pub(super) folded: NodeState,
    /// Messages to the peer.
    pub(super) outbox: VecDeque<Message>,
    /// Transactions to be mined.
    pub(super) orders: Vec<Vec<Transaction>>,
    /// What the last command that was answered got.
    pub(super) last_answer: Option<Answer>,
    /// The signature that left for each commitment of the counterparty.
    signed: BTreeMap<(ChannelId, CommitmentNumber), SchnorrSignature>,
    steps: u64,
}

impl Node {
    pub(super) fn new(byte: u8, now: Timestamp) -> Self {
        let (seed, account) = seed_of(byte);
        let genesis = account.genesis();
        let config = config_of(seed.node_key().node_id());
        let birthday = BlockPoint { height: genesis.height, hash: genesis.hash };
        let (engine, first) = Engine::create(config.clone(), seed, &account, birthday);
        let disk = MemoryDisk::new();
        let mut node = Self {
            byte,
            config,
            engine,
            writer: Writer::new(disk.open()),
            disk,
            runtime: ScriptedRuntime::with_purse(),
            folded: NodeState::default(),
            outbox: VecDeque::new(),
            orders: Vec::new(),
            last_answer: None,
            signed: BTreeMap::new(),
            steps: 0,
        };
        node.save(first, now);
        let started = node.engine.start(now);
        node.save(started, now);
        node
    }

    pub(super) const fn id(&self) -> NodeId {
        self.config.node
    }

    pub(super) const fn next_command(&mut self) -> CommandId {
        self.steps += 1;
        CommandId(self.steps)
    }

    /// The contracts that it knows.
    pub(super) fn contracts(&mut self) -> Vec<ContractId> {
        let id = self.next_command();
        let moment =
            Moment { now: Timestamp::default(), entropy: [0; 32], contracts: &self.runtime };
        let asked = Input::Command(id, Box::new(Command::Contracts));
        let unsaved = self.engine.handle(asked, &moment);
        assert!(unsaved.events().is_empty(), "a question changes nothing");
        let receipt = self.writer.append(&[]).expect("a disk without faults");
        let answers = unsaved.saved(&receipt).into_iter().filter_map(|effect| {
            let Effect::Reply(_, Ok(Answer::Contracts(views))) = effect else { return None };
            Some(views)
        });
        answers.flatten().map(|view| view.contract).collect()
    }

    /// Something happens: it decides, saves, and only then acts.
    pub(super) fn handle(&mut self, input: Input, now: Timestamp) {
        let decided = {
            let moment = Moment { now, entropy: self.entropy(), contracts: &self.runtime };
            self.engine.handle(input, &moment)
        };
        self.save(decided, now);
        let polled = {
            let moment = Moment { now, entropy: self.entropy(), contracts: &self.runtime };
            self.engine.poll(&moment)
        };
        self.save(polled, now);
        assert!(self.engine.state() == self.folded, "the fold of the log is the state");
    }

    /// The process ends and begins anew, with nothing but its disk.
    pub(super) fn restart(&mut self, now: Timestamp) {
        let store = self.disk.open();
        let replayed = replay(&store).expect("what was written can be read");
        assert!(replayed.state == self.folded, "a start finds what was saved");
        let (seed, account) = seed_of(self.byte);
        let config = self.config.clone();
        self.engine = Engine::restore(config, seed, &account, replayed.state, replayed.head)
            .expect("the log of this seed");
        self.writer = Writer::new(store);
        self.outbox.clear();
        let started = self.engine.start(now);
        self.save(started, now);
    }

    /// The log, read once more from its beginning, is what was folded on the way.
    pub(super) fn check_log(&self) {
        let replayed = replay(self.writer.store()).expect("what was written can be read");
        assert!(replayed.state == self.folded, "the log is what was folded on the way");
    }

    fn entropy(&self) -> [u8; 32] {
        let mut text = [self.byte; 9];
        if let Some(count) = text.last_chunk_mut() {
            *count = (self.steps + self.engine.head().to_u64()).to_be_bytes();
        }
        sha256::Hash::hash(&text).to_byte_array()
    }

    fn save(&mut self, unsaved: Unsaved<Event, Effect>, now: Timestamp) {
        self.steps += 1;
        let numbered = unsaved.events().iter().zip(0_u64..);
        let records: Vec<Record> = numbered
            .map(|(event, offset)| encode(event, unsaved.first().advanced(offset), now))
            .collect();
        for record in &records {
            self.folded.apply(&decode(record).expect("what we write can be read"));
        }
        let receipt = self.writer.append(&records).expect("a disk without faults");
        let effects = unsaved.saved(&receipt);
        assert!(effects.len() <= EFFECTS_MAX, "{} effects of one step", effects.len());
        effects.into_iter().for_each(|effect| self.act(effect));
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::Send(_, message) => {
                self.check_signature(&message);
                self.outbox.push_back(*message);
                if self.outbox.len() > OUTBOX_MAX {
                    self.outbox.clear();
                }
            }
            Effect::Broadcast(transactions) => self.orders.push(transactions),
            Effect::Reply(_, Ok(answer)) => self.last_answer = Some(answer),
            Effect::Reply(_, Err(_))
            | Effect::Disconnect(_)
            | Effect::KeepConnected(..)
            | Effect::Forget(_)
            | Effect::LookFor(_)
            | Effect::Report(_) => {}
        }
    }

    /// A commitment of the counterparty is signed once; said again, the signature is the same.
    fn check_signature(&mut self, message: &Message) {
        let (place, signature) = match message {
            Message::Propose(m) => ((m.channel, m.number), m.signature),
            Message::Accept(m) => ((m.channel, m.number), m.signature),
            Message::SignOpening(m) => ((m.channel, CommitmentNumber::FIRST), m.signature),
            Message::Hello(_)
            | Message::Fault(_)
            | Message::OpenChannel(_)
            | Message::AcceptChannel(_)
            | Message::Finalize(_)
            | Message::RequestTurn(_)
            | Message::OfferContract(_)
            | Message::AgreeContract(_)
            | Message::RefuseContract(_)
            | Message::Shutdown(_)
            | Message::CloseTerms(_)
            | Message::CloseOffer(_)
            | Message::CloseSign(_)
            | Message::Reestablish(_) => return,
        };
        let first = *self.signed.entry(place).or_insert(signature);
        assert_eq!(first, signature, "commitment {place:?} is signed twice");
    }
}

/// Stretching words and deriving an account takes longer than most runs: each is done once.
fn seed_of(byte: u8) -> (Seed, Account) {
    static KNOWN: Mutex<BTreeMap<u8, (Seed, Account)>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let made = known.entry(byte).or_insert_with(|| {
        let words = SeedWords::generate(&Zeroizing::new([byte; 32]));
        let seed = Seed::new(&words, Network::Regtest);
        let (fingerprint, xpub) = seed.wallet_account();
        let account = Account::new(Network::Regtest, fingerprint, xpub).expect("the seed's own");
        (seed, account)
    });
    made.clone()
}

fn config_of(node: NodeId) -> EngineConfig {
    EngineConfig { address_gap: AddressGap(2), ..EngineConfig::regtest(node) }
}
