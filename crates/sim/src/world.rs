//! The world: everything there is, and one step of it after the other.
//!
//! A step is one happening of the agenda. Whatever it needs to decide it asks of the [`Choices`]; whatever it does is
//! told to the [`Trace`]; after it the oracle looks. Effects are carried out in `effects`, connections are made and
//! broken in `connections`, things go wrong in `misfortune`.

mod connections;
mod effects;
mod misfortune;

use bitcoin::hashes::{Hash, HashEngine, sha256};
use strait_chain::{ChainSource, ChainStep, FeeAnswer};
use strait_engine::{Command, CommandId, Input};
use strait_primitives::{BlockDelta, ChannelId, Millis, Timestamp};

use crate::agenda::{Agenda, Happening, Life};
use crate::chain::SimChain;
use crate::choices::Choices;
use crate::history::History;
use crate::host::{Chore, Host};
use crate::network::Network;
use crate::oracle::Violation;
use crate::place::{Place, Two};
use crate::trace::Trace;
use crate::users::Users;
use crate::users::asking::Sight;
use crate::weather::Weather;

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
    pub(crate) hosts: Two<Host>,
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
    pub(crate) messages: u64,
    pub(crate) events: u64,
}

impl World {
    /// A world in which nothing has happened yet. `root` makes its keys its own.
    pub(crate) fn new(mut choices: Choices, root: [u8; 32], trace: Trace) -> Self {
        let agenda = Agenda::new(Timestamp::from_unix_ms(BEGINNING_MS));
        let every = *choices.pick(&[200, 20, 1_000]);
        let hosts = Two::of(|place| Host::new(place, hash(&root, &place.to_string(), 0), every));
        Self {
            choices,
            weather: Weather::calm(),
            agenda,
            hosts,
            network: Network::default(),
            chain: SimChain::new(),
            history: History::default(),
            users: Users::default(),
            trace,
            tally: Tally::default(),
            root,
            drawn: 0,
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
            Happening::Dial(place, life) if self.lives(place, life) => self.dial(place, life),
            Happening::Engine(..)
            | Happening::Write(..)
            | Happening::Tick(..)
            | Happening::Chain(..)
            | Happening::Dial(..) => {}
            Happening::Answer(place, connection) => self.answer(place, connection),
            Happening::Arrival(place, connection) => self.arrive(place, connection),
            Happening::Notice(place, connection) => self.notice(place, connection),
            Happening::Start(place) => self.start(place)?,
            Happening::User(place) => self.user(place),
            Happening::Block => self.block(),
            Happening::Misfortune => self.misfortune(),
        }
        self.look()
    }

    /// Starts a node that is not running.
    pub(crate) fn start(&mut self, place: Place) -> Result<(), Violation> {
        if self.hosts.at(place).running.is_some() {
            return Ok(());
        }
        let now = self.agenda.now();
        let host = self.hosts.at_mut(place);
        host.start(now)?;
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
            running.inbox.push_back(input);
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
        let (now, root) = (self.agenda.now(), self.root);
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
        let Some(running) = &mut self.hosts.at_mut(place).running else { return Ok(()) };
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
        let has_news = !steps.is_empty();
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
            self.put(place, Input::BlocksTold);
        }
        Ok(())
    }

    fn user(&mut self, place: Place) {
        self.plan_pause(self.weather.request_ms_max, Happening::User(place));
        let peer = self.hosts.at(!place).node_id();
        let Some(running) = &self.hosts.at(place).running else { return };
        let channels: Vec<ChannelId> = self.history.channels.keys().copied().collect();
        let sight = Sight { place, engine: &running.engine, peer, channels: &channels };
        let insists = self.choices.chance(self.weather.insistence);
        let asked = if insists { self.users.insist(place) } else { None };
        let asked = asked.or_else(|| self.users.act(sight, &self.weather, &mut self.choices));
        if let Some(asked) = asked {
            self.request(place, asked);
        }
    }

    fn block(&mut self) {
        let now_s = self.agenda.now_s();
        self.chain.mine(now_s);
        self.tell(&format!("block {} is found", self.chain.regtest.height()));
        self.plan_pause(self.weather.block_ms_max, Happening::Block);
    }

    /// The oracle's look after every step. What a turn decided was judged when it ended, and the disk at every write:
    /// nothing else changes a state.
    fn look(&self) -> Result<(), Violation> {
        for place in Place::BOTH {
            let host = self.hosts.at(place);
            let Some(running) = &host.running else { continue };
            let over = |queue, length, limit| {
                let node = place.to_string();
                Err(Violation::Queue { node, queue, length, limit })
            };
            if running.inbox.len() > INBOX_MAX {
                return over("the inbox", running.inbox.len(), INBOX_MAX);
            }
            for channel in self.history.channels.keys() {
                let Some(view) = running.engine.channel_view(channel) else { continue };
                if view.queued > QUEUE_OPERATIONS_MAX {
                    return over("a channel's queue", view.queued, QUEUE_OPERATIONS_MAX);
                }
            }
        }
        let (total, issued) = (self.chain.regtest.total(), self.chain.regtest.issued());
        if total != issued {
            let (total_sat, issued_sat) = (total.to_sat(), issued.to_sat());
            return Err(Violation::Chain { total_sat, issued_sat });
        }
        Ok(())
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
