//! Reconnections: whatever is lost, wherever, both agree again, and nothing is carried out twice or forgotten.

use std::collections::BTreeMap;

use strait_channel::{
    ChannelEvent, Closing, Decision, ForceReason, Link, Notice, Outstanding, Reaction,
};
use strait_primitives::{BlockHeight, MilliSats, Party, RequestKey, Side};
use strait_wire::{Message, RoundRole};

use crate::node::{Crash, Node};
use crate::pair::{BOTH, Pair, key, pay};

/// What goes wrong in one history.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    /// The link breaks after so many messages; the next one and all behind it are lost.
    Break(usize),
    /// A node crashes.
    Crash(Party, Crash),
}

/// The payments of every history: who, under which key, how much.
const PAYMENTS: [(Party, u16, u64); 5] = [
    (Party::Opener, 1, 1_001),
    (Party::Acceptor, 2, 2_010),
    (Party::Opener, 3, 4_100),
    (Party::Acceptor, 4, 8_000),
    (Party::Opener, 5, 16_000),
];

/// The requests that a node's log knows: from the proposal on they are never asked again.
fn proposed(node: &Node) -> BTreeMap<RequestKey, usize> {
    let mut known = BTreeMap::new();
    for event in &node.disk {
        if let ChannelEvent::Proposed { requests, .. } = event {
            for request in requests {
                *known.entry(request.key).or_default() += 1;
            }
        }
    }
    known
}

/// Asks for every payment that the payer's log does not know, as its callers do when they get no answer.
fn ask_all(pair: &mut Pair) {
    for (party, id, msat) in PAYMENTS {
        if !pair.node(party).has_crashed && !proposed(pair.node(party)).contains_key(&key(id)) {
            pair.request(party, id, vec![pay(msat)]);
        }
    }
}

fn strike(pair: &mut Pair, mishap: Mishap) {
    match mishap {
        Mishap::Break(messages) => pair.deliveries_left = Some(messages),
        Mishap::Crash(party, crash) => pair.node_mut(party).crash_at = Some(crash),
    }
}

/// Payments both ways with mishaps one after the other, then a calm end.
fn check(mishaps: &[Mishap]) {
    let mut pair = Pair::balanced();
    let before = pair.acceptor.balance();
    for mishap in mishaps {
        strike(&mut pair, *mishap);
        ask_all(&mut pair);
        pair.settle();
        pair.connect();
        // A crash forgets the queue with whatever nobody was promised; a broken link does not.
        for party in BOTH {
            let _ = pair.node_mut(party).channel_mut().drain_queue();
        }
        pair.settle();
    }
    pair.recover();
    ask_all(&mut pair);
    pair.settle();
    pair.assert_agreed();
    pair.assert_up();
    for party in BOTH {
        let node = pair.node(party);
        assert_eq!(node.reactions, [], "{mishaps:?}");
        assert!(proposed(node).values().all(|times| *times == 1), "{mishaps:?}");
    }
    let moved: i64 = PAYMENTS
        .iter()
        .map(|(party, _, msat)| match party {
            Party::Opener => i64::try_from(*msat).unwrap(),
            Party::Acceptor => -i64::try_from(*msat).unwrap(),
        })
        .sum();
    let expect = before.to_msat().checked_add_signed(moved).unwrap();
    assert_eq!(pair.acceptor.balance(), MilliSats::new(expect).unwrap(), "{mishaps:?}");
}

fn all_mishaps() -> Vec<Mishap> {
    let mut all: Vec<Mishap> = (0..16).map(Mishap::Break).collect();
    for party in BOTH {
        for count in 0..9 {
            all.push(Mishap::Crash(party, Crash::BeforeWrite(count)));
            all.push(Mishap::Crash(party, Crash::AfterWrite(count)));
        }
    }
    all
}

/// Goal: each message lost and each event lost, on both sides. Method: the same history of five payments, once for each.
#[test]
fn nothing_is_lost_or_done_twice_wherever_a_round_is_interrupted() {
    check(&[]);
    for mishap in all_mishaps() {
        check(&[mishap]);
    }
}

/// Goal: what recovers from one mishap recovers from a second on the way. Method: every ordered pair of mishaps.
#[test]
fn nothing_is_lost_or_done_twice_when_the_recovery_is_interrupted_too() {
    for first in all_mishaps() {
        for second in all_mishaps() {
            check(&[first, second]);
        }
    }
}

#[test]
fn a_proposal_is_repeated_byte_for_byte() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    let first = pair.opener.outbox.pop_front().unwrap().to_frame();
    pair.connect();
    pair.deliver(Party::Acceptor);
    pair.deliver(Party::Opener);
    let again = pair.opener.outbox.pop_front().unwrap().to_frame();
    assert_eq!(first, again);
}

#[test]
fn a_repeated_proposal_is_answered_by_the_same_acceptance() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    let propose = pair.opener.outbox[0].clone();
    pair.deliver(Party::Acceptor);
    pair.hand(Party::Acceptor, propose);
    assert_eq!(pair.acceptor.outbox.len(), 2);
    assert_eq!(pair.acceptor.outbox[0], pair.acceptor.outbox[1]);
    assert_eq!(pair.acceptor.reactions, []);
}

