//! A whole run: preparations, the storm, the calm, and the report.

mod beginning;
mod rest;

use std::panic::{AssertUnwindSafe, catch_unwind};

use strait_log::{Fault, WriteNumber};
use thiserror::Error;

use crate::agenda::Happening;
use crate::choices::{Choices, Edition};
use crate::lockage::check_locks;
use crate::oracle::Violation;
use crate::penalty::check_penalties;
use crate::place::Place;
use crate::topology::Topology;
use crate::trace::Trace;
use crate::wealth::check_wealth;
use crate::weather::Weather;
use crate::world::{World, hash};

use self::beginning::{open_first_channels, prepare};

/// How long the calm may take, in simulated milliseconds: an opening that hangs is given up after ten minutes.
const CALM_MS_MAX: u64 = 1_200_000;
/// When, in the calm, channels with those who played foul are closed that have not come to rest by themselves.
const PARTING_MS: u64 = 120_000;
/// When, in the calm, blocks begin to come fast: who forgot a lock on chain takes it back never, and its peer waits a week;
/// so long, too, does a close wait that brings nothing.
const WEEK_MS: u64 = 400_000;
/// The longest pause between two of those blocks: a week of 1,008 passes, and what is decided then is confirmed.
const WEEK_BLOCK_MS: u64 = 600;
/// Steps between two looks at whether everything has come to rest.
const REST_CHECK_STEPS: u64 = 50;
/// Steps that a storm driven by bytes takes at most.
const BYTES_STEPS_MAX: u64 = 20_000;
/// The slowest that blocks may be at least, and the time between two misfortunes, where somebody plays foul: who comes
/// back before its deadlines must lose nothing, so there has to be a before.
const FOUL_BLOCK_MS: u64 = 8_000;
/// See [`FOUL_BLOCK_MS`].
const FOUL_MISFORTUNE_MS: u64 = 5_000;
/// The least pause between two requests there: a channel that is lost takes many blocks to replace, and who asks all the
/// time has lost all channels in a moment.
const FOUL_REQUEST_MS: u64 = 300;
/// The greatest weights of closes there, for the same reason.
const FOUL_CLOSES: u64 = 1;

/// How bytes begin that know of tokens.
pub const SECOND_EDITION: [u8; 2] = [0xff, 0x02];

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What decides.
    pub choices: Choices,
    /// What the world's keys are made from; runs with the same choices and other keys differ in nothing else.
    pub keys: u64,
    /// Steps of the storm; one that is driven by bytes ends when they are used up.
    pub steps: u64,
    /// Who is there; drawn from the choices if not given.
    pub topology: Option<Topology>,
    /// How stormy it is; drawn from the choices if not given.
    pub weather: Option<Weather>,
    /// Writes that go wrong, whatever the weather.
    pub spoilt: Vec<Spoilt>,
    /// How many lines of the trace a failure tells.
    pub lines: usize,
}

/// A write that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoilt {
    /// On whose disk.
    pub place: Place,
    /// Which of its writes.
    pub write: WriteNumber,
    /// How.
    pub fault: Fault,
}

/// Lines of the trace that a failure tells.
pub const LINES: usize = 120;

impl Plan {
    /// The run of a seed.
    #[must_use]
    pub const fn of_seed(seed: u64, steps: u64) -> Self {
        Self {
            choices: Choices::from_seed(seed),
            keys: seed,
            steps,
            topology: None,
            weather: None,
            spoilt: Vec::new(),
            lines: LINES,
        }
    }

    /// The run of a string of bytes: who is there, the weather, and everything that happens until they are used up.
    ///
    /// Bytes that begin with [`SECOND_EDITION`] also decide what corpora of before know nothing of.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let choices = match bytes.strip_prefix(&SECOND_EDITION) {
            Some(rest) => Choices::from_bytes_of(rest.to_vec(), Edition::Second),
            None => Choices::from_bytes(bytes.to_vec()),
        };
        Self { choices, ..Self::of_seed(0, BYTES_STEPS_MAX) }
    }
}

/// What a run that broke no law did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Steps, preparations and calm included.
    pub steps: u64,
    /// Simulated time, in milliseconds.
    pub simulated_ms: u64,
    /// Nodes.
    pub nodes: usize,
    /// Those of them that played foul.
    pub hostile: usize,
    /// Channels that lived.
    pub channels: usize,
    /// Rounds that both or one of the nodes hold.
    pub rounds: usize,
    /// Payments in them.
    pub payments: usize,
    /// Requests that users made.
    pub requests: usize,
    /// Those of them that rounds carried on a token's account.
    pub by_tokens: usize,
    /// Events that nodes decided.
    pub events: u64,
    /// Writes that each disk was asked for.
    pub writes: [u64; Place::MOST],
    /// Messages that nodes sent.
    pub messages: u64,
    /// Messages that were not sent as they were meant.
    pub tricks: u64,
    /// Old copies of disks that were started.
    pub ghosts: u64,
    /// Times that a node died.
    pub deaths: u64,
    /// Connections that were cut.
    pub cuts: u64,
    /// Reorganisations of the chain.
    pub reorganisations: u64,
    /// The hash of everything that happened.
    pub trace: [u8; 32],
}

/// A broken law, and how it came to that.
#[derive(Debug, Clone, Error)]
#[error("step {step}: {violation}")]
pub struct Failure {
    /// At which step.
    pub step: u64,
    /// What was broken.
    pub violation: Box<Violation>,
    /// The last things that happened, in words.
    pub last: Vec<String>,
}

