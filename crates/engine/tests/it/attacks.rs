//! What a thief tried, step by step: each of these once took money, or ended the node.

use strait_engine::{CloseMode, Command, Input, LockStage, TipStanding};
use strait_primitives::{BlockDelta, PaymentHash};
use strait_wire::{CancelReason, FaultCode, Message};

use crate::line::{A, AMOUNT, B, C, HALF, Line, preimage};

const DELAY: u32 = 6;

/// The proposal of the onward lock has just left when its receiver hangs up and a block comes, both in one batch.
#[test]
fn a_peer_that_hangs_up_as_a_lock_is_passed_on_to_it_ends_no_process() {
    let mut line = Line::open(3);
    let offer = line.offer_through(1, AMOUNT, 9, 200);
    line.ask(A, offer);
    let incoming = line.received(0, 0);
    let is_linked = |line: &Line| {
        let views = line.nodes[B].engine.lock_views();
        views.iter().any(|view| view.lock == incoming && view.linked.is_some())
    };
    for _ in 0..200 {
        if is_linked(&line) {
            break;
        }
        line.deliver_one();
    }
    assert!(is_linked(&line), "B has proposed it to C");
    let peer = line.nodes[C].id();
    let batch = vec![Input::PeerDisconnected(peer), Input::BlocksTold(TipStanding::Current)];
    line.nodes[B].handle_all(batch, line.now, [3; 32]);
    assert_eq!(line.stage(B, incoming), LockStage::Forwarding, "C may have it, and claim it");
    line.assert_folded();
}

/// The preimage is out by a lock of B's own with the same hash. C claims the one that was passed on where B learns
/// nothing of it; B must not wait to hear what it knows.
#[test]
fn a_preimage_that_the_user_showed_claims_what_was_passed_on_under_its_hash() {
    let mut line = Line::passed_on();
    let own = line.offer(A, 2, AMOUNT, 9, 200);
    line.done(A, own).unwrap();
    assert_eq!(line.stage(B, line.received(0, 1)), LockStage::Held);
    line.silent.insert(C);
    let claim = line.claim(line.received(0, 1), 9);
    line.done(B, claim).unwrap();
    for id in [0, 1] {
        assert_eq!(line.stage(B, line.received(0, id)), LockStage::Claimed, "lock {id}");
    }
    assert_eq!(line.balance(B, 0), HALF + 2 * AMOUNT);
    line.assert_folded();
}

/// The channel's name, and with it all names of its locks, comes again.
#[test]
fn a_channel_that_is_over_is_not_opened_again_under_its_name() {
    let mut line = Line::open(2);
    let key = crate::world::key(50);
    let node = line.nodes[B].id();
    let open = Command::OpenChannel { key, node, capacity: crate::world::CAPACITY, fee_rate: None };
    line.nodes[A].broadcasts.clear();
    line.ask(A, open);
    let asked = line.nodes[A].outbox.front().map(|(_, message)| message.clone());
    let Some(Message::OpenChannel(asked)) = asked else { panic!("A asks for a channel") };
    line.settle();
    let funding = line.nodes[A].broadcasts.remove(0);
    line.mine(&[funding]);
    let channel = asked.channel;
    let close =
        Command::CloseChannel { key: crate::world::key(51), channel, mode: CloseMode::Cooperative };
    line.ask(A, close);
    line.settle();
    line.mine_wanted(20);
    let from = line.nodes[A].id();
    line.nodes[B].outbox.clear();
    line.input(B, Input::PeerMessage(from, Box::new(Message::OpenChannel(asked))));
    let (_, answer) = line.nodes[B].outbox.pop_front().expect("B answers");
    let Message::Fault(fault) = answer else { panic!("{answer:?}") };
    assert_eq!((fault.channel, fault.code), (Some(channel), FaultCode::Refused));
}

