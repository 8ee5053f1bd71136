//! Preparations: nodes that run, know each other and have coins, and the channels that a storm begins with.

use strait_contract::scripted::PURSE;
use strait_engine::{ChannelStage, Command};
use strait_primitives::ChannelId;

use crate::agenda::Happening;
use crate::chain::Whim;
use crate::oracle::Violation;
use crate::place::Place;
use crate::topology::Edge;
use crate::world::World;

/// Steps that preparations may take.
const PREPARATION_STEPS_MAX: u64 = 40_000;
/// Coinbases that each node gets.
const COINS_EACH: usize = 5;
/// Blocks after which a coinbase can be spent, and one more.
const MATURITY: usize = 101;

/// Starts all nodes, gives them coins, connects them.
pub(super) fn prepare(world: &mut World) -> Result<(), Violation> {
    let places: Vec<Place> = world.topology.places().collect();
    for place in &places {
        world.start(*place)?;
        let asked = world.users.set_up(*place, Command::NewAddress);
        world.request(*place, asked);
        let add = Command::AddModule { module: PURSE, size_bytes: 5 };
        let asked = world.users.set_up(*place, add);
        world.request(*place, asked);
        for (peer, node) in world.peers_of(*place) {
            let address = format!("/sim/{peer}");
            let asked = world.users.set_up(*place, Command::ConnectPeer { node, address });
            world.request(*place, asked);
        }
    }
    settle_requests(world)?;
    let now_s = world.agenda.now_s();
    for place in &places {
        let script = world.users.addresses.at(*place).first().cloned().expect("just answered");
        for _ in 0..COINS_EACH {
            world.chain.regtest.mine(script.clone(), now_s);
        }
    }
    for _ in 0..MATURITY {
        world.chain.mine(now_s, Whim::None);
    }
    world.plan_pause(1_000, Happening::Block);
    let height = world.chain.regtest.height();
    while places.iter().any(|place| {
        let running = world.hosts.at(*place).running.as_ref();
        running.is_none_or(|running| running.engine.tip().height < height)
    }) {
        step(world, "nodes follow the chain")?;
    }
    for place in places {
        world.plan_pause(1_000, Happening::User(place));
    }
    Ok(())
}

/// Opens channels on some connections, all at once, and waits until they carry payments.
pub(super) fn open_first_channels(world: &mut World, chance: u64) -> Result<(), Violation> {
    let edges: Vec<Edge> = world.topology.edges().collect();
    for Edge { near, far } in edges {
        if !world.choices.chance(chance) {
            continue;
        }
        let (opener, acceptor) = if world.choices.chance(500) { (near, far) } else { (far, near) };
        let node = world.hosts.at(acceptor).node_id();
        let asked = world.users.open_first(opener, node, &mut world.choices);
        world.request(opener, asked);
    }
    settle_requests(world)?;
    while !all_open(world) {
        step(world, "channels open in calm weather")?;
    }
    Ok(())
}

/// True if every channel carries payments at both ends.
fn all_open(world: &World) -> bool {
    world.topology.places().all(|place| {
        let ids: Vec<ChannelId> =
            world.hosts.at(place).durable.state.channels.keys().copied().collect();
        let engine = world.hosts.at(place).running.as_ref().map(|running| &running.engine);
        ids.iter().all(|id| {
            let view = engine.and_then(|engine| engine.channel_view(id));
            view.is_some_and(|view| view.stage == ChannelStage::Open)
        })
    })
}

fn settle_requests(world: &mut World) -> Result<(), Violation> {
    while world.users.waiting().next().is_some() {
        step(world, "nodes answer in calm weather")?;
        for place in world.topology.places() {
            if world.hosts.at(place).running.is_some()
                && let Some(asked) = world.users.insist(place)
            {
                world.request(place, asked);
            }
        }
    }
    Ok(())
}

fn step(world: &mut World, promise: &str) -> Result<(), Violation> {
    world.step()?;
    assert!(world.trace.steps() < PREPARATION_STEPS_MAX, "{promise}");
    Ok(())
}
