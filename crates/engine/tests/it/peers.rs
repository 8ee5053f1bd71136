//! Peers that greet wrongly, say what nobody asked for, or are nobody's.

use strait_engine::{
    Answer, ChannelStage, CloseMode, Command, CommandError, Input, PeerLink, Report,
};
use strait_primitives::{ChannelId, CommitmentNumber, Millis, NodeId};
use strait_wire::{Fault, FaultCode, Hello, Message, Note, RequestTurn};

use crate::node::{Node, chain};
use crate::world::{Alice, BOTH, Bob, World, key, pay};

pub const fn stranger(byte: u8) -> NodeId {
    NodeId::from_bytes([byte; 33])
}

/// A stranger connects and greets as it should.
pub fn greet(world: &mut World, from: NodeId) {
    world.input(Bob, Input::PeerConnected(from));
    world.say(Bob, from, Hello { version: 1, chain: chain() });
}

pub fn complaint(channel: Option<ChannelId>) -> Fault {
    Fault { channel, code: FaultCode::Refused, note: Note::cut("no") }
}

fn about_nothing() -> RequestTurn {
    RequestTurn { channel: ChannelId::from_bytes([5; 32]), number: CommitmentNumber::FIRST }
}

/// What the operator was told of peers that misbehave.
fn told(node: &Node) -> usize {
    let is_told = |report: &&Report| {
        matches!(report, Report::PeerFault { .. } | Report::PeerComplaint { .. })
    };
    node.reports.iter().filter(is_told).count()
}

#[test]
fn a_greeting_that_does_not_fit_ends_the_connection_and_so_does_none() {
    let wrong_chain = strait_primitives::Digest::from_bytes([3; 32]);
    let rows: [(Message, FaultCode); 3] = [
        (Hello { version: 2, chain: chain() }.into(), FaultCode::Incompatible),
        (Hello { version: 1, chain: wrong_chain }.into(), FaultCode::Incompatible),
        (about_nothing().into(), FaultCode::Violation),
    ];
    for (message, code) in rows {
        let mut world = World::new();
        let peer = stranger(9);
        world.input(Bob, Input::PeerConnected(peer));
        for _ in 0..3 {
            world.say(Bob, peer, message.clone());
        }
        let said = world.bob.outbox.iter().filter_map(|(_, message)| match message {
            Message::Fault(fault) => Some(fault.code),
            _ => None,
        });
        assert_eq!(said.collect::<Vec<_>>(), [code], "{message:?}");
        assert_eq!(world.bob.hung_up, [peer]);
        assert_eq!(told(&world.bob), 1);
        assert_ne!(world.bob.engine.peer_views()[0].link, PeerLink::Connected);
    }
}

#[test]
fn a_stranger_that_complains_or_speaks_of_an_unknown_channel_is_heard_once() {
    let rows: [Message; 2] = [complaint(None).into(), about_nothing().into()];
    for message in rows {
        let mut world = World::new();
        let peer = stranger(9);
        greet(&mut world, peer);
        for _ in 0..100 {
            world.say(Bob, peer, message.clone());
        }
        assert_eq!(told(&world.bob), 1, "{message:?}");
        assert_eq!(world.bob.hung_up, [peer]);
    }
}

/// A peer may have a channel that this node has settled and forgotten: it must hear that before the line is cut.
#[test]
fn whoever_speaks_of_an_unknown_channel_is_told_so() {
    let mut world = World::new();
    greet(&mut world, stranger(9));
    world.say(Bob, stranger(9), about_nothing());
    let last = world.bob.outbox.back().map(|(_, message)| message);
    let Some(Message::Fault(fault)) = last else { panic!("a fault") };
    assert_eq!(fault.code, FaultCode::UnknownChannel);
}

#[test]
fn a_peer_with_a_channel_is_told_of_once_for_each_kind_and_hung_up_on_in_the_end() {
    let (mut world, _) = World::open();
    let alice = world.alice.id();
    world.bob.reports.clear();
    for _ in 0..10 {
        world.say(Bob, alice, about_nothing());
        world.say(Bob, alice, complaint(None));
    }
    assert_eq!(told(&world.bob), 2);
    assert_eq!(world.bob.hung_up, []);
    for _ in 0..100 {
        world.say(Bob, alice, about_nothing());
    }
    assert_eq!(told(&world.bob), 2);
    assert_eq!(world.bob.hung_up, [alice]);
    world.connect();
    world.say(Bob, alice, about_nothing());
    assert_eq!(told(&world.bob), 3, "a new connection is heard again");
}

