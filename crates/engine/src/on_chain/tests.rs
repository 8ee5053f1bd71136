//! When a channel may be forgotten, and what is told before.

use bitcoin::Transaction;
use bitcoin::hashes::{Hash, sha256};
use strait_channel::{
    Channel, ChannelEffect, ChannelState, Decision, ForceReason, Funded, Request,
};
use strait_primitives::{BlockHeight, ChannelId, LockId, MilliSats, PaymentHash};
use strait_wire::{Operation, Operations};

use crate::rig::{Rig, key, open, open_unfunded, talk};
use crate::{CloseMode, CommandError, Input};

const PREIMAGE: [u8; 32] = [0xab; 32];

/// The commitment that a thief kept.
pub(super) fn kept_commitment(thief: &Rig, state: ChannelState) -> Transaction {
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
        payment_hash: PaymentHash::from_bytes(sha256::Hash::hash(&PREIMAGE).to_byte_array()),
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

/// The opener waited for ever for a funding transaction whose coins somebody with the same seed had spent.
#[test]
fn a_funding_whose_coins_another_spent_at_depth_is_given_up_and_not_before() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let (channel, funding) = open_unfunded(&mut opener, &mut acceptor);
    let rival = Transaction { output: funding.output[..1].to_vec(), ..funding.clone() };
    opener.mine(vec![rival.clone()]);
    opener.mine_empty(10);
    assert!(opener.engine.channels.contains_key(&channel), "a reorganisation may bring it back");
    opener.unmine(11);
    opener.mine(vec![funding]);
    opener.unmine(1);
    opener.mine(vec![rival]);
    opener.mine_empty(11);
    assert!(!opener.engine.channels.contains_key(&channel));
    assert_eq!(opener.reserved(), 0);
}

/// The coin of the funding was undone with its block, and what had paid it went another way: nothing spends what the
/// funding spends, and its channel stayed in the books for ever.
#[test]
fn a_funding_whose_coin_was_itself_undone_is_given_up_at_depth() {
    let (mut opener, mut acceptor) = (Rig::new(1, 1), Rig::new(2, 3));
    let (channel, funding) = open_unfunded(&mut opener, &mut acceptor);
    opener.close(channel, CloseMode::Force);
    let payment = opener.blocks[0].txdata[0].clone();
    assert_eq!(funding.input[0].previous_output.txid, payment.compute_txid());
    let elsewhere = Transaction { output: funding.output[..1].to_vec(), ..payment };
    opener.unmine(1);
    opener.mine(vec![elsewhere]);
    opener.mine_empty(10);
    assert!(opener.engine.channels.contains_key(&channel), "a reorganisation may bring it back");
    opener.outbox.clear();
    opener.mine_empty(1);
    assert!(!opener.engine.channels.contains_key(&channel));
    assert_eq!(opener.reserved(), 0);
    talk(&mut opener, &mut acceptor);
    assert!(!acceptor.engine.channels.contains_key(&channel), "its peer hears of it at once");
}

#[test]
fn a_preimage_that_waits_for_a_block_reaches_the_log_once() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut opener, &mut acceptor);
    add_lock(&mut opener, channel);
    let (_, propose) = opener.outbox.pop_front().expect("the lock is proposed");
    acceptor.hear(opener.node(), propose);
    let (_, accept) = acceptor.outbox.pop_front().expect("and accepted");
    opener.hear(acceptor.node(), accept);
    let mut claim = opener.payment(1_000);
    claim.input[0].witness.push([1; 32]);
    opener.take(Input::MempoolTransaction(Box::new(claim.clone())));
    assert!(!opener.state.watchers.contains_key(&channel), "of another hash");
    claim.input[0].witness.push(PREIMAGE);
    opener.take(Input::MempoolTransaction(Box::new(claim.clone())));
    let told = opener.state.watchers[&channel].clone();
    assert_ne!(told, strait_watcher::WatcherState::default());
    opener.take(Input::MempoolTransaction(Box::new(claim)));
    assert_eq!(opener.state.watchers[&channel], told);
}

#[test]
fn large_channels_are_kept_longer() {
    let config = crate::rig::config(Rig::new(1, 0).node());
    let depth = |sat| config.forget_depth(strait_primitives::Sats::new(sat).unwrap()).to_u32();
    assert_eq!(depth(10_000_000), 12);
    assert_eq!(depth(100_000_000), 14);
    assert_eq!(depth(2_100_000_000_000_000), 156);
}

/// Nobody waits for a funding output to be deep before spending it; and what one block did, its loss undoes.
#[test]
fn a_close_in_the_block_of_its_own_funding_is_followed_and_undone_with_it() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let (channel, funding) = open_unfunded(&mut opener, &mut acceptor);
    let first = opener.engine.channels[&channel].state().clone();
    let commitment = kept_commitment(&opener, first);
    let funded = |rig: &Rig| rig.engine.funded(&channel).unwrap();
    for rig in [&mut opener, &mut acceptor] {
        rig.mine(vec![funding.clone(), commitment.clone()]);
        assert!(matches!(funded(rig), Funded::Spent { .. }));
        rig.unmine(1);
        assert_eq!(funded(rig), Funded::Waiting);
        assert!(rig.engine.watchers[&channel].state().spend().is_none());
        rig.mine(vec![funding.clone()]);
        assert!(matches!(funded(rig), Funded::Mined(_)));
        rig.mine(vec![commitment.clone()]);
        assert!(matches!(funded(rig), Funded::Spent { .. }));
        rig.sent();
        rig.mine_empty(5);
    }
    let claims = opener.sent().concat();
    let takes = |claim: &Transaction| {
        claim.input.iter().any(|input| input.previous_output.txid == commitment.compute_txid())
    };
    assert!(claims.iter().any(takes), "its balance, once its delay is over");
    acceptor.mine_empty(6);
    assert!(!acceptor.engine.channels.contains_key(&channel), "it had nothing there");
}
