//! Openings: what is refused, what is forgotten, and how much of it a stranger may cause.

use strait_channel::{ChannelEvent, channel_id};
use strait_engine::{CommandError, Event, Inbound};
use strait_primitives::{BlockDelta, Digest, Millis, NodeId, Sats};
use strait_wire::{Fault, FaultCode, Message, OpenChannel};

use crate::node::Node;
use crate::peers::{complaint, greet, stranger};
use crate::world::{Alice, Bob, CAPACITY, World, key};

/// What Alice would ask Bob for, for others to say in their own name.
fn request(world: &mut World) -> OpenChannel {
    let asked = world.opening(Alice, key(99));
    world.ask(Alice, asked);
    let open = world.alice.outbox.iter().find_map(|(_, message)| match message {
        Message::OpenChannel(open) => Some(open.clone()),
        _ => None,
    });
    world.alice.outbox.clear();
    open.unwrap()
}

/// The same request under another name.
fn renamed(open: &OpenChannel, from: NodeId, to: NodeId, number: u32) -> OpenChannel {
    let mut nonce = [7; 32];
    nonce[..4].copy_from_slice(&number.to_be_bytes());
    let nonce = Digest::from_bytes(nonce);
    OpenChannel { channel: channel_id(&from, &to, &nonce), nonce, ..open.clone() }
}

/// The last thing that Bob said to someone.
fn last_said(node: &Node, to: NodeId) -> Message {
    let said = node.outbox.iter().rev().find(|(peer, _)| *peer == to);
    said.map(|(_, message)| message.clone()).unwrap()
}

fn answered(node: &Node) -> usize {
    let is_answer = |event: &&Event| {
        matches!(event, Event::Channel { event: ChannelEvent::Answered { .. }, .. })
    };
    node.events().iter().filter(is_answer).count()
}

#[test]
fn what_cannot_be_opened_is_refused_with_the_reason() {
    let mut world = World::funded();
    let bob = world.bob.id();
    let (own, far) = (world.alice.id(), stranger(9));
    let (min, max) = (Sats::from_const(20_000), world.alice.config.opening.capacity_max);
    let capacity = |actual| CommandError::Capacity { actual, min, max };
    let rows = [
        (own, CAPACITY, CommandError::OwnId),
        (far, CAPACITY, CommandError::NotConnected(far)),
        (bob, Sats::ZERO, capacity(Sats::ZERO)),
        (bob, Sats::MAX, capacity(Sats::MAX)),
    ];
    let before = world.alice.events().len();
    for (index, (node, capacity, expect)) in (0..).zip(rows) {
        let key = key(index);
        let command = strait_engine::Command::OpenChannel { key, node, capacity, fee_rate: None };
        assert_eq!(world.done(Alice, command), Err(expect));
    }
    assert_eq!(world.alice.events().len(), before, "a refusal is no event");
}

