//! What claims pay, how they are grouped, and what is not worth claiming.

use bitcoin::{OutPoint, Transaction};
use strait_primitives::{BlockDelta, FeeRate, Party, Sats};
use strait_watcher::{LEFT_BLOCKS, PlannedClaim, WatchEvent};

use crate::channel::{Channel, Knowledge, TestLedger, TestLock, payment_hash};
use crate::node::{Node, RATE, World};

const SMALL: TestLock = TestLock { id: 1, offered_by: Party::Opener, sat: 2_000, expiry: 140 };
const LARGE: TestLock = TestLock { id: 2, offered_by: Party::Acceptor, sat: 90_000, expiry: 110 };
const LATE: TestLock = TestLock { id: 3, offered_by: Party::Acceptor, sat: 70_000, expiry: 150 };

fn world(locks: &[TestLock]) -> World {
    let ledger = |opener_sat| TestLedger { hash: None, opener_sat, locks: locks.to_vec() };
    let channel = Channel::new(vec![ledger(500_000), ledger(300_000)]);
    let nodes = [Party::Opener, Party::Acceptor].map(|party| Node::new(Knowledge::at(party, 1)));
    World::new(channel, nodes)
}

const fn rate(sat_per_vb: u64) -> FeeRate {
    FeeRate::from_sat_per_kvb(sat_per_vb * 1_000)
}

/// The rates of all claims that the opener plans now.
fn rates(world: &mut World, usual: FeeRate) -> Vec<u64> {
    let tip = world.chain.tip();
    let plan = world.nodes[0].plan(&world.channel, tip, usual);
    plan.claims.iter().map(|claim| claim.fee_rate.to_sat_per_kvb()).collect()
}

fn claims(world: &mut World, party: Party) -> Vec<Transaction> {
    let tip = world.chain.tip();
    let index = usize::from(party == Party::Acceptor);
    world.nodes[index].claims(&world.channel, tip, RATE)
}

#[test]
fn a_penalty_pays_more_as_its_deadline_nears_and_never_less() {
    let mut world = world(&[LARGE]);
    let spend = world.channel.commitment(Party::Acceptor, 0);
    world.mine(&[spend]);
    let mut last = 0;
    let mut seen = Vec::new();
    for block in 0..16 {
        // What is usual falls to the floor meanwhile.
        let usual = if block < 3 { rate(4) } else { rate(1) };
        let found = rates(&mut world, usual);
        assert!(found.len() == 1 || block == 15, "one transaction takes all");
        assert!(found[0] >= last, "{} after {last}", found[0]);
        last = found[0];
        seen.push(last / 1_000);
        world.mine(&[]);
    }
    assert_eq!(seen[0], 4, "at first what is usual: {seen:?}");
    assert_eq!(last, 64_000, "at last 64 times that: {seen:?}");
}

#[test]
fn a_claim_that_the_other_side_wins_takes_no_other_with_it_and_resets_no_fee() {
    let mut world = world(&[SMALL, LARGE]);
    let spend = world.channel.commitment(Party::Acceptor, 0);
    world.mine(&[spend]);
    // The victim's one penalty is kept out of blocks until the cheat's own balance is free.
    for _ in 0..15 {
        let penalty = claims(&mut world, Party::Opener);
        assert_eq!((penalty.len(), penalty[0].input.len()), (1, 3));
        world.mine(&[]);
    }
    let before = rates(&mut world, RATE);
    let stolen = claims(&mut world, Party::Acceptor);
    let balance = stolen.iter().max_by_key(|claim| claim.output[0].value).unwrap();
    world.mine(core::slice::from_ref(balance));
    let tip = world.chain.tip();
    let after = world.nodes[0].plan(&world.channel, tip, rate(1)).claims;
    let inputs = |claims: &[PlannedClaim]| -> Vec<OutPoint> {
        let all = claims.iter().flat_map(|claim| claim.transaction.claims());
        all.map(|claim| claim.coin().outpoint).collect()
    };
    assert_eq!(inputs(&after).len(), 2, "both locks");
    let large = after.iter().max_by_key(|claim| claim.transaction.claims()[0].coin().value);
    assert!(large.unwrap().fee_rate.to_sat_per_kvb() > before[0], "no fee is reset");

    // The theft is undone: the balance is to be had again, and no claim of the first plan comes back beside the new.
    let _lost = world.disconnect(1);
    let tip = world.chain.tip();
    let again = world.nodes[0].plan(&world.channel, tip, rate(1)).claims;
    let mut places = inputs(&again);
    places.sort_unstable();
    places.dedup();
    assert_eq!((places.len(), again.len()), (3, 3), "each on its own");
    let all = claims(&mut world, Party::Opener);
    world.mine(&all);
    world.settle(Party::Opener);
}