/// Goal: where a disk is slow, what was decided for one connection leaves on the next, before what belongs there: that closes
/// nothing. Method: every message of a round comes twice.
#[test]
fn what_is_left_over_from_an_older_connection_closes_nothing() {
    let mut pair = Pair::balanced();
    for (party, id) in [(Party::Opener, 1), (Party::Acceptor, 2), (Party::Opener, 3)] {
        pair.request(party, id, vec![pay(1_000)]);
        for _ in 0..4 {
            for from in BOTH {
                let said: Vec<Message> = pair.node(from).outbox.iter().cloned().collect();
                pair.node_mut(from).outbox.clear();
                for message in said {
                    pair.hand(!from, message.clone());
                    pair.hand(!from, message);
                }
            }
        }
    }
    pair.settle();
    pair.assert_agreed();
    pair.assert_up();
    for party in BOTH {
        assert_eq!(pair.node(party).reactions, []);
    }
}

#[test]
fn both_say_where_they_stand_in_the_middle_of_a_round() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    pair.deliver(Party::Acceptor);
    pair.connect();
    let said = BOTH.map(|party| match &pair.node(party).outbox[0] {
        Message::Reestablish(said) => (said.agreed.to_u64(), said.outstanding.map(|o| o.role)),
        other => panic!("{other:?}"),
    });
    assert_eq!(said, [(0, Some(RoundRole::Proposer)), (0, Some(RoundRole::Receiver))]);
}

/// After five rounds of the opener one disk is set back by so many events; the other node goes on where it was.
fn restored(party: Party, lost: usize) -> Pair {
    let mut pair = Pair::balanced();
    for id in 0..5 {
        assert!(pair.request(Party::Opener, id, vec![pay(1_000)]));
        pair.settle();
    }
    let kept = pair.node(party).disk.len() - lost;
    let disk = pair.node(party).disk[..kept].to_vec();
    *pair.node_mut(party) = Node::from_disk(party, &disk);
    pair
}

#[test]
fn a_node_that_is_shown_its_own_forgotten_secret_never_broadcasts() {
    let of_receiver = (2..8).map(|lost| (Party::Acceptor, lost));
    for (party, lost) in of_receiver.chain((1..8).map(|lost| (Party::Opener, lost))) {
        let mut pair = restored(party, lost);
        let broadcasts = pair.node(!party).broadcasts.len();
        pair.connect();
        pair.settle();
        assert_eq!(pair.node(party).live().closing, Closing::Lost, "{party:?} lost {lost}");
        assert!(pair.node(party).broadcasts.is_empty());
        let forced = Closing::Forced(ForceReason::PeerLost);
        assert_eq!(pair.node(!party).live().closing, forced, "the other closes for both");
        assert_eq!(pair.node(!party).broadcasts.len(), broadcasts + 1);

        let mut out = Decision::default();
        let machine = pair.node_mut(party).channel_mut();
        machine.force_close(ForceReason::Operator, &mut out);
        assert!(out.events.is_empty() && out.effects.is_empty(), "not even when asked to");
    }
}

/// A node had lost all its rounds and been shown so; its peer, still connected, then said that it had never got the
/// first signature. The node went to sign commitment 0 again, and stopped at the rule that forbids it.
#[test]
fn a_node_that_has_lost_data_repeats_no_signature() {
    let mut pair = restored(Party::Acceptor, 12);
    pair.connect();
    pair.deliver(Party::Acceptor);
    assert_eq!(pair.acceptor.live().closing, Closing::Lost);
    assert_eq!(pair.acceptor.live().rounds.number, strait_primitives::CommitmentNumber::FIRST);
    pair.acceptor.outbox.clear();
    let funding_txid = pair.acceptor.live().setup.funding.txid;
    let sign = strait_wire::SignOpening {
        channel: pair.opener.channel().id(),
        funding_txid,
        signature: pair.acceptor.live().rounds.holder_signature,
    };
    let events = pair.acceptor.disk.len();
    pair.hand(Party::Acceptor, sign);
    assert!(matches!(pair.acceptor.reactions.as_slice(), [Reaction::Refuse { .. }]));
    assert!(pair.acceptor.outbox.is_empty());
    assert_ne!(pair.acceptor.channel().link(), Link::Up);

    // Nor is the proof noted again and again.
    let Some(Message::Reestablish(said)) = ({
        pair.connect();
        pair.opener.outbox.pop_front()
    }) else {
        panic!("the opener says where it stands")
    };
    pair.hand(Party::Acceptor, said);
    assert_eq!(pair.acceptor.disk.len(), events);
}

#[test]
fn the_last_event_alone_may_be_lost_without_harm_if_nothing_it_explains_has_left() {
    // Losing `Finalized` takes nothing back: the receiver reveals nothing by it.
    let mut pair = restored(Party::Acceptor, 1);
    pair.recover();
    pair.assert_agreed();
}

