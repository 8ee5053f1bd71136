//! The engine itself: every machine of the node, and the one door for inputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bitcoin::OutPoint;
use strait_channel::{Channel, ChannelState, ContractPolicy, Outstanding};
use strait_contract::{ContractRuntime, Terms};
use strait_log::Unsaved;
use strait_payment::PaymentBook;
use strait_primitives::{
    ChannelId, ContractId, EventSeq, FeeRate, MilliSats, ModuleHash, NodeId, Sats, Timestamp,
};
use strait_signer::Seed;
use strait_wallet::{Account, AddressGap, Wallet, WalletState};
use strait_watcher::{Watcher, WatcherState};
use thiserror::Error;

use crate::answer::CommandError;
use crate::config::EngineConfig;
use crate::effect::Effect;
use crate::event::Event;
use crate::input::Input;
use crate::locks::LockDesk;
use crate::low_disk::{DiskRoom, LetPass};
use crate::payments::{Waiters, payments_in};
use crate::state::{BlockPoint, Book, NodeState};
use crate::work::Work;

/// What a step may look at beside the node itself.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// Now.
    pub now: Timestamp,
    /// Entropy made for this step alone.
    pub entropy: [u8; 32],
    /// What runs contracts.
    pub contracts: &'a dyn ContractRuntime,
}

/// Why a node cannot be taken up from its log.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The wallet in the log is not this seed's, or of another network.
    #[error("the log holds another wallet than the seed's")]
    Wallet(#[from] strait_wallet::LoadError),
}

/// Events and effects of one step.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
}

/// A node as a value.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) seed: Seed,
    pub(crate) wallet: Wallet,
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    pub(crate) watchers: BTreeMap<ChannelId, Watcher>,
    pub(crate) book: Book,
    pub(crate) payments: PaymentBook,
    /// Peers with a stream, and what was said on it.
    pub(crate) connected: BTreeMap<NodeId, crate::peers::Connection>,
    /// Channels that have something to do at the next [`Engine::poll`].
    pub(crate) dirty: BTreeSet<ChannelId>,
    /// Commands that wait for an outcome.
    pub(crate) waiters: Waiters,
    /// What block space costs, as last told.
    pub(crate) fee_estimate: Option<FeeRate>,
    /// Payments that this node has proposed and the peer has not accepted: how many, and of how much. For counters.
    pub(crate) proposed_payments: BTreeMap<ChannelId, (u64, MilliSats)>,
    /// Where live channels' funding outputs are: what a block is searched for.
    pub(crate) funding_outputs: BTreeMap<OutPoint, ChannelId>,
    /// Where contracts were found last: a shortcut, checked at each use.
    pub(crate) contract_homes: BTreeMap<ContractId, ChannelId>,
    /// Channels whose funding output's spend is so deep that the end of their last round was told.
    pub(crate) last_rounds_told: BTreeSet<ChannelId>,
    /// Outputs whose spends are looked for among waiting transactions, as last asked.
    pub(crate) looked_for: Vec<OutPoint>,
    /// What there is for the reserve, until the wallet changes: a search of all coins costs too much for each lock.
    pub(crate) reserve_funds: Option<Sats>,
    /// When the log was last told the time.
    pub(crate) clock_noted: Option<Timestamp>,
    /// The time of the last tick: a clock that shows less was set back.
    pub(crate) clock_seen: Timestamp,
    /// The latest moment that the log tells of or this process has seen: what expired by it stays so.
    pub(crate) clock_latest: Timestamp,
    /// Openings that peers began of late and no block has funded: when, by whom, which.
    pub(crate) answered_openings: VecDeque<(Timestamp, NodeId, ChannelId)>,
    /// What a restart forgets of locks.
    pub(crate) locks: LockDesk,
    /// What peers' contracts have cost of late.
    pub(crate) work: Work,
    /// Whether the log has room to grow, as last measured.
    pub(crate) disk: DiskRoom,
    /// What a disk that is nearly full has let pass.
    pub(crate) let_pass: LetPass,
    next: EventSeq,
}