/// Messages that lead nowhere cost their sender nothing, and stood before everybody else's.
#[test]
fn a_peer_that_goes_on_saying_what_leads_nowhere_is_hung_up_on() {
    let hello = || Hello { version: 1, chain: chain() };
    let mut world = World::new();
    greet(&mut world, stranger(9));
    for _ in 0..1_000 {
        world.say(Bob, stranger(9), hello());
    }
    assert_eq!(world.bob.hung_up, [stranger(9)]);

    let (mut world, channel) = World::open();
    let alice = world.alice.id();
    for number in 0..400 {
        for _ in 0..4 {
            world.say(Bob, alice, hello());
        }
        assert!(world.done(Alice, pay(key(number), channel, 1_000)).is_ok());
    }
    assert_eq!(world.bob.hung_up, [], "whoever also does something may say a little more");
}

#[test]
fn the_peer_of_a_live_channel_is_kept_by_both_and_let_go_after_it() {
    let (mut world, channel) = World::open();
    for who in BOTH {
        let peer = world.node(who.other()).id();
        assert!(world.node(who).kept.contains(&peer), "{who:?}");
    }
    let close = Command::CloseChannel { key: key(3), channel, mode: CloseMode::Cooperative };
    let closed = world.done(Alice, close);
    assert!(matches!(closed, Ok(Answer::Channel(_))), "{closed:?}");
    let close = world.alice.broadcasts.pop().unwrap();
    world.mine(&[close]);
    for _ in 0..12 {
        world.mine(&[]);
    }
    for who in BOTH {
        let view = world.node(who).engine.channel_view(&channel);
        assert_eq!(view.map(|view| view.stage), Some(ChannelStage::Closed));
        assert_eq!(world.node(who).kept, [], "{who:?}");
    }
}

/// A clock that was set back by a day made this node wait a day for a peer that says nothing more.
#[test]
fn a_peer_that_hangs_is_hung_up_on_in_time_though_the_clock_was_set_back() {
    let (mut world, channel) = World::open();
    let bob = world.bob.id();
    world.wait(Millis(1));
    world.ask(Alice, pay(key(1), channel, 1_000));
    world.alice.outbox.clear();
    world.wait(Millis(10_000));
    world.now = world.now.before(Millis(86_400_000));
    world.wait(Millis(0));
    world.wait(Millis(10_000));
    assert_eq!(world.alice.hung_up, [], "it has had twenty seconds");
    world.wait(Millis(11_000));
    assert_eq!(world.alice.hung_up, [bob]);
}

#[test]
fn a_peer_whose_channel_nobody_has_funded_is_not_looked_for() {
    let mut world = World::funded();
    let [alice, bob] = BOTH.map(|who| world.node(who).id());
    let asked = world.opening(Alice, key(1));
    assert!(world.done(Alice, asked).is_ok());
    let funding = world.alice.broadcasts.remove(0);
    assert_eq!(world.alice.kept, [bob], "who opens it has the wish");
    assert_eq!(world.bob.kept, []);
    world.restart(Bob);
    assert_eq!(world.bob.kept, [], "a start makes no difference");
    world.connect();
    world.settle();
    world.mine(&[funding]);
    assert_eq!(world.bob.kept, [alice], "a block vouches for it");
    world.bob.kept.clear();
    world.restart(Bob);
    assert_eq!(world.bob.kept, [alice]);
}

#[test]
fn a_peer_that_the_operator_named_is_kept_for_ever() {
    let mut world = World::new();
    let node = stranger(9);
    let address = "/ip4/127.0.0.1/tcp/1".to_owned();
    assert!(world.done(Bob, Command::ConnectPeer { node, address }).is_ok());
    greet(&mut world, node);
    world.say(Bob, node, about_nothing());
    assert_eq!(world.bob.kept, [node]);
    assert_eq!(world.bob.hung_up, []);
    let own = Command::ConnectPeer { node: world.bob.id(), address: String::new() };
    assert_eq!(world.done(Bob, own), Err(CommandError::OwnId));
}
