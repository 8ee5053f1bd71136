//! Rounds: batches, turns, queues, and who is told what when.

use strait_channel::{ChannelEvent, LedgerError, Notice, Outstanding, RequestError, Spender};
use strait_primitives::{BlockHeight, CommitmentNumber, Digest, MilliSats, Party, Side};
use strait_wire::{CancelReason, Message, Operation, limits::OPERATIONS_MAX};

use crate::pair::{BOTH, CAPACITY, Pair, contribution, irrevocable, key, pay, request};

fn msat(msat: u64) -> MilliSats {
    MilliSats::new(msat).unwrap()
}

fn number(number: u64) -> CommitmentNumber {
    CommitmentNumber::new(number).unwrap()
}

#[test]
fn one_round_carries_everything_that_waits() {
    let mut pair = Pair::open();
    for id in 0..100 {
        assert!(pair.request(Party::Opener, id, vec![pay(1_000), pay(2_000)]));
    }
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.opener.live().rounds.number, number(1));
    assert_eq!(pair.acceptor.balance(), msat(300_000));
    assert_eq!(irrevocable(&pair.opener), (0..100).map(key).collect::<Vec<_>>());
    let [Notice::Received { number: at, operations }] = pair.acceptor.notices.as_slice() else {
        panic!("the payee is told once")
    };
    assert_eq!((*at, operations.as_slice().len()), (number(1), 200));
}

#[test]
fn both_sides_pay_and_the_turn_passes() {
    let mut pair = Pair::balanced();
    for id in 0..20 {
        for party in BOTH {
            assert!(pair.request(party, id, vec![pay(1_000 + u64::from(id))]));
        }
        pair.settle();
    }
    pair.assert_agreed();
    let capacity = pair.opener.live().rounds.ledger.capacity();
    assert_eq!(pair.opener.balance().checked_add(pair.acceptor.balance()), Some(capacity));
    assert_eq!(pair.acceptor.balance(), msat(400_000_000));
    for party in BOTH {
        assert_eq!(
            irrevocable(pair.node(party)).len(),
            if party == Party::Opener { 21 } else { 20 }
        );
    }
}

#[test]
fn a_request_for_the_turn_that_crosses_a_proposal_is_answered_by_that_round() {
    let mut pair = Pair::balanced();
    assert_eq!(pair.acceptor.live().rounds.turn, Side::Counterparty);
    assert!(pair.request(Party::Opener, 1, vec![pay(5_000)]));
    assert!(pair.request(Party::Acceptor, 2, vec![pay(7_000)]));
    pair.poll(Party::Opener);
    pair.poll(Party::Acceptor);
    assert!(matches!(pair.opener.outbox[0], Message::Propose(_)));
    assert!(matches!(pair.acceptor.outbox[0], Message::RequestTurn(_)));
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.opener.live().rounds.number, number(3), "one round each, none empty");
    assert_eq!(pair.acceptor.balance(), msat(399_998_000));
}

#[test]
fn a_request_for_the_turn_alone_is_answered_by_an_empty_round() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Acceptor, 1_000);
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.opener.live().rounds.number, number(3));
    assert_eq!(pair.acceptor.live().rounds.turn, Side::Holder);
}

#[test]
fn a_request_that_the_ledger_refuses_is_refused_whole_and_the_others_go_on() {
    let mut pair = Pair::open();
    assert!(pair.request(Party::Opener, 1, vec![pay(1_000)]));
    assert!(pair.request(Party::Opener, 2, vec![pay(1_000), pay(999_999_000)]));
    assert!(pair.request(Party::Opener, 3, vec![pay(2_000)]));
    pair.settle();
    pair.assert_agreed();
    assert_eq!(irrevocable(&pair.opener), [key(1), key(3)]);
    assert_eq!(pair.acceptor.balance(), msat(3_000));
    let refused = pair.opener.notices.iter().find_map(|notice| match notice {
        Notice::Refused { request, reason } => Some((request.key, reason.clone())),
        _ => None,
    });
    let (refused, RequestError::Ledger(error)) = refused.unwrap() else { panic!("by the ledger") };
    assert_eq!(refused, key(2));
    assert_eq!(
        error.to_string(),
        "999999000 msat is more than the 989998000 msat that can be spent, the reserve of 10000000 msat kept"
    );
}

