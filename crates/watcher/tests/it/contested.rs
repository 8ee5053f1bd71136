//! Races: what goes out beside a group once rivals may come, what a last stand costs, and what never costs so much.

use std::collections::BTreeSet;

use bitcoin::OutPoint;
use strait_primitives::{FeeRate, Party, Sats};
use strait_watcher::PlannedClaim;

use crate::channel::{CAPACITY, Channel, Knowledge, TestLedger, TestLock, payment_hash};
use crate::node::{Node, RATE, World};

const SMALL: TestLock = TestLock { id: 1, offered_by: Party::Opener, sat: 3_000, expiry: 190 };
const LARGE: TestLock = TestLock { id: 2, offered_by: Party::Acceptor, sat: 90_000, expiry: 140 };
const LATER: TestLock = TestLock { id: 3, offered_by: Party::Acceptor, sat: 70_000, expiry: 150 };

fn world(locks: &[TestLock]) -> World {
    let ledger = |opener_sat| TestLedger { hash: None, opener_sat, locks: locks.to_vec() };
    let channel = Channel::new(vec![ledger(500_000), ledger(300_000)]);
    let nodes = [Party::Opener, Party::Acceptor].map(|party| Node::new(Knowledge::at(party, 1)));
    World::new(channel, nodes)
}

fn plan(world: &mut World) -> Vec<PlannedClaim> {
    let tip = world.chain.tip();
    world.nodes[0].plan(&world.channel, tip, RATE).claims
}

fn inputs(claim: &PlannedClaim) -> BTreeSet<OutPoint> {
    claim.transaction.claims().iter().map(|claim| claim.coin().outpoint).collect()
}

/// A thief with one small output of 181 took it by a claim that paid more than all the victim's, and the victim's one
/// transaction was thrown out of every mempool with all its inputs.
#[test]
fn a_group_goes_out_with_each_of_its_claims_alone_once_rivals_may_come() {
    let mut world = world(&[SMALL, LARGE]);
    let spend = world.channel.commitment(Party::Acceptor, 0);
    world.mine(&[spend]);
    for _ in 0..15 {
        assert_eq!(plan(&mut world).len(), 1, "one transaction while nobody else can come");
        world.mine(&[]);
    }
    let claims = plan(&mut world);
    let (group, alone) = claims.split_first().unwrap();
    assert_eq!((inputs(group).len(), alone.len()), (3, 3));
    let parts: BTreeSet<OutPoint> = alone.iter().flat_map(inputs).collect();
    assert_eq!(parts, inputs(group));
    for claim in alone {
        assert!(claim.fee_rate <= group.fee_rate, "where the group stands, nodes keep it");
        assert!(claim.transaction.fee() < group.transaction.fee());
    }
    // The thief's claim of one is mined: the others go on alone, and no fee is reset.
    let tip = world.chain.tip();
    let rivals = world.nodes[1].claims(&world.channel, tip, RATE);
    let taken = rivals.iter().find(|rival| rival.input.len() == 1).unwrap();
    world.mine(core::slice::from_ref(taken));
    let rest = plan(&mut world);
    assert_eq!(rest.len(), 2);
    for claim in &rest {
        let before = alone.iter().find(|old| inputs(old) == inputs(claim)).unwrap();
        assert!(claim.fee_rate >= before.fee_rate, "no fee is reset");
    }
    world.settle(Party::Opener);
}

#[test]
fn a_penalty_that_the_thief_can_outrun_doubles_each_block_until_nothing_is_left_for_either() {
    let mut world = world(&[LARGE]);
    let spend = world.channel.commitment(Party::Acceptor, 0);
    world.mine(&[spend]);
    let (mut last, mut steps) = (FeeRate::from_sat_per_kvb(0), 0);
    for _ in 0..40 {
        let group = plan(&mut world).remove(0);
        assert!(group.fee_rate >= last, "{:?} after {last:?}", group.fee_rate);
        steps +=
            usize::from(group.fee_rate >= FeeRate::from_sat_per_kvb(2 * last.to_sat_per_kvb()));
        last = group.fee_rate;
        let value = CAPACITY.to_sat() - 500_000;
        let burnt = group.transaction.fee();
        assert!(burnt.to_sat() < value, "something above dust is left");
        world.mine(&[]);
    }
    let fee = plan(&mut world).remove(0).transaction.fee();
    assert!(fee > Sats::from_const(400_000), "{fee} of 500,000");
    assert!(steps >= 8, "64 times what is usual, and on: {steps}");
}

#[test]
fn no_other_claim_costs_more_than_half_of_what_it_takes_however_late() {
    let mut world = world(&[LARGE, LATER]);
    for lock in [LARGE, LATER] {
        world.nodes[0].knowledge.preimages.insert(payment_hash(lock.id));
    }
    let spend = world.channel.commitment(Party::Acceptor, 1);
    world.mine(&[spend]);
    let mut most = 0;
    for _ in 0..90 {
        for claim in plan(&mut world) {
            let value: u64 =
                claim.transaction.claims().iter().map(|claim| claim.coin().value.to_sat()).sum();
            let fee = claim.transaction.fee().to_sat();
            assert!(2 * fee <= value, "{fee} of {value}");
            most = most.max(1_000 * fee / value);
        }
        world.mine(&[]);
    }
    assert!(most > 450, "near half at last: {most} of a thousand");
}

/// The penalty is smaller than the claim by preimage that it replaces: at a rate just above it paid less in all, and no
/// node took it.
#[test]
fn a_claim_by_another_path_pays_more_in_all_than_the_one_on_its_way() {
    let mut world = world(&[LATER]);
    world.nodes[0].knowledge.preimages.insert(payment_hash(LATER.id));
    let spend = world.channel.commitment(Party::Acceptor, 1);
    world.mine(&[spend]);
    while world.chain.tip().to_u32() < LATER.expiry - 4 {
        world.mine(&[]);
    }
    let claim = plan(&mut world).remove(0);
    let knowledge = &mut world.nodes[0].knowledge;
    (knowledge.counterparty_lowest, knowledge.counterparty_highest) = (2, 2);
    let penalty = plan(&mut world)
        .into_iter()
        .find(|penalty| inputs(penalty) == inputs(&claim))
        .expect("the lock is punished as it was claimed, alone");
    assert!(penalty.transaction.size() < claim.transaction.size());
    let least =
        claim.transaction.fee().checked_add(FeeRate::RELAY_FLOOR.fee(penalty.transaction.size()));
    assert!(Some(penalty.transaction.fee()) >= least);
}
