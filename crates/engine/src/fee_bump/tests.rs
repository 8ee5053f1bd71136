//! When a commitment leaves, with what child, and what is held for it.

use bitcoin::OutPoint;
use bitcoin::hashes::Hash;
use strait_onchain::{AnchorChild, Coin};
use strait_primitives::{ChannelId, FeeRate, MilliSats, Sats, VBytes};
use strait_wallet::{BumpRequest, Purpose};
use strait_wire::FaultCode;

use super::child_of;
use crate::rig::{Rig, open, open_unfunded, talk};
use crate::{CloseMode, Input};

/// A stranger opened a channel with coins that do not exist, then said that it had lost its data: the node held a coin
/// for the child of a commitment that could never be mined, and so, channel by channel, every coin it had, for ever.
#[test]
fn a_funding_that_nobody_mines_binds_no_coin() {
    let (mut stranger, mut victim) = (Rig::new(1, 4), Rig::new(2, 3));
    let (channel, _) = open_unfunded(&mut stranger, &mut victim);
    victim.sent();
    victim.hear_fault(stranger.node(), channel, FaultCode::DataLost);
    victim.mine_empty(3);
    victim.close(channel, CloseMode::Force);
    victim.mine_empty(3);
    assert_eq!(victim.reserved(), 0);
    assert_eq!(victim.sent(), Vec::<Vec<_>>::new(), "nothing can be spent, so nothing leaves");
}

#[test]
fn a_forced_close_waits_for_its_funding_and_leaves_with_it() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let (channel, funding) = open_unfunded(&mut opener, &mut acceptor);
    opener.close(channel, CloseMode::Force);
    opener.mine_empty(2);
    assert_eq!(opener.reserved(), 0);
    assert!(opener.sent().iter().all(|package| *package == [funding.clone()]));

    opener.mine(vec![funding.clone()]);
    let sent = opener.sent();
    let [commitment, child] = sent.last().unwrap().as_slice() else { panic!("a package") };
    assert_eq!(commitment.input[0].previous_output.txid, funding.compute_txid());
    assert_eq!(child.input[0].previous_output.txid, commitment.compute_txid());
    assert!(opener.reserved() > 0);

    // A reorganisation takes the funding away: until it is mined again nothing is held.
    opener.unmine(1);
    opener.mine_empty(1);
    assert_eq!(opener.reserved(), 0);
}

/// The wallet and the builder of the child reckoned its size and its smallest change each for itself. A coin between the
/// two bounds was held for the close and then refused, so that the commitment went alone and was never mined.
#[test]
fn every_child_that_the_wallet_reckons_can_be_built() {
    let values: Vec<u64> = (0..12).map(|step| 900 + 731 * step).collect();
    let mut rig = Rig::new(1, 0);
    let coins = values.iter().map(|value| rig.payment(*value)).collect();
    rig.mine(coins);
    let purpose = Purpose::Bump(ChannelId::from_bytes([7; 32]));
    let mut made = [0_usize; 16];
    for rate in (1_000..60_000).step_by(37) {
        for (anchor, parent) in [(0, 209), (240, 252), (240, 7_992)] {
            let request = BumpRequest {
                purpose,
                parent_size: VBytes(parent),
                parent_fee: Sats::ZERO,
                anchor: Sats::new(anchor).unwrap(),
                fee_rate: FeeRate::from_sat_per_kvb(rate),
                worth: Sats::MAX,
            };
            let Ok((inputs, _)) = rig.engine.wallet.bump_inputs(&request) else { continue };
            let outpoint = OutPoint { txid: bitcoin::Txid::from_byte_array([3; 32]), vout: 0 };
            let child = child_of(&inputs, Coin { outpoint, value: request.anchor });
            assert_eq!(
                (child.fee(), inputs.size),
                (inputs.fee, AnchorChild::size_with(inputs.inputs.len()),)
            );
            made[inputs.inputs.len()] += 1;
            let _ = rig.engine.wallet.release(purpose);
        }
    }
    assert!(made[1] > 100 && made[2] > 100 && made[5] > 0, "{made:?}");
}

