//! Contracts as users name them.

use strait_channel::RequestError;
use strait_contract::limits::{FUEL_PER_CALL_MAX, FUEL_PER_ROUND_MAX};
use strait_contract::scripted::{PURSE, PurseAction};
use strait_contract::{Collateral, Limits, Params};
use strait_engine::{Answer, CloseMode, Command, CommandError};
use strait_primitives::{ChannelId, ContractId, Fuel, MilliSats, Millis, NodeId};
use strait_wire::{ContractBytes, Message, OfferContract};

use crate::node::Node;
use crate::peers::{greet, stranger};
use crate::world::{Alice, BOTH, Bob, World, key, pay};

/// What a node has said to another of this kind.
fn offer_of(node: &Node) -> OfferContract {
    let said = node.outbox.iter().find_map(|(_, message)| match message {
        Message::OfferContract(offer) => Some(offer.clone()),
        _ => None,
    });
    said.expect("an offer")
}

fn last_said(node: &Node, to: NodeId) -> Message {
    let said = node.outbox.iter().rev().find(|(peer, _)| *peer == to);
    said.map(|(_, message)| message.clone()).unwrap()
}

fn purse(channel: ChannelId, number: u32) -> Command {
    let limits = Limits {
        fuel_per_call: FUEL_PER_CALL_MAX,
        fuel_per_round: FUEL_PER_ROUND_MAX,
        ..Limits::default()
    };
    let part = MilliSats::from_const(1_000_000);
    Command::OpenContract {
        key: key(number),
        channel,
        module: PURSE,
        params: Params::new(&[]).unwrap(),
        collateral: Collateral::new(part, MilliSats::ZERO).unwrap(),
        limits,
    }
}

/// Two channels of Alice's to Bob; both know the purse.
fn two_channels() -> (World, [ChannelId; 2]) {
    let (mut world, first) = World::open();
    let second = world.open_channel(Alice, key(2_000_000));
    for who in BOTH {
        let add = Command::AddModule { module: PURSE, size_bytes: 5 };
        assert!(world.done(who, add).is_ok());
    }
    (world, [first, second])
}

/// Users name a contract alone: with two of one name, what was meant for one was done in the other, on the terms of
/// whoever had copied the name.
#[test]
fn one_name_is_one_contract_on_all_channels() {
    let (mut world, [first, second]) = two_channels();
    let alice = world.alice.id();
    world.ask(Alice, purse(first, 1));
    let offer = offer_of(&world.alice);
    world.settle();
    let copied = OfferContract { channel: second, ..offer.clone() };
    world.say(Bob, alice, copied);
    assert!(matches!(last_said(&world.bob, alice), Message::RefuseContract(_)));
    assert_eq!(world.bob.engine.contract_views(&second), []);
    assert_eq!(world.bob.engine.contract_views(&first).len(), 1);
    world.ask(Alice, purse(second, 2));
    world.settle();
    assert_eq!(world.bob.engine.contract_views(&second).len(), 1, "another name is another one");
}

/// Each waited for its close to begin, which the contract of the other had made impossible, and heard nothing.
#[test]
fn whoever_waits_for_a_close_is_told_of_a_contract_that_came_in_between() {
    let (mut world, [channel, _]) = two_channels();
    let opening = world.ask(Alice, purse(channel, 1));
    assert!(world.deliver(Bob), "he hears of it, and agrees");
    let mode = CloseMode::Cooperative;
    let closing = world.ask(Bob, Command::CloseChannel { key: key(2), channel, mode });
    world.settle();
    assert!(matches!(world.alice.answer(opening), Some(Ok(Answer::Contract(_)))));
    let source = RequestError::StillLive { locks: 0, contracts: 1 };
    assert_eq!(world.bob.answer(closing), Some(Err(CommandError::Channel { channel, source })));
}

/// Burns so many hundred million units of fuel in one round.
fn burn(contract: ContractId, number: u32, calls: usize) -> Command {
    let burn = PurseAction::Burn { fuel: Fuel(99_000_000) }.to_action();
    let action = ContractBytes::new(burn.as_bytes().to_vec()).unwrap();
    Command::Act { key: key(number), contract, actions: vec![action; calls] }
}

/// A round may burn two seconds of the thread that serves all channels, and another one came right after it.
#[test]
fn what_a_peers_contracts_burn_is_earned_back_before_more_is_burnt() {
    let (mut world, [first, second]) = two_channels();
    let Ok(Answer::Contract(view)) = world.done(Alice, purse(first, 1)) else { panic!("a purse") };
    let contract = view.contract;
    for number in 2..4 {
        let answer = world.done(Alice, burn(contract, number, 9));
        assert!(answer.is_ok(), "alone it may burn all there is: {answer:?}");
    }
    greet(&mut world, stranger(9));
    let waiting = world.ask(Alice, burn(contract, 4, 1));
    world.settle();
    assert_eq!(world.alice.answer(waiting), None, "somebody else wants to be heard");
    let payment = world.done(Alice, pay(key(5), second, 1_000));
    assert!(payment.is_ok(), "what calls no contract does not wait: {payment:?}");
    for _ in 0..8 {
        world.say(Bob, stranger(9), strait_wire::Hello { version: 1, chain: crate::node::chain() });
        world.wait(Millis(2_000));
        world.settle();
    }
    let answer = world.alice.answer(waiting);
    assert!(matches!(answer, Some(Ok(Answer::Done(_)))), "{answer:?}");
}
