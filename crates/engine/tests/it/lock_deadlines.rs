//! What happens to locks when their time comes, and what the chain tells of them.

use bitcoin::Transaction;
use strait_engine::{ChannelStage, Input, LockStage};
use strait_primitives::{BlockDelta, BlockHeight};
use strait_wire::CancelReason;

use crate::line::{A, AMOUNT, B, C, HALF, Line, preimage};

const DELAY: u32 = 6;
const MARGIN: u32 = 18;

fn stage_of(line: &Line, who: usize, channel: usize) -> ChannelStage {
    line.nodes[who].engine.channel_view(&line.channels[channel]).unwrap().stage
}

fn before(height: BlockHeight, blocks: u32) -> BlockHeight {
    height.saturating_sub(BlockDelta::new(blocks))
}

#[test]
fn a_held_lock_goes_back_while_there_is_time_and_nobody_closes() {
    let mut line = Line::passed_on();
    let expiry = line.lock(C, line.received(1, 0)).expiry;
    line.mine_to(before(expiry, DELAY + MARGIN + 1));
    assert_eq!(line.stage(C, line.received(1, 0)), LockStage::Held);
    line.mine_wanted(1);
    assert_eq!(line.stage(C, line.received(1, 0)), LockStage::Cancelled(CancelReason::Expired));
    assert_eq!(line.stage(A, line.sent(0, 0)), LockStage::Cancelled(CancelReason::Downstream));
    let claim = line.claim(line.received(1, 0), 9);
    assert!(line.done(C, claim).is_err(), "too late to show a preimage");
    assert_eq!([line.balance(A, 0), line.balance(B, 0), line.balance(C, 1)], [HALF; 3]);
}

/// C is silent: B closes at the expiry of its lock, takes it back, and only then fails what A offered.
#[test]
fn a_lock_is_failed_upstream_only_when_the_chain_has_given_it_back_for_good() {
    let mut line = Line::passed_on();
    let expiry = line.lock(B, line.sent(1, 0)).expiry;
    line.silent.insert(C);
    line.mine_to(before(expiry, 1));
    assert_eq!(stage_of(&line, B, 1), ChannelStage::Open);
    line.mine_wanted(1);
    assert_eq!(stage_of(&line, B, 1), ChannelStage::ForceClosing);
    // The close, the delay, and the refund but for its last confirmation.
    line.mine_wanted(1 + DELAY + 10);
    assert_eq!(line.stage(B, line.received(0, 0)), LockStage::Forwarding);
    line.restart(B);
    line.connect(A, B);
    line.mine_wanted(1);
    assert_eq!(line.stage(A, line.sent(0, 0)), LockStage::Cancelled(CancelReason::Downstream));
    assert_eq!(line.stage(B, line.sent(1, 0)), LockStage::Expired);
    assert_eq!(line.balance(A, 0), HALF);
    assert_eq!(stage_of(&line, B, 0), ChannelStage::Open);
    line.assert_folded();
}

/// C claims and B hears nothing of it: C closes in time, and B reads the preimage off the chain.
#[test]
fn a_preimage_on_the_chain_claims_upstream_and_a_reorganisation_does_not_unlearn_it() {
    for unmined in [false, true] {
        let mut line = Line::passed_on();
        let expiry = line.lock(C, line.received(1, 0)).expiry;
        line.disconnect(B, C);
        let claim = line.claim(line.received(1, 0), 9);
        line.ask(C, claim);
        line.mine_to(before(expiry, DELAY + MARGIN));
        assert_eq!(stage_of(&line, C, 1), ChannelStage::ForceClosing);
        // The close, and the delay; then C's claim is on its way.
        line.mine_wanted(DELAY);
        let incoming = line.received(0, 0);
        assert_eq!(line.stage(B, incoming), LockStage::Forwarding);
        line.gather();
        if unmined {
            for transaction in claims_in(&line.pool) {
                line.input(B, Input::MempoolTransaction(Box::new(transaction)));
            }
            line.settle();
        } else {
            line.mine_wanted(1);
            let tip = line.nodes[B].engine.tip();
            line.input(B, Input::BlockDisconnected { height: tip.height, hash: tip.hash });
        }
        assert_eq!(line.stage(B, incoming), LockStage::Claimed, "mempool {unmined}");
        assert_eq!(line.balance(B, 0), HALF + AMOUNT);
        assert_eq!(line.lock(A, line.sent(0, 0)).preimage, Some(preimage(9)));
        line.assert_folded();
    }
}

fn shows_preimage(transaction: &Transaction) -> bool {
    let mut items = transaction.input.iter().flat_map(|input| input.witness.iter());
    items.any(|item| *item == [9; 32])
}

fn claims_in(pool: &[Transaction]) -> Vec<Transaction> {
    let all: Vec<_> = pool.iter().filter(|claim| shows_preimage(claim)).cloned().collect();
    assert!(!all.is_empty(), "a claim is on its way");
    all
}

