//! A node of the world: a real engine and a disk, and between them the pipeline of the runtime, without its threads.
//!
//! Decisions wait in the outbox while the engine goes on deciding on top of them; a write takes what waits, and only its
//! receipt opens the effects. A crash keeps the disk and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bitcoin::{Network, Transaction};
use strait_chain::{BlockId, Follower};
use strait_contract::ScriptedRuntime;
use strait_engine::{Effect, Engine, EngineConfig, Event, Input, LockPolicy, Moment, NodeState};
use strait_log::{MemoryDisk, MemoryStore, Record, Snapshot, Unsaved, Writer};
use strait_primitives::{BlockDelta, BlockHeight, EventSeq, MilliSats, Millis, NodeId, Timestamp};
use strait_signer::{Seed, SeedWords};
use strait_store::{decode, encode, encode_snapshot, replay};
use strait_wallet::{Account, AddressGap};
use zeroize::Zeroizing;

use crate::agenda::Life;
use crate::durable::Durable;
use crate::history::History;
use crate::oracle::{Violation, same_state};
use crate::place::Place;
use crate::settle::Settler;

/// Turns between two looks at a wallet that no event spoke of.
const WALLET_LOOK_TURNS: u64 = 32;

/// How much of a wallet is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WalletLook {
    /// All of it.
    Whole,
    /// Nothing: no event spoke of it.
    Spared,
}

/// Locks that one peer may have here: few, so that it comes to ask for more.
const PEER_LOCKS_MAX: usize = 8;
/// What may be in them.
const PEER_VALUE_MAX: MilliSats = MilliSats::from_const(400_000_000);

/// How far a node looks for coins that may come back from a backup: one that finds them late, because addresses were handed
/// out after the copy, would know more after a start than before it.
const RESTORED_GAP: AddressGap = AddressGap(40);

/// Decisions that may wait for the writer, as in the runtime.
const OUTBOX_MAX: usize = 8;

/// What the engine decided in one go.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) steps: Vec<Step>,
    pub(crate) at: Timestamp,
    pub(crate) snapshot: Option<Snapshot>,
}

/// A decision, and how many links the engine had been told of when it made it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) unsaved: Unsaved<Event, Effect>,
    pub(crate) told: u64,
}

/// Something a node does again and again, planned once at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Chore {
    /// The engine's turn.
    Decide,
    /// The disk's write.
    Write,
    /// Dialling a peer when there is no link; planned for life.
    Dial(Place),
}

/// What operators of a world have set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Blocks in which a cheater must be caught.
    pub(crate) delay: BlockDelta,
    /// Blocks that anything on chain may take longer than it should.
    pub(crate) margin: BlockDelta,
    /// Confirmations from which on a channel carries payments.
    pub(crate) depth: BlockDelta,
    /// Events between two snapshots.
    pub(crate) snapshot_every: u64,
}

/// A node before its disk: who it is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Kept: stretching the words anew at each start would cost more than the run.
    seed: Seed,
    account: Account,
    node: NodeId,
}

impl Identity {
    /// The node of this entropy.
    pub(crate) fn new(entropy: [u8; 32]) -> Self {
        let seed = Seed::new(&SeedWords::generate(&Zeroizing::new(entropy)), Network::Regtest);
        Self { account: account_of(&seed), node: seed.node_key().node_id(), seed }
    }

    /// Its name on the network.
    pub(crate) const fn node(&self) -> NodeId {
        self.node
    }

    /// What it signs channels with.
    pub(crate) const fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The keys of its wallet.
    pub(crate) const fn account(&self) -> &Account {
        &self.account
    }
}

/// A node that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) writer: Writer<MemoryStore>,
    pub(crate) inbox: VecDeque<Input>,
    /// The number of each peer's newest link, counted as they came up.
    pub(crate) links: BTreeMap<NodeId, u64>,
    /// Links that came up so far.
    links_up: u64,
    /// Those of them that the engine has been told of.
    links_told: u64,
    pub(crate) outbox: VecDeque<Batch>,
    pub(crate) follower: Follower,
    /// Transactions to be handed to the chain.
    pub(crate) orders: VecDeque<Vec<Transaction>>,
    pub(crate) contracts: ScriptedRuntime,
    /// What is planned already and need not be planned again.
    pub(crate) planned: BTreeSet<Chore>,
    /// The fold of everything decided, saved or not, each event as a reader of the log will get it.
    decided: NodeState,
    last_snapshot: EventSeq,
    /// Turns so far: some things are looked at now and then only.
    turns: u64,
}