/// A peer opened small channels, had them closed by force, and each time this node paid for a commitment that gave it
/// nothing.
#[test]
fn nobody_pays_to_close_a_channel_that_brings_less() {
    let check = |paid_msat: u64, rate: u64, packages: usize| {
        let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
        let channel = open(&mut opener, &mut acceptor);
        if paid_msat > 0 {
            opener.pay(channel, 7, MilliSats::new(paid_msat).unwrap());
            talk(&mut opener, &mut acceptor);
        }
        acceptor.take(Input::FeeEstimate(FeeRate::from_sat_per_kvb(rate)));
        acceptor.sent();
        acceptor.hear_fault(opener.node(), channel, FaultCode::DataLost);
        let sent = acceptor.sent();
        let [package] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!(package.len(), packages, "{paid_msat} msat at {rate}");
        assert_eq!(acceptor.reserved() > 0, packages == 2);
        // It is looked at again each block: rates fall.
        acceptor.take(Input::FeeEstimate(FeeRate::from_sat_per_kvb(1_000)));
        acceptor.mine_empty(1);
        let again = if paid_msat > 400_000 { 2 } else { 1 };
        assert_eq!(acceptor.sent()[0].len(), again);
    };
    check(0, 1_000, 1);
    check(300_000, 1_000, 1);
    check(500_000_000, 100_000, 2);
    check(30_000_000, 100_000, 1);
}

/// The coins of a close that fees had made too dear were free at once, though mempools may have held its child: whatever
/// else they were chosen for would have had to outbid that first.
#[test]
fn coins_of_a_child_that_left_are_held_until_its_close_is_mined_at_depth() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut opener, &mut acceptor);
    opener.pay(channel, 7, MilliSats::from_const(30_000_000));
    talk(&mut opener, &mut acceptor);
    acceptor.sent();
    acceptor.close(channel, CloseMode::Force);
    let package = acceptor.sent().pop().expect("it leaves");
    assert_eq!(package.len(), 2, "with a child");
    acceptor.take(Input::FeeEstimate(FeeRate::from_sat_per_kvb(400_000)));
    acceptor.mine_empty(1);
    assert_eq!(acceptor.sent().pop().map(|package| package.len()), Some(1), "not worth it now");
    assert!(acceptor.reserved() > 0, "and yet its child may be mined");
    acceptor.mine(vec![package[0].clone()]);
    acceptor.mine_empty(10);
    assert!(acceptor.reserved() > 0, "a reorganisation may take the close away");
    acceptor.mine_empty(1);
    assert_eq!(acceptor.reserved(), 0);
}

/// A block held a commitment with its child, a reorganisation undid both, and the peer's commitment came instead: the child
/// was sent again at each block for ever, and its coin was never free.
#[test]
fn a_child_that_was_undone_with_its_parent_frees_its_coin() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut opener, &mut acceptor);
    acceptor.close(channel, CloseMode::Force);
    let theirs = acceptor.sent().concat().remove(0);
    opener.sent();
    opener.close(channel, CloseMode::Force);
    let package = opener.sent().pop().expect("the close leaves");
    let [_, child] = package.as_slice() else { panic!("{package:?}") };
    let coin = child.input[1].previous_output;
    let is_free =
        |rig: &Rig| rig.engine.wallet.confirmed_coins().iter().any(|free| free.outpoint == coin);
    for transaction in package.clone() {
        opener.mine(vec![transaction]);
    }
    opener.unmine(2);
    opener.mine(vec![theirs]);
    opener.mine_empty(10);
    assert!(!is_free(&opener), "the first commitment may come yet");
    opener.mine_empty(1);
    assert!(is_free(&opener), "none but the peer's has come");
    opener.sent();
    opener.mine_empty(1);
    assert!(opener.sent().concat().iter().all(|tx| tx.compute_txid() != child.compute_txid()));
}

