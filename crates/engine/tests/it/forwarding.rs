//! Locks that one node passes on to the next: A → B → C.

use strait_engine::{Forwarding, LockRole, LockStage};
use strait_primitives::{MilliSats, Side};
use strait_wire::CancelReason;

use crate::line::{A, AMOUNT, B, C, HALF, Line, TOLL_BLOCKS, Toll, preimage};

fn balances(line: &Line) -> [u64; 4] {
    [line.balance(A, 0), line.balance(B, 0), line.balance(B, 1), line.balance(C, 1)]
}

#[test]
fn a_lock_is_passed_on_claimed_and_paid_for() {
    let mut line = Line::passed_on();
    let (incoming, outgoing) = (line.received(0, 0), line.sent(1, 0));
    let (upstream, downstream) = (line.lock(B, incoming), line.lock(B, outgoing));
    assert_eq!((upstream.stage, upstream.role), (LockStage::Forwarding, LockRole::Forwarder));
    assert_eq!((upstream.linked, downstream.linked), (Some(outgoing), Some(incoming)));
    let claim = line.claim(line.received(1, 0), 9);
    line.done(C, claim).unwrap();
    let paid = AMOUNT - 10_000;
    assert_eq!(balances(&line), [HALF - AMOUNT, HALF + AMOUNT, HALF - paid, HALF + paid]);
    let receipt = line.lock(A, line.sent(0, 0));
    assert_eq!((receipt.stage, receipt.preimage), (LockStage::Claimed, Some(preimage(9))));
    line.assert_folded();
}

#[test]
fn a_lock_that_its_destination_gives_back_goes_back_all_the_way() {
    let mut line = Line::passed_on();
    let cancel = line.cancel(line.received(1, 0));
    line.done(C, cancel).unwrap();
    assert_eq!(balances(&line), [HALF; 4]);
    let stage = line.stage(A, line.sent(0, 0));
    assert_eq!(stage, LockStage::Cancelled(CancelReason::Downstream));
    line.assert_folded();
}

#[test]
fn twins_in_hash_and_amount_are_passed_on_and_given_back_one_by_one() {
    let mut line = Line::passed_on();
    let offer = line.offer_through(2, AMOUNT, 9, 200);
    line.done(A, offer).unwrap();
    let twin = line.received(1, 1);
    assert_eq!(line.stage(C, twin), LockStage::Held);
    let cancel = line.cancel(twin);
    line.done(C, cancel).unwrap();
    assert_eq!(line.stage(A, line.sent(0, 1)), LockStage::Cancelled(CancelReason::Downstream));
    assert_eq!(line.stage(A, line.sent(0, 0)), LockStage::Standing);
    let claim = line.claim(line.received(1, 0), 9);
    line.done(C, claim).unwrap();
    let paid = AMOUNT - 10_000;
    assert_eq!(balances(&line), [HALF - AMOUNT, HALF + AMOUNT, HALF - paid, HALF + paid]);
}

/// B passes a lock on and its user is paid with the same hash: what the user shows the one with opens the other. It was not
/// claimed from A, and C, who could read the preimage by then, took the onward lock on chain.
#[test]
fn what_a_forwarders_own_user_claims_opens_what_it_passes_on_with_that_hash() {
    let mut line = Line::passed_on();
    let before = line.balance(B, 0);
    line.silent.insert(C);
    let offer = line.offer(A, 2, 3_000_000, 9, 100);
    line.done(A, offer).unwrap();
    let claim = line.claim(line.received(0, 1), 9);
    line.done(B, claim).unwrap();
    assert_eq!(line.stage(B, line.received(0, 0)), LockStage::Claimed);
    let amount = line.lock(B, line.received(0, 0)).amount.to_msat();
    assert_eq!(line.balance(B, 0), before + amount + 3_000_000);
    line.assert_folded();
}

