//! The world: everything there is, and one step of it after the other.
//!
//! A step is one happening of the agenda. Whatever it needs to decide it asks of the [`Choices`]; whatever it does is
//! told to the [`Trace`]; after it the oracle looks. Effects are carried out in `effects`, connections are made and
//! broken in `connections`, things go wrong in `misfortune`.

mod connections;
mod effects;
mod foul;
mod misfortune;

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::hashes::{Hash, HashEngine, sha256};
use strait_chain::{ChainSource, ChainStep, FeeAnswer};
use strait_engine::{Command, CommandId, Input, TipStanding};
use strait_primitives::{BlockDelta, ChannelId, Millis, NodeId, Timestamp};

use crate::agenda::{Agenda, Happening, Life};
use crate::chain::{SimChain, Whim};
use crate::choices::Choices;
use crate::durable::{Durable, Stance};
use crate::history::History;
use crate::host::{Chore, Host, Identity, Settings};
use crate::network::Network;
use crate::oracle::Violation;
use crate::place::{Each, Place};
use crate::topology::Topology;
use crate::trace::Trace;
use crate::users::Users;
use crate::users::asking::Sight;
use crate::weather::Weather;

use self::foul::Foul;

/// When simulated time begins, in milliseconds since 1970.
const BEGINNING_MS: u64 = 1_700_000_000_000;
/// How often a node is told that time has passed, as in the runtime.
const TICK_MS: u64 = 500;
/// Blocks told in one go, as in the runtime.
const CHAIN_STEPS_MAX: usize = 64;
/// Inputs that may wait for an engine, as in the runtime.
const INBOX_MAX: usize = 4_096;
/// Inputs the engine takes at once, as in the runtime.
const BATCH_MAX: u64 = 512;
/// Operations that may wait in one channel: eight full rounds, as the channel promises.
const QUEUE_OPERATIONS_MAX: usize = 8 * strait_wire::limits::OPERATIONS_MAX;

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) choices: Choices,
    pub(crate) weather: Weather,
    pub(crate) agenda: Agenda,
    pub(crate) topology: Topology,
    pub(crate) hosts: Each<Host>,
    foul: Each<Foul>,
    pub(crate) network: Network,
    pub(crate) chain: SimChain,
    pub(crate) history: History,
    pub(crate) users: Users,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
    /// What entropy of the nodes is hashed from.
    root: [u8; 32],
    drawn: u64,
}

/// What was counted in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) deaths: u64,
    pub(crate) cuts: u64,
    pub(crate) reorganisations: u64,
    pub(crate) tricks: u64,
    pub(crate) ghosts: u64,
    pub(crate) messages: u64,
    pub(crate) events: u64,
}

impl World {
    /// A world of these nodes in which nothing has happened yet. `root` makes its keys its own.
    pub(crate) fn new(
        mut choices: Choices,
        topology: Topology,
        root: [u8; 32],
        trace: Trace,
    ) -> Self {
        let settings = settings_of(&topology, &mut choices);
        let places = topology.places();
        let identity = |place: Place| Identity::new(hash(&root, place.name(), 0));
        let identities: Vec<(Place, Identity)> = places.clone().map(|p| (p, identity(p))).collect();
        let names: BTreeMap<NodeId, Place> =
            identities.iter().map(|(place, identity)| (identity.node(), *place)).collect();
        let hostile: BTreeSet<NodeId> = names
            .iter()
            .filter(|(_, place)| topology.is_hostile(**place))
            .map(|(node, _)| *node)
            .collect();
        let mut identities = identities.into_iter().map(|(_, identity)| identity);
        let hosts = Each::of(places.clone(), |place| {
            let stance = if topology.is_hostile(place) { Stance::Foul } else { Stance::Fair };
            let durable = Durable::new(place, stance, hostile.clone());
            let identity = identities.next().expect("one for each place");
            Host::new(durable, place, identity, settings)
        });
        Self {
            choices,
            weather: Weather::calm(),
            agenda: Agenda::new(Timestamp::from_unix_ms(BEGINNING_MS)),
            hosts,
            foul: Each::of(places.clone(), |_| Foul::default()),
            network: Network::default(),
            chain: SimChain::new(),
            history: History::new(topology.clone(), names),
            users: Users::new(places),
            trace,
            tally: Tally::default(),
            root,
            drawn: 0,
            topology,
        }
    }