impl Engine {
    /// A node whose log is empty. The wallet begins at `birthday`, the last block already known.
    pub fn create(
        config: EngineConfig,
        seed: Seed,
        account: &Account,
        birthday: BlockPoint,
    ) -> (Self, Unsaved<Event, Effect>) {
        let gap = config.address_gap;
        let (mut engine, out) = Self::begin(config, seed, account, birthday, gap);
        let unsaved = engine.seal(out);
        (engine, unsaved)
    }

    /// A node of which nothing is left but the seed. It looks for coins of all its addresses, and asks peers that know a
    /// channel with it for a close.
    pub fn create_from_seed(
        config: EngineConfig,
        seed: Seed,
        account: &Account,
        birthday: BlockPoint,
        now: Timestamp,
    ) -> (Self, Unsaved<Event, Effect>) {
        let gap = AddressGap::seed_alone(config.channels_max);
        let (mut engine, mut out) = Self::begin(config, seed, account, birthday, gap);
        engine.record(Event::Restored { backup_taken: None, now }, &mut out);
        let unsaved = engine.seal(out);
        (engine, unsaved)
    }

    fn begin(
        config: EngineConfig,
        seed: Seed,
        account: &Account,
        birthday: BlockPoint,
        gap: AddressGap,
    ) -> (Self, Step) {
        let point = strait_wallet::BlockPoint { height: birthday.height, hash: birthday.hash };
        let (wallet, change) = Wallet::create(account, point, gap);
        let mut engine = Self::with_wallet(config, seed, wallet, EventSeq::ZERO.next());
        let mut out = Step::default();
        engine.record(Event::Wallet(change), &mut out);
        let BlockPoint { height, hash } = birthday;
        engine.record(Event::BlockConnected { height, hash }, &mut out);
        (engine, out)
    }

    /// Takes a node up again; `state` is the fold of its log, whose last event is `head`.
    ///
    /// # Errors
    /// [`RestoreError`] if the log is not this seed's.
    pub fn restore(
        config: EngineConfig,
        seed: Seed,
        account: &Account,
        state: NodeState,
        head: EventSeq,
    ) -> Result<Self, RestoreError> {
        let wallet = Wallet::load(account, &state.wallet, config.address_gap)?;
        let mut engine = Self::with_wallet(config, seed, wallet, head.next());
        engine.clock_latest = state.book.latest_moment();
        engine.book = state.book;
        engine.payments = state.payments;
        engine.watchers =
            state.watchers.into_iter().map(|(id, state)| (id, Watcher::load(state))).collect();
        for (id, state) in state.channels {
            let signer = engine.seed.channel_signer(&state.salt);
            if let Some(live) = state.live() {
                engine.funding_outputs.insert(live.setup.funding.outpoint(), id);
                if let Some(Outstanding::Proposed { operations, .. }) = &live.rounds.outstanding {
                    engine.proposed_payments.insert(id, payments_in(operations.as_slice()));
                }
            }
            engine.channels.insert(id, Channel::restore(state, signer));
        }
        Ok(engine)
    }

    fn with_wallet(config: EngineConfig, seed: Seed, wallet: Wallet, next: EventSeq) -> Self {
        Self {
            config,
            seed,
            wallet,
            channels: BTreeMap::new(),
            watchers: BTreeMap::new(),
            book: Book::default(),
            payments: PaymentBook::default(),
            locks: LockDesk::default(),
            connected: BTreeMap::new(),
            dirty: BTreeSet::new(),
            waiters: Waiters::default(),
            fee_estimate: None,
            proposed_payments: BTreeMap::new(),
            funding_outputs: BTreeMap::new(),
            contract_homes: BTreeMap::new(),
            last_rounds_told: BTreeSet::new(),
            looked_for: Vec::new(),
            reserve_funds: None,
            clock_noted: None,
            clock_seen: Timestamp::default(),
            clock_latest: Timestamp::default(),
            answered_openings: VecDeque::new(),
            work: Work::default(),
            disk: DiskRoom::default(),
            let_pass: LetPass::default(),
            next,
        }
    }

