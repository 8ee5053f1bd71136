//! What the child of this node's own commitment pays, and when a close is given up.

use strait_primitives::{BlockDelta, BlockHeight, FeeRate, Party, Sats, VBytes};
use strait_watcher::{ChildRequest, LEFT_BLOCKS};

use crate::channel::{Channel, Knowledge, TestLedger, TestLock, View, payment_hash};
use crate::node::Node;

const OFFERED: TestLock = TestLock { id: 1, offered_by: Party::Opener, sat: 50_000, expiry: 300 };
const RECEIVED: TestLock =
    TestLock { id: 2, offered_by: Party::Acceptor, sat: 60_000, expiry: 300 };

struct Closer {
    channel: Channel,
    node: Node,
}

impl Closer {
    fn new(locks: &[TestLock], known: &[TestLock]) -> Self {
        let ledger = TestLedger { hash: None, opener_sat: 500_000, locks: locks.to_vec() };
        let mut knowledge = Knowledge::at(Party::Opener, 0);
        knowledge.preimages.extend(known.iter().map(|lock| payment_hash(lock.id)));
        Self { channel: Channel::new(vec![ledger]), node: Node::new(knowledge) }
    }

    /// What the package pays at a tip, in satoshis per thousand virtual bytes.
    fn rate(&mut self, tip: u32, usual: u64, stake: u64) -> u64 {
        let request = ChildRequest {
            tip: BlockHeight::new(tip),
            fee_rate: FeeRate::from_sat_per_kvb(usual),
            size: VBytes(400),
            stake: Sats::from_const(stake),
        };
        let view = View { channel: &self.channel, knowledge: &self.node.knowledge };
        let rate = self.node.watcher.child_rate(&request, &view);
        let note = self.node.watcher.note_child(request.tip, rate);
        self.node.save(note.into_iter().collect());
        rate.to_sat_per_kvb()
    }
}

#[test]
fn a_child_rises_with_the_estimate_and_with_waiting_and_never_falls() {
    let mut closer = Closer::new(&[], &[]);
    let check = |closer: &mut Closer, tip, usual, expected| {
        assert_eq!(closer.rate(tip, usual, 1_000_000), expected, "at {tip}");
    };
    check(&mut closer, 100, 2_000, 2_000);
    check(&mut closer, 101, 2_100, 2_000);
    check(&mut closer, 102, 20_000, 20_000);
    check(&mut closer, 103, 1_000, 20_000);
    check(&mut closer, 117, 20_000, 20_000);
    check(&mut closer, 118, 20_000, 40_000);
    check(&mut closer, 119, 1_000, 40_000);
    check(&mut closer, 154, 20_000, 160_000);
    check(&mut closer, 900, 20_000, 1_250_000);
}

#[test]
fn a_childs_hurry_costs_half_of_the_stake_at_most_and_the_usual_rate_at_least() {
    let mut closer = Closer::new(&[], &[]);
    assert_eq!(closer.rate(100, 2_000, 8_000), 2_000);
    assert_eq!(closer.rate(500, 2_000, 8_000), 10_000, "4,000 for 400 vB");
    assert_eq!(closer.rate(501, 30_000, 8_000), 30_000, "what is usual is no hurry");
}

#[test]
fn a_child_hurries_so_that_locks_are_in_time() {
    // The opener's own outputs wait 10 blocks: a lock it may claim wants the commitment mined by 290.
    for (locks, known, at, rises_from) in [
        (vec![OFFERED], vec![], 318, 309),
        (vec![RECEIVED], vec![RECEIVED], 290, 272),
        (vec![OFFERED, RECEIVED], vec![RECEIVED], 290, 272),
    ] {
        let rate_at = |tip| Closer::new(&locks, &known).rate(tip, 1_000, 1_000_000);
        assert_eq!(rate_at(rises_from), 1_000, "{locks:?}");
        assert!(rate_at(rises_from + 6) > 1_000, "{locks:?}");
        assert_eq!(rate_at(at), 64_000, "{locks:?}");
    }
    assert_eq!(Closer::new(&[RECEIVED], &[]).rate(290, 1_000, 1_000_000), 1_000);
}

#[test]
fn a_close_that_costs_more_than_it_brings_is_given_up_after_a_week_unless_it_comes_to_be_worth_it()
{
    let mut node = Closer::new(&[], &[]).node;
    let tip = BlockHeight::new(200);
    let note = node.watcher.note_close_left(tip);
    node.save(note.into_iter().collect());
    assert_eq!(node.watcher.note_close_left(tip), None, "said once");
    let late = tip.saturating_add(LEFT_BLOCKS);
    assert!(!node.watcher.is_close_given_up(late.saturating_sub(BlockDelta::new(2))));
    assert!(node.watcher.is_close_given_up(late));

    node.disconnect(tip);
    assert!(!node.watcher.is_close_given_up(late), "its time counts again");
    let note = node.watcher.note_close_left(tip);
    node.save(note.into_iter().collect());
    let note = node.watcher.note_child(tip, FeeRate::from_sat_per_kvb(1_000));
    node.save(note.into_iter().collect());
    assert!(!node.watcher.is_close_given_up(late), "worth it again");
}
