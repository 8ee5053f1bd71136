//! Fees for transactions that carry none.

use strait_primitives::{ChannelId, FeeRate, Sats, VBytes};
use strait_wallet::{
    BUMP_COINS_MAX, BumpInputs, BumpRequest, COMMITMENT_VBYTES, FundError, Purpose, bump_reserve,
};

use crate::world::{World, output, sats, spend};

const RATE: FeeRate = FeeRate::from_sat_per_kvb(10_000);

fn channel(number: u8) -> Purpose {
    Purpose::Bump(ChannelId::from_bytes([number; 32]))
}

fn request(purpose: Purpose, fee_rate: FeeRate) -> BumpRequest {
    BumpRequest {
        purpose,
        parent_size: VBytes(252),
        parent_fee: Sats::ZERO,
        anchor: sats(240),
        fee_rate,
        worth: Sats::MAX,
    }
}

fn bump(world: &mut World, request: &BumpRequest) -> Result<BumpInputs, FundError> {
    let (inputs, change) = world.wallet.bump_inputs(request)?;
    if !change.is_empty() {
        world.keep(change);
    }
    Ok(inputs)
}

fn values(bump: &BumpInputs) -> Vec<u64> {
    let mut values: Vec<u64> = bump.inputs.iter().map(|coin| coin.value().to_sat()).collect();
    values.sort_unstable();
    values
}

#[test]
fn a_child_pays_for_both_from_the_smallest_coin_that_suffices() {
    let mut world = World::with_coins(&[3_000, 5_000, 200_000]);
    let child = bump(&mut world, &request(channel(1), RATE)).unwrap();
    assert_eq!(values(&child), [5_000]);
    assert_eq!(child.size, VBytes(153));
    assert_eq!(child.fee, RATE.fee(VBytes(252 + 153)));
    assert_eq!(child.change.value.to_sat(), 5_000 + 240 - child.fee.to_sat());
    assert!(world.wallet.owns_script(&child.change.script_pubkey));
    world.check_law();
}

#[test]
fn coins_join_when_none_suffices_alone() {
    let mut world = World::with_coins(&[2_000, 2_100, 2_200, 2_300, 600]);
    let child = bump(&mut world, &request(channel(1), RATE)).unwrap();
    assert_eq!(child.size, VBytes((42 + 165 + 172 + 230_u64 * 3).div_ceil(4)));
    assert_eq!(
        values(&child),
        [2_000, 2_200, 2_300],
        "the largest two, then the smallest that ends it"
    );
}

#[test]
fn a_higher_bid_spends_the_same_coins_first_and_pays_the_same_address() {
    let mut world = World::with_coins(&[5_000, 6_000, 400_000]);
    let low = bump(&mut world, &request(channel(1), RATE)).unwrap();
    world.restart();
    let high = bump(&mut world, &request(channel(1), FeeRate::from_sat_per_kvb(60_000))).unwrap();
    assert_eq!(values(&low), [5_000]);
    assert_eq!(values(&high), [5_000, 400_000]);
    assert_eq!(low.change.script_pubkey, high.change.script_pubkey);

    // Even if the first child was noted as a broadcast of ours, its coins are there to be spent again.
    let first = spend(low.inputs.iter().map(|coin| coin.outpoint), [low.change.clone()]);
    world.broadcast(&first);
    let again = bump(&mut world, &request(channel(1), FeeRate::from_sat_per_kvb(60_000))).unwrap();
    assert_eq!(again, high);
    world.mine(vec![first]);
    let after = bump(&mut world, &request(channel(1), RATE)).unwrap();
    assert_eq!(values(&after), [400_000], "a mined child's coin is gone");
    world.check_law();
}

