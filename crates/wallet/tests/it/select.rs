//! Coins for a funding transaction.

use bitcoin::Weight;
use strait_primitives::{ChannelId, FeeRate, Sats, VBytes};
use strait_wallet::{FEE_RATE_MAX, FundError, Purpose, SelectRequest, Selection};

use crate::world::{World, sats};

const OPENING: Purpose = Purpose::Opening(ChannelId::from_bytes([1; 32]));
/// Overhead and one taproot output.
const OTHER: Weight = Weight::from_wu(42 + 172);

fn request(amount: u64, sat_per_vb: u64) -> SelectRequest {
    SelectRequest {
        amount: sats(amount),
        other_weight: OTHER,
        fee_rate: FeeRate::from_sat_per_kvb(sat_per_vb * 1_000),
        keep: Sats::ZERO,
        inputs_max: 100,
        entropy: [9; 32],
    }
}

fn select(world: &mut World, request: &SelectRequest) -> Result<Selection, FundError> {
    let (selection, change) = world.wallet.select(request, OPENING)?;
    world.keep(change);
    Ok(selection)
}

/// Everything that must hold of a selection.
fn check(request: &SelectRequest, selection: &Selection) {
    let brought: u64 = selection.inputs.iter().map(|coin| coin.txout.value.to_sat()).sum();
    let back = selection.change.as_ref().map_or(0, |output| output.value.to_sat());
    assert_eq!(brought, request.amount.to_sat() + selection.fee.to_sat() + back);
    let inputs = 230 * u64::try_from(selection.inputs.len()).unwrap();
    let output = if selection.change.is_some() { 172 } else { 0 };
    let longer_count = if selection.inputs.len() > 252 { 8 } else { 0 };
    let size = (OTHER.to_wu() + inputs + output + longer_count).div_ceil(4);
    let least = request.fee_rate.fee(VBytes(size));
    assert!(selection.fee >= least, "{} paid where {least} is due", selection.fee);
    if selection.change.is_some() {
        assert_eq!(selection.fee, least, "with change the fee is exact");
        assert!(back >= 330);
    } else {
        let spare = request.fee_rate.fee(VBytes(44)).to_sat() + 330;
        assert!(selection.fee.to_sat() < least.to_sat() + spare, "change was worth an output");
    }
}

#[test]
fn a_selection_pays_the_amount_and_exactly_its_fee() {
    let values = [5_000, 12_000, 33_000, 150_000, 151_000, 990_000, 2_000_000];
    for amount in [1, 999, 32_000, 100_000, 149_000, 1_000_000, 3_000_000] {
        for rate in [0, 1, 7, 50] {
            let mut world = World::with_coins(&values);
            let request = request(amount, rate);
            let selection = select(&mut world, &request).unwrap();
            check(&request, &selection);
            let held: Vec<_> = selection.inputs.iter().map(|coin| coin.outpoint).collect();
            assert_eq!(world.wallet.reserved(OPENING), held);
            if let Some(change) = &selection.change {
                assert!(world.wallet.owns_script(&change.script_pubkey));
            }
            for outpoint in held {
                let input = world.wallet.psbt_input(outpoint).unwrap();
                assert!(input.tap_internal_key.is_some() && input.witness_utxo.is_some());
                assert_eq!(input.tap_key_origins.len(), 1);
            }
            world.check_law();
        }
    }
}

#[test]
fn hundreds_of_inputs_still_pay_their_fee() {
    let mut world = World::with_coins(&[1_000; 300]);
    let request = SelectRequest { inputs_max: 300, ..request(280_000, 1) };
    let (selection, change) = world.wallet.select(&request, OPENING).unwrap();
    world.keep(change);
    assert!(selection.inputs.len() > 252);
    check(&request, &selection);
}

#[test]
fn the_same_entropy_chooses_the_same_coins() {
    let values: Vec<u64> = (0..40).map(|step| 200_000 + 777 * step).collect();
    let choose = |entropy| {
        let mut world = World::with_coins(&values);
        select(&mut world, &SelectRequest { entropy, ..request(100_000, 3) }).unwrap()
    };
    assert_eq!(choose([1; 32]), choose([1; 32]));
    assert!((2..20).any(|seed| choose([seed; 32]) != choose([1; 32])));
}

#[test]
fn a_change_address_is_kept_for_its_purpose_and_comes_back_when_it_is_given_up() {
    let mut world = World::with_coins(&[100_000, 100_000, 100_000]);
    let first = select(&mut world, &request(50_000, 1)).unwrap().change.unwrap();
    let other = Purpose::Opening(ChannelId::from_bytes([2; 32]));
    let (second, change) = world.wallet.select(&request(50_000, 1), other).unwrap();
    world.keep(change);
    assert_ne!(first.script_pubkey, second.change.unwrap().script_pubkey);
    let change = world.wallet.release(OPENING);
    world.keep(change);
    world.restart();
    let third = select(&mut world, &request(50_000, 1)).unwrap().change.unwrap();
    assert_eq!(first.script_pubkey, third.script_pubkey);
    world.check_law();
}

#[test]
fn what_cannot_be_paid_is_refused_with_the_numbers_and_nothing_is_held() {
    let mut world = World::with_coins(&[40_000, 40_000, 100]);
    let before = world.wallet.state();
    let mut check = |request: SelectRequest, expect: FundError| {
        assert_eq!(world.wallet.select(&request, OPENING), Err(expect));
        assert_eq!(world.wallet.state(), before);
    };
    check(request(0, 1), FundError::Nothing);
    check(
        SelectRequest { fee_rate: FeeRate::from_sat_per_kvb(u64::MAX), ..request(1, 1) },
        FundError::FeeRate { limit: FEE_RATE_MAX, actual: FeeRate::from_sat_per_kvb(u64::MAX) },
    );
    check(
        SelectRequest { other_weight: Weight::MAX, ..request(1, 1) },
        FundError::TooHeavy { limit: Weight::from_wu(400_000), actual: Weight::MAX },
    );
    check(
        SelectRequest { inputs_max: 1, ..request(50_000, 1) },
        FundError::TooManyInputs { limit: 1, actual: 2 },
    );
    check(
        SelectRequest { keep: sats(50_000), ..request(39_000, 1) },
        FundError::Reserve { keep: sats(50_000), left: sats(40_100 + 1_000 - 154) },
    );
    let refused = world.wallet.select(&request(80_000, 1), OPENING);
    let Err(FundError::Insufficient { needed, available }) = refused else {
        panic!("{refused:?}");
    };
    assert!(needed > sats(80_000) && available == sats(80_100), "{needed} of {available}");
    assert!(world.wallet.select(&request(Sats::MAX.to_sat(), 1), OPENING).is_err());
}

#[test]
fn a_purpose_that_holds_coins_chooses_no_others() {
    let mut world = World::with_coins(&[40_000, 40_000]);
    let _selection = select(&mut world, &request(1_000, 1)).unwrap();
    let again = select(&mut world, &request(1_000, 1));
    assert_eq!(again, Err(FundError::AlreadyHeld { purpose: OPENING }));
}

#[test]
fn coins_that_cost_more_than_they_bring_stay_where_they_are() {
    let mut world = World::with_coins(&[2_000, 2_500, 60_000]);
    let selection = select(&mut world, &request(10_000, 50)).unwrap();
    let values: Vec<u64> = selection.inputs.iter().map(|coin| coin.value().to_sat()).collect();
    assert_eq!(values, [60_000]);
}