#[test]
fn what_a_forwarder_does_not_want_goes_back_with_its_reason() {
    let mut line = Line::open(3);
    let good = Toll { fee: 10_000, blocks: TOLL_BLOCKS };
    // A fee of 1,000 msat and a thousandth.
    let rows = [
        (AMOUNT, 200, Toll { fee: 5_999, ..good }, Some(CancelReason::Terms)),
        (AMOUNT, 200, Toll { blocks: TOLL_BLOCKS - 1, ..good }, Some(CancelReason::Terms)),
        (AMOUNT, TOLL_BLOCKS + 24, good, Some(CancelReason::Expired)),
        (499_990_000, 200, Toll { fee: 900_000, ..good }, Some(CancelReason::NoRoute)),
        (AMOUNT, 200, good, None),
    ];
    for (number, (msat, blocks, toll, expect)) in (0..).zip(rows) {
        if expect == Some(CancelReason::NoRoute) {
            let pay = crate::world::pay(crate::world::key(500), line.channels[1], 10_000_000);
            line.done(B, pay).unwrap();
            let pay = crate::world::pay(crate::world::key(501), line.channels[0], 20_000_000);
            line.done(B, pay).unwrap();
        }
        let offer = line.offer_with(number, msat, 9, blocks, toll);
        line.done(A, offer).unwrap();
        let stage = line.stage(A, line.sent(0, u64::from(number)));
        assert_eq!(stage, expect.map_or(LockStage::Standing, LockStage::Cancelled), "row {number}");
    }
    line.assert_folded();
}

#[test]
fn no_lock_is_passed_on_where_nobody_is_connected_or_the_operator_forbids_it() {
    let mut line = Line::open(3);
    line.disconnect(B, C);
    let offer = line.offer_through(1, AMOUNT, 9, 200);
    line.done(A, offer).unwrap();
    assert_eq!(line.stage(A, line.sent(0, 0)), LockStage::Cancelled(CancelReason::NoRoute));
    line.connect(B, C);
    line.restart_with(B, |config| config.locks.forwarding = Forwarding::Refused);
    line.reconnect(B);
    let offer = line.offer_through(2, AMOUNT, 9, 200);
    line.done(A, offer).unwrap();
    assert_eq!(line.stage(A, line.sent(0, 1)), LockStage::Cancelled(CancelReason::NoRoute));
    let by_another_way = line.offer(A, 3, AMOUNT, 9, 100);
    line.done(A, by_another_way).unwrap();
    assert_eq!(line.stage(A, line.sent(0, 2)), LockStage::Standing, "it is for B itself");
}

/// C says nothing: the onward lock waits for a round, its connection goes, and the sender gets its lock back.
#[test]
fn a_lock_that_waits_for_a_peer_who_is_gone_goes_back_with_the_next_block() {
    let mut line = Line::open(3);
    line.silent.insert(C);
    let busy = crate::world::pay(crate::world::key(900), line.channels[1], 1_000);
    line.ask(B, busy);
    let offer = line.offer_through(1, AMOUNT, 9, 200);
    line.done(A, offer).unwrap();
    assert_eq!(line.lock(B, line.received(0, 0)).linked, None, "another round is under way");
    line.disconnect(B, C);
    line.mine_wanted(1);
    assert_eq!(line.stage(A, line.sent(0, 0)), LockStage::Cancelled(CancelReason::NoRoute));
    line.silent.clear();
    line.connect(B, C);
    assert_eq!(line.nodes[C].engine.lock_views(), [], "it was not offered after all");
}

#[test]
fn a_peer_is_offered_no_more_than_the_operator_allows() {
    let mut line = Line::open(3);
    line.restart_with(B, |config| {
        config.locks.peer_value_max = MilliSats::from_const(2 * AMOUNT);
    });
    line.reconnect(B);
    for number in 1..=3 {
        let offer = line.offer_through(number, AMOUNT, 9, 200);
        line.done(A, offer).unwrap();
    }
    let last = LockStage::Cancelled(CancelReason::Unwanted);
    let stages = [0, 1, 2].map(|id| line.stage(A, line.sent(0, id)));
    assert_eq!(stages, [LockStage::Standing, LockStage::Standing, last]);
}

