//! Clocks: who is waited for, for how long, and what happens then.

use strait_channel::{Closing, ForceReason};
use strait_primitives::{BlockHeight, Millis, Party};
use strait_wire::{Message, Operation};

use crate::pair::{BOTH, CAPACITY, Pair, contribution, pay};

const ANSWER: Millis = Millis(30_000);

/// Lets the peer hang on ten connections in more than an hour; `talk` is what it does on each.
fn hang(pair: &mut Pair, party: Party, talk: impl Fn(&mut Pair)) {
    for _ in 0..10 {
        assert_eq!(pair.node(party).live().closing, Closing::Running);
        pair.wait(Millis(400_000));
        assert!(pair.node(party).wants_disconnect, "a peer that hangs is disconnected");
        pair.connect();
        talk(pair);
    }
}

#[test]
fn a_peer_that_never_accepts_is_reconnected_and_then_closed_on() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Opener, 1_000);
    hang(&mut pair, Party::Opener, |pair| {
        pair.deliver(Party::Opener);
        pair.acceptor.outbox.clear();
        pair.opener.outbox.clear();
    });
    assert_eq!(pair.opener.live().closing, Closing::Forced(ForceReason::Deadline));
}

#[test]
fn a_peer_has_thirty_seconds_for_its_part_of_a_round() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Opener, 1_000);
    pair.wait(Millis(29_999));
    assert!(!pair.opener.wants_disconnect);
    pair.wait(Millis(1));
    assert!(pair.opener.wants_disconnect);
    assert_eq!(pair.opener.channel().deadline(), None, "once for each connection");
}

/// The clock ran in no state of the link but `Up`: a peer that connected and said nothing kept a round hanging for ever.
#[test]
fn a_peer_that_never_says_where_it_stands_is_closed_on() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Opener, 1_000);
    pair.connect();
    hang(&mut pair, Party::Opener, |pair| pair.acceptor.outbox.clear());
    assert_eq!(pair.opener.live().closing, Closing::Forced(ForceReason::Deadline));
}

/// Without a round in flight it owed nothing, and requests waited for it without end.
#[test]
fn a_peer_that_never_says_where_it_stands_is_closed_on_if_requests_wait() {
    let mut pair = Pair::balanced();
    let hush = |pair: &mut Pair| {
        pair.acceptor.outbox.clear();
        pair.poll(Party::Opener);
    };
    pair.connect();
    assert!(pair.request(Party::Opener, 1, vec![pay(1_000)]));
    hush(&mut pair);
    hang(&mut pair, Party::Opener, hush);
    assert_eq!(pair.opener.live().closing, Closing::Forced(ForceReason::Deadline));
}

/// A peer that holds the turn and ignores every request for it froze this side's money without a word.
#[test]
fn a_peer_that_never_yields_the_turn_is_closed_on() {
    let mut pair = Pair::balanced();
    assert!(pair.request(Party::Acceptor, 1, vec![pay(1_000)]));
    pair.poll(Party::Acceptor);
    hang(&mut pair, Party::Acceptor, |pair| {
        pair.deliver(Party::Acceptor);
        pair.deliver(Party::Opener);
        pair.acceptor.outbox.clear();
    });
    assert_eq!(pair.acceptor.live().closing, Closing::Forced(ForceReason::Deadline));
}

#[test]
fn a_peer_that_answers_at_last_starts_afresh() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Opener, 1_000);
    for _ in 0..9 {
        pair.wait(ANSWER);
        pair.connect();
        pair.deliver(Party::Opener);
    }
    pair.wait(Millis(3_000_000));
    pair.recover();
    pair.assert_agreed();
    pair.pay(Party::Opener, 1_000);
    pair.opener.outbox.clear();
    pair.wait(ANSWER);
    assert_eq!(pair.opener.live().closing, Closing::Running);
}

/// Ten quick reconnections while the peer's backend restarts are no reason to close.
#[test]
fn no_peer_is_closed_on_within_an_hour() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Opener, 1_000);
    for _ in 0..100 {
        pair.wait(ANSWER);
        pair.connect();
        pair.deliver(Party::Opener);
        pair.opener.outbox.clear();
    }
    assert_eq!(pair.opener.live().closing, Closing::Running);
}

/// Each new connection began the thirty seconds anew, so a peer that came back every twenty was never found out.
#[test]
fn a_peer_that_reconnects_in_time_owes_its_part_all_the_same() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Opener, 1_000);
    for _ in 0..200 {
        if pair.opener.live().closing != Closing::Running {
            break;
        }
        pair.wait(Millis(20_000));
        pair.connect();
        pair.deliver(Party::Opener);
        pair.acceptor.outbox.clear();
        pair.opener.outbox.clear();
    }
    assert_eq!(pair.opener.live().closing, Closing::Forced(ForceReason::Deadline));
}

/// The same with the turn, of which this node has nothing but its request.
#[test]
fn a_peer_that_reconnects_in_time_owes_the_turn_all_the_same() {
    let mut pair = Pair::balanced();
    assert!(pair.request(Party::Acceptor, 1, vec![pay(1_000)]));
    pair.poll(Party::Acceptor);
    for _ in 0..200 {
        if pair.acceptor.live().closing != Closing::Running {
            break;
        }
        pair.wait(Millis(20_000));
        pair.connect();
        pair.deliver(Party::Acceptor);
        pair.deliver(Party::Opener);
        pair.poll(Party::Acceptor);
        pair.acceptor.outbox.clear();
    }
    assert_eq!(pair.acceptor.live().closing, Closing::Forced(ForceReason::Deadline));
}