#[test]
fn a_victim_that_comes_late_claims_each_output_on_its_own() {
    let mut world = world(&[SMALL, LARGE]);
    let spend = world.channel.commitment(Party::Acceptor, 0);
    world.mine(&[spend]);
    (0..30).for_each(|_| world.mine(&[]));
    let penalties = claims(&mut world, Party::Opener);
    assert_eq!(penalties.len(), 3, "one lost race stalls none of the others");
    let rivals = claims(&mut world, Party::Acceptor);
    world.mine(&rivals[..1]);
    let mut rest = claims(&mut world, Party::Opener);
    assert_eq!(rest.len(), 2);
    rest.iter_mut().for_each(|claim| world.chain.judge(claim).unwrap());
    world.mine(&rest);
    world.settle(Party::Acceptor);
}

#[test]
fn a_transaction_stays_the_same_while_its_inputs_are_there_whatever_else_matures() {
    let mut world = world(&[LARGE, LATE]);
    world.nodes[1].knowledge.preimages.clear();
    let spend = world.channel.commitment(Party::Acceptor, 1);
    world.mine(&[spend]);
    let mut all: Vec<Transaction> = Vec::new();
    for _ in 0..40 {
        let now = claims(&mut world, Party::Acceptor);
        for claim in &now {
            let inputs = |tx: &Transaction| tx.input.iter().map(|i| i.previous_output).collect();
            let known: Option<&Transaction> = all.iter().find(|old| {
                let (a, b): (Vec<_>, Vec<_>) = (inputs(old), inputs(claim));
                a.iter().any(|place| b.contains(place))
            });
            if let Some(known) = known {
                let (a, b): (Vec<_>, Vec<_>) = (inputs(known), inputs(claim));
                assert_eq!(a, b, "no regrouping");
            } else {
                all.push(claim.clone());
            }
        }
        world.mine(&[]);
    }
    assert_eq!(all.len(), 2, "the balance, and one refund");
}

#[test]
fn a_lock_is_claimed_once_its_preimage_is_known_and_pays_more_toward_expiry() {
    let mut world = world(&[LATE]);
    let spend = world.channel.commitment(Party::Acceptor, 1);
    world.mine(&[spend]);
    assert!(rates(&mut world, RATE).is_empty(), "nothing to claim without the preimage");
    world.nodes[0].knowledge.preimages.insert(payment_hash(LATE.id));
    assert_eq!(rates(&mut world, RATE), [2_000]);
    while world.chain.tip().to_u32() < LATE.expiry - 1 {
        world.mine(&[]);
    }
    let late = rates(&mut world, RATE);
    assert!(late[0] > 60_000, "{late:?}");
    let claim = claims(&mut world, Party::Opener);
    assert_eq!(claim.len(), 1);
    let fee = LATE.sat - claim[0].output[0].value.to_sat();
    assert!(fee <= LATE.sat / 2, "half its value at most: {fee}");
    world.mine(&claim);
    assert!(world.node(Party::Acceptor).log.iter().any(|event| event.preimage().is_some()));
}

