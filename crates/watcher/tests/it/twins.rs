//! Locks alike in hash, amount and expiry: each output has its own end, and no end of one is taken for the other's.

use strait_primitives::Party;
use strait_watcher::{OutputContent, SpendPath, WatchEvent};

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
}