    /// The durable state, for a snapshot: equal to the fold of all events handed out so far.
    #[must_use]
    pub fn state(&self) -> NodeState {
        NodeState {
            channels: self.channels.iter().map(|(id, c)| (*id, c.state().clone())).collect(),
            watchers: self.watchers.iter().map(|(id, w)| (*id, w.state().clone())).collect(),
            wallet: self.wallet.state(),
            book: self.book.clone(),
            payments: self.payments.clone(),
        }
    }

    /// The durable state of each channel, as [`Engine::state`] copies it: for those who compare without copying.
    pub fn channel_states(&self) -> impl Iterator<Item = (&ChannelId, &ChannelState)> {
        self.channels.iter().map(|(id, channel)| (id, channel.state()))
    }

    /// The durable state of each watcher.
    pub fn watcher_states(&self) -> impl Iterator<Item = (&ChannelId, &WatcherState)> {
        self.watchers.iter().map(|(id, watcher)| (id, watcher.state()))
    }

    /// The durable state of the wallet, put together anew.
    #[must_use]
    pub fn wallet_state(&self) -> WalletState {
        self.wallet.state()
    }

    /// Locks in use.
    #[must_use]
    pub const fn payments(&self) -> &PaymentBook {
        &self.payments
    }

    /// What the node remembers beside channels, watchers and the wallet.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// The latest moment that the log tells of or this process has seen.
    #[must_use]
    pub const fn latest_moment(&self) -> Timestamp {
        self.clock_latest
    }

    /// The last event handed out; it may not be saved yet.
    #[must_use]
    pub fn head(&self) -> EventSeq {
        EventSeq::new(self.next.to_u64() - 1)
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// The last blocks of the best chain, oldest first: from where the chain is followed.
    pub fn recent_blocks(&self) -> impl Iterator<Item = &BlockPoint> {
        self.book.blocks.iter()
    }

    /// The best block.
    ///
    /// # Panics
    /// Never: a node begins with a block, and keeps more than any reorganisation removes.
    #[must_use]
    pub fn tip(&self) -> BlockPoint {
        self.book.tip().expect("a node begins with a block")
    }

    /// Something happened outside.
    pub fn handle(&mut self, input: Input, moment: &Moment<'_>) -> Unsaved<Event, Effect> {
        let mut out = Step::default();
        self.decide(input, moment, &mut out);
        self.seal(out)
    }

    /// What an input leads to, before it is sealed.
    pub(crate) fn decide(&mut self, input: Input, moment: &Moment<'_>, out: &mut Step) {
        self.clock_latest = self.clock_latest.max(moment.now);
        match input {
            Input::PeerConnected(peer) => self.handle_connected(peer, moment, out),
            Input::PeerDisconnected(peer) => self.handle_disconnected(peer, moment, out),
            Input::PeerMessage(peer, message) => {
                self.handle_peer_message(peer, *message, moment, out);
            }
            Input::Command(id, command) => self.handle_command(id, *command, moment, out),
            Input::BlockConnected { height, block } => {
                self.handle_block(height, &block, moment, out);
            }
            Input::BlockDisconnected { height, hash } => {
                self.handle_block_disconnected(height, hash, moment, out);
            }
            Input::MempoolTransaction(transaction) => {
                self.handle_mempool(&transaction, moment, out);
            }
            Input::BlocksTold(tip) => self.handle_blocks_told(tip, moment, out),
            Input::FeeEstimate(rate) => self.fee_estimate = Some(rate),
            Input::NoFeeEstimate { least } => {
                self.fee_estimate = Some(self.config.fallback_fee_rate.max(least));
            }
            Input::Disk(room) => self.handle_disk(room),
            Input::Tick => self.handle_tick(moment, out),
        }
    }

    /// After a batch of inputs: lets every channel that has something to propose propose it.
    pub fn poll(&mut self, moment: &Moment<'_>) -> Unsaved<Event, Effect> {
        let mut out = Step::default();
        self.propose(moment, &mut out);
        self.seal(out)
    }

    /// Lets every channel act that has something to do.
    pub(crate) fn propose(&mut self, moment: &Moment<'_>, out: &mut Step) {
        self.review_locks(out);
        for id in core::mem::take(&mut self.dirty) {
            self.with_channel(id, moment, out, |channel, moment, decision| {
                channel.poll(moment, decision);
            });
        }
    }

    /// When [`Input::Tick`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.channels.values().filter_map(Channel::deadline).min()
    }