#[test]
fn what_costs_more_than_it_holds_is_left_and_said_and_taken_when_it_is_cheap_again() {
    let mut world = world(&[SMALL]);
    let spend = world.channel.commitment(Party::Opener, 1);
    world.mine(&[spend]);
    (0..9).for_each(|_| world.mine(&[]));
    let balance = claims(&mut world, Party::Opener);
    world.mine(&balance);
    while world.chain.tip().to_u32() < SMALL.expiry + 1 {
        world.mine(&[]);
    }
    let World { channel, chain, nodes: [node, _] } = &mut world;
    let tip = chain.tip();
    let plan = node.plan(channel, tip, rate(100));
    assert_eq!(plan.claims, []);
    let [left] = plan.left.as_slice() else { panic!("{:?}", plan.left) };
    assert_eq!(left.value, Sats::from_const(SMALL.sat));
    assert!(left.cost > left.value);
    let said = node.log.iter().filter(|e| matches!(e, WatchEvent::OutputLeft { .. })).count();
    assert_eq!(said, 1);
    assert!(!node.is_resolved(channel, tip));
    let later = tip.saturating_add(LEFT_BLOCKS);
    let before = later.saturating_sub(BlockDelta::new(2));
    assert!(!node.is_resolved(channel, before));
    assert!(node.is_resolved(channel, later), "given up after a week");

    node.disconnect(tip);
    let _plan = node.plan(channel, tip, rate(100));
    let said = node.log.iter().filter(|e| matches!(e, WatchEvent::OutputLeft { .. })).count();
    assert_eq!(said, 2, "its time counts again from the block that came anew");

    let plan = node.plan(channel, tip, rate(1));
    assert_eq!((plan.claims.len(), plan.left.len()), (1, 0));
    assert!(!node.is_resolved(channel, later), "worth it again");
}

#[test]
fn a_small_output_does_not_ride_at_the_price_of_a_large_one() {
    let mut world = world(&[SMALL, LARGE]);
    let spend = world.channel.commitment(Party::Acceptor, 0);
    world.mine(&[spend]);
    // A node that wakes in the last block before the balance is free, at high fees.
    (0..14).for_each(|_| world.mine(&[]));
    let tip = world.chain.tip();
    let plan = world.nodes[0].plan(&world.channel, tip, rate(5));
    let inputs: Vec<_> = plan.claims.iter().map(|c| c.transaction.claims().len()).collect();
    assert_eq!(inputs, [2, 1], "the small one pays what it can bear");
    assert!(plan.claims[1].transaction.fee() <= Sats::from_const(SMALL.sat / 2));
    assert!(plan.claims[1].fee_rate < plan.claims[0].fee_rate);
}

#[test]
fn one_penalty_takes_all_181_outputs_of_a_full_commitment() {
    let lock = |id: u64| TestLock {
        id,
        offered_by: if id.is_multiple_of(2) { Party::Opener } else { Party::Acceptor },
        sat: 1_000 + id,
        expiry: 140 + u32::try_from(id % 7).unwrap(),
    };
    let mut world = world(&(0..180).map(lock).collect::<Vec<_>>());
    let spend = world.channel.commitment(Party::Acceptor, 0);
    world.mine(&[spend]);
    let penalty = claims(&mut world, Party::Opener);
    assert_eq!((penalty.len(), penalty[0].input.len()), (1, 181));
    assert!(penalty[0].vsize() < 25_000, "{}", penalty[0].vsize());
    world.mine(&penalty);
    let outputs = &world.nodes[0].watcher.state().spend().unwrap().outputs;
    assert!(outputs.iter().filter(|output| output.is_followed()).all(|o| o.spend.is_some()));
    world.settle(Party::Acceptor);
}

#[test]
fn a_claim_whose_path_changes_replaces_what_was_sent() {
    let mut world = world(&[LATE]);
    let spend = world.channel.commitment(Party::Opener, 1);
    while world.chain.tip().to_u32() < LATE.expiry {
        world.mine(&[]);
    }
    world.mine(&[spend]);
    // The acceptor is refunded, from the opener's commitment; then the opener's secret comes after all.
    let tip = world.chain.tip();
    let refund = world.nodes[1].plan(&world.channel, tip, RATE).claims;
    assert_eq!(refund.len(), 1);
    let node = &mut world.nodes[1];
    (node.knowledge.counterparty_lowest, node.knowledge.counterparty_highest) = (2, 2);
    let logged = node.log.len();
    let penalty = node.plan(&world.channel, tip, RATE).claims;
    assert_eq!(penalty.len(), 2, "the lock and the balance");
    assert!(penalty[0].fee_rate > refund[0].fee_rate, "or no node would take it");
    assert_ne!(penalty[0].transaction.txid(), refund[0].transaction.txid());
    assert_eq!(world.nodes[1].log.len(), logged + 2);
}