/// A is silent when B has the preimage: B closes in time and claims on chain, also after a restart.
#[test]
fn a_claim_that_the_peer_does_not_settle_is_made_on_chain_in_time() {
    let mut line = Line::passed_on();
    let incoming = line.received(0, 0);
    let expiry = line.lock(B, incoming).expiry;
    line.disconnect(A, B);
    let claim = line.claim(line.received(1, 0), 9);
    line.done(C, claim).unwrap();
    assert_eq!(line.stage(B, incoming), LockStage::Claiming);
    line.mine_to(before(expiry, DELAY + MARGIN + 1));
    assert_eq!(stage_of(&line, B, 0), ChannelStage::Open);
    line.restart(B);
    line.mine_wanted(1);
    assert_eq!(stage_of(&line, B, 0), ChannelStage::ForceClosing);
    line.mine_wanted(DELAY);
    line.gather();
    claims_in(&line.pool);
    assert!(line.tip() < expiry, "before A could take it back");
    line.mine_wanted(20);
    assert_eq!(line.stage(B, incoming), LockStage::Claimed);
    let all: Vec<_> = line.nodes[A].engine.lock_views();
    assert!(all.iter().all(|view| view.stage == LockStage::Claimed), "{all:?}");
    line.assert_folded();
}

/// The preimage comes with a proposal that breaks the rules: the channel closes, and the preimage stays known.
#[test]
fn a_preimage_in_a_proposal_is_known_whatever_else_is_wrong_with_it() {
    let mut line = Line::passed_on();
    let claim = line.claim(line.received(1, 0), 9);
    line.ask(C, claim);
    let mut spoilt = false;
    for _ in 0..200 {
        let Some((_, message)) = line.nodes[C].outbox.front_mut() else {
            if !line.deliver_from(B) {
                break;
            }
            continue;
        };
        if let strait_wire::Message::Propose(propose) = message {
            propose.signature = strait_primitives::SchnorrSignature::from_bytes([1; 64]);
            spoilt = true;
        }
        line.deliver_from(C);
    }
    assert!(spoilt, "C proposed its claim");
    assert_eq!(stage_of(&line, B, 1), ChannelStage::ForceClosing);
    line.settle();
    assert_eq!(line.stage(B, line.received(0, 0)), LockStage::Claimed);
    assert_eq!(line.balance(B, 0), HALF + AMOUNT);
}

#[test]
fn a_user_whose_peer_is_silent_has_the_money_back() {
    let mut line = Line::open(2);
    let offer = line.offer(A, 1, AMOUNT, 9, 60);
    line.done(A, offer).unwrap();
    let sent = line.sent(0, 0);
    let expiry = line.lock(A, sent).expiry;
    line.silent.insert(B);
    line.mine_to(expiry);
    assert_eq!(stage_of(&line, A, 0), ChannelStage::ForceClosing);
    line.mine_wanted(1 + DELAY + 12);
    assert_eq!(line.stage(A, sent), LockStage::Expired);
    let wallet = line.nodes[A].engine.wallet_view();
    assert!(wallet.confirmed.to_sat() > 0);
    line.assert_folded();
}

/// Offered while nobody is connected, and connected again when it is too late.
#[test]
fn a_lock_that_waited_beyond_its_expiry_is_not_offered() {
    let mut line = Line::open(2);
    line.disconnect(A, B);
    let offer = line.offer(A, 1, AMOUNT, 9, 30);
    let id = line.ask(A, offer);
    line.mine_wanted(30);
    line.connect(A, B);
    let answer = line.nodes[A].answer(id).expect("it is refused");
    assert!(matches!(answer, Err(strait_engine::CommandError::Channel { .. })), "{answer:?}");
    assert_eq!(stage_of(&line, A, 0), ChannelStage::Open);
}

/// Three locks of one hash, two of them alike, and only one of those is claimed in time: its preimage counted as the end
/// of all three, though two went back.
#[test]
fn of_locks_that_share_a_hash_each_ends_as_its_own_output_did() {
    let mut line = Line::open(2);
    for (number, msat) in [(1, AMOUNT), (2, AMOUNT), (3, AMOUNT + 1_000_000)] {
        let offer = line.offer(A, number, msat, 9, 100);
        line.done(A, offer).unwrap();
    }
    let expiry = line.lock(A, line.sent(0, 0)).expiry;
    line.disconnect(A, B);
    for id in 0..3 {
        let claim = line.claim(line.received(0, id), 9);
        line.ask(B, claim);
    }
    line.mine_to(before(expiry, DELAY + MARGIN));
    assert_eq!(stage_of(&line, B, 0), ChannelStage::ForceClosing);
    let is_small = |claim: &&Transaction| {
        shows_preimage(claim) && claim.output[0].value.to_sat() < AMOUNT / 1_000
    };
    let mut taken = None;
    for _ in 0..60 {
        line.gather();
        let small = line.pool.iter().find(is_small).cloned();
        let is_due = taken.is_none() && line.tip() >= expiry && small.is_some();
        if is_due {
            taken = small;
            line.pool = taken.iter().cloned().collect();
        } else {
            let is_open = taken.is_some() || line.tip() < expiry;
            line.pool.retain(|other| is_open && !shows_preimage(other));
        }
        line.mine_wanted(1);
    }
    assert!(taken.is_some(), "one is claimed");
    let mut claimed_sat = 0;
    for (who, key) in [(A, Line::sent as fn(&Line, _, _) -> _), (B, Line::received)] {
        let views = [0, 1, 2].map(|id| line.lock(who, key(&line, 0, id)));
        let stages: Vec<LockStage> = views.iter().map(|view| view.stage).collect();
        let one = views.iter().filter(|view| view.stage == LockStage::Claimed);
        claimed_sat += one.map(|view| view.amount.to_msat()).sum::<u64>();
        assert_eq!(stages, [LockStage::Claimed, LockStage::Expired, LockStage::Expired], "{who}");
    }
    assert_eq!(claimed_sat, 2 * AMOUNT);
    line.assert_folded();
}
