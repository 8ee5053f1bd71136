//! Payments that cannot be: each is refused with its reason, and nothing is written.

use strait_engine::{Command, CommandError};
use strait_primitives::{ChannelId, MilliSats};

use crate::world::{Alice, Bob, CAPACITY, World, key, pay};

/// Refused before it is queued, or by the ledger when its round comes.
#[test]
fn what_cannot_be_paid_is_refused_and_writes_nothing() {
    let (mut world, channel) = World::open();
    let unknown = ChannelId::from_bytes([7; 32]);
    let capacity = CAPACITY.to_millisats();
    let above = MilliSats::new(capacity.to_msat() + 1).unwrap();
    let empty = Command::Pay { key: key(1), channel, payments: Vec::new() };
    let rows = [
        (Alice, empty, Some(CommandError::Empty)),
        (Alice, pay(key(2), channel, 0), Some(CommandError::Zero { index: 0 })),
        (Alice, pay(key(3), unknown, 1), Some(CommandError::UnknownChannel(unknown))),
        (
            Alice,
            pay(key(4), channel, above.to_msat()),
            Some(CommandError::AboveCapacity { amount: above, capacity }),
        ),
        // All of it, the reserve included, and from a side that has nothing.
        (Alice, pay(key(5), channel, capacity.to_msat()), None),
        (Bob, pay(key(6), channel, 1_000), None),
    ];
    for (who, command, expect) in rows {
        let before = world.balance(who, channel);
        let outcome = world.done(who, command.clone());
        match expect {
            Some(expect) => assert_eq!(outcome, Err(expect)),
            None => assert!(
                matches!(outcome, Err(CommandError::Channel { .. })),
                "{command:?}: {outcome:?}"
            ),
        }
        assert_eq!(world.balance(who, channel), before);
        let again = world.done(who, command);
        assert_eq!(again, outcome, "a refused request may be asked again, and is refused again");
    }
}

#[test]
fn a_payment_through_a_channel_that_is_not_deep_waits_for_it() {
    let mut world = World::funded();
    let opening = world.opening(Alice, key(1));
    let Ok(strait_engine::Answer::Channel(view)) = world.done(Alice, opening) else {
        panic!("a channel")
    };
    let waiting = world.ask(Alice, pay(key(2), view.channel, 1_000));
    world.settle();
    assert_eq!(world.alice.answer(waiting), None);
    let funding = world.alice.broadcasts.remove(0);
    world.mine(&[funding]);
    assert!(world.alice.answer(waiting).unwrap().is_ok());
}