#[test]
fn nothing_is_proposed_when_every_request_is_refused() {
    let mut pair = Pair::open();
    let events = pair.opener.disk.len();
    pair.pay(Party::Opener, 999_999_999);
    pair.settle();
    assert_eq!(pair.opener.disk.len(), events);
    assert!(matches!(pair.opener.notices.as_slice(), [Notice::Refused { .. }]));
}

#[test]
fn a_queue_holds_eight_full_rounds_and_refuses_more() {
    let mut pair = Pair::open();
    pair.disconnect();
    for id in 0..8 {
        assert!(pair.request(Party::Opener, id, vec![pay(1); OPERATIONS_MAX]));
    }
    let full = pair.opener.channel_mut().request(request(9, vec![pay(1)]));
    assert_eq!(full, Err(RequestError::QueueFull { queued: 32_768, limit: 32_768 }));
    pair.recover();
    pair.assert_agreed();
    assert_eq!(pair.opener.live().rounds.number, number(8));
    assert_eq!(pair.acceptor.balance(), msat(32_768));
    assert_eq!(pair.opener.channel().queued_operations(), 0);
}

#[test]
fn a_payee_is_told_only_when_the_round_is_over() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    pair.deliver(Party::Acceptor);
    assert!(pair.acceptor.notices.is_empty());
    pair.deliver(Party::Opener);
    assert_eq!(irrevocable(&pair.opener), [key(0)]);
    assert!(pair.acceptor.notices.is_empty());
    pair.deliver(Party::Acceptor);
    assert!(matches!(pair.acceptor.notices.as_slice(), [Notice::Received { .. }]));
}

#[test]
fn rounds_wait_for_the_deeper_of_both_demands() {
    let mut pair = Pair::open();
    pair.world.tip = BlockHeight::new(102);
    pair.pay(Party::Opener, 1_000);
    pair.settle();
    assert_eq!(pair.opener.live().rounds.number, number(0));
    assert_eq!(pair.opener.channel().deadline(), None, "nobody is to blame");
    pair.world.tip = BlockHeight::new(103);
    pair.settle();
    assert_eq!(pair.opener.live().rounds.number, number(1));
}

#[test]
fn a_proposal_before_the_receiver_has_seen_the_depth_waits() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    pair.world.tip = BlockHeight::new(102);
    pair.deliver(Party::Acceptor);
    assert!(pair.acceptor.outbox.is_empty());
    pair.world.tip = BlockHeight::new(103);
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.opener.live().rounds.number, number(1));
}

#[test]
fn an_empty_request_is_carried_out_like_any_other() {
    let mut pair = Pair::open();
    assert!(pair.request(Party::Opener, 1, vec![]));
    pair.settle();
    assert_eq!(irrevocable(&pair.opener), [key(1)]);
}

#[test]
fn a_round_is_three_messages_and_two_events_on_each_side() {
    let mut pair = Pair::open();
    let (delivered, events) = (pair.delivered, pair.opener.disk.len());
    pair.pay(Party::Opener, 1_000);
    pair.settle();
    assert_eq!(pair.delivered, delivered + 3);
    let [.., proposed, revoked] = pair.opener.disk.as_slice() else { panic!("two events") };
    assert_eq!(pair.opener.disk.len(), events + 2);
    assert!(matches!(proposed, ChannelEvent::Proposed { .. }));
    assert!(matches!(revoked, ChannelEvent::Revoked { .. }));
    let [.., accepted, finalized] = pair.acceptor.disk.as_slice() else { panic!("two events") };
    assert!(matches!(accepted, ChannelEvent::Accepted { .. }));
    assert!(matches!(finalized, ChannelEvent::Finalized { .. }));
}

fn lock(number: u64) -> Operation {
    Operation::AddLock {
        lock: strait_primitives::LockId(number),
        amount: MilliSats::from_const(1_000_000),
        payment_hash: strait_primitives::PaymentHash::from_bytes([6; 32]),
        expiry: BlockHeight::new(200),
        route: strait_wire::Route::default(),
    }
}

