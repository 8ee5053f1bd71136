//! Requests are done once, however often, late or wrongly they are asked for.

use strait_engine::{Answer, ChannelStage, CloseMode, Command, CommandError, Event};
use strait_primitives::Millis;

use crate::world::{Alice, Bob, World, key, pay};

#[test]
fn the_same_request_is_answered_alike_and_done_once() {
    let (mut world, channel) = World::open();
    let first = world.done(Alice, pay(key(1), channel, 1_000));
    assert!(matches!(first, Ok(Answer::Done(_))), "{first:?}");
    let balance = world.balance(Alice, channel);
    for _ in 0..2 {
        assert_eq!(world.done(Alice, pay(key(1), channel, 1_000)), first);
        world.restart(Alice);
        world.connect();
    }
    assert_eq!(world.balance(Alice, channel), balance);
}

#[test]
fn a_key_with_other_content_is_refused() {
    let (mut world, channel) = World::open();
    let waiting = world.ask(Alice, pay(key(1), channel, 1_000));
    let other = world.ask(Alice, pay(key(1), channel, 2_000));
    assert_eq!(world.alice.answer(other), Some(Err(CommandError::KeyReused)), "while it waits");
    world.settle();
    assert!(world.alice.answer(waiting).unwrap().is_ok());
    let after = world.done(Alice, pay(key(1), channel, 2_000));
    assert_eq!(after, Err(CommandError::KeyReused));
    let opening = world.opening(Alice, key(1));
    assert_eq!(world.done(Alice, opening), Err(CommandError::KeyReused));
}

#[test]
fn a_request_whose_round_hangs_over_a_restart_is_not_done_again() {
    let (mut world, channel) = World::open();
    world.ask(Alice, pay(key(1), channel, 1_000));
    assert!(world.deliver(Bob), "the proposal");
    world.bob.outbox.clear();
    world.restart(Alice);
    let again = world.ask(Alice, pay(key(1), channel, 1_000));
    assert_eq!(world.alice.answer(again), None, "it waits for the round that carries it");
    world.connect();
    assert!(matches!(world.alice.answer(again), Some(Ok(Answer::Done(_)))));
    assert_eq!(world.balance(Bob, channel).to_msat(), 1_000);
}

/// Only the chain says what became of a round that was never accepted: until then the answer is to wait, and from then on
/// that nothing was done.
#[test]
fn a_request_whose_round_came_to_nothing_is_told_so_for_ever() {
    let (mut world, channel) = World::open();
    assert!(world.done(Alice, pay(key(1), channel, 600_000_000)).is_ok());
    world.alice.broadcasts.clear();
    let waiting = world.ask(Alice, pay(key(2), channel, 1_000));
    world.alice.outbox.clear();
    let force = Command::CloseChannel { key: key(3), channel, mode: CloseMode::Force };
    assert!(world.done(Alice, force).is_ok());
    world.mine_wanted(3);
    assert_eq!(world.alice.answer(waiting), None, "not deep enough");
    world.mine_wanted(30);
    let failed = Some(Err(CommandError::ChannelClosed(channel)));
    assert_eq!(world.alice.answer(waiting), failed);
    world.restart(Alice);
    let again = world.ask(Alice, pay(key(2), channel, 1_000));
    assert_eq!(world.alice.answer(again), failed);
    let done = world.ask(Alice, pay(key(1), channel, 600_000_000));
    assert!(matches!(world.alice.answer(done), Some(Ok(Answer::Done(_)))));
}

/// An opening that hangs is no reason to hold other coins for the same request.
#[test]
fn an_opening_is_begun_once() {
    let mut world = World::funded();
    let opening = world.opening(Alice, key(7));
    let first = world.ask(Alice, opening.clone());
    world.restart(Alice);
    let second = world.ask(Alice, opening);
    assert_eq!(world.alice.engine.node_view().channels_opening, 1);
    world.connect();
    assert_eq!(world.alice.answer(first), None, "its caller is gone with the process");
    assert!(matches!(world.alice.answer(second), Some(Ok(Answer::Channel(_)))));
}

/// Its caller was told that the opening had come to nothing, and would have opened another channel.
#[test]
fn the_opening_of_a_channel_that_is_settled_was_done() {
    let (mut world, channel) = World::open();
    let close = Command::CloseChannel { key: key(3), channel, mode: CloseMode::Cooperative };
    assert!(world.done(Alice, close).is_ok());
    world.mine_wanted(13);
    let again = world.opening(Alice, key(1_000_000));
    let answer = world.done(Alice, again);
    let Ok(Answer::Channel(view)) = answer else { panic!("{answer:?}") };
    assert_eq!((view.channel, view.stage), (channel, ChannelStage::Closed));
}

#[test]
fn the_log_is_told_the_time_only_while_something_ages() {
    let (mut world, channel) = World::open();
    let count = |world: &World| {
        let events = world.alice.events();
        events.iter().filter(|event| matches!(event, Event::ClockNoted { .. })).count()
    };
    world.wait(Millis(60_000));
    let before = count(&world);
    for _ in 0..5 {
        world.wait(Millis(60_000));
    }
    assert_eq!(count(&world), before, "an idle node writes nothing");
    assert!(world.done(Alice, pay(key(1), channel, 1_000)).is_ok());
    world.wait(Millis(60_000));
    world.wait(Millis(60_000));
    assert_eq!(count(&world), before + 1);
    assert_eq!(world.alice.folded(), world.alice.engine.state());
}