#[test]
fn a_claim_to_be_ahead_without_proof_is_answered_by_a_force_close() {
    let mut pair = Pair::balanced();
    pair.connect();
    let Some(Message::Reestablish(mut said)) = pair.acceptor.outbox.pop_front() else {
        panic!("both say where they stand")
    };
    said.agreed = said.agreed.next().unwrap();
    said.last_secret = None;
    let before = pair.opener.disk.len();
    pair.hand(Party::Opener, said);
    let [Reaction::Close(violation)] = pair.opener.reactions.as_slice() else { panic!("a close") };
    assert_eq!(
        violation.to_string(),
        "the peer is at 2 and this node at 1, which no lost message explains"
    );
    let [.., ChannelEvent::ForceClosed { .. }] = pair.opener.disk.as_slice() else {
        panic!("the close is in the log")
    };
    assert_eq!(pair.opener.disk.len(), before + 1);
    assert_eq!(pair.opener.broadcasts.len(), 1);
}

#[test]
fn a_secret_that_is_not_ours_proves_nothing() {
    let mut pair = Pair::balanced();
    pair.connect();
    let Some(Message::Reestablish(mut said)) = pair.acceptor.outbox.pop_front() else {
        panic!("both say where they stand")
    };
    let (number, _) = said.last_secret.unwrap();
    let secret = strait_primitives::RevocationSecret::from_bytes([1; 32]);
    said.last_secret = Some((number.next().unwrap(), secret));
    pair.hand(Party::Opener, said);
    assert_eq!(pair.opener.live().closing, Closing::Running);
    assert_eq!(pair.opener.channel().link(), Link::Up);
}

/// A proposal is in flight when this node closes by force: the peer may still enforce it, so nobody is told that it
/// failed; those who only wait in the queue are.
#[test]
fn a_proposed_request_is_not_reported_failed_by_a_force_close() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    assert!(pair.request(Party::Opener, 7, vec![pay(2_000)]));
    let reason = ForceReason::Operator;
    pair.opener.act(|channel, out| channel.force_close(reason, out));
    let [Notice::Refused { request, .. }] = pair.opener.notices.as_slice() else {
        panic!("one request is refused")
    };
    assert_eq!(request.key, key(7));
    let outstanding = &pair.opener.live().rounds.outstanding;
    assert!(matches!(outstanding, Some(Outstanding::Proposed { .. })), "what may happen is kept");
}

/// An acceptance was on its way when this node closed by force. It recorded the acceptance, and with it the revocation
/// of the very commitment that it had just published; an assertion of the signer stopped the node.
#[test]
fn an_acceptance_that_comes_after_a_force_close_revokes_nothing() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    let reason = ForceReason::Operator;
    pair.opener.act(|channel, out| channel.force_close(reason, out));
    let events = pair.opener.disk.len();
    pair.settle();
    assert_eq!(pair.opener.disk.len(), events);
    assert_eq!(pair.opener.reactions, []);
    pair.connect();
    pair.settle();
    assert_eq!(pair.opener.disk.len(), events, "nor after a reconnection");
}

#[test]
fn a_receiver_that_closed_by_force_still_learns_the_proposers_secret() {
    let mut pair = Pair::open();
    pair.pay(Party::Opener, 1_000);
    pair.deliver(Party::Acceptor);
    let reason = ForceReason::Operator;
    pair.acceptor.act(|channel, out| channel.force_close(reason, out));
    pair.settle();
    assert!(matches!(pair.acceptor.disk.as_slice(), [.., ChannelEvent::Finalized { .. }]));
    assert!(matches!(pair.acceptor.notices.as_slice(), [.., Notice::Received { .. }]));
}

#[test]
fn both_commitments_of_a_force_close_are_signed_by_both() {
    let mut pair = Pair::balanced();
    for party in BOTH {
        let reason = ForceReason::Operator;
        pair.node_mut(party).act(|channel, out| channel.force_close(reason, out));
        let commitment = pair.node(party).broadcasts.last().unwrap();
        assert_eq!(commitment.input[0].witness.len(), 4);
        assert_eq!(pair.node(party).channel().holder_transaction(), *commitment);
    }
    pair.opener.restart();
    assert_eq!(pair.opener.channel().holder_transaction(), *pair.opener.broadcasts.last().unwrap());
}

#[test]
fn a_reorganised_funding_output_stops_rounds_until_it_is_back() {
    let mut pair = Pair::balanced();
    for party in BOTH {
        let height = BlockHeight::new(101);
        pair.node_mut(party).act(|channel, out| channel.handle_block_disconnected(height, out));
    }
    pair.pay(Party::Opener, 1_000);
    pair.settle();
    assert_eq!(pair.opener.live().rounds.number.to_u64(), 1);
    for party in BOTH {
        pair.node_mut(party).mine_funding(BlockHeight::new(102));
    }
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.opener.live().rounds.number.to_u64(), 2);
    assert_eq!(pair.opener.live().rounds.turn, Side::Holder);
}