/// Ten closes that the peer outran bound ten coins for a dozen blocks, and the eleventh had none to leave with.
#[test]
fn a_child_whose_parent_lost_the_race_binds_no_coin() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut opener, &mut acceptor);
    acceptor.close(channel, CloseMode::Force);
    let theirs = acceptor.sent().concat().remove(0);
    opener.close(channel, CloseMode::Force);
    assert!(opener.reserved() > 0);
    opener.mine(vec![theirs]);
    assert_eq!(opener.reserved(), 0);
    opener.unmine(1);
    opener.sent();
    opener.mine_empty(2);
    assert!(opener.reserved() > 0, "it races again");
    assert_eq!(opener.sent().pop().map(|package| package.len()), Some(2));
}

/// The acceptor closed by force, had nothing to pay for it with, and answered no proposal any more: its peer waited.
#[test]
fn who_closes_without_a_stake_asks_the_peer_who_has_one() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut opener, &mut acceptor);
    opener.sent();
    acceptor.close(channel, CloseMode::Force);
    talk(&mut opener, &mut acceptor);
    let sent = opener.sent();
    let [package] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(package.len(), 2, "the opener closes, and pays");
    acceptor.mine_empty(1);
    talk(&mut opener, &mut acceptor);
    assert!(opener.sent().is_empty(), "asked again it goes on as it does");
}

/// A channel whose close would have cost more than it brought kept its place among the channels for ever.
#[test]
fn a_close_that_brings_nothing_is_given_up_after_a_week() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut opener, &mut acceptor);
    acceptor.close(channel, CloseMode::Force);
    acceptor.mine_empty(1_006);
    assert!(acceptor.engine.channels.contains_key(&channel));
    acceptor.mine_empty(1);
    assert!(!acceptor.engine.channels.contains_key(&channel));
    assert_eq!(acceptor.engine.watchers.len(), 0);
}

#[test]
fn a_child_pays_more_when_fees_rise_or_the_close_waits_and_never_less() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut opener, &mut acceptor);
    opener.sent();
    let fee = |rig: &mut Rig| {
        let sent = rig.sent();
        let package = sent.last().expect("it leaves again each block");
        let [_, child] = package.as_slice() else { panic!("{package:?}") };
        let coins = child.input[1..].iter().map(|input| input.previous_output);
        let brought: u64 =
            coins.map(|coin| rig.engine.wallet.coin(coin).unwrap().value().to_sat()).sum();
        brought - child.output[0].value.to_sat()
    };
    opener.take(Input::FeeEstimate(FeeRate::from_sat_per_kvb(2_000)));
    opener.close(channel, CloseMode::Force);
    let first = fee(&mut opener);
    opener.take(Input::FeeEstimate(FeeRate::from_sat_per_kvb(20_000)));
    opener.mine_empty(1);
    let spike = fee(&mut opener);
    assert_eq!(spike, 10 * first);
    opener.take(Input::FeeEstimate(FeeRate::from_sat_per_kvb(1_000)));
    opener.mine_empty(1);
    assert_eq!(fee(&mut opener), spike, "fees fall, its fee does not");
    opener.take(Input::FeeEstimate(FeeRate::from_sat_per_kvb(20_000)));
    opener.mine_empty(17);
    assert_eq!(fee(&mut opener), 2 * spike, "whatever stands in its way is outbid in the end");
}

/// A dear close took no coin at all where it could have waited with a cheap child.
#[test]
fn a_wallet_with_too_little_for_the_rate_wanted_pays_what_it_can() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 0));
    acceptor.engine.config.accept_reserve = crate::ReserveRule::Waived;
    let coin = acceptor.payment(12_000);
    acceptor.mine(vec![coin]);
    opener.mine_empty(1);
    let channel = open(&mut opener, &mut acceptor);
    opener.pay(channel, 7, MilliSats::from_const(500_000_000));
    talk(&mut opener, &mut acceptor);
    acceptor.sent();
    acceptor.take(Input::FeeEstimate(FeeRate::from_sat_per_kvb(100_000)));
    acceptor.close(channel, CloseMode::Force);
    let sent = acceptor.sent();
    let [package] = sent.as_slice() else { panic!("{sent:?}") };
    let [_, child] = package.as_slice() else { panic!("a package") };
    assert!(child.output[0].value.to_sat() > 11_000, "what nodes still pass on");
}