#[test]
fn a_node_refuses_peers_by_its_limits() {
    type Limit = fn(&mut World);
    let rows: [(Limit, &str); 4] = [
        (|world| world.bob.config.inbound = Inbound::Refused, "takes no channels from others"),
        (|world| world.bob.config.channels_max = 1, "has 1 channels already"),
        (|world| world.bob.config.channels_per_peer_max = 1, "channels with this peer already"),
        (|world| world.bob.config.unfunded_max = 0, "wait for their funding already"),
    ];
    for (limit, expect) in rows {
        let (mut world, _) = World::open();
        limit(&mut world);
        world.restart(Bob);
        world.connect();
        let opening = world.opening(Alice, key(5));
        let refused = world.done(Alice, opening);
        let Err(CommandError::OpeningFailed { reason, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert!(reason.contains(expect), "{reason}");
        assert_eq!(world.alice.engine.wallet_view().reserved, Sats::ZERO, "the coins are free");
    }
}

/// Each refused request was an event and an address for ever; a hundred of them hid later deposits from a restore.
#[test]
fn a_refused_request_leaves_no_trace() {
    let mut world = World::funded();
    let mut open = request(&mut world);
    open.parameters.delay = BlockDelta::new(60_000);
    let (from, bob) = (stranger(9), world.bob.id());
    greet(&mut world, from);
    let before = world.bob.events().len();
    for number in 0..5 {
        world.say(Bob, from, renamed(&open, from, bob, number));
        let Message::Fault(Fault { code, .. }) = last_said(&world.bob, from) else {
            panic!("a fault")
        };
        assert_eq!(code, FaultCode::Refused);
    }
    assert_eq!(world.bob.events().len(), before);
}

#[test]
fn the_address_of_an_opening_that_came_to_nothing_is_shown_again() {
    let mut world = World::funded();
    let open = request(&mut world);
    let (from, bob) = (stranger(9), world.bob.id());
    greet(&mut world, from);
    let mut shown = Vec::new();
    for number in 0..3 {
        let open = renamed(&open, from, bob, number);
        let channel = open.channel;
        world.say(Bob, from, open);
        let Message::AcceptChannel(accept) = last_said(&world.bob, from) else {
            panic!("an answer")
        };
        shown.push(accept.wallet_script);
        if number == 1 {
            world.restart(Bob);
            greet(&mut world, from);
        }
        world.say(Bob, from, complaint(Some(channel)));
    }
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[1], shown[2]);
    assert_eq!(world.bob.folded(), world.bob.engine.state());
}

#[test]
fn nobody_makes_the_log_grow_without_end() {
    let mut world = World::funded();
    let open = request(&mut world);
    let bob = world.bob.id();
    let flood = |world: &mut World, peers: core::ops::Range<u8>, each: u32| {
        for byte in peers {
            let from = stranger(byte);
            for number in 0..each {
                greet(world, from);
                let open = renamed(&open, from, bob, number);
                let channel = open.channel;
                world.say(Bob, from, open);
                world.say(Bob, from, complaint(Some(channel)));
            }
        }
    };
    flood(&mut world, 10..11, 50);
    assert_eq!(answered(&world.bob), 20, "one peer in one hour");
    flood(&mut world, 20..30, 15);
    assert_eq!(answered(&world.bob), 100, "all peers in one hour");
    world.wait(Millis(3_600_000));
    flood(&mut world, 10..11, 5);
    assert_eq!(answered(&world.bob), 105);
}

/// Room for so many never-funded channels on Bob's side.
fn with_room(unfunded_max: usize) -> World {
    let mut world = World::funded();
    world.fund(Bob, 8);
    world.bob.config.unfunded_max = unfunded_max;
    world.bob.config.channels_max = 100;
    world.restart(Bob);
    world.connect();
    world
}

/// What Bob says to a stranger that asks for a channel.
fn asks(world: &mut World, open: &OpenChannel, from: NodeId, number: u32) -> Message {
    let bob = world.bob.id();
    if world.bob.engine.peer_views().iter().all(|peer| peer.node != from) {
        greet(world, from);
    }
    world.say(Bob, from, renamed(open, from, bob, number));
    last_said(&world.bob, from)
}

fn is_answer(said: &Message) -> bool {
    matches!(said, Message::AcceptChannel(_))
}

/// Two throw-away names filled the room for two weeks, and nobody could open a channel to this node.
#[test]
fn who_takes_most_of_the_room_makes_room_for_who_has_less() {
    let mut world = with_room(8);
    let open = request(&mut world);
    for number in 0..4 {
        assert!(is_answer(&asks(&mut world, &open, stranger(10), number)));
    }
    for number in 0..2 {
        assert!(is_answer(&asks(&mut world, &open, stranger(11), number)));
    }
    // Strangers have six of eight places.
    assert!(is_answer(&asks(&mut world, &open, stranger(12), 0)));
    let Message::Fault(told) = last_said(&world.bob, stranger(10)) else { panic!("a fault") };
    assert_eq!(told.code, FaultCode::UnknownChannel, "whoever had four has three");
    assert!(is_answer(&asks(&mut world, &open, stranger(12), 1)));
    assert!(!is_answer(&asks(&mut world, &open, stranger(12), 2)), "all have two");
    assert_eq!(world.bob.folded(), world.bob.engine.state());
}

#[test]
fn a_stranger_that_never_funds_its_channel_keeps_its_place_for_an_hour() {
    let mut world = with_room(1);
    let open = request(&mut world);
    let opening = world.opening(Alice, key(99));
    world.connect();
    assert!(world.done(Alice, opening).is_ok(), "signed, and not on the chain");
    for _ in 0..6 {
        assert!(!is_answer(&asks(&mut world, &open, stranger(10), 0)));
        world.mine(&[]);
    }
    assert!(is_answer(&asks(&mut world, &open, stranger(10), 0)));
    assert_eq!(world.bob.engine.node_view().channels_awaiting_funding, 0);
    assert_eq!(world.bob.folded(), world.bob.engine.state());
}

#[test]
fn strangers_never_take_the_place_of_a_peer_that_the_operator_named() {
    let mut world = with_room(2);
    let open = request(&mut world);
    for byte in 10..12 {
        assert!(is_answer(&asks(&mut world, &open, stranger(byte), 0)));
    }
    let friend = stranger(20);
    let address = "/ip4/127.0.0.1/tcp/1".to_owned();
    let named = strait_engine::Command::ConnectPeer { node: friend, address };
    assert!(world.done(Bob, named).is_ok());
    greet(&mut world, friend);
    for number in 0..2 {
        assert!(is_answer(&asks(&mut world, &open, friend, number)));
    }
    assert!(!is_answer(&asks(&mut world, &open, stranger(13), 0)), "friends make no room");
    assert!(!is_answer(&asks(&mut world, &open, friend, 2)));
}

/// The acceptor held its side for ten minutes, and the opener's name for it.
#[test]
fn an_opening_that_takes_too_long_is_over_for_both() {
    let mut world = World::funded();
    let opening = world.opening(Alice, key(1));
    world.ask(Alice, opening);
    assert!(world.deliver(Bob));
    world.bob.outbox.clear();
    world.now = world.now.after(Millis(600_000));
    world.input(Alice, strait_engine::Input::Tick);
    world.settle();
    assert_eq!(world.alice.engine.node_view().channels_opening, 0);
    assert_eq!(world.bob.engine.node_view().channels_opening, 0);
}

/// Whoever pays for its channels may have as many as the other limits allow.
#[test]
fn a_funded_opening_is_counted_no_more() {
    let mut world = World::funded();
    world.fund(Alice, 30);
    world.fund(Bob, 30);
    world.alice.config.channels_max = 100;
    world.bob.config.channels_max = 100;
    world.bob.config.channels_per_peer_max = 100;
    world.restart(Alice);
    world.restart(Bob);
    world.connect();
    for number in 0..22 {
        world.open_channel(Alice, key(number));
    }
}