/// A node, running or not.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) place: Place,
    pub(crate) disk: MemoryDisk,
    pub(crate) durable: Durable,
    pub(crate) life: Life,
    pub(crate) running: Option<Running>,
    /// How far its clock is ahead of the world's. Never less than before.
    pub(crate) clock_ahead: Millis,
    /// Since when its clock runs at its own rate, and how many of its milliseconds a thousand of the world's are.
    clock_rate: (Timestamp, u64),
    /// Where the backup ends that its disk was restored from, while nothing says so there.
    backup: Option<EventSeq>,
    /// The height at which its chain backend is back, while that is away.
    pub(crate) backend_back: Option<BlockHeight>,
    pub(crate) identity: Identity,
    pub(crate) config: EngineConfig,
    settler: Settler,
    settings: Settings,
}

impl Host {
    /// A node with an empty disk that is not running.
    pub(crate) fn new(durable: Durable, place: Place, identity: Identity, set: Settings) -> Self {
        let mut config = config_of(identity.node, set);
        if !durable.is_fair() {
            config.address_gap = RESTORED_GAP;
        }
        Self {
            place,
            disk: MemoryDisk::new(),
            durable,
            life: Life::default(),
            running: None,
            clock_ahead: Millis(0),
            clock_rate: (Timestamp::default(), 1_000),
            backup: None,
            backend_back: None,
            config,
            settler: Settler::default(),
            identity,
            settings: set,
        }
    }

    /// The node's name on the network.
    pub(crate) const fn node_id(&self) -> NodeId {
        self.identity.node
    }

    /// What its clock says at this time of the world.
    pub(crate) fn clock(&self, now: Timestamp) -> Timestamp {
        let (from, rate) = self.clock_rate;
        let run = now.since(from).0;
        let run = run / 1_000 * rate + run % 1_000 * rate / 1_000;
        from.after(Millis(run)).after(self.clock_ahead)
    }

    /// From now on a thousand milliseconds of the world are so many of the node's.
    pub(crate) fn set_clock_rate(&mut self, now: Timestamp, rate: u64) {
        let ahead = self.clock(now).since(now);
        self.clock_rate = (now, rate);
        self.clock_ahead = ahead;
    }

    /// The disk is lost, and another takes its place with a backup on it that ends with this event. The node must not be
    /// running.
    pub(crate) fn restore(
        &mut self,
        upto: EventSeq,
        history: &mut History,
    ) -> Result<(), Violation> {
        let mut records = self.disk.durable_records();
        records.retain(|record| record.seq <= upto);
        let disk = MemoryDisk::new();
        let _ = Writer::new(disk.open()).append(&records).expect("a new disk has no faults");
        self.disk = disk;
        self.durable = self.durable.begun_again();
        self.durable.advance(&self.disk, &self.config, &records, history)?;
        self.settler = Settler::default();
        self.backup = Some(upto);
        Ok(())
    }

    /// Fails unless the node could settle each channel that its disk has new events of.
    pub(crate) fn check_settlement(&mut self) -> Result<(), Violation> {
        for channel in self.durable.take_touched() {
            let Some(state) = self.durable.state.channels.get(&channel) else {
                self.settler.forget(&channel);
                continue;
            };
            self.settler.check(self.place, state, self.identity.seed())?;
        }
        Ok(())
    }