/// Never two outgoing locks for one incoming, and never none: whatever is lost, and wherever the node between is killed.
#[test]
fn a_forwarder_that_is_killed_at_any_message_passes_a_lock_on_once() {
    let mut line = Line::open(3);
    for messages in 0..14 {
        let number = u64::from(messages);
        let offer = line.offer_through(messages, AMOUNT, 9, 200);
        line.ask(A, offer.clone());
        (0..messages).for_each(|_| line.deliver_one());
        line.restart(B);
        line.reconnect(B);
        line.done(A, offer).unwrap();
        let all = line.nodes[B].engine.lock_views();
        let out = all.iter().filter(|view| view.lock.offerer == Side::Holder);
        let out = out.filter(|view| view.linked == Some(line.received(0, number))).count();
        let sent = line.stage(A, line.sent(0, number));
        match (out, sent) {
            (1, LockStage::Standing) => {
                let lock = line.nodes[C].engine.lock_views().into_iter();
                let held: Vec<_> = lock.filter(|view| view.stage == LockStage::Held).collect();
                assert_eq!(held.len(), 1);
                let claim = line.claim(held[0].lock, 9);
                line.ask(C, claim.clone());
                (0..messages).for_each(|_| line.deliver_one());
                line.restart(B);
                line.reconnect(B);
                line.done(C, claim).unwrap();
                assert_eq!(line.stage(A, line.sent(0, number)), LockStage::Claimed);
            }
            (0, LockStage::Cancelled(CancelReason::NoRoute)) => {}
            other => panic!("{other:?} after {messages}"),
        }
        line.assert_folded();
    }
    let [a, b, b2, c] = balances(&line);
    assert_eq!((a + b, b2 + c), (2 * HALF, 2 * HALF));
    assert_eq!((b - HALF) - (HALF - b2), (b - HALF) / AMOUNT * 10_000, "each was paid for");
}

/// Killed after each single event that it saves, in the middle of a batch too: what it had begun it ends, once.
#[test]
fn a_forwarder_that_is_killed_after_any_event_ends_what_it_has_begun() {
    let mut line = Line::open(3);
    let mut events = 0;
    for number in 0.. {
        line.nodes[B].killed_after = Some(usize::try_from(number).unwrap());
        let offer = line.offer_through(number, AMOUNT, 9, 200);
        line.ask(A, offer.clone());
        line.settle();
        let (incoming, sent) =
            (line.received(0, u64::from(number)), line.sent(0, u64::from(number)));
        let held = |line: &Line| {
            let all = line.nodes[C].engine.lock_views().into_iter();
            all.filter(|view| view.stage == LockStage::Held)
                .map(|view| view.lock)
                .collect::<Vec<_>>()
        };
        let mut claimed = None;
        if let [lock] = held(&line)[..] {
            claimed = Some(line.claim(lock, 9));
            line.ask(C, line.claim(lock, 9));
            line.settle();
        }
        let was_killed = line.nodes[B].is_killed();
        line.restart(B);
        line.reconnect(B);
        line.done(A, offer).unwrap();
        if let ([lock], None) = (&held(&line)[..], &claimed) {
            claimed = Some(line.claim(*lock, 9));
        }
        match claimed {
            Some(claim) => {
                line.done(C, claim).unwrap();
                assert_eq!(line.stage(A, sent), LockStage::Claimed, "after {number} events");
            }
            None => assert_eq!(
                line.stage(A, sent),
                LockStage::Cancelled(CancelReason::NoRoute),
                "after {number} events"
            ),
        }
        let all = line.nodes[B].engine.lock_views();
        let onward = all.iter().filter(|view| view.lock.offerer == Side::Holder);
        assert!(onward.filter(|view| view.linked == Some(incoming)).count() <= 1);
        line.assert_folded();
        if !was_killed {
            events = number;
            break;
        }
    }
    assert!(events >= 10, "a lock that is passed on and claimed takes more than {events} events");
    let [a, b, b2, c] = balances(&line);
    assert_eq!((a + b, b2 + c), (2 * HALF, 2 * HALF));
    assert_eq!((b - HALF) - (HALF - b2), (b - HALF) / AMOUNT * 10_000, "each was paid for");
}
