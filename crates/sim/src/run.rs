//! A whole run: preparations, the storm, the calm, and the report.

use std::panic::{AssertUnwindSafe, catch_unwind};

use strait_contract::scripted::PURSE;
use strait_engine::{ChannelStage, Command};
use strait_log::{Fault, WriteNumber};
use strait_primitives::ChannelId;
use thiserror::Error;

use crate::agenda::Happening;
use crate::choices::Choices;
use crate::oracle::Violation;
use crate::place::Place;
use crate::trace::Trace;
use crate::weather::Weather;
use crate::world::{World, hash};

/// Steps that preparations may take.
const PREPARATION_STEPS_MAX: u64 = 20_000;
/// Coinbases that each node gets.
const COINS_EACH: usize = 5;
/// Blocks after which a coinbase can be spent, and one more.
const MATURITY: usize = 101;
/// How long the calm may take, in simulated milliseconds: an opening that hangs is given up after ten minutes.
const CALM_MS_MAX: u64 = 1_200_000;
/// Steps between two looks at whether everything has come to rest.
const REST_CHECK_STEPS: u64 = 50;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What decides.
    pub choices: Choices,
    /// What the world's keys are made from; runs with the same choices and other keys differ in nothing else.
    pub keys: u64,
    /// Steps of the storm.
    pub steps: u64,
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
            weather: None,
            spoilt: Vec::new(),
            lines: LINES,
        }
    }
}

/// What a run that broke no law did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Steps, preparations and calm included.
    pub steps: u64,
    /// Simulated time, in milliseconds.
    pub simulated_ms: u64,
    /// Channels that lived.
    pub channels: usize,
    /// Rounds that both or one of the nodes hold.
    pub rounds: usize,
    /// Payments in them.
    pub payments: usize,
    /// Requests that users made.
    pub requests: usize,
    /// Events that nodes decided.
    pub events: u64,
    /// Writes that Alice's and Bob's disks were asked for.
    pub writes: [u64; 2],
    /// Messages that nodes sent.
    pub messages: u64,
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

/// Runs a plan to its end.
///
/// # Errors
/// [`Failure`] at the first law that is broken, a panic of our own code included.
pub fn run(plan: Plan) -> Result<Report, Failure> {
    let trace = Trace::keeping(plan.lines);
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
    let Plan { mut choices, keys, steps, weather, spoilt, lines: _ } = plan;
    let weather = weather.unwrap_or_else(|| Weather::draw(&mut choices));
    trace.tell(strait_primitives::Timestamp::default(), &format!("{weather:?}"));
    let mut world = World::new(choices, hash(&[0; 32], "world", keys), trace);
    lay(&world, &spoilt);
    let begun = world.agenda.now();
    prepare(&mut world)?;
    world.weather = weather;
    world.plan(1, Happening::Misfortune);
    let until = world.trace.steps() + steps;
    while world.trace.steps() < until {
        world.step()?;
    }
    come_to_rest(&mut world, &spoilt)?;
    let tally = world.tally;
    Ok(Report {
        steps: world.trace.steps(),
        simulated_ms: world.agenda.now().since(begun).0,
        channels: world.history.channels.len(),
        rounds: world.history.rounds(),
        payments: world.history.payments(),
        requests: world.users.count(),
        events: tally.events,
        writes: Place::BOTH.map(|place| world.hosts.at(place).disk.next_write().0),
        messages: tally.messages,
        deaths: tally.deaths,
        cuts: tally.cuts,
        reorganisations: tally.reorganisations,
        trace: world.trace.digest(),
    })
}

/// Starts both nodes, gives them coins, connects them.
fn prepare(world: &mut World) -> Result<(), Violation> {
    for place in Place::BOTH {
        world.start(place)?;
        let asked = world.users.set_up(place, Command::NewAddress);
        world.request(place, asked);
        let add = Command::AddModule { module: PURSE, size_bytes: 5 };
        let asked = world.users.set_up(place, add);
        world.request(place, asked);
        let (node, address) = (world.hosts.at(!place).node_id(), format!("/sim/{}", !place));
        let asked = world.users.set_up(place, Command::ConnectPeer { node, address });
        world.request(place, asked);
    }
    settle_requests(world)?;
    let now_s = world.agenda.now_s();
    for place in Place::BOTH {
        let script = world.users.addresses.at(place).first().cloned().expect("just answered");
        for _ in 0..COINS_EACH {
            world.chain.regtest.mine(script.clone(), now_s);
        }
    }
    for _ in 0..MATURITY {
        world.chain.mine(now_s);
    }
    world.plan_pause(1_000, Happening::Block);
    for place in Place::BOTH {
        world.plan_pause(1_000, Happening::User(place));
    }
    let height = world.chain.regtest.height();
    while Place::BOTH.iter().any(|place| {
        let running = world.hosts.at(*place).running.as_ref();
        running.is_none_or(|running| running.engine.tip().height < height)
    }) {
        world.step()?;
        assert!(world.trace.steps() < PREPARATION_STEPS_MAX, "nodes follow the chain");
    }
    Ok(())
}