    /// Starts the node from its disk, and checks what it reads there.
    pub(crate) fn start(&mut self, now: Timestamp, entropy: [u8; 32]) -> Result<(), Violation> {
        self.life.0 += 1;
        let store = self.disk.open();
        let fail = |why: String| Violation::Start { node: self.place.to_string(), why };
        let replayed = replay(&store).map_err(|error| fail(error.to_string()))?;
        if replayed.head != self.durable.head {
            let node = self.place.to_string();
            let (before, after) = (self.durable.head, replayed.head);
            return Err(Violation::Forgot { node, before, after });
        }
        let fold = "the fold of snapshot and tail";
        same_state(self.place, fold, replayed.head, &replayed.state, &self.durable.state)?;
        let (seed, account) = (self.identity.seed.clone(), &self.identity.account);
        let decided = replayed.state.clone();
        let mut batches = Vec::new();
        let mut engine = if replayed.head == EventSeq::ZERO {
            let genesis = account.genesis();
            let birthday = strait_engine::BlockPoint { height: genesis.height, hash: genesis.hash };
            let (engine, first) = Engine::create(self.config.clone(), seed, account, birthday);
            batches.push(before_links(first, now));
            engine
        } else {
            let config = self.config.clone();
            Engine::restore(config, seed, account, replayed.state, replayed.head)
                .map_err(|error| fail(error.to_string()))?
        };
        let known: Vec<BlockId> = engine
            .recent_blocks()
            .map(|block| BlockId { height: block.height, hash: block.hash })
            .collect();
        let follower =
            Follower::new(Network::Regtest, known).map_err(|error| fail(error.to_string()))?;
        let contracts = ScriptedRuntime::with_purse();
        // A backup is marked, and the mark goes with the first write.
        self.backup = self.backup.filter(|end| *end == replayed.head);
        if self.backup.is_some() {
            let moment = Moment { now, entropy, contracts: &contracts };
            let noted = engine.note_restored(now, &moment);
            batches.push(before_links(noted, now));
        }
        let started = engine.start(now);
        batches.push(before_links(started, now));
        let mut running = Running {
            engine,
            writer: Writer::new(store),
            inbox: VecDeque::new(),
            links: BTreeMap::new(),
            links_up: 0,
            links_told: 0,
            outbox: VecDeque::new(),
            follower,
            orders: VecDeque::new(),
            contracts,
            planned: BTreeSet::new(),
            decided,
            last_snapshot: replayed.head,
            turns: 0,
        };
        for batch in batches {
            running.pass_on(batch);
        }
        running.check_decided(self.place, WalletLook::Whole)?;
        self.running = Some(running);
        Ok(())
    }

    /// The process is gone; only the disk stays.
    pub(crate) fn stop(&mut self) {
        self.running = None;
        self.life.0 += 1;
    }

    /// Lets the engine decide about the first `count` inputs that wait, and checks that its state is the fold of
    /// what it decided.
    pub(crate) fn decide(
        &mut self,
        count: usize,
        now: Timestamp,
        mut entropy: impl FnMut() -> [u8; 32],
    ) -> Result<(), Violation> {
        let snapshot_every = self.settings.snapshot_every;
        let Some(running) = &mut self.running else { return Ok(()) };
        let Running { engine, contracts, inbox, last_snapshot, links_told, .. } = running;
        let mut steps = Vec::new();
        for input in inbox.drain(..count.min(inbox.len())).collect::<Vec<_>>() {
            if let Input::PeerConnected(_) = input {
                *links_told += 1;
            }
            let moment = Moment { now, entropy: entropy(), contracts };
            steps.push(Step { unsaved: engine.handle(input, &moment), told: *links_told });
        }
        let moment = Moment { now, entropy: entropy(), contracts };
        steps.push(Step { unsaved: engine.poll(&moment), told: *links_told });
        steps.retain(|step| !step.unsaved.is_empty());
        let head = engine.head();
        let due = head.to_u64().saturating_sub(last_snapshot.to_u64()) >= snapshot_every;
        let snapshot = due.then(|| {
            *last_snapshot = head;
            encode_snapshot(&engine.state(), head)
        });
        if !steps.is_empty() || snapshot.is_some() {
            running.pass_on(Batch { steps, at: now, snapshot });
        }
        running.turns += 1;
        let mut newest = newest_events(&running.outbox);
        let has_moved = newest.any(|event| matches!(event, Event::Wallet(_)));
        let is_due = has_moved || running.turns.is_multiple_of(WALLET_LOOK_TURNS);
        let look = if is_due { WalletLook::Whole } else { WalletLook::Spared };
        running.check_decided(self.place, look)
    }

