//! Preimages before any block holds them, and how long a lock is followed whose preimage never comes.

use strait_primitives::{BlockDelta, Party};
use strait_watcher::{LEFT_BLOCKS, WatchEvent};

use crate::channel::{Channel, Knowledge, TestLedger, TestLock, payment_hash, preimage};
use crate::node::{Node, RATE, World};

const FIRST: TestLock = TestLock { id: 1, offered_by: Party::Opener, sat: 50_000, expiry: 140 };
const TWIN: TestLock = TestLock { id: 1, offered_by: Party::Opener, sat: 50_000, expiry: 140 };
const OTHER: TestLock = TestLock { id: 2, offered_by: Party::Acceptor, sat: 60_000, expiry: 130 };

fn world() -> World {
    let ledger =
        |opener_sat| TestLedger { hash: None, opener_sat, locks: vec![FIRST, TWIN, OTHER] };
    let channel = Channel::new(vec![ledger(500_000), ledger(300_000)]);
    let mut acceptor = Knowledge::at(Party::Acceptor, 1);
    acceptor.preimages.insert(payment_hash(FIRST.id));
    World::new(channel, [Node::new(Knowledge::at(Party::Opener, 1)), Node::new(acceptor)])
}

#[test]
fn a_preimage_is_taken_from_a_claim_that_no_block_holds_yet_and_told_once() {
    let mut world = world();
    let spend = world.channel.commitment(Party::Opener, 1);
    world.mine(&[spend]);
    let tip = world.chain.tip();
    let claims = world.nodes[1].claims(&world.channel, tip, RATE);
    let news = world.nodes[0].hear(&world.channel, &claims[0]);
    let told: Vec<_> = news.iter().filter_map(WatchEvent::preimage).collect();
    assert_eq!(told, [(payment_hash(FIRST.id), preimage(FIRST.id))]);
    // Each lock with that hash may be claimed by it; nothing is news twice, and nothing else is.
    assert_eq!(world.nodes[0].watcher.awaited_spends().len(), 2, "those it offered");
    assert_eq!(world.nodes[0].hear(&world.channel, &claims[0]), []);
    let commitment = world.channel.commitment(Party::Opener, 0);
    assert_eq!(world.nodes[0].hear(&world.channel, &commitment), []);
}

/// The commitment and the claim may wait together: nothing of either is on chain.
#[test]
fn a_preimage_is_taken_before_the_commitment_itself_is_mined() {
    let mut world = world();
    let spend = world.channel.commitment(Party::Acceptor, 1);
    world.mine(&[spend]);
    while world.chain.tip().to_u32() < 120 {
        world.mine(&[]);
    }
    let tip = world.chain.tip();
    let claim = world.nodes[1].claims(&world.channel, tip, RATE).remove(0);
    let mut fresh = Node::new(Knowledge::at(Party::Opener, 1));
    let known: Vec<_> =
        fresh.hear(&world.channel, &claim).iter().filter_map(WatchEvent::preimage).collect();
    assert_eq!(
        known.len(),
        usize::from(claim.input[0].witness.iter().any(|item| item == preimage(1).as_bytes()))
    );
}

/// The offerer did not come for its lock at the expiry, and this node forgot the channel twelve blocks later: the
/// preimage that it learned after that was worth nothing.
#[test]
fn a_lock_without_a_preimage_is_followed_to_its_end_or_a_week_beyond_its_expiry() {
    let mut world = world();
    let spend = world.channel.commitment(Party::Acceptor, 1);
    world.mine(&[spend]);
    while world.chain.tip().to_u32() < OTHER.expiry {
        world.mine(&[]);
    }
    // This node's own locks are taken back; its peer's is left alone.
    for _ in 0..40 {
        let tip = world.chain.tip();
        let claims = world.nodes[0].claims(&world.channel, tip, RATE);
        world.mine(&claims);
    }
    let World { channel, chain, nodes: [node, _] } = &mut world;
    assert!(!node.is_resolved(channel, chain.tip()));
    let given_up = strait_primitives::BlockHeight::new(OTHER.expiry).saturating_add(LEFT_BLOCKS);
    assert!(!node.is_resolved(channel, given_up.saturating_sub(BlockDelta::new(2))));
    assert!(node.is_resolved(channel, given_up));
    node.knowledge.preimages.insert(payment_hash(OTHER.id));
    let tip = chain.tip();
    assert_eq!(node.claims(channel, tip, RATE).len(), 1, "late, and still this node's");
}
