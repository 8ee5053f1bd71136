//! Locks alike in hash, amount and expiry: each output has its own end, and no end of one is taken for the other's.

use strait_primitives::{BlockHeight, CommitmentNumber, Party};
use strait_watcher::{DEPTH_DEFAULT, LockEnd, OutputContent, SpendPath, WatchEvent};

use crate::channel::{Channel, Knowledge, TestLedger, TestLock, payment_hash, preimage};
use crate::node::{Node, RATE, World};

const TWIN: TestLock = TestLock { id: 1, offered_by: Party::Opener, sat: 50_000, expiry: 125 };
/// Of the same hash, for more.
const COUSIN: TestLock = TestLock { sat: 70_000, ..TWIN };
/// Of the same amount, for another preimage.
const STRANGER: TestLock = TestLock { id: 2, ..TWIN };

/// The first habit that thefts came from: an end on chain was matched to locks by their hash, or by their amount.
#[test]
fn of_locks_alike_one_is_claimed_and_the_others_come_back() {
    let locks = vec![TWIN, TWIN, COUSIN, STRANGER];
    let ledger = TestLedger { hash: None, opener_sat: 300_000, locks };
    let mut acceptor = Knowledge::at(Party::Acceptor, 0);
    acceptor.preimages.insert(payment_hash(TWIN.id));
    let nodes = [Node::new(Knowledge::at(Party::Opener, 0)), Node::new(acceptor)];
    let mut world = World::new(Channel::new(vec![ledger]), nodes);
    let spend = world.channel.commitment(Party::Opener, 0);
    world.mine(&[spend]);
    // The receiver claims one of the twins, and nothing of its claims of the others is ever mined.
    let tip = world.chain.tip();
    let claims = world.nodes[1].claims(&world.channel, tip, RATE);
    let spends: Vec<u32> =
        claims.iter().flat_map(|claim| &claim.input).map(|i| i.previous_output.vout).collect();
    assert_eq!(spends.len(), 3, "it knows what opens three of the four");
    let one = world.nodes[1].single(&world.channel, tip, TWIN.sat);
    let taken = one.input[0].previous_output.vout;
    world.mine(&[one]);

    let opener = &world.nodes[0];
    let told: Vec<_> = opener.log.iter().filter_map(WatchEvent::preimage).collect();
    assert_eq!(told, [(payment_hash(TWIN.id), preimage(TWIN.id))]);
    let ended = |world: &World| -> Vec<(u32, SpendPath)> {
        let outputs = &world.nodes[0].watcher.state().spend().unwrap().outputs;
        let is_lock = |content: &OutputContent| matches!(content, OutputContent::Lock(_));
        let locks = outputs.iter().filter(|output| is_lock(&output.content));
        locks.filter_map(|output| Some((output.vout, output.spend?.path))).collect()
    };
    assert_eq!(ended(&world), [(taken, SpendPath::Claimed(preimage(TWIN.id)))]);

    // The others come back at their expiry, though their preimage is known to all by now.
    for _ in 0..40 {
        let tip = world.chain.tip();
        let refunds = world.nodes[0].claims(&world.channel, tip, RATE);
        world.mine(&refunds);
    }
    let refunded = ended(&world).iter().filter(|(_, path)| *path == SpendPath::Refunded).count();
    assert_eq!((ended(&world).len(), refunded), (4, 3));
    let locks = world.channel.locks(Party::Opener, CommitmentNumber::FIRST);
    let end = |lock: usize| {
        world.nodes[0].watcher.lock_end(&locks[lock], world.chain.tip(), DEPTH_DEFAULT)
    };
    let claimed = LockEnd::Claimed(preimage(TWIN.id));
    assert_eq!([0, 1, 2, 3].map(end), [claimed, claimed, LockEnd::Returned, LockEnd::Returned]);
}

/// Whether a lock may be failed upstream, at a tip.
fn end_of(world: &World, lock: usize, tip: BlockHeight) -> LockEnd {
    let locks = world.channel.locks(Party::Opener, CommitmentNumber::new(1).unwrap());
    world.nodes[0].watcher.lock_end(&locks[lock], tip, DEPTH_DEFAULT)
}

/// The last habit: a lock was failed upstream while a commitment that could still be mined held it.
#[test]
fn a_lock_is_returned_only_once_nothing_that_could_be_mined_holds_it() {
    let ledger = |locks: Vec<TestLock>| TestLedger { hash: None, opener_sat: 300_000, locks };
    let locks = vec![TWIN, STRANGER];
    let channel = Channel::new(vec![ledger(vec![]), ledger(locks.clone()), ledger(locks)]);
    let nodes = [Party::Opener, Party::Acceptor].map(|party| Node::new(Knowledge::at(party, 1)));
    let mut world = World::new(channel, nodes);
    world.nodes[0].knowledge.counterparty_lowest = 0;
    assert_eq!(end_of(&world, 0, world.chain.tip()), LockEnd::Open, "any commitment may come");

    // One without the lock is mined: its end is final when that is.
    let without = world.channel.commitment(Party::Acceptor, 0);
    world.mine(&[without]);
    let mined = world.chain.tip();
    let final_at =
        mined.saturating_add(DEPTH_DEFAULT).saturating_sub(strait_primitives::BlockDelta::new(1));
    assert_eq!(end_of(&world, 0, mined), LockEnd::Open);
    assert_eq!(end_of(&world, 0, final_at), LockEnd::Returned);
    let _lost = world.disconnect(1);
    assert_eq!(end_of(&world, 0, final_at), LockEnd::Open, "the other may come after all");

    // One with it is mined instead: it is over when its own output is, at depth.
    let with = world.channel.commitment(Party::Opener, 1);
    world.mine(&[with]);
    let mut returned = 0;
    for _ in 0..40 {
        let tip = world.chain.tip();
        let claims = world.nodes[0].claims(&world.channel, tip, RATE);
        let waiting = claims.iter().filter(|claim| claim.output[0].value.to_sat() < 50_000);
        if waiting.count() == 0 && end_of(&world, 0, tip) == LockEnd::Returned {
            returned += 1;
        } else {
            assert_eq!((end_of(&world, 0, tip), returned), (LockEnd::Open, 0));
        }
        world.mine(&claims);
    }
    assert!(returned > 0);
}