/// Runs what a string of bytes decides, to its end: what a fuzzer and property tests drive the world by.
///
/// # Errors
/// As [`run`].
pub fn run_bytes(bytes: &[u8]) -> Result<Report, Failure> {
    run(Plan::of_bytes(bytes))
}

/// Runs a plan to its end.
///
/// # Errors
/// [`Failure`] at the first law that is broken, a panic of our own code included.
pub fn run(plan: Plan) -> Result<Report, Failure> {
    run_with(Trace::keeping(plan.lines), plan)
}

/// Runs a plan to its end, and tells in words all that happened, a line each, whether a law was broken or not.
pub fn tell(plan: Plan) -> (Vec<String>, Result<Report, Failure>) {
    let trace = Trace::keeping(usize::MAX);
    let done = run_with(trace.clone(), plan);
    (trace.last(), done)
}

fn run_with(trace: Trace, plan: Plan) -> Result<Report, Failure> {
    let told = trace.clone();
    let done = catch_unwind(AssertUnwindSafe(move || live(plan, told)));
    let done = done.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "without words".to_owned());
        Err(Violation::Panicked { message })
    });
    done.map_err(|violation| Failure {
        step: trace.steps(),
        violation: Box::new(violation),
        last: trace.last(),
    })
}

fn live(plan: Plan, trace: Trace) -> Result<Report, Violation> {
    let Plan { mut choices, keys, steps, topology, weather, spoilt, lines: _ } = plan;
    let topology = topology.unwrap_or_else(|| Topology::draw(&mut choices));
    let mut weather = weather.unwrap_or_else(|| Weather::draw(&mut choices));
    if topology.hostile().next().is_some() {
        weather.block_ms_max = weather.block_ms_max.max(FOUL_BLOCK_MS);
        weather.misfortune_ms_max = weather.misfortune_ms_max.max(FOUL_MISFORTUNE_MS);
        weather.request_ms_max = weather.request_ms_max.max(FOUL_REQUEST_MS);
        weather.habits.close = weather.habits.close.min(FOUL_CLOSES);
        weather.habits.force = weather.habits.force.min(FOUL_CLOSES);
    }
    let beginning = strait_primitives::Timestamp::default();
    trace.tell(beginning, &format!("{topology:?}"));
    trace.tell(beginning, &format!("{weather:?}"));
    let mut world = World::new(choices, topology, hash(&[0; 32], "world", keys), trace);
    lay(&world, &spoilt);
    let begun = world.agenda.now();
    // Whoever drives the world by bytes has better things to decide than how everybody gets ready.
    let choices = core::mem::replace(&mut world.choices, Choices::from_seed(keys));
    prepare(&mut world)?;
    open_first_channels(&mut world, weather.first_channels)?;
    world.choices = choices;
    world.weather = weather;
    world.let_clocks_drift();
    world.plan(1, Happening::Misfortune);
    let until = world.trace.steps() + steps;
    while world.trace.steps() < until && !world.choices.is_used_up() {
        world.step()?;
    }
    come_to_rest(&mut world, &spoilt)?;
    Ok(report(&world, begun))
}

fn report(world: &World, begun: strait_primitives::Timestamp) -> Report {
    let tally = world.tally;
    let mut writes = [0; Place::MOST];
    for (count, host) in writes.iter_mut().zip(world.hosts.iter()) {
        *count = host.disk.next_write().0;
    }
    Report {
        steps: world.trace.steps(),
        simulated_ms: world.agenda.now().since(begun).0,
        nodes: world.topology.places().count(),
        hostile: world.topology.hostile().count(),
        channels: world.history.channels.len(),
        rounds: world.history.rounds(),
        payments: world.history.payments(),
        requests: world.users.count(),
        by_tokens: world.users.count_by_tokens(),
        events: tally.events,
        writes,
        messages: tally.messages,
        tricks: tally.tricks,
        ghosts: tally.ghosts,
        deaths: tally.deaths,
        cuts: tally.cuts,
        reorganisations: tally.reorganisations,
        trace: world.trace.digest(),
    }
}

/// Those of the planned faults that are still to come.
fn lay(world: &World, spoilt: &[Spoilt]) {
    for Spoilt { place, write, fault } in spoilt {
        world.hosts.at(*place).disk.lay(*write, *fault);
    }
}

/// All faults of the weather are healed: within a bounded time every request is answered, every channel usable or over,
/// and everyone who plays fair has what is its own.
fn come_to_rest(world: &mut World, spoilt: &[Spoilt]) -> Result<(), Violation> {
    world.calm_down();
    lay(world, spoilt);
    let begun = world.agenda.now();
    let mut parting = Parting::Ahead;
    let mut probed = false;
    loop {
        for _ in 0..REST_CHECK_STEPS {
            world.step()?;
        }
        let waited_ms = world.agenda.now().since(begun).0;
        if parting == Parting::Ahead && waited_ms > PARTING_MS {
            rest::part(world);
            parting = Parting::Done;
        }
        if waited_ms > WEEK_MS {
            world.weather.block_ms_max = WEEK_BLOCK_MS;
        }
        match rest::unrest(world, waited_ms) {
            None if probed => break,
            None => {
                rest::probe(world);
                probed = true;
            }
            Some(unrest) if waited_ms > CALM_MS_MAX => return Err(unrest),
            Some(_) => {}
        }
    }
    for place in world.topology.honest() {
        let host = world.hosts.at(place);
        host.check_fold()?;
        check_wealth(host, &world.users, &world.chain)?;
        check_penalties(host, &world.chain)?;
        check_locks(host, &world.users)?;
        world.users.check_tokens(host)?;
    }
    world.tell("everything has come to rest");
    Ok(())
}

/// Whether those who play fair have parted with those who do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parting {
    Ahead,
    Done,
}