fn settle_requests(world: &mut World) -> Result<(), Violation> {
    while world.users.waiting().next().is_some() {
        world.step()?;
        for place in Place::BOTH {
            if world.hosts.at(place).running.is_some()
                && let Some(asked) = world.users.insist(place)
            {
                world.request(place, asked);
            }
        }
        assert!(world.trace.steps() < PREPARATION_STEPS_MAX, "nodes answer in calm weather");
    }
    Ok(())
}

/// Those of the planned faults that are still to come.
fn lay(world: &World, spoilt: &[Spoilt]) {
    for Spoilt { place, write, fault } in spoilt {
        world.hosts.at(*place).disk.lay(*write, *fault);
    }
}

/// All faults of the weather are healed: within a bounded time every request is answered, and every channel usable or over.
fn come_to_rest(world: &mut World, spoilt: &[Spoilt]) -> Result<(), Violation> {
    world.tell("the calm begins");
    world.weather = Weather::calm();
    for place in Place::BOTH {
        world.hosts.at(place).disk.heal();
    }
    lay(world, spoilt);
    let begun = world.agenda.now();
    let mut probed = false;
    loop {
        for _ in 0..REST_CHECK_STEPS {
            world.step()?;
        }
        let waited_ms = world.agenda.now().since(begun).0;
        match unrest(world, waited_ms) {
            None if probed => break,
            None => {
                probe(world);
                probed = true;
            }
            Some(unrest) if waited_ms > CALM_MS_MAX => return Err(unrest),
            Some(_) => {}
        }
    }
    for place in Place::BOTH {
        world.hosts.at(place).check_fold()?;
    }
    world.tell("everything has come to rest");
    Ok(())
}

/// One payment each way on every channel that is open.
fn probe(world: &mut World) {
    let channels: Vec<ChannelId> = world.history.channels.keys().copied().collect();
    for place in Place::BOTH {
        for channel in &channels {
            let running = world.hosts.at(place).running.as_ref();
            let view = running.and_then(|running| running.engine.channel_view(channel));
            let view = view.filter(|view| view.stage == ChannelStage::Open);
            if let Some(asked) = view.and_then(|view| world.users.probe(place, &view)) {
                world.request(place, asked);
            }
        }
    }
}

/// What has not come to rest, if anything.
fn unrest(world: &World, waited_ms: u64) -> Option<Violation> {
    if let Some(request) = world.users.waiting().next() {
        let (node, key) = (request.place.to_string(), request.key);
        return Some(Violation::Silent { node, key, request: request.name(), waited_ms });
    }
    let views = Place::BOTH.map(|place| {
        let running = world.hosts.at(place).running.as_ref();
        let ids = world.hosts.at(place).durable.state.channels.keys().copied();
        let view = |id: ChannelId| running.and_then(|r| r.engine.channel_view(&id));
        ids.filter_map(|id| view(id).map(|view| (id, view))).collect::<Vec<_>>()
    });
    let [alice, bob] = views;
    let stuck = |channel, what: String| Some(Violation::Stuck { channel, what, waited_ms });
    for (id, view) in alice.iter().chain(&bob) {
        if view.stage != ChannelStage::Open {
            return stuck(*id, format!("{:?}", view.stage));
        }
    }
    for (id, ours) in &alice {
        let Some((_, theirs)) = bob.iter().find(|(other, _)| other == id) else {
            return stuck(*id, "only alice has it".into());
        };
        if (ours.number, ours.balance, ours.queued) != (theirs.number, theirs.peer_balance, 0) {
            return stuck(*id, format!("alice at {}, bob at {}", ours.number, theirs.number));
        }
    }
    (alice.len() != bob.len()).then(|| {
        let id = bob.iter().map(|(id, _)| *id).find(|id| alice.iter().all(|(a, _)| a != id));
        let channel = id.expect("bob has one more");
        Violation::Stuck { channel, what: "only bob has it".into(), waited_ms }
    })
}