    /// The first things a node does after a start: it connects to its peers, and brings on its way what was not mined.
    pub fn start(&mut self, now: Timestamp) -> Unsaved<Event, Effect> {
        let mut out = Step::default();
        for channel in self.channels.values_mut() {
            channel.start_clock(now);
        }
        let mut peers: BTreeSet<NodeId> = self.channels.values().map(Channel::peer).collect();
        peers.extend(self.book.peers.keys());
        for peer in peers.into_iter().filter(|peer| self.is_sought(*peer)).collect::<Vec<_>>() {
            self.keep_connected(peer, &mut out);
        }
        self.rebroadcast(&mut out);
        self.credit_forgotten(&mut out);
        self.seal(out)
    }

    pub(crate) fn seal(&mut self, out: Step) -> Unsaved<Event, Effect> {
        let first = self.next;
        self.next = first.advanced(out.events.len() as u64);
        Unsaved::new(first, out.events, out.effects)
    }

    /// Folds an event of the node itself into the book, and hands it out to be saved.
    pub(crate) fn record(&mut self, event: Event, out: &mut Step) {
        self.book.apply(&event);
        // Coins come and go with the wallet's changes, and young ones ripen with blocks.
        self.reserve_funds = None;
        out.events.push(event);
    }

    /// What block space costs: as told by the chain, or the operator's fallback; never less than every node relays at.
    pub(crate) fn fee_rate(&self) -> FeeRate {
        let told = self.fee_estimate.unwrap_or(self.config.fallback_fee_rate);
        told.max(FeeRate::RELAY_FLOOR).min(self.config.fee_rate_max)
    }

    /// The rate that a user names, or the estimate. Coins in a transaction that nobody relays are spent for ever.
    pub(crate) fn asked_rate(&self, asked: Option<FeeRate>) -> Result<FeeRate, CommandError> {
        let (min, max) = (FeeRate::RELAY_FLOOR, self.config.fee_rate_max);
        match asked {
            None => Ok(self.fee_rate()),
            Some(actual) if actual < min || actual > max => {
                Err(CommandError::FeeRate { actual, min, max })
            }
            Some(actual) => Ok(actual),
        }
    }
}

/// The operator's rules for contracts that peers offer.
pub(crate) struct Policy<'a> {
    pub(crate) modules: &'a BTreeMap<ModuleHash, u64>,
    pub(crate) contracts: &'a dyn ContractRuntime,
    pub(crate) collateral_max: MilliSats,
    pub(crate) allowed: Option<&'a BTreeSet<ModuleHash>>,
    pub(crate) disk: DiskRoom,
}

impl ContractPolicy for Policy<'_> {
    fn judge(&self, terms: &Terms, own_collateral: MilliSats) -> Result<(), String> {
        match self.disk {
            DiskRoom::Ample => {}
            DiskRoom::Low { .. } => {
                return Err("the disk of this node is nearly full: it takes no contract now".into());
            }
        }
        if !self.modules.contains_key(&terms.module) || !self.contracts.is_loaded(&terms.module) {
            return Err(format!("module {} is not allowed here", terms.module));
        }
        if self.allowed.is_some_and(|allowed| !allowed.contains(&terms.module)) {
            return Err(format!("module {} is not on this node's list", terms.module));
        }
        if own_collateral > self.collateral_max {
            return Err(format!(
                "a collateral of {own_collateral} from this side in all, at most {} is allowed",
                self.collateral_max
            ));
        }
        Ok(())
    }
}

/// Entropy for one of several uses within a step.
pub(crate) fn derive_entropy(entropy: &[u8; 32], purpose: &[u8]) -> [u8; 32] {
    use bitcoin::hashes::{Hash, HashEngine, sha256};
    let mut engine = sha256::Hash::engine();
    engine.input(b"strait/entropy/1");
    engine.input(entropy);
    engine.input(purpose);
    sha256::Hash::from_engine(engine).to_byte_array()
}