/// Whoever was away, no time without a connection is the peer's.
#[test]
fn time_without_a_connection_is_nobodys() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Opener, 1_000);
    for _ in 0..100 {
        pair.wait(Millis(200));
        pair.disconnect();
        pair.wait(Millis(3_600_000));
        pair.connect();
        pair.deliver(Party::Opener);
        pair.opener.outbox.clear();
    }
    assert_eq!(pair.opener.live().closing, Closing::Running);
    assert!(!pair.opener.wants_disconnect, "twenty of thirty seconds are spent");
}

#[test]
fn between_rounds_nobody_is_waited_for() {
    let mut pair = Pair::balanced();
    for party in BOTH {
        assert_eq!(pair.node(party).channel().deadline(), None);
    }
    pair.wait(Millis(u64::MAX / 2));
    pair.connect();
    for party in BOTH {
        assert_eq!(pair.node(party).channel().deadline(), None);
        assert_eq!(pair.node(party).live().closing, Closing::Running);
    }
}

/// A proposal of the opener that raises the ledger's height.
fn raising(pair: &mut Pair, height: u32) {
    let height = BlockHeight::new(height);
    assert!(pair.request(Party::Opener, 1, vec![Operation::RaiseHeight { height }]));
    pair.poll(Party::Opener);
}

#[test]
fn a_node_that_is_behind_waits_for_the_block_before_it_accepts() {
    let mut pair = Pair::balanced();
    raising(&mut pair, 112);
    pair.settle();
    assert_eq!(pair.acceptor.reactions, []);
    assert_eq!(pair.acceptor.channel().deadline(), None, "it waits for itself");
    pair.world.tip = BlockHeight::new(111);
    pair.settle();
    assert!(pair.opener.live().rounds.outstanding.is_some());
    pair.world.tip = BlockHeight::new(112);
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.acceptor.live().rounds.ledger.height(), BlockHeight::new(112));
}

/// A height that no chain reaches would keep this side's requests waiting for ever, with the peer's word that it is
/// this node which is behind.
#[test]
fn a_proposal_that_names_a_height_out_of_sight_stops_no_clock() {
    let mut pair = Pair::balanced();
    assert!(pair.request(Party::Acceptor, 2, vec![pay(1_000)]));
    pair.poll(Party::Acceptor);
    raising(&mut pair, u32::MAX);
    pair.deliver(Party::Acceptor);
    assert!(pair.acceptor.channel().deadline().is_some());
}

#[test]
fn a_held_proposal_may_be_repeated_but_not_changed() {
    let mut pair = Pair::balanced();
    raising(&mut pair, 112);
    let propose = pair.opener.outbox[0].clone();
    pair.settle();
    pair.hand(Party::Acceptor, propose.clone());
    assert_eq!(pair.acceptor.reactions, []);
    let Message::Propose(mut other) = propose else { panic!("a proposal") };
    other.signature = strait_primitives::SchnorrSignature::from_bytes([0; 64]);
    pair.hand(Party::Acceptor, other);
    assert_eq!(pair.acceptor.reactions.len(), 1);
}

/// A held proposal is judged when its block comes, outside of any message: the peer is told all the same.
#[test]
fn a_held_proposal_that_turns_out_wrong_is_answered_by_a_fault() {
    let mut pair = Pair::balanced();
    raising(&mut pair, 112);
    let Some(Message::Propose(mut propose)) = pair.opener.outbox.pop_front() else {
        panic!("a proposal")
    };
    propose.signature = strait_primitives::SchnorrSignature::from_bytes([0; 64]);
    pair.hand(Party::Acceptor, propose);
    pair.world.tip = BlockHeight::new(112);
    pair.poll(Party::Acceptor);
    assert_eq!(pair.acceptor.live().closing, Closing::Forced(ForceReason::Violation));
    assert!(matches!(pair.acceptor.outbox.back(), Some(Message::Fault(_))));
}

/// Every opening that a stranger never pays for held half a mebibyte of operations until its channel was forgotten.
#[test]
fn a_large_proposal_for_a_channel_that_is_not_on_the_chain_is_not_kept() {
    for (payments, is_kept) in [(10, true), (1_000, false)] {
        let mut pair = Pair::new();
        pair.connect();
        pair.offer(contribution(CAPACITY));
        pair.settle();
        pair.opener.mine_funding(BlockHeight::new(90));
        assert!(pair.request(Party::Opener, 1, (0..payments).map(|_| pay(1_000)).collect()));
        pair.settle();
        assert_eq!(pair.acceptor.live().rounds.outstanding, None, "it waits for the funding");
        assert_eq!(pair.acceptor.wants_disconnect, !is_kept, "{payments} payments");
        pair.acceptor.mine_funding(BlockHeight::new(90));
        if !is_kept {
            pair.connect();
        }
        pair.settle();
        pair.assert_agreed();
        assert_eq!(pair.acceptor.balance().to_msat(), 1_000 * payments);
    }
}
