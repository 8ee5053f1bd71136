//! What a block did, its disconnection undoes; another commitment may take the place of the first.

use strait_primitives::Party;
use strait_watcher::{SpendPath, Standing, WatchEvent};

use crate::channel::{CAPACITY, Channel, Knowledge, TestLedger, TestLock, payment_hash, preimage};
use crate::node::{Node, RATE, World};

/// The acceptor knows its preimage.
const CLAIMED: TestLock = TestLock { id: 1, offered_by: Party::Opener, sat: 50_000, expiry: 140 };
const REFUNDED: TestLock = TestLock { id: 2, offered_by: Party::Opener, sat: 60_000, expiry: 120 };

fn world() -> World {
    let ledger = |opener_sat| TestLedger { hash: None, opener_sat, locks: vec![CLAIMED, REFUNDED] };
    let channel = Channel::new(vec![ledger(500_000), ledger(300_000)]);
    let mut acceptor = Knowledge::at(Party::Acceptor, 1);
    acceptor.preimages.insert(payment_hash(CLAIMED.id));
    World::new(channel, [Node::new(Knowledge::at(Party::Opener, 1)), Node::new(acceptor)])
}

#[test]
fn every_block_is_undone_exactly_and_done_again_the_same() {
    for (closer, number) in
        [(Party::Opener, 1), (Party::Acceptor, 1), (Party::Opener, 0), (Party::Acceptor, 0)]
    {
        let mut world = world();
        let mut next = vec![world.channel.commitment(closer, number)];
        for _ in 0..60 {
            let before = world.nodes.each_ref().map(|node| node.watcher.clone());
            world.mine(&next);
            let after = world.nodes.each_ref().map(|node| node.watcher.clone());
            assert_eq!(world.disconnect(1), next);
            assert_eq!(world.nodes.each_ref().map(|node| node.watcher.clone()), before);
            world.mine(&next);
            assert_eq!(world.nodes.each_ref().map(|node| node.watcher.clone()), after);
            next = world.mempool(closer);
        }
        world.settle(closer);
    }
}

#[test]
fn many_blocks_are_undone_at_once_like_one_by_one() {
    let mut world = world();
    let spend = world.channel.commitment(Party::Acceptor, 0);
    world.mine(&[spend]);
    let before = world.nodes[0].watcher.clone();
    let first = world.chain.tip();
    let pool = world.mempool(Party::Opener);
    let planned = world.nodes[0].watcher.clone();
    assert_ne!(before, planned, "the claim is on record");
    for block in [pool, Vec::new(), Vec::new()] {
        world.mine(&block);
    }
    let node = &mut world.nodes[0];
    node.disconnect(first.saturating_add(strait_primitives::BlockDelta::new(1)));
    assert_eq!(node.watcher, planned, "plans stay: what was sent is not unsent");
    let events = node.watcher.handle_block_disconnected(world.chain.tip());
    assert_eq!(events, [], "nothing of it is left");
}

#[test]
fn another_commitment_may_take_the_place_of_the_first() {
    let check = |first: (Party, u64), second: (Party, u64), expected| {
        let mut world = world();
        let spend = world.channel.commitment(first.0, first.1);
        world.mine(&[spend]);
        let pool = world.mempool(first.0);
        world.mine(&pool);
        let _lost = world.disconnect(2);
        for node in &world.nodes {
            assert_eq!(node.standing(&world.channel), None);
        }
        let spend = world.channel.commitment(second.0, second.1);
        world.mine(&[spend]);
        assert_eq!(world.nodes[0].standing(&world.channel), Some(expected));
        world.settle(second.0);
        let fair = (300_000 + REFUNDED.sat, 640_000);
        let (opener, acceptor) = match second {
            (_, 1) => fair,
            (Party::Opener, _) => (0, CAPACITY.to_sat()),
            (Party::Acceptor, _) => (CAPACITY.to_sat(), 0),
        };
        for (party, due) in [(Party::Opener, opener), (Party::Acceptor, acceptor)] {
            let has = world.balance(party);
            assert!(has <= due && has + 5_000 >= due, "{first:?} {second:?} {party:?} {has}");
        }
    };
    let (opener, acceptor) = (Party::Opener, Party::Acceptor);
    check((acceptor, 1), (opener, 1), Standing::HolderCurrent);
    check((opener, 1), (acceptor, 1), Standing::CounterpartyCurrent);
    check((acceptor, 0), (acceptor, 1), Standing::CounterpartyCurrent);
    check((acceptor, 1), (acceptor, 0), Standing::CounterpartyRevoked);
    check((opener, 1), (opener, 0), Standing::HolderRevoked);
}

#[test]
fn a_preimage_on_chain_is_handed_on_and_outlives_its_block() {
    for same_block in [Some(()), None] {
        let mut world = world();
        let spend = world.channel.commitment(Party::Opener, 1);
        world.mine(core::slice::from_ref(&spend));
        let tip = world.chain.tip();
        let claim = world.nodes[1].claims(&world.channel, tip, RATE);
        assert_eq!(claim.len(), 1, "the receiver claims at once");
        if same_block.is_some() {
            let _lost = world.disconnect(1);
            world.mine(&[spend, claim[0].clone()]);
        } else {
            world.mine(&claim);
        }
        let node = world.node(Party::Opener);
        let revealed = node.log.iter().find_map(WatchEvent::preimage);
        assert_eq!(revealed, Some((payment_hash(CLAIMED.id), preimage(CLAIMED.id))));
        let outputs = &node.watcher.state().spend().unwrap().outputs;
        let paths: Vec<_> = outputs.iter().filter_map(|o| o.spend).map(|s| s.path).collect();
        assert_eq!(paths, [SpendPath::Claimed(preimage(CLAIMED.id))]);
        let _lost = world.disconnect(1);
        let node = world.node(Party::Opener);
        assert!(node.log.iter().any(|event| event.preimage().is_some()), "the log keeps it");
    }
}

/// A stream of small numbers from a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Blocks come, take what they like of what is offered, and go; in the end everything is settled.
#[test]
fn no_order_of_blocks_confuses_a_watcher() {
    for seed in 1..=60 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ seed);
        let closer = if dice.roll(2) == 0 { Party::Opener } else { Party::Acceptor };
        let mut world = world();
        let spend = world.channel.commitment(closer, dice.roll(2));
        let mut mined = 0;
        for _ in 0..80 {
            if dice.roll(4) == 0 && mined > 0 {
                let count = (dice.roll(6) + 1).min(mined);
                let _lost = world.disconnect(usize::try_from(count).unwrap());
                mined -= count;
                continue;
            }
            let mut block = Vec::new();
            if world.chain.judge(&spend).is_ok() {
                block.push(spend.clone());
            } else if dice.roll(2) == 0 {
                let first = if dice.roll(2) == 0 { closer } else { !closer };
                block = world.mempool(first);
                block.retain(|_| dice.roll(2) == 0);
            }
            world.mine(&block);
            mined += 1;
        }
        if world.chain.judge(&spend).is_ok() {
            world.mine(&[spend]);
        }
        world.settle(closer);
        let total = world.balance(Party::Opener) + world.balance(Party::Acceptor);
        assert!(total + 60_000 >= CAPACITY.to_sat(), "seed {seed}: only {total} is left");
    }
}