    /// One happening, and the oracle's look at what it has done.
    pub(crate) fn step(&mut self) -> Result<(), Violation> {
        let happening = self.agenda.next().expect("blocks are always planned");
        self.trace.step();
        match happening {
            Happening::Engine(place, life) if self.lives(place, life) => self.turn(place)?,
            Happening::Write(place, life) if self.lives(place, life) => self.write(place)?,
            Happening::Tick(place, life) if self.lives(place, life) => {
                self.put(place, Input::Tick);
                self.plan(TICK_MS, Happening::Tick(place, life));
            }
            Happening::Chain(place, life) if self.lives(place, life) => {
                self.follow_chain(place)?;
                self.plan_between(50, 1_500, Happening::Chain(place, life));
            }
            Happening::Dial(place, life, peer) if self.lives(place, life) => {
                self.dial(place, life, peer);
            }
            Happening::Engine(..)
            | Happening::Write(..)
            | Happening::Tick(..)
            | Happening::Chain(..)
            | Happening::Dial(..) => {}
            Happening::Answer(place, connection) => self.answer(place, connection),
            Happening::Arrival(place, connection) => self.arrive(place, connection)?,
            Happening::Notice(place, connection) => self.notice(place, connection),
            Happening::Start(place) => self.start(place)?,
            Happening::Ghosts(place) => self.haunt(place),
            Happening::User(place) => self.user(place),
            Happening::Block => self.block(),
            Happening::Misfortune => self.misfortune()?,
        }
        self.look(happening)
    }

    /// Starts a node that is not running.
    pub(crate) fn start(&mut self, place: Place) -> Result<(), Violation> {
        if self.hosts.at(place).running.is_some() {
            return Ok(());
        }
        let now = self.agenda.now();
        self.drawn += 1;
        let entropy = hash(&self.root, "entropy", self.drawn);
        let host = self.hosts.at_mut(place);
        host.start(host.clock(now), entropy)?;
        let life = host.life;
        self.tell(&format!("{place} starts at event {}", self.hosts.at(place).durable.head));
        self.plan_write(place);
        self.plan_between(1, TICK_MS, Happening::Tick(place, life));
        self.plan_between(1, 500, Happening::Chain(place, life));
        Ok(())
    }

    /// Gives an input to a node.
    pub(crate) fn put(&mut self, place: Place, input: Input) {
        if let Some(running) = &mut self.hosts.at_mut(place).running {
            running.put(input);
            self.plan_engine(place);
        }
    }

    /// Hands a request to a node.
    pub(crate) fn request(&mut self, place: Place, (id, command): (CommandId, Command)) {
        self.tell(&format!("{place}'s user asks {}: {}", id.0, short(&format!("{command:?}"))));
        self.put(place, Input::Command(id, Box::new(command)));
    }

    /// The engine takes inputs and decides.
    fn turn(&mut self, place: Place) -> Result<(), Violation> {
        let hurry = self.choices.chance(700);
        let most = if hurry { BATCH_MAX } else { self.choices.between(1, 4) };
        let (now, root) = (self.hosts.at(place).clock(self.agenda.now()), self.root);
        let drawn = &mut self.drawn;
        let entropy = || {
            *drawn += 1;
            hash(&root, "entropy", *drawn)
        };
        let host = self.hosts.at_mut(place);
        let Some(running) = &mut host.running else { return Ok(()) };
        running.planned.remove(&Chore::Decide);
        if running.is_outbox_full() {
            // The write that makes room plans the next turn.
            return Ok(());
        }
        let waiting = running.inbox.len();
        let before = running.engine.head();
        host.decide(usize::try_from(most).expect("a small number"), now, entropy)?;
        let Some(running) = &host.running else { return Ok(()) };
        let left = running.inbox.len();
        let events = running.engine.head().to_u64() - before.to_u64();
        self.tally.events += events;
        if events > 0 {
            let head = running.engine.head();
            self.tell(&format!("{place} takes {}: event {head}", waiting - left));
        }
        if left > 0 {
            self.plan_engine(place);
        }
        self.plan_write(place);
        Ok(())
    }