#[test]
fn two_closings_take_two_coins_and_a_third_has_to_wait() {
    let mut world = World::with_coins(&[9_000, 9_000]);
    let first = bump(&mut world, &request(channel(1), RATE)).unwrap();
    let second = bump(&mut world, &request(channel(2), RATE)).unwrap();
    assert_ne!(first.inputs, second.inputs);
    let refused = bump(&mut world, &request(channel(3), RATE));
    assert!(matches!(refused, Err(FundError::Insufficient { .. })));

    let back = world.script();
    let child = spend(first.inputs.iter().map(|coin| coin.outpoint), [output(8_000, back)]);
    world.broadcast(&child);
    let refused = bump(&mut world, &request(channel(3), RATE));
    assert!(matches!(refused, Err(FundError::Insufficient { .. })), "only mined coins pay");
    world.mine(vec![child]);
    assert_eq!(values(&bump(&mut world, &request(channel(3), RATE)).unwrap()), [8_000]);
}

#[test]
fn a_child_never_outgrows_its_limit() {
    let mut world = World::with_coins(&[1_000; 40]);
    let refused = bump(&mut world, &request(channel(1), FeeRate::from_sat_per_kvb(15_000)));
    assert!(matches!(refused, Err(FundError::Insufficient { .. })), "{refused:?}");
    let child = bump(&mut world, &request(channel(1), FeeRate::from_sat_per_kvb(9_000))).unwrap();
    assert!(child.size <= VBytes(1_000) && child.inputs.len() > 5, "{child:?}");
}

#[test]
fn a_child_that_costs_more_than_its_parent_brings_is_not_made() {
    let check = |coins: &[u64], worth: u64, made: bool| {
        let mut world = World::with_coins(coins);
        let asked = BumpRequest { worth: sats(worth), ..request(channel(1), RATE) };
        match bump(&mut world, &asked) {
            Ok(child) => assert!(made && child.fee <= asked.worth),
            Err(error) => {
                assert!(!made && matches!(error, FundError::Unworthy { .. }), "{error}");
                assert_eq!(world.wallet.purposes(), [], "nothing is held");
            }
        }
    };
    // One input makes a child of 153 vB, three one of 268 vB; the parent has 252 vB.
    check(&[100_000], 4_050, true);
    check(&[100_000], 4_049, false);
    check(&[2_000, 2_200, 2_300], 5_200, true);
    check(&[2_000, 2_200, 2_300], 5_199, false);
}

#[test]
fn a_parent_that_pays_enough_still_gets_a_child_that_relays() {
    let mut world = World::with_coins(&[5_000]);
    let paid = BumpRequest { parent_fee: sats(1_000_000), ..request(channel(1), RATE) };
    let child = bump(&mut world, &paid).unwrap();
    assert_eq!(child.fee, FeeRate::RELAY_FLOOR.fee(child.size));
}

fn plain(channels: usize) -> Vec<VBytes> {
    vec![COMMITMENT_VBYTES; channels]
}

#[test]
fn the_reserve_counts_every_channel_and_asks_for_several_coins() {
    let check = |channels, amount, coins| {
        let reserve = bump_reserve(&plain(channels), RATE);
        assert_eq!((reserve.amount, reserve.coins), (sats(amount), coins));
    };
    check(0, 0, 0);
    check(1, 12_520, 1);
    check(3, 37_560, 3);
    check(100, 1_252_000, BUMP_COINS_MAX);
    assert_eq!(bump_reserve(&plain(2), FeeRate::from_sat_per_kvb(u64::MAX)).amount, Sats::MAX);
    assert_eq!(bump_reserve(&[VBytes(7_992)], RATE).amount, sats(89_920), "locks are paid for too");

    let covers = |coins: &[u64], channels| {
        World::with_coins(coins).wallet.covers(&bump_reserve(&plain(channels), RATE), &[])
    };
    let world = World::with_coins(&[20_000]);
    assert!(!world.wallet.covers(&bump_reserve(&plain(2), RATE), &[]));
    assert!(
        world.wallet.covers(&bump_reserve(&plain(2), RATE), &[sats(6_000)]),
        "with what is coming"
    );
    assert!(covers(&[], 0));
    assert!(covers(&[13_000], 1));
    assert!(!covers(&[12_000], 1));
    assert!(!covers(&[26_000], 2), "one coin closes one channel");
    assert!(!covers(&[26_000, 4_000], 2), "and this one is too small to close another");
    assert!(covers(&[20_000, 6_000], 2));
}
