//! Whether everything has come to rest, and what is done about it in the calm.

use strait_engine::{ChannelStage, ChannelView};
use strait_primitives::{ChannelId, MilliSats};

use crate::lockage::is_over;
use crate::oracle::Violation;
use crate::place::Place;
use crate::world::World;

/// The channels that a node has, as it shows them.
fn views(world: &World, place: Place) -> Vec<ChannelView> {
    let host = world.hosts.at(place);
    let Some(running) = &host.running else { return Vec::new() };
    let ids: Vec<ChannelId> = running.engine.channel_states().map(|(id, _)| *id).collect();
    ids.iter().filter_map(|id| running.engine.channel_view(id)).collect()
}

fn is_foul(world: &World, view: &ChannelView) -> bool {
    world.topology.is_hostile(world.history.place_of(&view.peer))
}

/// Those who play fair close what they have with others and what does not come to rest by itself.
pub(super) fn part(world: &mut World) {
    for place in world.topology.honest().collect::<Vec<_>>() {
        // A peer that keeps its answer to itself keeps users waiting until its channel is over.
        let is_waited_for = world.users.waiting().any(|request| request.place == place);
        for view in views(world, place) {
            let is_well = view.stage == ChannelStage::ForceClosing
                || (view.stage == ChannelStage::Open && !is_waited_for);
            if is_foul(world, &view) && !is_well {
                let asked = world.users.part(place, view.channel);
                world.request(place, asked);
            }
        }
    }
}

/// One payment each way on every channel that is open.
pub(super) fn probe(world: &mut World) {
    for place in world.topology.honest().collect::<Vec<_>>() {
        for view in views(world, place) {
            if view.stage == ChannelStage::Open
                && !is_foul(world, &view)
                && let Some(asked) = world.users.probe(place, &view)
            {
                world.request(place, asked);
            }
        }
    }
}

/// What has not come to rest, if anything.
pub(super) fn unrest(world: &World, waited_ms: u64) -> Option<Violation> {
    let mut waiting = world.users.waiting();
    if let Some(request) = waiting.find(|request| !world.topology.is_hostile(request.place)) {
        let (node, key) = (request.place.to_string(), request.key);
        return Some(Violation::Silent { node, key, request: request.name(), waited_ms });
    }
    for place in world.topology.honest() {
        for view in views(world, place) {
            if let Some(what) = restless(world, place, &view) {
                return Some(Violation::Stuck { channel: view.channel, what, waited_ms });
            }
        }
    }
    for place in world.topology.honest() {
        let Some(running) = &world.hosts.at(place).running else { continue };
        let mut locks = running.engine.lock_views().into_iter();
        if let Some(lock) = locks.find(|lock| !is_over(lock)) {
            let what = format!("{place} has lock {} {:?}", lock.lock, lock.stage);
            return Some(Violation::Stuck { channel: lock.lock.channel, what, waited_ms });
        }
    }
    world
        .topology
        .honest()
        .find_map(|place| behind(world, place))
        .map(|what| Violation::Behind { what, waited_ms })
}

/// What a node and its chain have not told each other yet, if anything.
fn behind(world: &World, place: Place) -> Option<String> {
    let height = world.chain.regtest.height();
    let running = world.hosts.at(place).running.as_ref();
    let Some(running) = running.filter(|running| running.engine.tip().height == height) else {
        return Some(format!("{place} is not at block {height}"));
    };
    let waiting = running.orders.len();
    (waiting > 0).then(|| format!("{place} has {waiting} orders for its chain"))
}

/// Why a channel is not at rest, if it is not.
fn restless(world: &World, place: Place, view: &ChannelView) -> Option<String> {
    let peer = world.history.place_of(&view.peer);
    if world.topology.is_hostile(peer) {
        // An opener who spent its coins elsewhere leaves an empty promise, which is forgotten after two weeks.
        let is_empty = view.balance == MilliSats::ZERO
            && view.funding.is_none_or(|funding| !world.chain.regtest.is_mined(&funding.txid));
        let is_at_rest = view.stage == ChannelStage::Open || is_empty;
        return (!is_at_rest).then(|| format!("{place} has it {:?} with {peer}", view.stage));
    }
    if view.stage != ChannelStage::Open {
        return Some(format!("{place} has it {:?} with {peer}", view.stage));
    }
    let engine = world.hosts.at(peer).running.as_ref().map(|running| &running.engine);
    let theirs = engine
        .filter(|engine| engine.channel_states().any(|(id, _)| *id == view.channel))
        .and_then(|engine| engine.channel_view(&view.channel));
    let Some(theirs) = theirs else { return Some(format!("only {place} has it")) };
    let is_same =
        (view.number, view.balance, view.queued) == (theirs.number, theirs.peer_balance, 0);
    (!is_same).then(|| format!("{place} at {}, {peer} at {}", view.number, theirs.number))
}