    /// The node looks at its chain.
    fn follow_chain(&mut self, place: Place) -> Result<(), Violation> {
        self.chain.now_s = self.agenda.now_s();
        let host = self.hosts.at_mut(place);
        if host.backend_back.is_some_and(|height| self.chain.regtest.height() < height) {
            if host.running.is_some() {
                self.put(place, Input::BlocksTold(TipStanding::Stale));
            }
            return Ok(());
        }
        let is_back = host.backend_back.take().is_some();
        let Some(running) = &mut host.running else { return Ok(()) };
        let mut told = Vec::new();
        while let Some(order) = running.orders.pop_front() {
            told.push(self.chain.submit(&order));
        }
        let fail = |why: String| Violation::Start {
            node: place.to_string(),
            why: format!("chain: {why}"),
        };
        let steps = running
            .follower
            .poll(&mut self.chain, CHAIN_STEPS_MAX)
            .map_err(|error| fail(error.to_string()))?;
        for outcome in told {
            let outcome = outcome.map_err(|error| fail(error.to_string()))?;
            if let Some((txid, reason)) = outcome.first_rejection() {
                self.tell(&format!("{place}'s transaction {txid} is refused: {reason}"));
            }
        }
        let (has_news, is_all) = (is_back || !steps.is_empty(), steps.len() < CHAIN_STEPS_MAX);
        if has_news {
            let answer =
                self.chain.estimate_fee(BlockDelta::new(6)).map_err(|e| fail(e.to_string()))?;
            let input = match answer {
                FeeAnswer::Estimate(rate) => Input::FeeEstimate(rate),
                FeeAnswer::Unknown { least } => Input::NoFeeEstimate { least },
            };
            self.put(place, input);
        }
        for step in steps {
            let input = match step {
                ChainStep::Connected { height, block } => {
                    Input::BlockConnected { height, block: Box::new(block) }
                }
                ChainStep::Disconnected { height, hash } => {
                    Input::BlockDisconnected { height, hash }
                }
            };
            self.put(place, input);
        }
        if has_news {
            let tip = if is_all { TipStanding::Current } else { TipStanding::Stale };
            self.put(place, Input::BlocksTold(tip));
        }
        Ok(())
    }

    fn user(&mut self, place: Place) {
        self.plan_pause(self.weather.request_ms_max, Happening::User(place));
        let peers: Vec<(Place, NodeId)> = self.peers_of(place);
        let Some(running) = &self.hosts.at(place).running else { return };
        let channels: Vec<ChannelId> = self.history.channels_of(place).collect();
        let beyond: Vec<(NodeId, NodeId)> = peers
            .iter()
            .flat_map(|(peer, hop)| self.peers_of(*peer).into_iter().map(|next| (*hop, next)))
            .filter(|(_, (next, _))| *next != place)
            .map(|(hop, (_, node))| (hop, node))
            .collect();
        let sight = Sight {
            place,
            now: self.hosts.at(place).clock(self.agenda.now()),
            engine: &running.engine,
            peers: &peers,
            beyond: &beyond,
            channels: &channels,
        };
        let insists = self.choices.chance(self.weather.insistence);
        let asked = if insists { self.users.insist(place) } else { None };
        let asked = asked.or_else(|| self.users.act(sight, &self.weather, &mut self.choices));
        if let Some(asked) = asked {
            self.request(place, asked);
        }
    }

    fn block(&mut self) {
        let now_s = self.agenda.now_s();
        let whim = self.whim();
        self.chain.mine(now_s, whim);
        if whim != Whim::None {
            self.tell(&format!("a miner has a whim: {whim:?}"));
        }
        self.tell(&format!("block {} is found", self.chain.regtest.height()));
        self.plan_pause(self.weather.block_ms_max, Happening::Block);
    }

    /// What the next miner does beside taking what pays best.
    pub(crate) fn whim(&mut self) -> Whim {
        let remembered = u64::try_from(self.chain.remembered()).expect("a short list");
        if !self.choices.chance(self.weather.whims) {
            return Whim::None;
        }
        if remembered == 0 || self.choices.chance(300) {
            return Whim::Empty;
        }
        let drawn = self.choices.below(remembered);
        Whim::Old(usize::try_from(drawn).expect("below the length of a list"))
    }

    /// Those that a node is connected with, and their names.
    pub(crate) fn peers_of(&self, place: Place) -> Vec<(Place, NodeId)> {
        let peers = self.topology.neighbours(place).into_iter();
        peers.map(|peer| (peer, self.hosts.at(peer).node_id())).collect()
    }

