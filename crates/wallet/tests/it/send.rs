//! Payments asked for by the operator.

use bitcoin::{ScriptBuf, TxOut, absolute};
use strait_primitives::FeeRate;
use strait_wallet::{
    AddressError, COMMITMENT_VBYTES, CoinSource, FeeReserve, FundError, Pay, Payment, SendRequest,
    bump_reserve,
};

use crate::world::{World, foreign_script, output, sats};

fn request(pay: Pay) -> SendRequest {
    SendRequest {
        pay,
        fee_rate: FeeRate::from_sat_per_kvb(2_000),
        keep: FeeReserve::NONE,
        coins: CoinSource::Confirmed,
        entropy: [5; 32],
    }
}

fn outputs(values: &[u64]) -> Pay {
    Pay::Outputs(values.iter().map(|value| output(*value, foreign_script())).collect())
}

fn send(world: &mut World, request: &SendRequest) -> Result<Payment, FundError> {
    let (payment, change) = world.wallet.send(request)?;
    world.keep(change);
    Ok(payment)
}

#[test]
fn a_payment_reaches_its_outputs_and_returns_the_rest() {
    let mut world = World::with_coins(&[30_000, 50_000]);
    let payment = send(&mut world, &request(outputs(&[20_000, 25_000]))).unwrap();
    let tx = &payment.psbt.unsigned_tx;
    let paid = |value| tx.output.contains(&output(value, foreign_script()));
    assert!(paid(20_000) && paid(25_000));
    assert_eq!(tx.lock_time, absolute::LockTime::from_height(1).unwrap());
    assert!(tx.is_explicitly_rbf());
    let change = payment.change.unwrap();
    let spent: u64 = payment.inputs.iter().map(|coin| coin.value().to_sat()).sum();
    assert_eq!(spent, 45_000 + change.value.to_sat() + payment.fee.to_sat());

    let tx = tx.clone();
    world.broadcast(&tx);
    assert_eq!(world.sums()[1], change.value.to_sat());
    world.mine(vec![tx]);
    assert_eq!(world.wallet.balance().total().to_sat(), 80_000 - 45_000 - payment.fee.to_sat());
    world.check_law();
}

#[test]
fn the_same_entropy_builds_the_same_transaction() {
    let build = |entropy| {
        let mut world = World::with_coins(&[30_000, 50_000, 70_000, 11_000]);
        let request = SendRequest { entropy, ..request(outputs(&[80_000, 1_000, 2_000])) };
        send(&mut world, &request).unwrap().psbt
    };
    assert_eq!(build([1; 32]), build([1; 32]));
    assert!((2..20).any(|seed| build([seed; 32]) != build([1; 32])));
}

#[test]
fn everything_leaves_nothing_but_what_must_be_kept() {
    let mut world = World::with_coins(&[30_000, 50_000, 70_000, 50]);
    let all = request(Pay::Everything(foreign_script()));
    let payment = send(&mut world, &all).unwrap();
    assert_eq!(payment.inputs.len(), 3, "the dust of 50 is not worth its fee");
    assert_eq!(payment.change, None);
    let paid = payment.psbt.unsigned_tx.output[0].value.to_sat();
    assert_eq!(paid, 150_000 - payment.fee.to_sat());

    let kept = SendRequest { keep: keep(31_000), ..all };
    let payment = send(&mut world, &kept).unwrap();
    assert_eq!(spent(&payment), [30_000, 70_000], "50,000 stay");
}

fn keep(sat: u64) -> FeeReserve {
    FeeReserve { amount: sats(sat), ..FeeReserve::NONE }
}

fn spent(payment: &Payment) -> Vec<u64> {
    let mut values: Vec<u64> = payment.inputs.iter().map(|coin| coin.value().to_sat()).collect();
    values.sort_unstable();
    values
}

