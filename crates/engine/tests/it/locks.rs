//! Locks between two nodes: offered, held, claimed, given back.

use strait_engine::{Answer, CommandError, Input, LockRole, LockStage, TipStanding};
use strait_primitives::MilliSats;
use strait_wire::CancelReason;

use crate::line::{A, B, Line, preimage};

const HALF: u64 = 500_000_000;

fn locked(line: &mut Line, number: u32, msat: u64, secret: u8) {
    let offer = line.offer(A, number, msat, secret, 100);
    let Ok(Answer::Lock(view)) = line.done(A, offer) else { panic!("a lock") };
    assert_eq!((view.stage, view.role), (LockStage::Standing, LockRole::Payer));
}

#[test]
fn a_lock_that_is_claimed_moves_money_and_shows_its_preimage_to_the_payer() {
    let mut line = Line::open(2);
    locked(&mut line, 1, 5_000_000, 9);
    let (sent, received) = (line.sent(0, 0), line.received(0, 0));
    assert_eq!(line.stage(B, received), LockStage::Held);
    assert_eq!(line.balance(A, 0), HALF - 5_000_000);
    assert_eq!(line.balance(B, 0), HALF);
    let claim = line.claim(received, 9);
    let Ok(Answer::Lock(view)) = line.done(B, claim.clone()) else { panic!("claimed") };
    assert_eq!((view.stage, view.role), (LockStage::Claimed, LockRole::Payee));
    assert_eq!(line.balance(B, 0), HALF + 5_000_000);
    let paid = line.lock(A, sent);
    assert_eq!((paid.stage, paid.preimage), (LockStage::Claimed, Some(preimage(9))));
    assert!(matches!(line.done(B, claim), Ok(Answer::Lock(_))), "asked again it is answered again");
    line.assert_folded();
}

#[test]
fn a_lock_that_is_given_back_moves_nothing() {
    let mut line = Line::open(2);
    locked(&mut line, 1, 5_000_000, 9);
    let received = line.received(0, 0);
    let cancel = line.cancel(received);
    assert!(matches!(line.done(B, cancel.clone()), Ok(Answer::Lock(_))));
    assert_eq!((line.balance(A, 0), line.balance(B, 0)), (HALF, HALF));
    let reason = CancelReason::Declined;
    assert_eq!(line.stage(A, line.sent(0, 0)), LockStage::Cancelled(reason));
    assert_eq!(line.stage(B, received), LockStage::Cancelled(reason));
    let claim = line.claim(received, 9);
    assert_eq!(line.done(B, claim), Err(CommandError::NotHeld(received)));
    assert!(line.done(B, cancel).is_ok());
    line.assert_folded();
}

#[test]
fn locks_of_one_hash_and_one_amount_are_two_locks() {
    let mut line = Line::open(2);
    locked(&mut line, 1, 5_000_000, 9);
    locked(&mut line, 2, 5_000_000, 9);
    let [first, second] = [line.received(0, 0), line.received(0, 1)];
    let claim = line.claim(first, 9);
    line.done(B, claim).unwrap();
    assert_eq!(line.stage(B, second), LockStage::Held, "nobody claimed it");
    let cancel = line.cancel(second);
    line.done(B, cancel).unwrap();
    assert_eq!(line.balance(B, 0), HALF + 5_000_000);
}

#[test]
fn an_offer_asked_again_is_the_same_lock_whatever_happens_between() {
    let mut line = Line::open(2);
    let offer = line.offer(A, 1, 5_000_000, 9, 100);
    let first = line.done(A, offer.clone());
    assert_eq!(line.done(A, offer.clone()), first);
    line.restart(A);
    line.reconnect(A);
    assert_eq!(line.done(A, offer.clone()), first);
    let other = line.offer(A, 1, 6_000_000, 9, 100);
    assert_eq!(line.done(A, other), Err(CommandError::KeyReused));
    let claim = line.claim(line.received(0, 0), 9);
    line.done(B, claim).unwrap();
    let Ok(Answer::Lock(view)) = line.done(A, offer) else { panic!("the lock") };
    assert_eq!(view.stage, LockStage::Claimed);
    assert_eq!(line.balance(A, 0), HALF - 5_000_000);
}

#[test]
fn what_cannot_be_offered_or_claimed_is_refused_with_its_reason() {
    let mut line = Line::open(2);
    let none = line.offer(A, 1, 0, 9, 100);
    assert_eq!(line.done(A, none), Err(CommandError::Zero { index: 0 }));
    for blocks in [0, 18, 2_017] {
        let offer = line.offer(A, 2, 5_000_000, 9, blocks);
        let refused = line.done(A, offer);
        assert!(matches!(refused, Err(CommandError::LockExpiry { .. })), "{refused:?}");
    }
    let all = line.offer(A, 3, HALF, 9, 100);
    assert!(matches!(line.done(A, all), Err(CommandError::Channel { .. })), "the reserve");
    let unknown = line.received(0, 5);
    let (claim, cancel) = (line.claim(unknown, 9), line.cancel(unknown));
    assert_eq!(line.done(B, claim), Err(CommandError::UnknownLock(unknown)));
    assert_eq!(line.done(B, cancel), Err(CommandError::UnknownLock(unknown)));
    locked(&mut line, 4, 5_000_000, 9);
    let (sent, received) = (line.sent(0, 0), line.received(0, 0));
    let wrong = line.claim(received, 8);
    assert_eq!(line.done(B, wrong), Err(CommandError::WrongPreimage(received)));
    let own = line.cancel(sent);
    assert_eq!(line.done(A, own), Err(CommandError::NotHeld(sent)));
}