/// They were cancelled on the word of a round that ended, which a crash forgets: the locks then stood for ever, and no
/// close was possible.
#[test]
fn locks_for_nobody_go_back_even_after_a_crash() {
    let mut pair = Pair::balanced();
    assert!(pair.request(Party::Opener, 1, vec![lock(0), lock(1), pay(1_000)]));
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.acceptor.live().rounds.ledger.locks().count(), 2);
    pair.acceptor.restart();
    pair.world.settlements = (0..3)
        .map(|id| Operation::CancelLock {
            lock: strait_primitives::LockId(id),
            reason: CancelReason::Unknown,
        })
        .collect();
    pair.connect();
    pair.settle();
    pair.assert_agreed();
    assert!(pair.acceptor.live().rounds.ledger.is_plain());
    // And those that come while everything runs, together with a request that waits.
    assert!(pair.request(Party::Opener, 2, vec![lock(2)]));
    assert!(pair.request(Party::Acceptor, 3, vec![pay(500)]));
    pair.settle();
    pair.assert_agreed();
    assert!(pair.acceptor.live().rounds.ledger.is_plain());
    assert_eq!(irrevocable(&pair.acceptor), [key(3)]);
}

/// A lock leaves a trace for as long as its channel lives; where one side wants none there is none.
#[test]
fn a_channel_of_a_node_that_takes_no_locks_has_none() {
    let mut pair = Pair::new();
    pair.acceptor.policy.parameters.locks_max = 0;
    pair.connect();
    pair.offer(contribution(CAPACITY));
    pair.settle();
    for party in BOTH {
        assert_eq!(pair.node(party).live().setup.rules().locks_max, 0);
        pair.node_mut(party).mine_funding(BlockHeight::new(101));
    }
    assert!(pair.request(Party::Opener, 1, vec![lock(0)]));
    pair.settle();
    let refused = pair.opener.notices.iter().any(|notice| {
        matches!(notice, Notice::Refused { reason: RequestError::Ledger(error), .. }
            if *error == LedgerError::LockCount { limit: 0 })
    });
    assert!(refused, "{:?}", pair.opener.notices);
    pair.pay(Party::Opener, 1_000);
    pair.settle();
    pair.assert_agreed();
}

/// A peer that keeps its acceptance until the chain has settled the round without it moves nothing: the locks of that round
/// are over, and this node would stop at what it does not know any more.
#[test]
fn an_acceptance_after_the_funding_output_was_spent_revokes_nothing() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    pair.deliver(Party::Acceptor);
    let accept = pair.acceptor.outbox.pop_front().unwrap();
    let (txid, height) = (Digest::from_bytes([7; 32]), BlockHeight::new(900));
    pair.opener.act(|channel, decision| {
        channel.handle_spent(txid, height, Spender::Cheater, decision);
    });
    pair.hand(Party::Opener, accept);
    let outstanding = &pair.opener.live().rounds.outstanding;
    assert!(matches!(outstanding, Some(Outstanding::Proposed { .. })), "{outstanding:?}");
    assert_eq!(pair.opener.reactions, []);
}

/// The proposer let its old commitment be mined, and revokes it when it is too late to punish anything.
#[test]
fn a_finalization_after_the_funding_output_was_spent_ends_no_round() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    pair.deliver(Party::Acceptor);
    pair.deliver(Party::Opener);
    let finalize = pair.opener.outbox.pop_front().unwrap();
    assert!(matches!(finalize, Message::Finalize(_)), "{finalize:?}");
    let (txid, height) = (Digest::from_bytes([7; 32]), BlockHeight::new(900));
    pair.acceptor.act(|channel, decision| {
        channel.handle_spent(txid, height, Spender::Counterparty, decision);
    });
    pair.acceptor.notices.clear();
    pair.hand(Party::Acceptor, finalize);
    let outstanding = &pair.acceptor.live().rounds.outstanding;
    assert!(matches!(outstanding, Some(Outstanding::Accepted { .. })), "{outstanding:?}");
    assert_eq!(pair.acceptor.reactions, []);
    assert_eq!(pair.acceptor.notices, []);
}
