//! When a channel may be forgotten, and what is told before.

use bitcoin::Transaction;
use strait_channel::{Channel, ChannelEffect, ChannelState, Decision, ForceReason, Request};
use strait_primitives::{BlockHeight, ChannelId, LockId, MilliSats, PaymentHash};
use strait_wire::{Operation, Operations};

use crate::rig::{Rig, key, open, talk};
use crate::{CloseMode, CommandError, Input};

/// The commitment that a thief kept.
fn kept_commitment(thief: &Rig, state: ChannelState) -> Transaction {
    let signer = thief.engine.seed.channel_signer(&state.salt);
    let mut out = Decision::default();
    Channel::restore(state, signer).force_close(ForceReason::Operator, &mut out);
    let Some(ChannelEffect::Broadcast(commitment)) = out.effects.pop() else {
        panic!("a close leaves")
    };
    commitment
}

/// With six confirmations a cooperative close was over and its channel forgotten. The six blocks went, and the peer
/// brought a revoked commitment instead: nobody was there to punish it.
#[test]
fn a_close_that_a_six_block_reorganisation_takes_away_is_still_guarded() {
    let (mut thief, mut victim) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut thief, &mut victim);
    let rich = thief.engine.channels[&channel].state().clone();
    thief.pay(channel, 7, MilliSats::from_const(700_000_000));
    talk(&mut thief, &mut victim);
    thief.close(channel, CloseMode::Cooperative);
    talk(&mut thief, &mut victim);
    let close = victim.sent().concat().pop().expect("the close leaves");
    victim.mine(vec![close]);
    victim.mine_empty(5);
    assert!(victim.engine.channels.contains_key(&channel));
    victim.unmine(6);

    let revoked = kept_commitment(&thief, rich);
    victim.sent();
    victim.mine(vec![revoked.clone()]);
    let punished = victim.sent().concat().into_iter().any(|transaction| {
        transaction.input.iter().any(|input| input.previous_output.txid == revoked.compute_txid())
    });
    assert!(punished, "everything in it is the victim's");
}

#[test]
fn a_channel_is_forgotten_six_blocks_after_its_end_is_final() {
    let check = |final_depth: u32, kept: u32| {
        let set = |config: &mut crate::EngineConfig| {
            config.final_depth = strait_primitives::BlockDelta::new(final_depth);
        };
        let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::with(2, 3, set));
        let channel = open(&mut opener, &mut acceptor);
        opener.close(channel, CloseMode::Cooperative);
        talk(&mut opener, &mut acceptor);
        let close = acceptor.sent().concat().pop().expect("the close leaves");
        acceptor.mine(vec![close]);
        acceptor.mine_empty(kept - 2);
        assert!(acceptor.engine.channels.contains_key(&channel), "{final_depth}");
        acceptor.mine_empty(1);
        assert!(!acceptor.engine.channels.contains_key(&channel), "{final_depth}");
    };
    check(1, 12);
    check(6, 12);
    check(10, 16);
}

fn lock(expiry: u32) -> Operations {
    let lock = Operation::AddLock {
        lock: LockId(0),
        amount: MilliSats::from_const(5_000_000),
        payment_hash: PaymentHash::from_bytes([6; 32]),
        expiry: BlockHeight::new(expiry),
        route: strait_wire::Route::default(),
    };
    Operations::new(vec![lock]).unwrap()
}

/// Whoever waited for a round that was never accepted, and the coins for the close, waited for the last lock on the
/// chain to expire.
#[test]
fn what_hangs_on_the_spend_alone_does_not_wait_for_the_last_lock() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut opener, &mut acceptor);
    add_lock(&mut opener, channel);
    let (_, propose) = opener.outbox.pop_front().expect("the lock is proposed");
    acceptor.hear(opener.node(), propose);
    let (_, accept) = acceptor.outbox.pop_front().expect("and accepted");
    opener.hear(acceptor.node(), accept);
    // The acceptor would give the lock back with its next round: from here on nothing arrives.
    opener.pay(channel, 7, MilliSats::from_const(1_000_000));
    let told = opener.replies.len();
    opener.sent();
    opener.close(channel, CloseMode::Force);
    let [commitment, _child] = opener.sent().concat().try_into().expect("a package");
    assert_eq!(commitment.output.len(), 3, "the anchor, the lock and a balance");

    // Somebody else's child brings it there.
    opener.mine(vec![commitment]);
    opener.mine_empty(10);
    assert!(opener.reserved() > 0);
    assert_eq!(opener.replies.len(), told + 1, "only the close was answered");
    opener.mine_empty(1);
    assert_eq!(opener.reserved(), 0);
    assert_eq!(opener.replies.last(), Some(&Err(CommandError::ChannelClosed(channel))));
    assert!(opener.engine.channels.contains_key(&channel), "the lock is to be taken back yet");

    // Whoever asks again is told at once, and nobody twice.
    opener.mine_empty(3);
    assert_eq!(opener.replies.len(), told + 2);
    opener.pay(channel, 7, MilliSats::from_const(1_000_000));
    assert_eq!(opener.replies.last(), Some(&Err(CommandError::ChannelClosed(channel))));
}

fn add_lock(rig: &mut Rig, channel: ChannelId) {
    let request = Request { key: key(6), digest: key(6), operations: lock(500) };
    rig.engine.channels.get_mut(&channel).unwrap().request(request).unwrap();
    rig.engine.dirty.insert(channel);
    rig.take(Input::Tick);
}