/// What was kept for closes was dust that no child gains by, or change that no child may spend yet.
#[test]
fn what_a_payment_keeps_are_mined_coins_that_each_pay_for_a_close() {
    let rate = FeeRate::from_sat_per_kvb(20_000);
    let check = |coins: &[u64], pay: Pay, expect: Result<&[u64], FundError>| {
        let mut world = World::with_coins(coins);
        let keep = bump_reserve(&[COMMITMENT_VBYTES; 2], rate);
        assert_eq!(keep.amount, sats(50_080));
        let request = SendRequest { keep, ..request(pay) };
        let payment = send(&mut world, &request).map(|payment| spent(&payment));
        assert_eq!(payment, expect.map(<[u64]>::to_vec), "{coins:?}");
    };
    let all = || Pay::Everything(foreign_script());
    let short = |left| Err(FundError::Reserve { keep: sats(50_080), left: sats(left) });
    // At twenty satoshis a byte an input costs 1,160.
    let mut dusty = vec![1_160; 50];
    dusty.push(30_000);
    check(&dusty, all(), short(30_000));
    dusty.push(40_000);
    check(&dusty, all(), Ok(&[1_160; 50]));
    check(&[1_000_000], all(), Err(FundError::Nothing));
    check(&[900_000, 60_000], outputs(&[20_000]), Ok(&[900_000]));
    check(&[10_000, 20_000, 30_000, 40_000], all(), Ok(&[40_000]));
    check(&[9_000, 20_000, 60_000, 40_000], all(), Ok(&[9_000, 60_000]));
}

#[test]
fn own_change_on_its_way_is_spent_only_when_asked_for() {
    let mut world = World::with_coins(&[90_000]);
    let first = send(&mut world, &request(outputs(&[20_000]))).unwrap().psbt.unsigned_tx;
    world.broadcast(&first);
    let second = request(outputs(&[20_000]));
    assert!(matches!(send(&mut world, &second), Err(FundError::Insufficient { .. })));
    let pending = SendRequest { coins: CoinSource::ConfirmedOrOwnPending, ..second };
    let payment = send(&mut world, &pending).unwrap();
    assert_eq!(payment.inputs[0].outpoint.txid, first.compute_txid());
    assert_eq!(payment.inputs[0].confirmed_at, None);
}

#[test]
fn payments_that_cannot_be_are_refused() {
    let mut world = World::with_coins(&[40_000]);
    let before = world.wallet.state();
    let mut check = |request: SendRequest, expect: FundError| {
        assert_eq!(world.wallet.send(&request), Err(expect));
        assert_eq!(world.wallet.state(), before);
    };
    check(request(outputs(&[])), FundError::Nothing);
    check(request(outputs(&[293])), FundError::Dust { amount: sats(293), limit: sats(294) });
    check(request(outputs(&[1_000; 201])), FundError::TooManyOutputs { limit: 200, actual: 201 });
    check(
        SendRequest { keep: keep(50_000), ..request(Pay::Everything(foreign_script())) },
        FundError::Reserve { keep: sats(50_000), left: sats(40_000) },
    );
    check(
        SendRequest { keep: keep(40_000), ..request(Pay::Everything(foreign_script())) },
        FundError::Nothing,
    );
    let huge =
        TxOut { value: bitcoin::Amount::from_sat(u64::MAX), script_pubkey: ScriptBuf::new() };
    assert!(world.wallet.send(&request(Pay::Outputs(vec![huge.clone(), huge]))).is_err());
}

#[test]
fn addresses_of_other_networks_and_other_words_are_refused() {
    let mut world = World::new();
    let (own, change) = world.wallet.next_address();
    world.keep(change);
    assert_eq!(world.wallet.parse_address(&own.to_string()), Ok(own.script_pubkey()));
    let mainnet = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr";
    assert!(matches!(
        world.wallet.parse_address(mainnet),
        Err(AddressError::OtherNetwork { network: bitcoin::Network::Regtest })
    ));
    assert!(matches!(world.wallet.parse_address("alice"), Err(AddressError::Syntax(_))));
}