    /// The oracle's look after every step, at what the step can have changed: a turn changes what its node holds in
    /// memory, a write is judged where it is made, and coins move with blocks alone.
    fn look(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::Engine(place, _) => self.look_at_queues(place),
            Happening::Arrival(place, _)
            | Happening::Tick(place, _)
            | Happening::Chain(place, _)
            | Happening::User(place) => self.look_at_inbox(place),
            Happening::Block | Happening::Misfortune => self.look_at_coins(),
            Happening::Write(..)
            | Happening::Dial(..)
            | Happening::Answer(..)
            | Happening::Notice(..)
            | Happening::Start(_)
            | Happening::Ghosts(_) => Ok(()),
        }
    }

    fn look_at_inbox(&self, place: Place) -> Result<(), Violation> {
        let Some(running) = &self.hosts.at(place).running else { return Ok(()) };
        let length = running.inbox.len();
        if length <= INBOX_MAX {
            return Ok(());
        }
        let (node, queue) = (place.to_string(), "the inbox");
        Err(Violation::Queue { node, queue, length, limit: INBOX_MAX })
    }

    fn look_at_queues(&self, place: Place) -> Result<(), Violation> {
        self.look_at_inbox(place)?;
        let Some(running) = &self.hosts.at(place).running else { return Ok(()) };
        for (channel, _) in running.engine.channel_states() {
            let Some(view) = running.engine.channel_view(channel) else { continue };
            if view.queued > QUEUE_OPERATIONS_MAX {
                let (node, queue, length) = (place.to_string(), "a channel's queue", view.queued);
                return Err(Violation::Queue { node, queue, length, limit: QUEUE_OPERATIONS_MAX });
            }
        }
        Ok(())
    }

    fn look_at_coins(&mut self) -> Result<(), Violation> {
        if !self.chain.take_moved() {
            return Ok(());
        }
        let (total, issued) = (self.chain.regtest.total(), self.chain.regtest.issued());
        if total == issued {
            return Ok(());
        }
        let (total_sat, issued_sat) = (total.to_sat(), issued.to_sat());
        Err(Violation::Chain { total_sat, issued_sat })
    }

    /// True if the node has not died since.
    fn lives(&self, place: Place, life: Life) -> bool {
        let host = self.hosts.at(place);
        host.life == life && host.running.is_some()
    }

    pub(crate) fn tell(&self, what: &str) {
        self.trace.tell(self.agenda.now(), what);
    }

    pub(crate) fn plan(&mut self, after_ms: u64, happening: Happening) {
        self.agenda.after(Millis(after_ms), happening);
    }

    pub(crate) fn plan_between(&mut self, low_ms: u64, high_ms: u64, happening: Happening) {
        let span = self.choices.between(low_ms, high_ms.max(low_ms));
        self.plan(span, happening);
    }

    /// Plans a happening after a pause of at most so long; without more bytes to decide by it is that long.
    pub(crate) fn plan_pause(&mut self, high_ms: u64, happening: Happening) {
        let less = self.choices.below(high_ms.max(1));
        self.plan(high_ms.max(1) - less, happening);
    }

    pub(crate) fn plan_engine(&mut self, place: Place) {
        let host = self.hosts.at_mut(place);
        let life = host.life;
        let Some(running) = &mut host.running else { return };
        if running.planned.insert(Chore::Decide) {
            self.plan_between(0, 2, Happening::Engine(place, life));
        }
    }

    fn plan_write(&mut self, place: Place) {
        let host = self.hosts.at_mut(place);
        let life = host.life;
        let Some(running) = &mut host.running else { return };
        if running.outbox.is_empty() || !running.planned.insert(Chore::Write) {
            return;
        }
        self.plan_between(0, self.weather.write_ms_max, Happening::Write(place, life));
    }
}

/// What operators have set. Who has a peer that plays foul takes more time to catch it, and waits until no reorganisation
/// can take a funding output away.
fn settings_of(topology: &Topology, choices: &mut Choices) -> Settings {
    let snapshot_every = *choices.pick(&[200, 20, 1_000]);
    let is_foul = topology.hostile().next().is_some();
    let [delay, depth, margin] =
        if is_foul { [36, 7, 18] } else { [6, 3, 12] }.map(BlockDelta::new);
    Settings { delay, depth, margin, snapshot_every }
}

/// Bytes that belong to one purpose of one world.
pub(crate) fn hash(root: &[u8; 32], purpose: &str, count: u64) -> [u8; 32] {
    let mut engine = sha256::Hash::engine();
    engine.input(root);
    engine.input(purpose.as_bytes());
    engine.input(&count.to_be_bytes());
    sha256::Hash::from_engine(engine).to_byte_array()
}

/// The beginning of a text.
pub(crate) fn short(text: &str) -> &str {
    let end = text.char_indices().nth(140).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}