/// B's refund is on chain, and B is away until its channel can be forgotten: what it passed on goes back all the same.
#[test]
fn a_lock_that_the_chain_gave_back_while_the_node_was_away_goes_back_upstream() {
    let mut line = Line::passed_on();
    let expiry = line.lock(B, line.sent(1, 0)).expiry;
    line.silent.insert(C);
    line.mine_to(expiry);
    // The close, the delay, and the refund.
    line.mine_wanted(1 + DELAY + 1);
    assert_eq!(line.stage(B, line.received(0, 0)), LockStage::Forwarding);
    line.catching_up.insert(B);
    line.mine_wanted(30);
    line.catching_up.clear();
    line.input(B, Input::BlocksTold(TipStanding::Current));
    line.settle();
    assert_eq!(line.stage(A, line.sent(0, 0)), LockStage::Cancelled(CancelReason::Downstream));
    assert_eq!(line.balance(A, 0), HALF);
    line.assert_folded();
}

/// The preimage is B's to show, and the chain that B knows may be days old: by now A may take the lock back.
#[test]
fn a_preimage_that_is_to_be_shown_waits_for_a_tip_that_is_current() {
    let mut line = Line::open(2);
    let offer = line.offer(A, 1, AMOUNT, 9, 100);
    line.done(A, offer).unwrap();
    line.disconnect(A, B);
    let claim = line.claim(line.received(0, 0), 9);
    line.ask(B, claim);
    assert_eq!(line.stage(B, line.received(0, 0)), LockStage::Claiming);
    line.restart_behind(B, |_| ());
    line.reconnect(B);
    line.input(B, Input::BlocksTold(TipStanding::Stale));
    line.settle();
    assert_eq!(line.lock(A, line.sent(0, 0)).preimage, None);
    line.input(B, Input::BlocksTold(TipStanding::Current));
    line.settle();
    assert_eq!(line.lock(A, line.sent(0, 0)).preimage, Some(preimage(9)));
    assert_eq!(line.balance(B, 0), HALF + AMOUNT);
}

/// Six blocks take the refund of the onward lock with them: nothing may have been given back for it yet.
#[test]
fn a_reorganisation_of_six_blocks_undoes_nothing_that_was_given_back_upstream() {
    let mut line = Line::passed_on();
    let expiry = line.lock(B, line.sent(1, 0)).expiry;
    line.silent.insert(C);
    line.mine_to(expiry);
    line.mine_wanted(1 + DELAY + 1 + 5);
    let refunded = line.tip().saturating_sub(BlockDelta::new(5));
    assert_eq!(refunded.depth_at(line.tip()), BlockDelta::new(6), "six blocks take it away");
    assert_eq!(line.stage(B, line.received(0, 0)), LockStage::Forwarding);
}

/// C is to be paid by a lock under a hash that is also one of its revocation hashes: the secret that ends a round would
/// have opened it. B, which passes locks on, and A, which would offer one itself, offer none.
#[test]
fn a_revocation_hash_of_the_receiver_locks_nothing_however_far_away_the_payer_is() {
    let mut line = Line::open(3);
    for (number, (at, payer)) in (0_u8..).zip([(1, B), (0, A)]) {
        let channel = line.channels[at];
        let states: Vec<_> = line.nodes[payer].engine.channel_states().collect();
        let (_, state) = states.into_iter().find(|(id, _)| **id == channel).unwrap();
        let shown = state.live().unwrap().rounds.counterparty_hashes[1];
        let offer = match at {
            1 => line.offer_through(1, AMOUNT, 9, 200),
            _ => line.offer(A, 2, AMOUNT, 9, 200),
        };
        let Command::OfferLock { key, channel, amount, expiry, route, payment_hash: _ } = offer
        else {
            panic!("an offer")
        };
        let payment_hash = PaymentHash::from_bytes(shown.to_bytes());
        let offer = Command::OfferLock { key, channel, amount, expiry, route, payment_hash };
        let answer = line.done(A, offer);
        assert_eq!(answer.is_ok(), number == 0, "{answer:?}");
    }
    let back = LockStage::Cancelled(CancelReason::NoRoute);
    assert_eq!(line.stage(A, line.sent(0, 0)), back);
    assert_eq!(line.balance(C, 1), HALF);
    assert_eq!(line.nodes[A].engine.lock_views().len(), 1, "its own was never offered");
    line.assert_folded();
}