#[test]
fn what_a_receiver_does_not_want_goes_back_with_its_reason() {
    let soon = 6 + 36;
    let rows = [
        (5_000_000, soon - 1, LockStage::Cancelled(CancelReason::Expired)),
        (5_000_000, soon, LockStage::Standing),
        (5_000_000, 2_001, LockStage::Cancelled(CancelReason::Unwanted)),
        (3_999_999, 100, LockStage::Cancelled(CancelReason::Unwanted)),
        (4_000_000, 100, LockStage::Standing),
    ];
    let mut line = Line::with(2, |config| {
        config.locks.amount_min = MilliSats::from_const(4_000_000);
    });
    line.restart_with(B, |config| {
        config.locks.lead_max = strait_primitives::BlockDelta::new(2_000);
    });
    line.reconnect(B);
    for (number, (msat, blocks, expect)) in (0..).zip(rows) {
        let offer = line.offer(A, number, msat, 9, blocks);
        line.done(A, offer).unwrap();
        let stage = line.stage(A, line.sent(0, u64::from(number)));
        assert_eq!(stage, expect, "{msat} msat for {blocks} blocks");
    }
    line.assert_folded();
}

#[test]
fn a_peer_gets_as_many_places_as_much_value_and_as_much_dust_as_the_operator_allows() {
    type Set = fn(&mut strait_engine::EngineConfig);
    let quotas: [(Set, u64); 3] = [
        (|config| config.locks.peer_locks_max = 2, 5_000_000),
        (|config| config.locks.peer_value_max = MilliSats::from_const(10_000_000), 5_000_000),
        (|config| config.locks.peer_dust_max = MilliSats::from_const(400_000), 200_000),
    ];
    for (set, msat) in quotas {
        let mut line = Line::with(2, |config| {
            config.opening.parameters.lock_min = MilliSats::from_const(1_000);
            set(config);
        });
        for number in 0..3 {
            let offer = line.offer(A, number, msat, 9, 100);
            line.done(A, offer).unwrap();
        }
        let stages = [0, 1, 2].map(|id| line.stage(A, line.sent(0, id)));
        let back = LockStage::Cancelled(CancelReason::Unwanted);
        assert_eq!(stages, [LockStage::Standing, LockStage::Standing, back]);
        let cancel = line.cancel(line.received(0, 1));
        line.done(B, cancel).unwrap();
        let offer = line.offer(A, 3, msat, 9, 100);
        line.done(A, offer).unwrap();
        assert_eq!(line.stage(A, line.sent(0, 3)), LockStage::Standing, "there is a place again");
    }
}

/// The tip that it knows may be days old: a lock may have expired, and a preimage shown would be lost.
#[test]
fn a_node_that_has_not_caught_up_with_the_chain_shows_no_preimage_and_offers_nothing() {
    let mut line = Line::open(2);
    locked(&mut line, 1, 5_000_000, 9);
    line.restart_behind(B, |_| ());
    line.reconnect(B);
    let claim = line.claim(line.received(0, 0), 9);
    assert_eq!(line.done(B, claim.clone()), Err(CommandError::ChainBehind));
    let offer = line.offer(A, 2, 5_000_000, 9, 100);
    line.done(A, offer).unwrap();
    assert_eq!(line.stage(B, line.received(0, 1)), LockStage::Arrived);
    line.input(B, Input::BlocksTold(TipStanding::Current));
    assert_eq!(line.stage(B, line.received(0, 1)), LockStage::Held);
    line.done(B, claim).unwrap();
    assert_eq!(line.balance(B, 0), HALF + 5_000_000);
}

/// At every point at which a node can be killed: between any two messages, and so any two writes, of either.
#[test]
fn an_offer_and_its_claim_survive_a_restart_of_either_at_every_message() {
    let mut line = Line::open(2);
    let rows = [A, B].into_iter().flat_map(|who| (0..7).map(move |messages| (who, messages)));
    for (number, (who, messages)) in (0..).zip(rows) {
        let offer = line.offer(A, number, 5_000_000, 9, 100);
        line.ask(A, offer.clone());
        (0..messages).for_each(|_| line.deliver_one());
        line.restart(who);
        line.reconnect(who);
        line.done(A, offer).unwrap();
        let claim = line.claim(line.received(0, u64::from(number)), 9);
        line.ask(B, claim.clone());
        (0..messages).for_each(|_| line.deliver_one());
        line.restart(who);
        line.reconnect(who);
        line.done(B, claim).unwrap();
        let paid = 5_000_000 * (u64::from(number) + 1);
        assert_eq!(line.balance(B, 0), HALF + paid, "{who} after {messages}");
        assert_eq!(line.nodes[A].engine.lock_views().len(), usize::try_from(number + 1).unwrap());
        line.assert_folded();
    }
}
