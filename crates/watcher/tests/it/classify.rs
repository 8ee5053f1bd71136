//! What spends the funding output is called by its name.

use bitcoin::Amount;
use strait_onchain::Role;
use strait_primitives::{BlockHeight, CommitmentNumber, Party, Sats, Side};
use strait_watcher::{LEFT_BLOCKS, OutputContent, SpendKind, Standing, Watcher};

use crate::channel::{Channel, Knowledge, TestLedger, TestLock, View};
use crate::node::{Node, World};

const LOCK: TestLock = TestLock { id: 1, offered_by: Party::Opener, sat: 50_000, expiry: 140 };

fn channel() -> Channel {
    let ledger = |opener_sat| TestLedger { hash: None, opener_sat, locks: vec![LOCK] };
    let mut ledgers: Vec<_> = (0..8).map(|number| ledger(100_000 + number * 10_000)).collect();
    ledgers.push(TestLedger { hash: None, opener_sat: 400_000, locks: Vec::new() });
    Channel::new(ledgers)
}

/// The opener has its commitment 3; of the acceptor's it has 3 and 4, and the secrets below.
fn knowledge() -> Knowledge {
    Knowledge { counterparty_highest: 4, ..Knowledge::at(Party::Opener, 3) }
}

fn world() -> World {
    World::new(channel(), [Node::new(knowledge()), Node::new(Knowledge::at(Party::Acceptor, 3))])
}

#[test]
fn a_spend_is_told_by_whose_it_is_and_whether_it_stands() {
    let check = |broadcaster, number, expected| {
        let mut world = world();
        let spend = world.channel.commitment(broadcaster, number);
        // Only the opener's view is asked: to the acceptor, numbers above its own are another matter.
        let (block, height) = world.chain.mine(&[spend]);
        let node = &mut world.nodes[0];
        assert_eq!(node.standing(&world.channel), None);
        node.connect(&world.channel, &block, height);
        assert_eq!(node.standing(&world.channel), Some(expected), "{broadcaster:?} {number}");
    };
    check(Party::Opener, 3, Standing::HolderCurrent);
    check(Party::Opener, 2, Standing::HolderRevoked);
    check(Party::Opener, 0, Standing::HolderRevoked);
    check(Party::Opener, 4, Standing::Ahead { broadcaster: Side::Holder });
    check(Party::Acceptor, 0, Standing::CounterpartyRevoked);
    check(Party::Acceptor, 2, Standing::CounterpartyRevoked);
    check(Party::Acceptor, 3, Standing::CounterpartyCurrent);
    check(Party::Acceptor, 4, Standing::CounterpartyProposed);
    check(Party::Acceptor, 5, Standing::Ahead { broadcaster: Side::Counterparty });
    check(Party::Acceptor, 6, Standing::Unknown);
}

#[test]
fn a_cooperative_close_is_known_by_hiding_no_number() {
    let mut world = world();
    let close = world.channel.close(8, Sats::from_const(500));
    world.mine(&[close]);
    for node in &world.nodes {
        assert_eq!(node.standing(&world.channel), Some(Standing::Cooperative));
        assert_eq!(node.watcher.state().spend().unwrap().outputs, []);
    }
}

#[test]
fn every_output_of_a_commitment_is_named() {
    let mut world = world();
    let spend = world.channel.commitment(Party::Acceptor, 3);
    world.mine(&[spend]);
    let spend = world.nodes[0].watcher.state().spend().unwrap();
    let number = CommitmentNumber::new(3).unwrap();
    assert!(matches!(
        spend.kind,
        SpendKind::Commitment { broadcaster: Side::Counterparty, number: found, .. } if found == number
    ));
    let contents: Vec<_> = spend.outputs.iter().map(|o| (o.value.to_sat(), o.content)).collect();
    let [(0, OutputContent::Anchor), (50_000, OutputContent::Lock(lock)), ours, theirs] =
        contents.as_slice()
    else {
        panic!("{contents:?}")
    };
    assert_eq!(lock.offered_by, Role::Countersignatory);
    assert_eq!(*ours, (130_000, OutputContent::Countersignatory));
    assert_eq!(*theirs, (820_000, OutputContent::Broadcaster));
}

#[test]
fn a_commitment_whose_secret_comes_late_is_punished_all_the_same() {
    let mut world = world();
    let spend = world.channel.commitment(Party::Acceptor, 3);
    world.mine(&[spend]);
    let tip = world.chain.tip();
    let node = &mut world.nodes[0];
    assert_eq!(node.claims(&world.channel, tip, crate::node::RATE), []);
    node.knowledge.counterparty_lowest = 4;
    assert_eq!(node.standing(&world.channel), Some(Standing::CounterpartyRevoked));
    let claims = node.claims(&world.channel, tip, crate::node::RATE);
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].input.len(), 2, "the balance and the lock");
    world.chain.judge(&claims[0]).unwrap();
}

#[test]
fn a_transaction_that_pays_more_than_there_was_is_no_commitment() {
    let world = world();
    let mut spend = world.channel.commitment(Party::Acceptor, 3);
    let forged = Amount::from_sat(spend.output[3].value.to_sat() + 1);
    spend.output[3].value = forged;
    let view = View { channel: &world.channel, knowledge: &knowledge() };
    let mut watcher = Watcher::new();
    let events = watcher.handle_funding_spend(&spend, world.chain.tip(), &view);
    assert_eq!(events.len(), 1);
    assert_eq!(watcher.standing(&view), Some(Standing::Unknown));
}

#[test]
fn a_lock_whose_preimage_may_yet_come_keeps_its_channel_until_it_has_long_expired() {
    let mut world = world();
    world.nodes = [Node::new(Knowledge::at(Party::Acceptor, 3)), Node::new(knowledge())];
    let spend = world.channel.commitment(Party::Opener, 3);
    world.mine(&[spend]);
    // To the acceptor all is over but the lock offered to it: its balance is in its wallet, the rest is the opener's.
    let over = LOCK.expiry + LEFT_BLOCKS.to_u32() - 1;
    for (tip, expected) in
        [(101, false), (LOCK.expiry + 20, false), (over - 1, false), (over, true)]
    {
        let is_resolved = world.nodes[0].is_resolved(&world.channel, BlockHeight::new(tip));
        assert_eq!(is_resolved, expected, "at {tip}");
    }
}