    /// Fails unless a start from what is on disk now would give the fold of the whole log, and unless that is the
    /// live state where nothing waits for the writer.
    pub(crate) fn check_fold(&self) -> Result<(), Violation> {
        let Some(running) = &self.running else { return Ok(()) };
        let replayed = replay(running.writer.store()).map_err(|error| Violation::Start {
            node: self.place.to_string(),
            why: error.to_string(),
        })?;
        let (head, folded) = (self.durable.head, &self.durable.state);
        if replayed.head != head {
            let (node, before, after) = (self.place.to_string(), head, replayed.head);
            return Err(Violation::Forgot { node, before, after });
        }
        same_state(self.place, "the fold of snapshot and tail", head, &replayed.state, folded)?;
        if running.engine.head() != head {
            return Ok(());
        }
        same_state(self.place, "the fold of the log", head, folded, &running.engine.state())
    }
}

impl Running {
    /// Something happened outside that the engine is to hear of.
    pub(crate) fn put(&mut self, input: Input) {
        if let Input::PeerConnected(peer) = input {
            self.links_up += 1;
            self.links.insert(peer, self.links_up);
        }
        self.inbox.push_back(input);
    }

    /// True if the link that a peer has now came up after a decision was made: what was decided is not for it.
    pub(crate) fn is_newer(&self, peer: &NodeId, told: u64) -> bool {
        self.links.get(peer).is_some_and(|link| *link > told)
    }

    /// Hands a decision to the writer, and folds it as whoever reads the log will.
    fn pass_on(&mut self, batch: Batch) {
        for record in records_of(&batch) {
            let event = decode(&record).expect("what was just written can be read");
            self.decided.apply(&event);
        }
        self.outbox.push_back(batch);
    }

    /// Fails unless the engine holds what its decisions add up to, and nothing else.
    fn check_decided(&self, place: Place, wallet: WalletLook) -> Result<(), Violation> {
        let (engine, decided) = (&self.engine, &self.decided);
        let part = if !engine.channel_states().eq(&decided.channels) {
            "channels"
        } else if !engine.watcher_states().eq(&decided.watchers) {
            "watchers"
        } else if *engine.book() != decided.book {
            "the book"
        } else if *engine.payments() != decided.payments {
            "the locks"
        } else if wallet == WalletLook::Whole && engine.wallet_state() != decided.wallet {
            "the wallet"
        } else {
            return Ok(());
        };
        let (node, fold) = (place.to_string(), "the fold of what was decided");
        Err(Violation::Fold { node, fold, at: engine.head(), part })
    }

    /// True while the engine has to wait for the writer.
    pub(crate) fn is_outbox_full(&self) -> bool {
        self.outbox.len() >= OUTBOX_MAX
    }
}

/// The records of a batch.
pub(crate) fn records_of(batch: &Batch) -> impl Iterator<Item = Record> {
    let at = batch.at;
    batch.steps.iter().flat_map(move |Step { unsaved, .. }| {
        let numbered = unsaved.events().iter().zip(0_u64..);
        numbered.map(move |(event, offset)| encode(event, unsaved.first().advanced(offset), at))
    })
}

/// The events of the newest decision that waits.
fn newest_events(outbox: &VecDeque<Batch>) -> impl Iterator<Item = &Event> {
    outbox.back().into_iter().flat_map(|batch| &batch.steps).flat_map(|step| step.unsaved.events())
}

/// What is decided before there is a link.
fn before_links(unsaved: Unsaved<Event, Effect>, at: Timestamp) -> Batch {
    Batch { steps: vec![Step { unsaved, told: 0 }], at, snapshot: None }
}

fn account_of(seed: &Seed) -> Account {
    let (fingerprint, public) = seed.wallet_account();
    Account::new(Network::Regtest, fingerprint, public)
        .expect("the seed's account is one of its network")
}

fn config_of(node: NodeId, set: Settings) -> EngineConfig {
    let mut config = EngineConfig {
        channels_max: 32,
        locks: LockPolicy {
            margin: set.margin,
            lead_max: BlockDelta::new(1_000),
            peer_locks_max: PEER_LOCKS_MAX,
            peer_value_max: PEER_VALUE_MAX,
            ..LockPolicy::default()
        },
        address_gap: AddressGap(2),
        ..EngineConfig::regtest(node)
    };
    config.opening.parameters.delay = set.delay;
    config.opening.parameters.depth = set.depth;
    config
}
